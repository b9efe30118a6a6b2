"""Connections to PostgreSQL: one address, one pool per role.

Every component connects with the same login and gives up its rights at once: the role stands in
the startup message, so that no statement ever runs with more, and a reset of the session keeps it.

- `normalise_dsn` accepts what people write (postgres://, postgresql://, postgresql+asyncpg://).
- `sqlalchemy_url` says the same to SQLAlchemy.
- What is refused for good (no such database, wrong password) fails at once; an unreachable server
  is waited for.
"""

import asyncio
import time

import asyncpg
from sqlalchemy import URL, make_url

CONNECT_TIMEOUT_S = 5.0
RETRY_S = 0.1
_SCHEMES = ("postgres", "postgresql", "postgresql+asyncpg")


class DatabaseUnavailable(Exception):
    """The database cannot be used; the message is one line, without the password."""


async def open_pool(dsn: str, role: str, *, min_size: int, max_size: int) -> asyncpg.Pool:
    """A pool whose sessions act as `role`, in UTC. Close it at the end.

    Raises DatabaseUnavailable if no connection can be had.
    """
    try:
        return await asyncpg.create_pool(
            normalise_dsn(dsn),
            min_size=min_size,
            max_size=max_size,
            timeout=CONNECT_TIMEOUT_S,
            server_settings={"role": role, "timezone": "UTC", "application_name": role},
        )
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise DatabaseUnavailable(_one_line(dsn, error)) from error


async def wait_until_reachable(dsn: str, timeout_s: float) -> None:
    """Return once the database accepts a session.

    Raises DatabaseUnavailable at once if it refuses for good, and after `timeout_s` if it does
    not answer or is still starting up.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        left_s = max(RETRY_S, deadline - time.monotonic())
        try:
            connection = await asyncpg.connect(
                normalise_dsn(dsn), timeout=min(left_s, CONNECT_TIMEOUT_S)
            )
        except (asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError) as error:
            failure: Exception = error
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise DatabaseUnavailable(_one_line(dsn, error)) from error
        except (OSError, TimeoutError) as error:
            failure = error
        else:
            await connection.close(timeout=CONNECT_TIMEOUT_S)
            return
        if time.monotonic() >= deadline:
            raise DatabaseUnavailable(_one_line(dsn, failure)) from failure
        await asyncio.sleep(RETRY_S)


def normalise_dsn(url: str) -> str:
    """The address as asyncpg and libpq take it. Raises ValueError for another kind of address."""
    scheme, separator, rest = url.strip().partition("://")
    if not separator or scheme not in _SCHEMES:
        raise ValueError("a database address starts with postgresql://")
    return f"postgresql://{rest}"


def sqlalchemy_url(dsn: str) -> URL:
    """The address as SQLAlchemy takes it, for its asyncpg driver."""
    url = make_url(normalise_dsn(dsn)).set(drivername="postgresql+asyncpg")
    ssl_mode = url.query.get("sslmode")
    if ssl_mode is None:
        return url
    return url.difference_update_query(["sslmode"]).update_query_dict({"ssl": ssl_mode})


def _one_line(dsn: str, error: Exception) -> str:
    url = make_url(normalise_dsn(dsn))
    place = url.host or url.query.get("host") or "localhost"
    reason = " ".join(str(error).split()) or type(error).__name__
    return f"database {url.database!r} at {place}: {reason}"
