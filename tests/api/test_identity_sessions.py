"""Sessions: known by hash only, answered from memory, ended at once and for good."""

import hashlib

import pytest

from api.identity.audit import SYSTEM_ACTOR
from tests.api.identity_world import (
    HOME,
    NS_PER_S,
    PASSWORD,
    START_NS,
    ManualClock,
    Statements,
    identity_world,
)

HOUR_S = 3_600


async def test_a_token_is_256_random_bits_and_tells_its_person(dsn: str) -> None:
    async with identity_world(dsn) as world:
        created = await world.create()
        issued = await world.sessions.login("liwei", PASSWORD, HOME)
        assert len(issued.token) == 43
        assert issued.token not in repr(issued)
        assert issued.expires_at_ns == START_NS + 12 * HOUR_S * NS_PER_S
        assert created.person_id == issued.person_id
        assert created.person_id == world.sessions.authenticate(issued.token)
        assert await world.token() != issued.token


async def test_a_token_is_nowhere_in_the_database(dsn: str) -> None:
    async with identity_world(dsn) as world:
        await world.create()
        token = await world.token()
        await world.sessions.sweep()
        for table in ("person", "session", "audit"):
            for (row,) in await world.rows(f"SELECT t::text FROM identity.{table} t"):
                assert token not in str(row)
                assert token.encode().hex() not in str(row)
        [(stored,)] = await world.rows("SELECT token_sha256 FROM identity.session")
        assert stored == hashlib.sha256(token.encode()).digest()


async def test_authenticating_asks_the_database_nothing(dsn: str) -> None:
    async with identity_world(dsn) as world:
        await world.create()
        token = await world.token()
        statements = Statements(world.engine)
        assert world.sessions.authenticate(token)
        assert world.sessions.authenticate("x" * 43) is None
        assert statements.count == 0


@pytest.mark.parametrize("token", ["", "x", "x" * 43, "碳" * 43, "\ud800" * 43, "y" * 1_000_000])
async def test_what_is_no_token_is_nobody(dsn: str, token: str) -> None:
    async with identity_world(dsn) as world:
        assert world.sessions.authenticate(token) is None
        assert not world.sessions.is_open(token)
        assert not await world.sessions.revoke(token)


async def test_no_changed_character_of_a_token_is_accepted(dsn: str) -> None:
    async with identity_world(dsn) as world:
        await world.create()
        token = await world.token()
        for place in range(len(token)):
            other = "A" if token[place] != "A" else "B"
            changed = token[:place] + other + token[place + 1 :]
            assert world.sessions.authenticate(changed) is None


async def test_sessions_survive_a_restart(dsn: str) -> None:
    clock = ManualClock()
    async with identity_world(dsn, clock) as world:
        created = await world.create()
        token = await world.token()
    async with identity_world(dsn, clock) as restarted:
        assert created.person_id == restarted.sessions.authenticate(token)


async def test_a_session_ends_after_its_absolute_time_however_used(dsn: str) -> None:
    clock = ManualClock()
    async with identity_world(dsn, clock) as world:
        await world.create()
        token = await world.token()
        for _ in range(11):
            clock.advance(HOUR_S)
            assert world.sessions.authenticate(token)
        await world.sessions.sweep()
        clock.advance(HOUR_S - 0.001)
        assert world.sessions.authenticate(token)
        clock.advance(0.001)
        assert world.sessions.authenticate(token) is None
    async with identity_world(dsn, clock) as restarted:
        assert restarted.sessions.authenticate(token) is None


async def test_a_session_ends_when_idle_for_two_hours(dsn: str) -> None:
    clock = ManualClock()
    async with identity_world(dsn, clock) as world:
        await world.create()
        token = await world.token()
        clock.advance(2 * HOUR_S - 0.001)
        assert world.sessions.authenticate(token)
        clock.advance(2 * HOUR_S)
        assert world.sessions.authenticate(token) is None
    async with identity_world(dsn, clock) as restarted:
        assert restarted.sessions.authenticate(token) is None


async def test_asking_whether_a_session_is_open_does_not_keep_it_open(dsn: str) -> None:
    async with identity_world(dsn) as world:
        await world.create()
        token = await world.token()
        world.clock.advance(HOUR_S)
        assert world.sessions.is_open(token)
        world.clock.advance(HOUR_S)
        assert not world.sessions.is_open(token)


async def test_idleness_is_counted_across_a_restart(dsn: str) -> None:
    clock = ManualClock()
    async with identity_world(dsn, clock) as world:
        await world.create()
        used, idle = await world.token(), await world.token()
        clock.advance(1.5 * HOUR_S)
        assert world.sessions.authenticate(used)
        await world.sessions.sweep()
    clock.advance(HOUR_S)
    async with identity_world(dsn, clock) as restarted:
        assert restarted.sessions.authenticate(used)
        assert restarted.sessions.authenticate(idle) is None


