"""A registry that is absent, refuses, hears everything twice, or breaks (RELIABILITY E1)."""

from collections.abc import Sequence

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from settlement.consumer import Settlement
from settlement.ports import SeriesTotals, TemporarilyUnavailable, TransferAnswer, TransferRequest
from settlement.queries import SettlementQueries
from settlement.registry.embedded import EmbeddedRegistry
from tests.settlement.conftest import fund
from tests.settlement.world import Market

ABSENT_CALLS = 100


class FaultyRegistry:
    """The embedded registry behind faults that a test sets."""

    def __init__(self) -> None:
        self.absent_calls = 0
        self.breaks_at_call = 0
        self.refused: set[str] = set()
        self.times = 1
        self._calls = 0

    def __call__(self, connection: AsyncConnection) -> "FaultyRegistry":
        self._connection = connection
        self._registry = EmbeddedRegistry(connection)
        return self

    async def carry_out(self, requests: Sequence[TransferRequest]) -> list[TransferAnswer]:
        self._calls += 1
        if self.absent_calls:
            self.absent_calls -= 1
            raise TemporarilyUnavailable("no registry today")
        if self._calls == self.breaks_at_call:
            await self._connection.execute(text("SELECT * FROM registry.nothing"))
        accepted = [request for request in requests if request.key not in self.refused]
        heard: list[TransferAnswer] = []
        for _ in range(self.times):
            heard = await self._registry.carry_out(accepted)
        answers = {answer.key: answer for answer in heard}
        return [
            answers.get(request.key, TransferAnswer(request.key, 0, "ACCOUNT_BLOCKED"))
            for request in requests
        ]

    async def locked(self) -> dict[tuple[str, str], int]:
        return await self._registry.locked()

    async def totals(self) -> list[SeriesTotals]:
        return await self._registry.totals()


@pytest.fixture
def registry() -> FaultyRegistry:
    return FaultyRegistry()


@pytest.fixture
def faulty(books: AsyncEngine, market: Market, registry: FaultyRegistry) -> Settlement:
    return Settlement(books, market, market, registry_desk=registry)


async def states(reading: SettlementQueries) -> list[tuple[str, str]]:
    return [(i.state, i.reason) for i in await reading.instructions()]


async def test_while_the_registry_is_absent_no_leg_posts_and_afterwards_all_do(
    books: AsyncEngine,
    market: Market,
    settlement: Settlement,
    faulty: Settlement,
    registry: FaultyRegistry,
    reading: SettlementQueries,
) -> None:
    await fund(books, market, settlement)
    before = await reading.balances()
    market.trade("B", "A", 5)
    registry.absent_calls = ABSENT_CALLS
    for _ in range(ABSENT_CALLS):
        with pytest.raises(TemporarilyUnavailable):
            await faulty.catch_up(market.seq)
    assert await reading.balances() == before
    assert await reading.instructions() == []
    await faulty.catch_up(market.report())
    assert await states(reading) == [("posted", "")]
    found = await reading.reconciliation()
    assert found is not None
    assert found.breaks == ()


async def test_a_refused_delivery_leg_leaves_the_payment_leg_undone(
    books: AsyncEngine,
    market: Market,
    settlement: Settlement,
    faulty: Settlement,
    registry: FaultyRegistry,
    reading: SettlementQueries,
) -> None:
    await fund(books, market, settlement)
    registry.refused = {"trade:2"}
    for buyer in "BCB":
        market.trade(buyer, "A", 5)
    await faulty.catch_up(market.seq)
    assert await states(reading) == [("posted", ""), ("failed", "ACCOUNT_BLOCKED"), ("posted", "")]
    assert [balance.amount for balance in await reading.balances("C")] == [100_000_000]


async def test_requests_heard_twice_move_units_once(
    books: AsyncEngine,
    market: Market,
    settlement: Settlement,
    faulty: Settlement,
    registry: FaultyRegistry,
    reading: SettlementQueries,
) -> None:
    await fund(books, market, settlement)
    registry.times = 2
    market.trade("B", "A", 5)
    market.request_deposit("A", 7)
    await faulty.catch_up(market.report())
    found = await reading.reconciliation()
    assert found is not None
    assert found.breaks == ()
    assert [h.quantity for h in await reading.holdings("B")] == [5]


@pytest.mark.parametrize("call", [1, 2, 3])
async def test_a_broken_registry_is_no_refusal_nothing_is_posted_or_failed(
    books: AsyncEngine,
    market: Market,
    settlement: Settlement,
    faulty: Settlement,
    registry: FaultyRegistry,
    reading: SettlementQueries,
    call: int,
) -> None:
    await fund(books, market, settlement)
    registry.refused = {"trade:1"}
    registry.breaks_at_call = call
    market.trade("B", "A", 5)
    market.trade("B", "A", 5)
    with pytest.raises(DBAPIError):
        await faulty.catch_up(market.seq)
    assert await reading.instructions() == []
    await faulty.catch_up(market.seq)
    assert await states(reading) == [("failed", "ACCOUNT_BLOCKED"), ("posted", "")]
