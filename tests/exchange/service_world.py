"""Exchanges on a real PostgreSQL for tests: with outages, behind a gate, and what they wrote."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from engine import commands as c
from engine.codes import Side, TimeInForce
from exchange import recovery
from exchange.clock import DemoClock
from exchange.database import open_pool
from exchange.feed import released
from exchange.journal import Journal, Row
from exchange.service import Exchange
from exchange.snapshots import Snapshots
from tests.exchange_driver import ExchangeDriver
from tests.market_driver import INSTRUMENT

WRITER = "jingtan_journal_writer"


class OutageClock(DemoClock):
    """Time goes on while the exchange is down."""

    def resume_after(self, last_ns: int) -> None:
        """Nothing: it never stood still."""


class GatedPool:
    """A pool behind a gate: while it is shut, the process is cut off from its database."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self.gate = asyncio.Event()
        self.gate.set()

    async def acquire(self) -> Any:
        await self.gate.wait()
        return await self._pool.acquire()

    async def release(self, connection: Any, **terms: float) -> None:
        await self._pool.release(connection, **terms)

    async def execute(self, *args: Any) -> Any:
        await self.gate.wait()
        return await self._pool.execute(*args)

    async def fetch(self, *args: Any) -> Any:
        await self.gate.wait()
        return await self._pool.fetch(*args)

    async def fetchrow(self, *args: Any) -> Any:
        await self.gate.wait()
        return await self._pool.fetchrow(*args)

    async def fetchval(self, *args: Any) -> Any:
        await self.gate.wait()
        return await self._pool.fetchval(*args)


@asynccontextmanager
async def gated(driver: ExchangeDriver) -> AsyncIterator[tuple[Exchange, GatedPool]]:
    """Another exchange on the same journal, once the driver's has stopped, behind a gate."""
    await driver.stop()
    pool = await open_pool(driver.dsn, WRITER, min_size=1, max_size=4)
    gate = GatedPool(pool)
    exchange = Exchange(gate, driver.clock, driver.take_snapshot, lambda *_: None)  # type: ignore[arg-type]
    await exchange.start()
    try:
        yield exchange, gate
    finally:
        gate.gate.set()
        await exchange.stop()
        pool.terminate()


def buy(name: str, quantity: int = 1) -> tuple[str, str, c.EnterOrder]:
    body = c.EnterOrder("A", name, INSTRUMENT, Side.BUY, 9_000, quantity, TimeInForce.DAY)
    return "trader-A", name, body


async def read_rows(driver: ExchangeDriver) -> list[Row]:
    pool = await open_pool(driver.dsn, WRITER, min_size=1, max_size=1)
    rows = await Journal(pool).read_after(0, 100_000)
    pool.terminate()
    return rows


async def bodies(driver: ExchangeDriver, kind: type[c.Command]) -> list[c.AnyCommand]:
    steps = [released(row) for row in await read_rows(driver)]
    return [step.envelope.body for step in steps if isinstance(step.envelope.body, kind)]


async def recovered(driver: ExchangeDriver) -> recovery.Recovered:
    """What the next leader would start from."""
    pool = await open_pool(driver.dsn, WRITER, min_size=1, max_size=1)
    journal = Journal(pool)
    head = await journal.head()
    state = await recovery.recover(journal, Snapshots(pool), head, lambda *_: None)
    pool.terminate()
    return state


async def replayed(driver: ExchangeDriver) -> recovery.Recovered:
    """The same from the journal alone."""
    connection = await asyncpg.connect(driver.dsn)
    await connection.execute("DELETE FROM exchange.snapshot")
    await connection.close()
    return await recovered(driver)
