"""Settling: every movement once, both legs or none, what fails is named and stops nobody."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.commands import ConfirmUnitDeposit, RecordReconciliation
from settlement.consumer import Settlement
from settlement.findings import Break
from settlement.instructions import InstructionState
from settlement.ports import TemporarilyUnavailable
from settlement.queries import SettlementQueries
from settlement.registry.blocks import NOT_ENOUGH_UNITS
from tests.settlement.conftest import fund, issue, rows
from tests.settlement.world import BEA, Market


async def ledger(reading: SettlementQueries) -> dict[tuple[str, str], int]:
    balances = await reading.balances() + await reading.house_balances()
    return {(b.owner, b.series_id): b.amount for b in balances if b.amount}


async def states(reading: SettlementQueries) -> list[tuple[int, str, str]]:
    return [(i.trade_id, i.state, i.reason) for i in await reading.instructions()]


def expected(market: Market) -> dict[tuple[str, str], int]:
    cash = {(owner, ""): amount for owner, amount in market.cash.items() if amount}
    units = {slot: tonnes for slot, tonnes in market.units.items() if tonnes}
    return cash | units | {("fees:public", ""): market.fees_fen}


async def test_a_day_of_trading_ends_as_the_market_says(
    books: AsyncEngine, market: Market, settlement: Settlement, reading: SettlementQueries
) -> None:
    await fund(books, market, settlement)
    for quantity in range(1, 30):
        market.trade("B", "A", quantity)
        market.trade("C", "B", 1, price_ticks=10_001)
    market.withdraw("A", 1_000)
    market.withdraw_units("C", 20)
    await settlement.catch_up(market.report())
    assert await ledger(reading) == expected(market)
    found = await reading.reconciliation()
    assert found is not None
    assert found.breaks == ()
    status = await reading.status()
    assert status.instructions[InstructionState.POSTED] == 58
    assert status.registry_transfers == 58
    assert settlement.watermark() == status.watermark == market.seq - 1


async def test_units_bought_in_a_batch_can_be_sold_in_it(
    books: AsyncEngine, market: Market, settlement: Settlement, reading: SettlementQueries
) -> None:
    await fund(books, market, settlement)
    market.trade("B", "A", 1_000, price_ticks=100)
    market.trade("C", "B", 1_000, price_ticks=100)
    await settlement.catch_up(market.trade("B", "C", 1_000, price_ticks=100))
    assert await states(reading) == [(1, "posted", ""), (2, "posted", ""), (3, "posted", "")]
    assert [h.quantity for h in await reading.holdings("B")] == [1_000]


async def test_proceeds_of_a_batch_can_be_spent_in_it(
    books: AsyncEngine, market: Market, settlement: Settlement, reading: SettlementQueries
) -> None:
    await fund(books, market, settlement)
    await issue(books, "B", 10, BEA)
    market.request_deposit("B", 10)
    await settlement.catch_up(market.seq)
    market.trade("B", "A", 10, price_ticks=10_000)
    market.trade("A", "B", 10, price_ticks=9_000)
    await settlement.catch_up(market.seq)
    assert {state for _, state, _ in await states(reading)} == {"posted"}


async def test_an_instruction_carries_the_trade_and_its_proofs(
    books: AsyncEngine, market: Market, settlement: Settlement, reading: SettlementQueries
) -> None:
    await fund(books, market, settlement)
    await settlement.catch_up(seq := market.trade("B", "A", 5, price_ticks=10_000))
    (instruction,) = await reading.instructions()
    assert (instruction.trade_id, instruction.seq, instruction.value_fen) == (1, seq, 50_000)
    query = f"SELECT cause FROM settlement.posting WHERE posting_id = {instruction.posting_id}"
    assert await rows(books, query) == [("trade:1",)]
    query = "SELECT idempotency_key FROM registry.transfer WHERE transfer_id = "
    assert await rows(books, query + str(instruction.registry_transfer_id)) == [("trade:1",)]
    query = "SELECT state FROM settlement.instruction_state ORDER BY step"
    assert await rows(books, query) == [("due",), ("posted",)]


async def test_a_buyer_without_money_fails_alone_and_shows_as_a_break(
    books: AsyncEngine, market: Market, settlement: Settlement, reading: SettlementQueries
) -> None:
    await fund(books, market, settlement)
    market.trade("B", "A", 1)
    market.trade("D", "A", 2)
    market.trade("C", "A", 3)
    await settlement.catch_up(market.report())
    assert await states(reading) == [
        (1, "posted", ""),
        (2, "failed", "LEDGER_OVERDRAWN"),
        (3, "posted", ""),
    ]
    assert [h.quantity for h in await reading.holdings("D")] == []
    found = await reading.reconciliation()
    assert found is not None
    failed = [b for b in found.breaks if b.kind == "instruction_not_posted"]
    ids = {"trade_id": "2", "state": "failed", "reason": "LEDGER_OVERDRAWN"}
    assert failed == [Break("instruction_not_posted", ids, 1, 0)]
    assert {"cash_differs", "units_differ", "fees_differ"} < {b.kind for b in found.breaks}
    assert market.submitted[-1][1] == RecordReconciliation(market.seq - 1, len(found.breaks))


async def test_a_seller_without_units_fails_alone_and_pays_nobody(
    books: AsyncEngine, market: Market, settlement: Settlement, reading: SettlementQueries
) -> None:
    await fund(books, market, settlement)
    market.trade("B", "D", 1)
    await settlement.catch_up(market.trade("B", "A", 1))
    assert await states(reading) == [(1, "failed", NOT_ENOUGH_UNITS), (2, "posted", "")]
    assert (await ledger(reading)).get(("D", "")) is None


async def test_money_and_units_that_cannot_leave_stay_and_show_as_breaks(
    books: AsyncEngine, market: Market, settlement: Settlement, reading: SettlementQueries
) -> None:
    await fund(books, market, settlement)
    market.withdraw("D", 5)
    market.withdraw_units("B", 5)
    market.credit("D", 100)
    await settlement.catch_up(market.report())
    found = await reading.reconciliation()
    assert found is not None
    assert [
        (b.ids["cause"], b.ids["reason"]) for b in found.breaks if b.kind == "movement_not_posted"
    ] == [("cash:4", "LEDGER_OVERDRAWN"), ("withdrawal:5", NOT_ENOUGH_UNITS)]
    assert (await reading.status()).unposted == 2
    assert (await ledger(reading))["D", ""] == 100


async def test_a_deposit_is_locked_posted_and_confirmed(
    books: AsyncEngine, market: Market, settlement: Settlement, reading: SettlementQueries
) -> None:
    await issue(books, "A", 100, BEA)
    deposit_id = market.request_deposit("A", 60)
    await settlement.catch_up(market.seq)
    request_id = f"settle:deposit-{deposit_id}:locked"
    assert market.submitted == [
        (request_id, ConfirmUnitDeposit(deposit_id, is_locked=True, refusal=""))
    ]
    assert await ledger(reading) == {("A", BEA): 60}
    await settlement.catch_up(market.seq)
    assert (await reading.status()).owed_commands == 0


async def test_a_deposit_that_the_registry_refuses_posts_nothing(
    books: AsyncEngine, market: Market, settlement: Settlement, reading: SettlementQueries
) -> None:
    await issue(books, "A", 100, BEA)
    first, second = market.request_deposit("A", 101), market.request_deposit("A", 100)
    await settlement.catch_up(market.seq)
    assert market.submitted == [
        (
            f"settle:deposit-{first}:refused",
            ConfirmUnitDeposit(first, is_locked=False, refusal=NOT_ENOUGH_UNITS),
        ),
        (f"settle:deposit-{second}:locked", ConfirmUnitDeposit(second, is_locked=True, refusal="")),
    ]
    assert await ledger(reading) == {("A", BEA): 100}


async def test_a_deposit_between_lock_and_confirmation_is_no_break(
    books: AsyncEngine, market: Market, settlement: Settlement, reading: SettlementQueries
) -> None:
    await issue(books, "A", 100, BEA)
    market.request_deposit("A", 60)
    market.request_deposit("A", 60)
    await settlement.catch_up(market.report())
    found = await reading.reconciliation()
    assert found is not None
    assert found.breaks == ()


async def test_an_answer_that_refuses_closes_the_request_with_its_reason(
    books: AsyncEngine, market: Market, settlement: Settlement
) -> None:
    await issue(books, "A", 100, BEA)
    deposit_id = market.request_deposit("A", 60)
    market.refuses[f"settle:deposit-{deposit_id}:locked"] = "DEPOSIT_UNKNOWN"
    await settlement.catch_up(market.seq)
    await settlement.catch_up(market.seq)
    query = "SELECT state, reason, closed_seq FROM settlement.outbox"
    assert await rows(books, query) == [("refused", "DEPOSIT_UNKNOWN", market.seq)]


async def test_a_report_is_reconciled_at_exactly_its_seq(
    books: AsyncEngine, market: Market, settlement: Settlement, reading: SettlementQueries
) -> None:
    await fund(books, market, settlement)
    market.trade("B", "A", 1)
    first = market.report()
    market.trade("B", "A", 1)
    second = market.report()
    market.trade("B", "A", 1)
    await settlement.catch_up(market.seq)
    for seq in (first, second):
        found = await reading.reconciliation(seq)
        assert found is not None
        assert (found.report_seq, found.break_count) == (seq, 0)
    assert await reading.reconciliation(first + 1) is None


async def test_a_command_that_is_not_taken_is_sent_again(
    books: AsyncEngine, market: Market, settlement: Settlement
) -> None:
    await issue(books, "A", 100, BEA)
    market.request_deposit("A", 60)
    market.outages = 1
    with pytest.raises(TemporarilyUnavailable):
        await settlement.catch_up(market.seq)
    assert market.submitted == []
    fresh = Settlement(books, market, market)
    await fresh.catch_up(market.seq + 1)
    assert len(market.submitted) == 1
