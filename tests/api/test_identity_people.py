"""People are created, change their passwords and are disabled, each act with its audit entry."""

import asyncio

import pytest

from api.identity.audit import SYSTEM_ACTOR
from api.identity.errors import (
    DisplayNameInvalid,
    LoginInvalid,
    LoginRefused,
    LoginTaken,
    LoginThrottled,
    PasswordChangeRequired,
    PasswordTooWeak,
    PersonUnknown,
)
from api.identity.people import Person
from tests.api.identity_world import HOME, PASSWORD, START_NS, identity_world

NEW_PASSWORD = "a different staple"


async def test_a_created_person_is_listed_and_can_log_in(dsn: str) -> None:
    async with identity_world(dsn) as world:
        created = await world.create("LiWei")
        expected = Person(
            person_id=created.person_id,
            login="liwei",
            display_name="李伟",
            must_change_password=False,
            created_at_ns=START_NS,
            disabled_at_ns=None,
        )
        assert [expected] == await world.people.list_people()
        assert expected == await world.people.get(created.person_id)
        assert created.one_time_password is None
        session = await world.sessions.login("LIWEI", PASSWORD, HOME)
        assert session.person_id == created.person_id


async def test_the_password_is_stored_as_an_argon2id_hash_only(dsn: str) -> None:
    async with identity_world(dsn) as world:
        await world.create()
        [(row,)] = await world.rows("SELECT p::text FROM identity.person p")
        assert "$argon2id$" in str(row)
        assert PASSWORD not in str(row)


async def test_a_login_in_any_spelling_belongs_to_one_person(dsn: str) -> None:
    async with identity_world(dsn) as world:
        await world.create("liwei")
        for spelling in ("liwei", "LIWEI", "ｌｉｗｅｉ"):
            with pytest.raises(LoginTaken):
                await world.create(spelling)
        assert await world.rows("SELECT count(*) FROM identity.audit") == [(1,)]


async def test_of_many_who_ask_for_a_login_at_once_one_gets_it(dsn: str) -> None:
    async with identity_world(dsn) as world:
        asked = [world.create("liwei") for _ in range(8)]
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        assert sum(isinstance(outcome, LoginTaken) for outcome in outcomes) == 7
        assert len(await world.people.list_people()) == 1
        assert await world.audit.verify() is None


async def test_bad_input_creates_nobody(dsn: str) -> None:
    async with identity_world(dsn) as world:
        create = world.people.create_person
        with pytest.raises(LoginInvalid):
            await create("no spaces", "x", PASSWORD, actor=SYSTEM_ACTOR)
        with pytest.raises(DisplayNameInvalid):
            await create("liwei", " ", PASSWORD, actor=SYSTEM_ACTOR)
        with pytest.raises(PasswordTooWeak):
            await create("liwei", "x", "password1234", actor=SYSTEM_ACTOR)
        with pytest.raises(PasswordTooWeak):
            await create("liwei", "x", "", actor=SYSTEM_ACTOR)
        assert await world.people.list_people() == []
        assert (await world.audit.head()).seq == 0


async def test_a_one_time_password_opens_no_session_until_it_is_changed(dsn: str) -> None:
    async with identity_world(dsn) as world:
        created = await world.create(password=None)
        assert created.one_time_password is not None
        assert created.one_time_password not in repr(created)
        with pytest.raises(PasswordChangeRequired):
            await world.token(password=created.one_time_password)
        await world.people.change_password(
            "liwei", created.one_time_password, NEW_PASSWORD, address=HOME
        )
        assert world.sessions.authenticate(await world.token(password=NEW_PASSWORD))
        with pytest.raises(LoginRefused):
            await world.token(password=created.one_time_password)
        assert await world.rows("SELECT count(*) FROM identity.session") == [(1,)]


async def test_a_changed_password_ends_all_sessions(dsn: str) -> None:
    async with identity_world(dsn) as world:
        created = await world.create()
        tokens = [await world.token() for _ in range(2)]
        changed = await world.people.change_password("liwei", PASSWORD, NEW_PASSWORD, address=HOME)
        assert changed == created.person_id
        assert [world.sessions.authenticate(token) for token in tokens] == [None, None]
        with pytest.raises(LoginRefused):
            await world.token()
    async with identity_world(dsn) as restarted:
        assert [restarted.sessions.authenticate(token) for token in tokens] == [None, None]


@pytest.mark.parametrize("new", ["password1234", "short", PASSWORD, "liwei liwei liwei"])
async def test_a_weak_or_equal_new_password_changes_nothing(dsn: str, new: str) -> None:
    async with identity_world(dsn) as world:
        await world.create()
        token = await world.token()
        with pytest.raises(PasswordTooWeak):
            await world.people.change_password("liwei", PASSWORD, new, address=HOME)
        assert world.sessions.authenticate(token)


