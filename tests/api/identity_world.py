"""The identity package on a real database, with a clock the test moves and cheap hashes."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import argon2
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine

from api.identity.assembly import open_identity
from api.identity.audit import SYSTEM_ACTOR, AuditTrail
from api.identity.passwords import Passwords
from api.identity.people import CreatedPerson, People
from api.identity.sessions import Sessions

PASSWORD = "correct horse battery"
HOME = "192.0.2.7"
NS_PER_S = 1_000_000_000
START_NS = 1_767_229_200 * NS_PER_S


class ManualClock:
    def __init__(self, now_ns: int = START_NS) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        return self.now_ns

    def advance(self, seconds: float) -> None:
        self.now_ns += round(seconds * NS_PER_S)


def cheap_hasher(passes: int = 1) -> argon2.PasswordHasher:
    return argon2.PasswordHasher(time_cost=passes, memory_cost=8, parallelism=1)


class GatedHasher:
    """Argon2 whose checks wait in their threads while the gate is shut; counts them."""

    def __init__(self) -> None:
        self._argon2 = cheap_hasher()
        self.gate = threading.Event()
        self.reached = threading.Event()
        self.checks = 0

    def hash(self, password: bytes, /) -> str:
        return self._argon2.hash(password)

    def verify(self, stored: str, password: bytes, /) -> bool:
        self.checks += 1
        self.reached.set()
        assert self.gate.wait(10)
        return self._argon2.verify(stored, password)

    def check_needs_rehash(self, stored: str, /) -> bool:
        return self._argon2.check_needs_rehash(stored)


class Statements:
    """Counts the statements of an engine, and can fail those that hold a text."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.count = 0
        self.is_failing = False
        self.fail_at = ""
        event.listen(engine.sync_engine, "before_cursor_execute", self._before)

    def _before(self, _connection: object, _cursor: object, statement: str, *_: object) -> None:
        self.count += 1
        if self.is_failing and self.fail_at in statement:
            raise OSError("the database is away")


@dataclass
class World:
    engine: AsyncEngine
    clock: ManualClock
    audit: AuditTrail
    sessions: Sessions
    people: People

    async def create(self, login: str = "liwei", password: str | None = PASSWORD) -> CreatedPerson:
        return await self.people.create_person(login, "李伟", password, actor=SYSTEM_ACTOR)

    async def token(self, login: str = "liwei", password: str = PASSWORD) -> str:
        return (await self.sessions.login(login, password, HOME)).token

    async def rows(self, statement: str) -> list[tuple[object, ...]]:
        async with self.engine.connect() as connection:
            return [tuple(row) for row in await connection.execute(text(statement))]


@asynccontextmanager
async def identity_world(
    dsn: str, clock: ManualClock | None = None, passwords: Passwords | None = None
) -> AsyncIterator[World]:
    """A process's view of the database; a second one on the same dsn is the process restarted."""
    clock = ManualClock() if clock is None else clock
    passwords = Passwords(cheap_hasher()) if passwords is None else passwords
    async with open_identity(dsn, clock, passwords=passwords) as identity:
        yield World(identity.engine, clock, identity.audit, identity.sessions, identity.people)
