"""An exchange in the test's process with its settlement and registry, composed as for real."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from api.links import CommandLink, FeedLink, RegistryOffice
from engine.commands import CreditCash, DepositUnits, ReportPositions
from engine.engine import Engine
from exchange.database import sqlalchemy_url
from settlement.consumer import Settlement
from settlement.queries import Reconciliation, SettlementQueries
from tests.exchange_driver import PARTICIPANTS, ExchangeDriver
from tests.market_driver import INSTRUMENT, OPERATORS, admit, found, list_instrument

CASH_FEN = 100_000_000_00
UNITS = 100_000
POLL_S = 0.01

_POSTINGS = """
SELECT p.seq, p.cause, p.kind, p.trading_day, p.timestamp_ns, a.kind, a.owner, a.asset, e.amount
  FROM settlement.posting AS p JOIN settlement.entry AS e USING (posting_id)
  JOIN settlement.account AS a USING (account_id)
 WHERE p.seq <= :seq ORDER BY p.seq, p.cause, a.kind, a.owner, a.asset
"""

Totals = dict[tuple[str, str], int]
"""Whole cash ('cash') and units (series) of each participant."""


class SettledExchange:
    """A driver, and settlement running behind it."""

    def __init__(self, driver: ExchangeDriver, books: AsyncEngine) -> None:
        self.driver = driver
        self._books = books
        exchange = driver.exchange
        self.settlement = Settlement(books, FeedLink(exchange.feed), CommandLink(exchange))
        self.queries = SettlementQueries(books)

    async def fund(self) -> None:
        """Give every participant cash, and units that the registry has locked."""
        office = RegistryOffice(self._books)
        for name in PARTICIPANTS:
            await office.issue(f"issue-{name}", INSTRUMENT, name, UNITS)
            await self.driver.act(CreditCash(name, CASH_FEN, "bank-1"))
            await self.driver.act(DepositUnits(name, INSTRUMENT, UNITS, "reg-1"))
        while self.driver.engine.market.deposits:
            await asyncio.sleep(POLL_S)

    async def totals(self) -> Totals:
        """What the ledger says that participants have, once it has caught up."""
        await self.settlement.catch_up(self.driver.exchange.sequencer.durable_seq)
        balances = await self.queries.balances()
        return {(b.owner, b.series_id or "cash"): b.amount for b in balances if b.amount}

    async def postings_until(self, seq: int) -> list[tuple[object, ...]]:
        """Every ledger entry that a journal row up to seq gave rise to."""
        async with self._books.connect() as connection:
            return [tuple(row) for row in await connection.execute(text(_POSTINGS), {"seq": seq})]

    async def reconcile(self) -> Reconciliation:
        """Have the engine report its positions, and settlement compare."""
        outcome = await self.driver.submit(OPERATORS[0], ReportPositions())
        await self.settlement.catch_up(outcome.step.seq)
        found_now = await self.queries.reconciliation(outcome.step.seq)
        assert found_now is not None
        return found_now


@asynccontextmanager
async def settled(dsn: str) -> AsyncIterator[SettledExchange]:
    """An exchange with settlement on a database, whether new or not; killed at the end."""
    driver = ExchangeDriver(dsn)
    await driver.start()
    books = create_async_engine(
        sqlalchemy_url(dsn), connect_args={"server_settings": {"role": "jingtan_settlement"}}
    )
    running = SettledExchange(driver, books)
    settling = asyncio.create_task(running.settlement.run())
    try:
        yield running
    finally:
        settling.cancel()
        await asyncio.wait([settling])
        await driver.end()
        await books.dispose()


async def open_founded(running: SettledExchange) -> None:
    """Found the market of A, B and C, open its first day and fund everybody."""
    market = found()
    list_instrument(market)
    for name in PARTICIPANTS:
        admit(market, name)
    await running.driver.repeat(market)
    await running.driver.open_day()
    await running.fund()


def totals_of(engine: Engine) -> Totals:
    """What the engine says that participants have."""
    totals: Totals = {}
    for name, account in engine.market.accounts.items():
        totals[name, "cash"] = account.cash.total_fen
        totals |= {(name, series): p.total for series, p in account.positions.items()}
    return {key: amount for key, amount in totals.items() if amount}