async def test_guessing_through_the_change_of_a_password_is_throttled_too(dsn: str) -> None:
    async with identity_world(dsn) as world:
        await world.create()
        for _ in range(5):
            with pytest.raises(LoginRefused):
                await world.people.change_password("liwei", "wrong", NEW_PASSWORD, address=HOME)
        with pytest.raises(LoginThrottled):
            await world.people.change_password("liwei", PASSWORD, NEW_PASSWORD, address=HOME)


async def test_a_reset_password_ends_sessions_and_must_be_changed(dsn: str) -> None:
    async with identity_world(dsn) as world:
        created = await world.create()
        token = await world.token()
        one_time = await world.people.reset_password(created.person_id, actor=SYSTEM_ACTOR)
        assert world.sessions.authenticate(token) is None
        with pytest.raises(PasswordChangeRequired):
            await world.token(password=one_time)
        with pytest.raises(LoginRefused):
            await world.token()


async def test_a_disabled_person_has_no_session_and_gets_none(dsn: str) -> None:
    async with identity_world(dsn) as world:
        created = await world.create()
        token = await world.token()
        await world.people.disable(created.person_id, actor=SYSTEM_ACTOR, reason="left the firm")
        assert world.sessions.authenticate(token) is None
        with pytest.raises(LoginRefused):
            await world.token()
        assert (await world.people.get(created.person_id)).disabled_at_ns == START_NS
    async with identity_world(dsn) as restarted:
        assert restarted.sessions.authenticate(token) is None


async def test_a_disabled_person_is_not_told_that_the_password_was_right(dsn: str) -> None:
    async with identity_world(dsn) as world:
        created = await world.create(password=None)
        await world.people.disable(created.person_id, actor=SYSTEM_ACTOR)
        with pytest.raises(LoginRefused):
            await world.token(password=created.one_time_password or "")


async def test_disabling_twice_is_disabling_once(dsn: str) -> None:
    async with identity_world(dsn) as world:
        created = await world.create()
        await world.people.disable(created.person_id, actor=SYSTEM_ACTOR)
        world.clock.advance(60)
        await world.people.disable(created.person_id, actor=SYSTEM_ACTOR)
        assert (await world.people.get(created.person_id)).disabled_at_ns == START_NS
        assert (await world.audit.head()).seq == 2


async def test_an_unknown_person_is_named_as_such(dsn: str) -> None:
    async with identity_world(dsn) as world:
        with pytest.raises(PersonUnknown):
            await world.people.get("p-aaaaaaaaaaaa")
        with pytest.raises(PersonUnknown):
            await world.people.disable("p-aaaaaaaaaaaa", actor=SYSTEM_ACTOR)
        with pytest.raises(PersonUnknown):
            await world.people.reset_password("p-aaaaaaaaaaaa", actor=SYSTEM_ACTOR)


async def test_a_person_is_found_by_any_spelling_of_the_login(dsn: str) -> None:
    async with identity_world(dsn) as world:
        created = await world.create("liwei")
        assert (await world.people.find("ＬｉWei")).person_id == created.person_id
        with pytest.raises(PersonUnknown):
            await world.people.find("zhang")


async def test_people_are_listed_page_by_page(dsn: str) -> None:
    async with identity_world(dsn) as world:
        for login in ("chen", "bao", "deng", "an1"):
            await world.create(login)
        first = await world.people.list_people(limit=3)
        rest = await world.people.list_people(after_login=first[-1].login, limit=3)
        assert [one.login for one in first] == ["an1", "bao", "chen"]
        assert [one.login for one in rest] == ["deng"]


async def test_every_act_is_in_the_audit_trail_with_its_actor(dsn: str) -> None:
    async with identity_world(dsn) as world:
        operator = (await world.create("operator.one")).person_id
        created = await world.people.create_person("liwei", "李伟", None, actor=operator)
        person_id, one_time = created.person_id, created.one_time_password or ""
        await world.people.change_password("liwei", one_time, NEW_PASSWORD, address=HOME)
        await world.people.reset_password(person_id, actor=operator)
        await world.people.disable(person_id, actor=operator, reason="left")
        acts = await world.rows(
            "SELECT actor_person_id, action, subject FROM identity.audit ORDER BY seq"
        )
        assert acts == [
            (SYSTEM_ACTOR, "person.created", operator),
            (operator, "person.created", person_id),
            (person_id, "person.password_changed", person_id),
            (operator, "person.password_reset", person_id),
            (operator, "person.disabled", person_id),
        ]
        [(trail,)] = await world.rows("SELECT string_agg(a::text, '') FROM identity.audit a")
        assert one_time not in str(trail)
        assert NEW_PASSWORD not in str(trail)
        assert await world.audit.verify() is None
