"""Reading the books, as the reader's role."""

from sqlalchemy.ext.asyncio import AsyncEngine

from settlement.consumer import Settlement
from settlement.instructions import InstructionState
from settlement.ports import SeriesTotals, UnitStatus
from settlement.queries import Balance, SettlementQueries, StatementEntry, Status
from settlement.registry.embedded import Holding
from tests.settlement.conftest import fund
from tests.settlement.world import BEA, DAY, Market


async def test_empty_books_read_as_empty(reading: SettlementQueries) -> None:
    assert await reading.status() == Status(0, 0, dict.fromkeys(InstructionState, 0), 0, 0, 0)
    assert await reading.instructions() == []
    assert await reading.balances() == []
    assert await reading.house_balances() == []
    assert await reading.statement("A") == []
    assert await reading.reconciliation() is None
    assert await reading.holdings("A") == []
    assert await reading.registry_totals() == []


async def test_status_counts_by_state(
    books: AsyncEngine, market: Market, settlement: Settlement, reading: SettlementQueries
) -> None:
    await fund(books, market, settlement)
    market.trade("B", "A", 1)
    market.trade("D", "A", 1)
    market.withdraw("D", 1)
    await settlement.catch_up(market.seq)
    assert await reading.status() == Status(
        watermark=market.seq,
        trading_day=DAY,
        instructions={
            InstructionState.DUE: 0,
            InstructionState.RESERVED: 0,
            InstructionState.POSTED: 1,
            InstructionState.FAILED: 1,
        },
        unposted=1,
        owed_commands=0,
        registry_transfers=1,
    )


async def test_instructions_go_by_cursor_and_participant(
    books: AsyncEngine, market: Market, settlement: Settlement, reading: SettlementQueries
) -> None:
    await fund(books, market, settlement)
    for buyer in "BCBCB":
        market.trade(buyer, "A", 1)
    await settlement.catch_up(market.seq)

    async def ids(**terms: object) -> list[int]:
        found = await reading.instructions(**terms)  # type: ignore[arg-type]
        return [instruction.trade_id for instruction in found]

    assert await ids() == [1, 2, 3, 4, 5]
    assert await ids(after_trade_id=2, limit=2) == [3, 4]
    assert await ids(participant_id="C") == [2, 4]
    assert await ids(participant_id="A", after_trade_id=4) == [5]
    assert await ids(limit=10**9) == [1, 2, 3, 4, 5]


async def test_balances_are_a_participant_s_own_or_everybody_s(
    books: AsyncEngine, market: Market, settlement: Settlement, reading: SettlementQueries
) -> None:
    await fund(books, market, settlement)
    await settlement.catch_up(market.trade("B", "A", 10, price_ticks=10_000))
    mine = [Balance("B", "", 99_899_250), Balance("B", BEA, 10)]
    assert await reading.balances("B") == mine
    assert await reading.balances() == [
        Balance("A", "", 99_250),
        Balance("A", BEA, 990),
        *mine,
        Balance("C", "", 100_000_000),
    ]
    assert await reading.house_balances() == [Balance("fees:public", "", 1_500)]


async def test_a_statement_shows_each_entry_with_the_balance_it_left(
    books: AsyncEngine, market: Market, settlement: Settlement, reading: SettlementQueries
) -> None:
    await fund(books, market, settlement)
    market.trade("B", "A", 1, price_ticks=10_000)
    await settlement.catch_up(market.trade("C", "B", 1, price_ticks=10_000))
    whole = await reading.statement("B")
    assert [(s.cause, s.series_id, s.amount, s.balance) for s in whole] == [
        ("cash:2", "", 100_000_000, 100_000_000),
        ("trade:1", "", -10_075, 99_989_925),
        ("trade:1", BEA, 1, 1),
        ("trade:2", "", 9_925, 99_999_850),
        ("trade:2", BEA, -1, 0),
    ]
    assert isinstance(whole[0], StatementEntry)
    assert (whole[0].kind, whole[0].trading_day) == ("cash_in", DAY)
    first = await reading.statement("B", limit=2)
    rest = await reading.statement("B", after_posting_id=first[-1].posting_id)
    assert first + rest == whole


async def test_holdings_show_serial_ranges_joined(
    books: AsyncEngine, market: Market, settlement: Settlement, reading: SettlementQueries
) -> None:
    await fund(books, market, settlement)
    for buyer in "BBCB":
        market.trade(buyer, "A", 5)
    await settlement.catch_up(market.seq)
    locked = UnitStatus.LOCKED
    assert await reading.holdings("B") == [
        Holding(BEA, locked, 1, 10, 10),
        Holding(BEA, locked, 16, 20, 5),
    ]
    assert await reading.registry_totals() == [
        SeriesTotals(BEA, 1_500, {UnitStatus.HELD: 500, locked: 1_000})
    ]


async def test_the_latest_reconciliation_is_the_one_of_the_highest_seq(
    books: AsyncEngine, market: Market, settlement: Settlement, reading: SettlementQueries
) -> None:
    await fund(books, market, settlement)
    market.report()
    await settlement.catch_up(last := market.report())
    found = await reading.reconciliation()
    assert found is not None
    assert (found.report_seq, found.trading_day, found.state_digest) == (last, DAY, "00" * 32)
