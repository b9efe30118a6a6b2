"""Statements that are cut short."""

import asyncio
from collections.abc import Callable
from typing import TypeAlias

import asyncpg
import pytest
from asyncpg.pool import PoolConnectionProxy

from exchange.statements import timely
from tests.exchange_driver import writer_pool

Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"
LOSSES: dict[str, Callable[[asyncpg.Pool, Connection], None]] = {
    "its connection lost": lambda _pool, connection: connection.terminate(),
    "its pool closed": lambda pool, _connection: pool.terminate(),
}


async def ask(pool: asyncpg.Pool, asked: asyncio.Future[Connection]) -> None:
    async with timely(pool) as connection:
        asked.set_result(connection)
        await connection.execute("SELECT pg_sleep(600)")


@pytest.mark.parametrize("lose", LOSSES.values(), ids=LOSSES.keys())
async def test_who_is_cancelled_at_the_moment_of_a_loss_is_cancelled(
    dsn: str, lose: Callable[[asyncpg.Pool, Connection], None]
) -> None:
    """Otherwise the committer would take it for an outage and go on trying, for ever."""
    pool = await writer_pool(dsn)
    asked: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
    asking = asyncio.create_task(ask(pool, asked))
    connection = await asked
    asking.cancel()
    lose(pool, connection)
    with pytest.raises(asyncio.CancelledError):
        await asking
    pool.terminate()


async def test_a_statement_that_takes_too_long_costs_its_connection(dsn: str) -> None:
    pool = await writer_pool(dsn)
    with pytest.raises(TimeoutError):
        async with timely(pool, seconds=0.05) as slow:
            await slow.execute("SELECT pg_sleep(600)")
    async with timely(pool) as connection:
        assert await connection.fetchval("SELECT 1") == 1
    pool.terminate()