async def test_a_clock_set_back_does_not_shorten_or_end_a_session(dsn: str) -> None:
    async with identity_world(dsn) as world:
        await world.create()
        token = await world.token()
        world.clock.advance(-10)
        assert world.sessions.authenticate(token)
        world.clock.advance(10 + HOUR_S)
        assert world.sessions.authenticate(token)


async def test_a_revoked_session_is_refused_at_once_and_after_a_restart(dsn: str) -> None:
    async with identity_world(dsn) as world:
        created = await world.create()
        ended, kept = await world.token(), await world.token()
        assert await world.sessions.revoke(ended)
        assert world.sessions.authenticate(ended) is None
        assert created.person_id == world.sessions.authenticate(kept)
        assert not await world.sessions.revoke(ended)
    async with identity_world(dsn) as restarted:
        assert restarted.sessions.authenticate(ended) is None
        assert created.person_id == restarted.sessions.authenticate(kept)


async def test_a_revocation_holds_in_memory_while_the_database_is_away(dsn: str) -> None:
    async with identity_world(dsn) as world:
        await world.create()
        token = await world.token()
        statements = Statements(world.engine)
        statements.is_failing = True
        with pytest.raises(OSError, match="away"):
            await world.sessions.revoke(token)
        assert world.sessions.authenticate(token) is None
        statements.is_failing = False
        assert await world.sessions.revoke(token)
    async with identity_world(dsn) as restarted:
        assert restarted.sessions.authenticate(token) is None


async def test_revoking_a_person_ends_all_their_sessions_and_no_other(dsn: str) -> None:
    async with identity_world(dsn) as world:
        created, _ = await world.create("liwei"), await world.create("zhang")
        own, others = [await world.token("liwei") for _ in range(3)], await world.token("zhang")
        await world.sessions.revoke_person(created.person_id, actor=SYSTEM_ACTOR)
        assert [world.sessions.authenticate(token) for token in own] == [None] * 3
        assert world.sessions.authenticate(others)
        assert world.sessions.authenticate(await world.token("liwei"))


async def test_a_person_has_sixteen_sessions_and_the_oldest_makes_room(dsn: str) -> None:
    async with identity_world(dsn) as world:
        await world.create()
        tokens = []
        for _ in range(18):
            world.clock.advance(1)
            tokens.append(await world.token())
        is_open = [world.sessions.is_open(token) for token in tokens]
        assert is_open == [False] * 2 + [True] * 16
    async with identity_world(dsn, world.clock) as restarted:
        assert is_open == [restarted.sessions.is_open(token) for token in tokens]


async def test_a_sweep_forgets_what_has_run_out_and_writes_each_use_once(dsn: str) -> None:
    async with identity_world(dsn) as world:
        await world.create()
        used, _idle = await world.token(), await world.token()
        statements = Statements(world.engine)
        world.clock.advance(1.5 * HOUR_S)
        assert world.sessions.authenticate(used)
        await world.sessions.sweep()
        first = statements.count
        await world.sessions.sweep()
        assert statements.count - first < first
        world.clock.advance(HOUR_S)
        await world.sessions.sweep()
        assert world.sessions.count() == 1
        assert world.sessions.authenticate(used)


async def test_sessions_long_over_are_deleted_from_the_table(dsn: str) -> None:
    async with identity_world(dsn) as world:
        await world.create()
        await world.token()
        world.clock.advance(90 * 24 * HOUR_S)
        await world.sessions.sweep()
        assert await world.rows("SELECT count(*) FROM identity.session") == [(1,)]
        world.clock.advance(13 * HOUR_S)
        await world.sessions.sweep()
        assert await world.rows("SELECT count(*) FROM identity.session") == [(0,)]


async def test_logins_and_endings_are_in_the_audit_trail(dsn: str) -> None:
    async with identity_world(dsn) as world:
        person_id = (await world.create()).person_id
        token = await world.token()
        short = hashlib.sha256(token.encode()).hexdigest()[:16]
        await world.sessions.revoke(token)
        await world.sessions.revoke_person(person_id, actor=SYSTEM_ACTOR)
        entries = await world.rows(
            "SELECT actor_person_id, action, subject, detail FROM identity.audit"
            " WHERE seq > 1 ORDER BY seq"
        )
        assert entries == [
            (person_id, "session.opened", person_id, {"session": short, "address": HOME}),
            (person_id, "session.revoked", person_id, {"session": short}),
            (SYSTEM_ACTOR, "session.person_revoked", person_id, {}),
        ]
