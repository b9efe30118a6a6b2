"""A scripted market for settlement tests: what it releases, and an honest account of it.

It keeps every participant's cash and units by itself, in plain dictionaries, so that the
positions it reports are what the books must come to.  It is the feed and the command port.
"""

import asyncio
from collections import Counter

from engine.codes import Side, TradeType
from engine.commands import (
    SYSTEM_ACTOR,
    AnyCommand,
    ConfirmUnitDeposit,
    Envelope,
    RecordReconciliation,
    ReportPositions,
)
from engine.events import (
    AnyEvent,
    CashCredited,
    CashTotal,
    CashWithdrawn,
    CommandRefused,
    DayStarted,
    PositionsReported,
    ReconciliationRecorded,
    RequestRepeated,
    TradeExecuted,
    UnitDepositRefused,
    UnitDepositRequested,
    UnitsDeposited,
    UnitsWithdrawn,
    UnitTotal,
)
from engine.released import Released
from settlement.ports import TemporarilyUnavailable

DAY = 20240506
BEA = "BEA-2024"
PCER = "PCER-2023"
FEE_PPM = 7_500


class Market:
    """Appends records; submit() answers at once, like a market that is never slow."""

    def __init__(self) -> None:
        self.records: list[Released] = []
        self.cash: Counter[str] = Counter()
        self.units: Counter[tuple[str, str]] = Counter()
        self.fees_fen = 0
        self.pending: dict[int, UnitDepositRequested] = {}
        self.submitted: list[tuple[str, AnyCommand]] = []
        self.refuses: dict[str, str] = {}
        self.outages = 0
        self._first_seq: dict[str, int] = {}
        self._trades = 0
        self._acts = 0
        self._grown = asyncio.Condition()
        self.append(DayStarted(DAY))

    @property
    def seq(self) -> int:
        return len(self.records)

    # --- ReleasedFeed and CommandPort ---------------------------------------------------------

    async def read_after(self, seq: int, limit: int) -> list[Released]:
        return self.records[seq : seq + limit]

    async def wait_beyond(self, seq: int) -> None:
        async with self._grown:
            await self._grown.wait_for(lambda: self.seq > seq)

    async def submit(self, request_id: str, body: AnyCommand) -> None:
        if self.outages:
            self.outages -= 1
            raise TemporarilyUnavailable("the market does not answer")
        self.submitted.append((request_id, body))
        if request_id in self._first_seq:
            event: AnyEvent = RequestRepeated(self._first_seq[request_id])
        else:
            self._first_seq[request_id] = self.seq + 1
            event = self._answer(request_id, body)
        self.append(event, request_id=request_id, body=body)
        await self.wake()

    async def wake(self) -> None:
        """Tell who waits that there is more."""
        async with self._grown:
            self._grown.notify_all()

    def _answer(self, request_id: str, body: AnyCommand) -> AnyEvent:
        if request_id in self.refuses:
            return CommandRefused(self.refuses[request_id], "", {})
        if isinstance(body, RecordReconciliation):
            return ReconciliationRecorded(body.report_seq, body.break_count)
        assert isinstance(body, ConfirmUnitDeposit)
        asked = self.pending.pop(body.deposit_id)
        if not body.is_locked:
            return UnitDepositRefused(body.deposit_id, body.refusal)
        self.units[asked.participant_id, asked.series_id] += asked.quantity
        return UnitsDeposited(
            asked.deposit_id, asked.participant_id, asked.series_id, asked.quantity
        )

    # --- the script -----------------------------------------------------------------------------

    def append(
        self,
        *events: AnyEvent,
        actor: str = SYSTEM_ACTOR,
        request_id: str = "",
        body: AnyCommand | None = None,
    ) -> int:
        seq = self.seq + 1
        envelope = Envelope(seq * 1_000, actor, request_id, body or ReportPositions())
        self.records.append(Released(seq, envelope, events))
        return seq

    def credit(self, participant_id: str, cash_fen: int) -> int:
        self.cash[participant_id] += cash_fen
        return self.append(CashCredited(self._act(), participant_id, cash_fen, "bank"))

    def withdraw(self, participant_id: str, cash_fen: int) -> int:
        self.cash[participant_id] -= cash_fen
        return self.append(CashWithdrawn(self._act(), participant_id, cash_fen, "bank"))

    def request_deposit(self, participant_id: str, quantity: int, series_id: str = BEA) -> int:
        asked = UnitDepositRequested(self._act(), participant_id, series_id, quantity, "paper")
        self.pending[asked.deposit_id] = asked
        self.append(asked)
        return asked.deposit_id

    def withdraw_units(self, participant_id: str, quantity: int, series_id: str = BEA) -> int:
        self.units[participant_id, series_id] -= quantity
        act_id = self._act()
        return self.append(UnitsWithdrawn(act_id, participant_id, series_id, quantity, "paper"))

    def trade(
        self,
        buyer_id: str,
        seller_id: str,
        quantity: int,
        price_ticks: int = 10_000,
        series_id: str = BEA,
    ) -> int:
        return self.append(self.match(buyer_id, seller_id, quantity, price_ticks, series_id))

    def match(
        self,
        buyer_id: str,
        seller_id: str,
        quantity: int,
        price_ticks: int = 10_000,
        series_id: str = BEA,
    ) -> TradeExecuted:
        self._trades += 1
        value_fen = price_ticks * quantity
        fee_fen = (2 * value_fen * FEE_PPM + 1_000_000) // 2_000_000
        self.cash[buyer_id] -= value_fen + fee_fen
        self.cash[seller_id] += value_fen - fee_fen
        self.fees_fen += 2 * fee_fen
        self.units[buyer_id, series_id] += quantity
        self.units[seller_id, series_id] -= quantity
        return TradeExecuted(
            trade_id=self._trades,
            trade_type=TradeType.CONTINUOUS,
            trading_day=DAY,
            instrument_id=series_id,
            series_id=series_id,
            price_ticks=price_ticks,
            quantity=quantity,
            value_fen=value_fen,
            aggressor=Side.BUY,
            buy_order_id=2 * self._trades,
            sell_order_id=2 * self._trades + 1,
            buyer_id=buyer_id,
            seller_id=seller_id,
            buyer_fee_fen=fee_fen,
            seller_fee_fen=fee_fen,
        )

    def report(self) -> int:
        event = PositionsReported(
            DAY,
            tuple(CashTotal(owner, fen) for owner, fen in sorted(self.cash.items()) if fen),
            tuple(
                UnitTotal(*slot, tonnes) for slot, tonnes in sorted(self.units.items()) if tonnes
            ),
            self.fees_fen,
            tuple(self.pending),
            "00" * 32,
        )
        return self.append(event)

    def _act(self) -> int:
        self._acts += 1
        return self._acts
