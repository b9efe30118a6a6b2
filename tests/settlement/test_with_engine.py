"""Settlement behind the real engine: random days of trading reconcile without a break."""

import asyncio
import random

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from engine import commands as c
from engine import events as e
from engine.released import Released
from settlement.consumer import Settlement
from settlement.instructions import InstructionState
from settlement.queries import SettlementQueries
from tests.market_driver import INSTRUMENT, MarketDriver, admit, found, list_instrument
from tests.settlement.conftest import issue

TRADERS = ("A", "B", "C", "D")
CASH_FEN = 10_000_000_00
ISSUED, DEPOSITED = 50_000, 20_000


class Loop:
    """The driver as released feed and command port."""

    def __init__(self, driver: MarketDriver) -> None:
        self.driver = driver

    @property
    def seq(self) -> int:
        return len(self.driver.log)

    async def read_after(self, seq: int, limit: int) -> list[Released]:
        steps = self.driver.log[seq : seq + limit]
        return [Released(seq + n, *step) for n, step in enumerate(steps, start=1)]

    async def wait_beyond(self, seq: int) -> None:
        while self.seq <= seq:
            await asyncio.sleep(0)

    async def submit(self, request_id: str, body: c.AnyCommand) -> None:
        self.driver.send(c.SYSTEM_ACTOR, body, request_id)


async def fund(books: AsyncEngine, driver: MarketDriver, settlement: Settlement) -> None:
    for name in TRADERS:
        await issue(books, name, ISSUED, INSTRUMENT)
        admit(driver, name)
        driver.act(c.CreditCash(name, CASH_FEN, "bank-1"))
        driver.act(c.DepositUnits(name, INSTRUMENT, DEPOSITED, "paper-1"))
    await settlement.catch_up(len(driver.log))


def trade(driver: MarketDriver, chance: random.Random) -> None:
    for _ in range(60):
        price, quantity = chance.randint(9_950, 10_050), chance.randint(1, 400)
        verb = chance.choice(("buys", "sells"))
        driver.say(f"{chance.choice(TRADERS)} {verb} {quantity}@{price}")


@pytest.mark.parametrize("seed", range(3))
async def test_engine_ledger_and_registry_agree_after_each_day(
    books: AsyncEngine, reading: SettlementQueries, seed: int
) -> None:
    chance = random.Random(seed)
    driver = found()
    list_instrument(driver)
    loop = Loop(driver)
    settlement = Settlement(books, loop, loop, batch_records=chance.choice((3, 50, 1_000)))
    await fund(books, driver, settlement)
    driver.open_day()
    for _ in range(3):
        trade(driver, chance)
        driver.act(c.WithdrawUnits(chance.choice(TRADERS), INSTRUMENT, 5, "paper-2"))
        driver.act(c.WithdrawCash(chance.choice(TRADERS), 500, "bank-2"))
        driver.act(c.DepositUnits(chance.choice(TRADERS), INSTRUMENT, 7, "paper-3"))
        driver.send(c.SYSTEM_ACTOR, c.ReportPositions())
        await settlement.catch_up(loop.seq)
        latest = await reading.reconciliation()
        assert latest is not None
        assert (latest.break_count, latest.breaks) == (0, ()), f"seed {seed}"
        driver.next_day()
    events = [event for _, frame in driver.log for event in frame]
    trades = sum(isinstance(event, e.TradeExecuted) for event in events)
    recorded = [event for event in events if isinstance(event, e.ReconciliationRecorded)]
    assert trades > 20
    assert len(recorded) >= 3
    assert {event.break_count for event in recorded} == {0}
    await settlement.catch_up(loop.seq)
    status = await reading.status()
    assert status.instructions[InstructionState.POSTED] == status.registry_transfers == trades
    assert status.owed_commands == 0
