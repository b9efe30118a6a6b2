"""Killed at every statement boundary, settlement resumes: each trade once (RELIABILITY E1)."""

import asyncio
from itertools import count
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from settlement.consumer import Settlement
from tests.settlement.conftest import connect_as, fund, rows
from tests.settlement.world import Market

BOUNDARIES_AT_LEAST = 20


class Killed(BaseException):
    """The process is gone: nothing may catch this."""


class Failpoint:
    """Cuts the connection at the n-th boundary: before a statement, before or after a commit."""

    def __init__(self, engine: AsyncEngine, boundary: int) -> None:
        self._left = boundary
        sync = engine.sync_engine
        event.listen(sync, "before_cursor_execute", self._before_statement)
        commit = sync.dialect.do_commit

        def do_commit(dbapi_connection: Any) -> None:
            self._reach(dbapi_connection)
            commit(dbapi_connection)
            self._reach(dbapi_connection)

        sync.dialect.do_commit = do_commit  # type: ignore[method-assign]

    def _before_statement(self, connection: Any, *_: object) -> None:
        self._reach(connection.connection)

    def _reach(self, connection: Any) -> None:
        self._left -= 1
        if self._left == 0:
            connection.driver_connection.terminate()
            raise Killed


async def settle_until_killed(dsn: str, market: Market, boundary: int) -> bool:
    """Run a consumer of its own to the end of the feed; False when it is killed before."""
    engine = connect_as(dsn, "jingtan_settlement")
    Failpoint(engine, boundary)
    try:
        await Settlement(engine, market, market).catch_up(market.seq)
    except Killed:
        return False
    finally:
        await engine.dispose()
    return True


async def check_both_legs_or_none(books: AsyncEngine) -> None:
    query = """
        SELECT (SELECT count(*) FROM settlement.posting WHERE kind = 'trade'),
               (SELECT count(*) FROM settlement.instruction_state WHERE state = 'posted'),
               (SELECT count(*) FROM registry.transfer
                 WHERE kind = 'transfer' AND status = 'posted'),
               (SELECT count(*) FROM settlement.instruction),
               (SELECT count(*) FROM settlement.instruction_state WHERE step = 3)
    """
    ((postings, posted, transfers, instructions, finals),) = await rows(books, query)
    assert postings == posted == transfers
    assert instructions == finals


async def check_all_settled(books: AsyncEngine, market: Market, failures: int) -> None:
    await check_both_legs_or_none(books)
    query = """
        SELECT a.owner, a.asset, b.amount
          FROM settlement.balance b JOIN settlement.account a USING (account_id)
         WHERE a.kind = 'participant' AND b.amount <> 0
    """
    expected = {(owner, "cash", fen) for owner, fen in market.cash.items() if fen}
    expected |= {(o, f"units:{s}", tonnes) for (o, s), tonnes in market.units.items() if tonnes}
    assert set(await rows(books, query)) == expected
    query = "SELECT count(*) FROM settlement.instruction_state WHERE state = 'failed'"
    assert await rows(books, query) == [(failures,)]
    query = "SELECT DISTINCT kind FROM settlement.break WHERE kind <> 'instruction_not_posted'"
    assert await rows(books, query) == []
    query = "SELECT count(*) FROM settlement.outbox WHERE state = 'open'"
    assert await rows(books, query) == [(0,)]


def trade_a_little(market: Market) -> None:
    """One of each movement, and a report."""
    market.credit("B", 1_000_000)
    market.request_deposit("A", 5)
    market.request_deposit("B", 5)
    market.trade("B", "A", 2)
    market.append(market.match("C", "B", 1), market.match("B", "C", 1))
    market.withdraw("B", 10)
    market.withdraw_units("A", 1)
    market.report()


def trade_without_cover(market: Market) -> None:
    """A trade that cannot post between two that can."""
    trade_a_little(market)
    honest = (market.cash.copy(), market.units.copy(), market.fees_fen)
    market.trade("D", "A", 1)
    market.cash, market.units, market.fees_fen = honest
    market.trade("B", "A", 1)


@pytest.mark.parametrize("script", [trade_a_little, trade_without_cover])
async def test_killed_at_each_boundary_every_trade_settles_once(
    dsn: str, books: AsyncEngine, market: Market, script: Any
) -> None:
    await fund(books, market, Settlement(books, market, market))
    for boundary in count(1):
        script(market)
        is_done = await settle_until_killed(dsn, market, boundary)
        await check_both_legs_or_none(books)
        await Settlement(books, market, market).catch_up(market.seq)
        await Settlement(books, market, market).catch_up(market.seq)
        failures = boundary if script is trade_without_cover else 0
        await check_all_settled(books, market, failures)
        if is_done:
            break
    assert boundary > BOUNDARIES_AT_LEAST


async def test_killed_again_and_again_it_still_ends(
    dsn: str, books: AsyncEngine, market: Market
) -> None:
    await fund(books, market, Settlement(books, market, market))
    for _ in range(5):
        trade_a_little(market)
    for boundary in count(1):
        if await settle_until_killed(dsn, market, boundary):
            break
    await Settlement(books, market, market).catch_up(market.seq)
    await check_all_settled(books, market, 0)


async def test_consumers_at_once_settle_each_trade_once(
    dsn: str, books: AsyncEngine, market: Market
) -> None:
    await fund(books, market, Settlement(books, market, market))
    for _ in range(40):
        trade_a_little(market)
    engines = [connect_as(dsn, "jingtan_settlement") for _ in range(3)]
    consumers = [Settlement(engine, market, market, batch_records=7) for engine in engines]
    end = market.seq
    await asyncio.gather(*(consumer.catch_up(end) for consumer in consumers))
    await consumers[0].catch_up(market.seq)
    await check_all_settled(books, market, 0)
    for engine in engines:
        await engine.dispose()
