"""The rows of the read model; units as in engine/events.py."""

import msgspec

from engine.calendar import TradingDay
from engine.codes import (
    ActStatus,
    CancelReason,
    FreezeReason,
    HaltCause,
    OrderStatus,
    ParticipantClass,
    Phase,
    Product,
    Side,
    TimeInForce,
    TradeType,
)
from engine.commands import AccessGrant, Act
from engine.events import InstrumentDayClosed, OrderRejected
from engine.rules import RuleVersion


class InstrumentView(msgspec.Struct):
    """An instrument and its trading today; prices 0 before the first trade."""

    instrument_id: str
    series_id: str
    tick_fen: int
    product: Product
    vintage: int
    phase: Phase = Phase.CLOSED
    halt_cause: HaltCause | None = None
    reference_price_ticks: int = 0
    lower_limit_ticks: int = 0
    upper_limit_ticks: int = 0
    open_ticks: int = 0
    high_ticks: int = 0
    low_ticks: int = 0
    last_ticks: int = 0
    volume_tonnes: int = 0
    turnover_fen: int = 0
    trade_count: int = 0
    book_seq: int = 0
    trade_seq: int = 0


class OrderView(msgspec.Struct):
    """An order's life so far; entered_seq and day say where it began."""

    order_id: int
    participant_id: str
    client_order_id: str
    instrument_id: str
    side: Side
    price_ticks: int
    quantity: int
    time_in_force: TimeInForce
    status: OrderStatus
    trading_day: int
    entered_ns: int
    updated_ns: int
    cumulative_quantity: int = 0
    cumulative_value_fen: int = 0
    fee_fen: int = 0
    version: int = 1
    reason: CancelReason | None = None

    @property
    def leaves_quantity(self) -> int:
        """Tonnes that can still trade: none once the status is final."""
        if self.status in (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED):
            return self.quantity - self.cumulative_quantity
        return 0


class TradeView(msgspec.Struct, frozen=True):
    """A trade with both of its sides; what the public may see of it is the API's choice."""

    trade_id: int
    trade_type: TradeType
    trading_day: int
    executed_ns: int
    instrument_id: str
    series_id: str
    price_ticks: int
    quantity: int
    value_fen: int
    aggressor: Side
    buy_order_id: int
    sell_order_id: int
    buyer_id: str
    seller_id: str
    buyer_fee_fen: int
    seller_fee_fen: int
    channel_seq: int


class RejectedView(msgspec.Struct, frozen=True):
    """An order that was not accepted, kept as long as final orders are."""

    event: OrderRejected
    trading_day: int
    rejected_ns: int


class ParticipantView(msgspec.Struct, frozen=True):
    """An admitted company or institution."""

    participant_id: str
    name: str
    participant_class: ParticipantClass
    group_id: str
    annual_allowance_tonnes: int


class CashView(msgspec.Struct, frozen=True):
    """Money of a participant, fen."""

    available_fen: int = 0
    held_fen: int = 0
    withdrawable_fen: int = 0


class UnitsView(msgspec.Struct, frozen=True):
    """Units of a participant in a series, tonnes."""

    available: int
    held: int
    frozen: int
    sellable: int


class AccountView(msgspec.Struct):
    """A participant's trading account."""

    cash: CashView
    units: dict[str, UnitsView]


class ActView(msgspec.Struct):
    """A sensitive act and its signatures."""

    act_id: int
    act: Act
    proposer: str
    reason: str
    proposed_ns: int
    expires_ns: int
    status: ActStatus = ActStatus.PENDING_APPROVAL
    decided_by: str = ""
    decided_ns: int = 0
    note: str = ""


class KeyView(msgspec.Struct, frozen=True):
    """A machine key in force."""

    key_id: str
    person_id: str
    public_key: str
    label: str


class FreezeView(msgspec.Struct, frozen=True):
    """A freeze in force (Art 16)."""

    freeze_id: int
    participant_id: str
    series_id: str
    quantity: int
    shortfall: int
    reason: FreezeReason
    document: str


class ReconciliationView(msgspec.Struct, frozen=True):
    """Outcome of a reconciliation."""

    report_seq: int
    break_count: int
    recorded_ns: int


class ReadRecord(msgspec.Struct):
    """Everything the read model keeps; saved in snapshots."""

    seq: int = 0
    timestamp_ns: int = 0
    trading_day: int = 0
    is_day_open: bool = False
    rule_versions: list[RuleVersion] = []
    rule_version_id: str = ""
    days: list[TradingDay] = []
    halts: dict[str, HaltCause] = {}
    opening_block: str = ""
    instruments: dict[str, InstrumentView] = {}
    series: dict[str, tuple[Product, int, str, int]] = {}
    day_closes: list[InstrumentDayClosed] = []
    participants: dict[str, ParticipantView] = {}
    access: dict[str, AccessGrant] = {}
    keys: dict[str, KeyView] = {}
    accounts: dict[str, AccountView] = {}
    orders: dict[int, OrderView] = {}
    rejected: dict[str, RejectedView] = {}
    trades: dict[int, TradeView] = {}
    acts: dict[int, ActView] = {}
    freezes: dict[int, FreezeView] = {}
    execution_seq: dict[str, int] = {}
    reconciliations: list[ReconciliationView] = []
    last_position_report_seq: int = 0
