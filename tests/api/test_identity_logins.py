"""Logging in: one answer for every refusal, growing delays, and no race that opens a session."""

import asyncio

import pytest

from api.identity.audit import SYSTEM_ACTOR
from api.identity.errors import LoginRefused, LoginThrottled
from api.identity.passwords import Passwords
from tests.api.identity_world import (
    HOME,
    PASSWORD,
    GatedHasher,
    Statements,
    World,
    cheap_hasher,
    identity_world,
)


@pytest.mark.parametrize(
    "fail_at",
    ["SELECT identity.person", "INSERT INTO identity.session", "INSERT INTO identity.audit"],
)
async def test_a_login_that_was_not_stored_opens_nothing(dsn: str, fail_at: str) -> None:
    async with identity_world(dsn) as world:
        await world.create()
        statements = Statements(world.engine)
        statements.fail_at, statements.is_failing = fail_at, True
        for _ in range(10):
            with pytest.raises(OSError, match="away"):
                await world.token()
        assert world.sessions.count() == 0
        assert await world.rows("SELECT count(*) FROM identity.session") == [(0,)]
        statements.is_failing = False
        assert world.sessions.authenticate(await world.token())


async def test_a_person_disabled_while_their_password_is_checked_gets_no_session(dsn: str) -> None:
    hasher = GatedHasher()
    async with identity_world(dsn, passwords=Passwords(hasher)) as world:
        created = await world.create()
        login = await login_inside_the_check(world, hasher)
        await world.people.disable(created.person_id, actor=SYSTEM_ACTOR)
        hasher.gate.set()
        with pytest.raises(LoginRefused):
            await login
        assert await world.rows("SELECT count(*) FROM identity.session") == [(0,)]


async def test_a_password_reset_while_the_old_one_is_checked_gives_no_session(dsn: str) -> None:
    hasher = GatedHasher()
    async with identity_world(dsn, passwords=Passwords(hasher)) as world:
        created = await world.create()
        login = await login_inside_the_check(world, hasher)
        await world.people.reset_password(created.person_id, actor=SYSTEM_ACTOR)
        hasher.gate.set()
        with pytest.raises(LoginRefused):
            await login


async def login_inside_the_check(world: World, hasher: GatedHasher) -> "asyncio.Task[object]":
    """A login whose password is being checked, until the gate opens."""
    hasher.gate.clear()
    hasher.reached.clear()
    login = asyncio.create_task(world.sessions.login("liwei", PASSWORD, HOME))
    await asyncio.to_thread(hasher.reached.wait, 10)
    return login


async def test_no_race_of_logins_and_disabling_leaves_a_session_open(dsn: str) -> None:
    async with identity_world(dsn) as world:
        for trial in range(20):
            login = f"racer{trial}"
            created = await world.create(login)
            tries = [asyncio.create_task(world.token(login)) for _ in range(3)]
            for _ in range(trial * 3):
                await asyncio.sleep(0)
            await world.people.disable(created.person_id, actor=SYSTEM_ACTOR)
            outcomes = await asyncio.gather(*tries, return_exceptions=True)
            tokens = [outcome for outcome in outcomes if isinstance(outcome, str)]
            refusals = [outcome for outcome in outcomes if isinstance(outcome, LoginRefused)]
            assert len(tokens) + len(refusals) == 3
            assert not any(world.sessions.is_open(token) for token in tokens)
        assert await world.rows(
            "SELECT count(*) FROM identity.session WHERE revoked_at IS NULL"
        ) == [(0,)]


async def test_unknown_wrong_and_disabled_get_one_answer_for_the_same_work(dsn: str) -> None:
    hasher = GatedHasher()
    hasher.gate.set()
    async with identity_world(dsn, passwords=Passwords(hasher)) as world:
        await world.create("liwei")
        disabled = await world.create("zhang")
        await world.people.disable(disabled.person_id, actor=SYSTEM_ACTOR)
        answers = []
        for login, password in (
            ("liwei", "wrong"),
            ("zhang", PASSWORD),
            ("nobody", PASSWORD),
            ("no login at all", PASSWORD),
        ):
            before = hasher.checks
            with pytest.raises(LoginRefused) as refused:
                await world.sessions.login(login, password, HOME)
            answers.append((str(refused.value), refused.value.code, hasher.checks - before))
        assert len(set(answers)) == 1
        assert answers[0][2] == 1


async def test_after_five_wrong_passwords_even_the_right_one_waits(dsn: str) -> None:
    async with identity_world(dsn) as world:
        await world.create()
        for _ in range(5):
            with pytest.raises(LoginRefused):
                await world.token(password="wrong")
        with pytest.raises(LoginThrottled) as refused:
            await world.token()
        assert refused.value.retry_after_ms == 1_000
        world.clock.advance(1)
        assert world.sessions.authenticate(await world.token())


async def test_a_stranger_cannot_keep_a_person_out_who_is_logged_in_elsewhere(dsn: str) -> None:
    async with identity_world(dsn) as world:
        await world.create()
        await world.token()
    async with identity_world(dsn) as restarted:
        for _ in range(5):
            with pytest.raises(LoginRefused):
                await restarted.sessions.login("liwei", "wrong", "198.51.100.4")
        with pytest.raises(LoginThrottled):
            await restarted.sessions.login("liwei", PASSWORD, "198.51.100.4")
        assert restarted.sessions.authenticate(await restarted.token())


async def test_refused_logins_are_on_record_in_one_entry_per_sweep(dsn: str) -> None:
    async with identity_world(dsn) as world:
        created = await world.create()
        for login in ("liwei", "liwei", "nobody", "not a login"):
            with pytest.raises(LoginRefused):
                await world.sessions.login(login, "wrong", HOME)
        await world.sessions.sweep()
        await world.sessions.sweep()
        [(detail,)] = await world.rows(
            "SELECT detail FROM identity.audit WHERE action = 'login.refused'"
        )
        assert detail == {
            "persons": {created.person_id: 2},
            "other_persons": 0,
            "unknown_logins": 2,
            "throttled": 0,
        }


async def test_a_login_renews_a_hash_of_another_cost_and_keeps_its_sessions(dsn: str) -> None:
    async with identity_world(dsn) as world:
        await world.create()
        token = await world.token()
        before = await world.rows("SELECT password_hash FROM identity.person")
    async with identity_world(dsn, passwords=Passwords(cheap_hasher(passes=2))) as dearer:
        both = await asyncio.gather(dearer.token(), dearer.token())
        after = await dearer.rows("SELECT password_hash FROM identity.person")
        assert before != after
        assert "t=2" in str(after)
        assert dearer.sessions.is_open(token)
        assert all(dearer.sessions.is_open(one) for one in both)
        assert await dearer.token()
