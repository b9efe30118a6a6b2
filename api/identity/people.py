"""People: who may log in at all. Their roles and keys are journaled elsewhere, under the same ids.

A person is never deleted, only disabled: the journal and the audit trail go on naming the id. Every
change is one transaction with its audit entry; a change of password or a disabling ends the
person's sessions in that same transaction.
"""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api.identity.audit import AuditTrail, JsonObject
from api.identity.credentials import Credentials, lock_unchanged
from api.identity.errors import LoginTaken, PasswordTooWeak, PersonUnknown
from api.identity.names import new_person_id, normalise_display_name, normalise_login
from api.identity.passwords import Passwords, new_one_time_password, require_strong
from api.identity.sessions import MAX_ADDRESS_CHARS, Sessions
from api.identity.tables import Clock, person, to_ns, to_timestamp

MAX_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Person:
    """What may be shown of a person; instants in nanoseconds."""

    person_id: str
    login: str
    display_name: str
    must_change_password: bool
    created_at_ns: int
    disabled_at_ns: int | None


@dataclass(frozen=True, slots=True)
class CreatedPerson:
    """A new person and, if none was given, the one-time password: told once, stored nowhere."""

    person_id: str
    login: str
    one_time_password: str | None = field(repr=False)


class People:
    """Creates and changes people; `actor` is the acting person's id or SYSTEM_ACTOR."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        passwords: Passwords,
        credentials: Credentials,
        sessions: Sessions,
        audit: AuditTrail,
        clock: Clock,
    ) -> None:
        self._engine = engine
        self._passwords = passwords
        self._credentials = credentials
        self._sessions = sessions
        self._audit = audit
        self._clock = clock

    async def create_person(
        self, login: str, display_name: str, password: str | None = None, *, actor: str
    ) -> CreatedPerson:
        """Without a password a one-time password is made, which must be changed to log in.

        Raises LoginInvalid, DisplayNameInvalid, PasswordTooWeak, LoginTaken or PasswordsBusy.
        """
        login = normalise_login(login)
        display_name = normalise_display_name(display_name)
        one_time_password = None if password is not None else new_one_time_password()
        if password is not None:
            require_strong(password, login)
        row = {
            "person_id": new_person_id(),
            "login": login,
            "display_name": display_name,
            "password_hash": await self._passwords.hash(password or one_time_password or ""),
            "password_version": 1,
            "must_change_password": password is None,
            "created_at": to_timestamp(self._clock()),
        }
        person_id = str(row["person_id"])
        async with self._engine.begin() as connection:
            unless_taken = (
                insert(person).values(row).on_conflict_do_nothing(index_elements=[person.c.login])
            )
            if (await connection.execute(unless_taken)).rowcount == 0:
                raise LoginTaken
            await self._audit.record_within(
                connection, actor, "person.created", person_id, {"login": login}
            )
        return CreatedPerson(person_id, login, one_time_password)

    async def change_password(self, login: str, current: str, new: str, *, address: str) -> str:
        """Needs no session, so that a one-time password never opens one. Gives the person's id.

        Raises LoginRefused, LoginThrottled, PasswordsBusy or PasswordTooWeak.
        """
        verified = await self._credentials.check(login, current, address)
        require_strong(new, verified.login)
        if new == current:
            raise PasswordTooWeak(
                "The new password differs from the current one.", "新密码不得与当前密码相同。"
            )
        password_hash = await self._passwords.hash(new)
        try:
            async with self._engine.begin() as connection:
                await lock_unchanged(connection, verified)
                await self._replace_password(
                    connection, verified.person_id, password_hash, must_change=False
                )
                await self._audit.record_within(
                    connection,
                    verified.person_id,
                    "person.password_changed",
                    verified.person_id,
                    {"address": address[:MAX_ADDRESS_CHARS]},
                )
        finally:
            self._sessions.forget_person(verified.person_id)
        return verified.person_id

    async def reset_password(self, person_id: str, *, actor: str) -> str:
        """A one-time password for someone who lost theirs. Raises PersonUnknown, PasswordsBusy."""
        one_time_password = new_one_time_password()
        password_hash = await self._passwords.hash(one_time_password)
        try:
            async with self._engine.begin() as connection:
                await self._replace_password(connection, person_id, password_hash, must_change=True)
                await self._audit.record_within(
                    connection, actor, "person.password_reset", person_id, {}
                )
        finally:
            self._sessions.forget_person(person_id)
        return one_time_password

    async def disable(self, person_id: str, *, actor: str, reason: str = "") -> None:
        """Ends the person's sessions and refuses new ones; twice is once. Raises PersonUnknown."""
        detail: JsonObject = {"reason": reason}
        try:
            async with self._engine.begin() as connection:
                row = await _lock(connection, person_id)
                if row.disabled_at is not None:
                    return
                await connection.execute(
                    update(person)
                    .where(person.c.person_id == person_id)
                    .values(disabled_at=to_timestamp(self._clock()))
                )
                await self._sessions.revoke_person_within(connection, person_id)
                await self._audit.record_within(
                    connection, actor, "person.disabled", person_id, detail
                )
        finally:
            self._sessions.forget_person(person_id)

    async def get(self, person_id: str) -> Person:
        """Raises PersonUnknown."""
        async with self._engine.connect() as connection:
            query = select(person).where(person.c.person_id == person_id)
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise PersonUnknown
        return _shown(row)

    async def find(self, login: str) -> Person:
        """The person who logs in as `login`. Raises LoginInvalid or PersonUnknown."""
        async with self._engine.connect() as connection:
            query = select(person).where(person.c.login == normalise_login(login))
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise PersonUnknown
        return _shown(row)

    async def list_people(self, *, after_login: str = "", limit: int = MAX_PAGE) -> list[Person]:
        """In the order of logins, from the first one after `after_login`; at most MAX_PAGE."""
        query = select(person).where(person.c.login > after_login).order_by(person.c.login)
        async with self._engine.connect() as connection:
            rows = (await connection.execute(query.limit(min(limit, MAX_PAGE)))).all()
        return [_shown(row) for row in rows]

    async def _replace_password(
        self, connection: AsyncConnection, person_id: str, password_hash: str, *, must_change: bool
    ) -> None:
        row = await _lock(connection, person_id)
        await connection.execute(
            update(person)
            .where(person.c.person_id == person_id)
            .values(
                password_hash=password_hash,
                password_version=row.password_version + 1,
                must_change_password=must_change,
            )
        )
        await self._sessions.revoke_person_within(connection, person_id)


async def _lock(connection: AsyncConnection, person_id: str) -> Row[Any]:
    query = select(person).where(person.c.person_id == person_id)
    row = (await connection.execute(query.with_for_update(key_share=True))).one_or_none()
    if row is None:
        raise PersonUnknown
    return row


def _shown(row: Row[Any]) -> Person:
    return Person(
        person_id=row.person_id,
        login=row.login,
        display_name=row.display_name,
        must_change_password=row.must_change_password,
        created_at_ns=to_ns(row.created_at),
        disabled_at_ns=None if row.disabled_at is None else to_ns(row.disabled_at),
    )
