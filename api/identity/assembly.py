"""The package put together: what a server opens at start and closes at its end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from api.identity.audit import AuditTrail
from api.identity.credentials import Credentials
from api.identity.database import open_database
from api.identity.passwords import Passwords
from api.identity.people import People
from api.identity.sessions import IDLE_S, TTL_S, Sessions
from api.identity.tables import Clock
from api.identity.throttle import LoginThrottle


@dataclass(frozen=True, slots=True)
class Identity:
    """The parts that a server works with; `engine` is for health checks and metrics."""

    engine: AsyncEngine
    people: People
    sessions: Sessions
    audit: AuditTrail


@asynccontextmanager
async def open_identity(
    dsn: str,
    clock: Clock,
    *,
    passwords: Passwords | None = None,
    ttl_s: int = TTL_S,
    idle_s: int = IDLE_S,
) -> AsyncIterator[Identity]:
    """Opens the package on a migrated database, with the open sessions in memory.

    `clock` is the machine's, also where market time leaps: a leap would end every session. Call
    `sessions.sweep` about once a minute and once at the end. Raises as the driver does if the
    database is away. Other `passwords` are closed at the end like its own.
    """
    passwords = Passwords() if passwords is None else passwords
    engine = open_database(dsn)
    try:
        credentials = Credentials(engine, passwords, LoginThrottle(clock))
        audit = AuditTrail(engine, clock)
        sessions = Sessions(engine, credentials, audit, clock, ttl_s=ttl_s, idle_s=idle_s)
        await sessions.load()
        people = People(
            engine,
            passwords=passwords,
            credentials=credentials,
            sessions=sessions,
            audit=audit,
            clock=clock,
        )
        yield Identity(engine, people, sessions, audit)
    finally:
        passwords.close()
        await engine.dispose()
