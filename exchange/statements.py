"""Statements that end in time, whatever the server or the network does.

asyncpg waits until the server confirms that it has cancelled a statement; a frozen server or a dead
line never does.  So a statement that is cut short costs its connection.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg
from asyncpg.pool import PoolConnectionProxy

STATEMENT_SECONDS = 10.0

UNKNOWN_RESULT = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""What a statement may raise without saying whether it took effect; TimeoutError is an OSError.

InternalClientError is how asyncpg may say that a server died while it was answering.
"""


@asynccontextmanager
async def timely(
    pool: asyncpg.Pool, seconds: float = STATEMENT_SECONDS
) -> "AsyncIterator[PoolConnectionProxy[asyncpg.Record]]":
    """A connection for one statement; TimeoutError if both are not over in time."""
    async with asyncio.timeout(seconds):
        connection = await pool.acquire()
        try:
            yield connection
        except asyncio.CancelledError:
            with suppress(asyncpg.InterfaceError):  # lost meanwhile, and so given back already
                connection.terminate()
            raise
        finally:
            with suppress(asyncpg.InterfaceError):  # so is a pool that was closed meanwhile
                await pool.release(connection, timeout=seconds)
