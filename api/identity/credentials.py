"""From login and password to a person: throttled, in constant work, and silent about who exists.

An unknown login, a wrong password and a disabled person cost the same work and get the same answer.
Refusals are counted here and written to the audit trail in one entry per sweep, so that an attack
is on record and yet cannot fill the trail.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api.identity.audit import JsonObject
from api.identity.errors import LoginInvalid, LoginRefused, LoginThrottled, PasswordsBusy
from api.identity.names import normalise_login
from api.identity.passwords import Passwords
from api.identity.tables import person
from api.identity.throttle import LoginThrottle

MAX_PERSONS_IN_TALLY = 50


@dataclass(frozen=True, slots=True)
class VerifiedPerson:
    """Someone who has just shown the password that stood under `password_version`."""

    person_id: str
    login: str
    password_version: int
    must_change_password: bool


class Credentials:
    """The only place where a password is checked."""

    def __init__(self, engine: AsyncEngine, passwords: Passwords, throttle: LoginThrottle) -> None:
        self._engine = engine
        self._passwords = passwords
        self._throttle = throttle
        self._refused: Counter[str] = Counter()
        self._refused_unknown = 0
        self._throttled = 0

    async def check(self, login: str, password: str, address: str) -> VerifiedPerson:
        """Raises LoginRefused, LoginThrottled or PasswordsBusy."""
        name = _normalised_or_none(login)
        try:
            self._throttle.charge(name, address)
        except LoginThrottled:
            self._throttled += 1
            raise
        try:
            verified = await self._verify(name, password)
        except (PasswordsBusy, SQLAlchemyError, OSError):
            self._throttle.refund(name, address)  # not the caller's failure
            raise
        self._throttle.succeed(verified.login, address)
        return verified

    def trust(self, login: str, address: str) -> None:
        """Strangers' guesses at this login do not delay it at this address (see throttle)."""
        self._throttle.trust(login, address)

    def take_refusals(self) -> JsonObject | None:
        """What was refused since the last call, by person; None when nothing was."""
        if not self._refused and not self._refused_unknown and not self._throttled:
            return None
        persons = dict(self._refused.most_common(MAX_PERSONS_IN_TALLY))
        rest = self._refused.total() - sum(persons.values())
        tally: JsonObject = {
            "persons": persons,
            "other_persons": rest,
            "unknown_logins": self._refused_unknown,
            "throttled": self._throttled,
        }
        self._refused.clear()
        self._refused_unknown = self._throttled = 0
        return tally

    async def _verify(self, login: str | None, password: str) -> VerifiedPerson:
        record = await self._find(login)
        stored = None if record is None else record.password_hash
        is_right = await self._passwords.verify(stored, password)
        if record is None:
            self._refused_unknown += 1
            raise LoginRefused
        if not is_right or record.disabled_at is not None:
            self._refused[record.person_id] += 1
            raise LoginRefused
        if self._passwords.is_outdated(record.password_hash):
            await self._hash_anew(record, password)
        return VerifiedPerson(
            person_id=record.person_id,
            login=record.login,
            password_version=record.password_version,
            must_change_password=record.must_change_password,
        )

    async def _find(self, login: str | None) -> "Row[Any] | None":
        query = select(person).where(person.c.login == (login or ""))
        async with self._engine.connect() as connection:
            return (await connection.execute(query)).one_or_none()

    async def _hash_anew(self, record: "Row[Any]", password: str) -> None:
        password_hash = await self._passwords.hash(password)
        same_password = (person.c.person_id == record.person_id) & (
            person.c.password_version == record.password_version
        )
        async with self._engine.begin() as connection:
            await connection.execute(
                update(person).where(same_password).values(password_hash=password_hash)
            )


async def lock_unchanged(connection: AsyncConnection, verified: VerifiedPerson) -> None:
    """Locks the person's row for this transaction.

    Raises LoginRefused if they were disabled or got another password since the check: hashing takes
    long enough for that to happen in between.
    """
    query = (
        select(person.c.person_id)
        .where(person.c.person_id == verified.person_id)
        .where(person.c.password_version == verified.password_version)
        .where(person.c.disabled_at.is_(None))
        .with_for_update(key_share=True)
    )
    if (await connection.execute(query)).one_or_none() is None:
        raise LoginRefused


def _normalised_or_none(login: str) -> str | None:
    try:
        return normalise_login(login)
    except LoginInvalid:
        return None
