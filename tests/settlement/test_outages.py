"""The consumer as a long-running task: it waits outages out, and stops when told to."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.commands import AnyCommand
from engine.released import Released
from exchange.embedded import EmbeddedPostgres
from migrations.upgrade import upgrade
from settlement.consumer import FIRST_PAUSE_MS, LONGEST_PAUSE_MS, Settlement
from settlement.movements import FeedBroken
from settlement.ports import TemporarilyUnavailable
from settlement.queries import SettlementQueries
from tests.settlement.conftest import connect_as, execute, fund, issue, rows
from tests.settlement.world import BEA, Market

WAIT_S = 120
CUT = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


class Pauses:
    """Pauses that take no time and are remembered."""

    def __init__(self) -> None:
        self.taken_ms: list[int] = []
        self.after: asyncio.Event = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        self.taken_ms.append(round(seconds * 1_000))
        self.after.set()
        await asyncio.sleep(0)


class BrokenFeed(Market):
    """A feed that cannot be read for a while, or that loses a record."""

    def __init__(self) -> None:
        super().__init__()
        self.unreadable = 0
        self.loses = 0

    async def read_after(self, seq: int, limit: int) -> list[Released]:
        if self.unreadable:
            self.unreadable -= 1
            raise TemporarilyUnavailable("the feed is not there")
        found = await super().read_after(seq, limit)
        return [record for record in found if record.seq != self.loses]


class Witness(Market):
    """A market that looks, from outside, whether what it is told is committed already."""

    def __init__(self, onlooker: AsyncEngine) -> None:
        super().__init__()
        self._onlooker = onlooker
        self.committed: list[bool] = []

    async def submit(self, request_id: str, body: AnyCommand) -> None:
        owed = await rows(self._onlooker, "SELECT request_id FROM settlement.outbox")
        self.committed.append((request_id,) in owed)
        await super().submit(request_id, body)


@asynccontextmanager
async def running(settlement: Settlement) -> AsyncIterator["asyncio.Task[None]"]:
    task = asyncio.create_task(settlement.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def reach(settlement: Settlement, seq: int) -> None:
    async with asyncio.timeout(WAIT_S):
        while settlement.watermark() < seq:
            await asyncio.sleep(0.01)


async def test_it_follows_the_feed_until_cancelled(
    books: AsyncEngine, market: Market, reading: SettlementQueries
) -> None:
    settlement = Settlement(books, market, market)
    async with running(settlement) as task:
        await fund(books, market, settlement)
        for _ in range(3):
            seq = market.trade("B", "A", 1)
            await market.wake()
            await reach(settlement, seq)
        assert not task.done()
    assert task.cancelled()
    assert (await reading.status()).registry_transfers == 3


async def test_it_resumes_when_its_connections_are_cut(
    books: AsyncEngine, superuser: AsyncEngine, market: Market, reading: SettlementQueries
) -> None:
    pauses = Pauses()
    settlement = Settlement(books, market, market, pause=pauses, batch_records=2)
    await fund(books, market, settlement)
    for _ in range(60):
        market.trade("B", "A", 1)
    async with running(settlement):
        for _ in range(10):
            await execute(superuser, CUT)
            await asyncio.sleep(0)
        await reach(settlement, market.seq)
    assert (await reading.status()).registry_transfers == 60
    assert pauses.taken_ms
    query = "SELECT count(*), count(DISTINCT cause) FROM settlement.posting WHERE kind = 'trade'"
    assert await rows(books, query) == [(60, 60)]


async def test_a_database_that_is_away_is_waited_for_with_growing_pauses(
    dsn: str, books: AsyncEngine, superuser: AsyncEngine, market: Market
) -> None:
    pauses = Pauses()
    settlement = Settlement(books, market, market, pause=pauses)
    await fund(books, market, settlement)
    seq = market.trade("B", "A", 1)
    hide = "ALTER TABLE settlement.watermark RENAME TO away"
    back = "ALTER TABLE settlement.away RENAME TO watermark"
    await execute(superuser, hide)
    async with running(settlement):
        while len(pauses.taken_ms) < 10:
            await pauses.after.wait()
            pauses.after.clear()
        await execute(superuser, back)
        await reach(settlement, seq)
    doubling = [min(FIRST_PAUSE_MS * 2**n, LONGEST_PAUSE_MS) for n in range(10)]
    assert pauses.taken_ms[:10] == doubling


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGQUIT])
async def test_it_outlives_its_database_server(
    postgres: EmbeddedPostgres, market: Market, how: signal.Signals
) -> None:
    await upgrade(postgres.dsn)
    books = connect_as(postgres.dsn, "jingtan_settlement")
    settlement = Settlement(books, market, market, batch_records=2)
    await fund(books, market, settlement)
    for _ in range(400):
        market.trade("B", "A", 1)
    half = market.seq - 200
    watching = asyncio.create_task(postgres.watch())
    async with running(settlement):
        await reach(settlement, half)
        assert postgres.postmaster_pid is not None
        assert settlement.watermark() < market.seq
        os.kill(postgres.postmaster_pid, how)
        await reach(settlement, market.seq)
    query = "SELECT count(*), count(DISTINCT cause) FROM settlement.posting WHERE kind = 'trade'"
    assert await rows(books, query) == [(400, 400)]
    await books.dispose()
    await postgres.stop()
    await watching


async def test_an_unreadable_feed_and_a_silent_market_are_waited_for(books: AsyncEngine) -> None:
    market, pauses = BrokenFeed(), Pauses()
    settlement = Settlement(books, market, market, pause=pauses)
    await issue(books, "A", 10, BEA)
    market.request_deposit("A", 10)
    market.unreadable, market.outages = 2, 3
    async with running(settlement):
        await reach(settlement, market.seq + 1)
    assert len(pauses.taken_ms) == 5
    assert len(market.submitted) == 1


async def test_the_market_is_told_only_what_is_committed(
    books: AsyncEngine, superuser: AsyncEngine
) -> None:
    market = Witness(superuser)
    await fund(books, market, Settlement(books, market, market))
    await Settlement(books, market, market).catch_up(market.report())
    assert market.committed == [True, True]


async def test_a_feed_with_a_gap_stops_it_and_posts_nothing(
    books: AsyncEngine, reading: SettlementQueries
) -> None:
    market = BrokenFeed()
    market.loses = market.credit("A", 5)
    market.credit("A", 5)
    with pytest.raises(FeedBroken):
        await Settlement(books, market, market).run()
    assert await reading.balances() == []


async def test_catch_up_raises_what_run_waits_for(
    books: AsyncEngine, superuser: AsyncEngine, market: Market
) -> None:
    settlement = Settlement(books, market, market)
    await execute(superuser, "ALTER TABLE settlement.watermark RENAME TO away")
    with pytest.raises(SQLAlchemyError):
        await settlement.catch_up(1)
    await execute(superuser, "ALTER TABLE settlement.away RENAME TO watermark")
    await settlement.catch_up(1)
    assert settlement.watermark() == 1


async def test_catch_up_waits_for_what_is_not_released_yet(
    books: AsyncEngine, market: Market
) -> None:
    settlement = Settlement(books, market, market)
    waiting = asyncio.create_task(settlement.catch_up(3))
    await settlement.catch_up(1)
    market.credit("A", 5)
    market.credit("A", 5)
    await market.wake()
    async with asyncio.timeout(WAIT_S):
        await waiting
    assert settlement.watermark() == 3
