import pytest
from tests.settlement.conftest import issue, rows
from tests.settlement.world import BEA

pytestmark = pytest.mark.asyncio

async def test_whole_day(books, market, settlement, reading):
    await issue(books, "A", 1000, BEA)
    await issue(books, "B", 50, BEA)
    market.credit("B", 100_000_000)
    market.request_deposit("A", 600)
    market.request_deposit("B", 60)
    await settlement.catch_up(market.seq)
    print(market.submitted)
    for _ in range(5):
        market.trade("B", "A", 7)
    market.trade("A", "B", 3)
    market.withdraw("A", 1000)
    market.withdraw_units("A", 10)
    seq = market.report()
    await settlement.catch_up(seq)
    print(await reading.reconciliation())
    print(await reading.status())
    for x in await reading.holdings("A"): print(x)
    for x in await reading.holdings("B"): print(x)
    for x in await reading.statement("B"): print(x)
    print(await reading.balances(), await reading.house_balances(), await reading.registry_totals())
    print((await reading.instructions())[:2])
    assert (await reading.reconciliation()).break_count == 0
