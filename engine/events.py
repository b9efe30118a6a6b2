"""Everything that happened: past tense, the engine's only output.

Replies, market data, history, settlement and audit are functions of these.  Units: prices in
ticks, quantities in tonnes, money in fen, days as yyyymmdd, times in UTC nanoseconds.  The time
of an event is the timestamp of the command that caused it.
"""

import msgspec

from engine.calendar import TradingDay
from engine.codes import (
    CancelReason,
    FreezeReason,
    HaltCause,
    ParticipantClass,
    Phase,
    Product,
    Role,
    Side,
    TimeInForce,
    TradeType,
)
from engine.commands import Act
from engine.rules import RuleVersion


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type"):
    """Base of all events; the tag is the class name."""


# --- refusals ---------------------------------------------------------------------------------


class CommandRefused(Event, frozen=True, tag="CommandRefused"):
    """Nothing was done; reason is a code of engine/reasons.py, field names the input."""

    reason: str
    field: str
    facts: dict[str, str]


class OrderRejected(Event, frozen=True, tag="OrderRejected"):
    """An order was not accepted; nothing was done."""

    participant_id: str
    client_order_id: str
    instrument_id: str
    reason: str
    field: str
    facts: dict[str, str]


class RequestRepeated(Event, frozen=True, tag="RequestRepeated"):
    """The same request id and body was sequenced before, at original_seq: that outcome stands."""

    original_seq: int


# --- the run of the market --------------------------------------------------------------------


class MarketFounded(Event, frozen=True, tag="MarketFounded"):
    """The journal's market exists."""

    rule_version: RuleVersion


class LeadershipTaken(Event, frozen=True, tag="LeadershipTaken"):
    """A leader opened the log; missed_session_ns is session time during the outage."""

    epoch: int
    missed_session_ns: int
    is_halted: bool


class RequestQuarantined(Event, frozen=True, tag="RequestQuarantined"):
    """A request that broke an invariant stays refused."""

    quarantine_id: int
    scope: str
    request_id: str


class TradingDaysSet(Event, frozen=True, tag="TradingDaysSet"):
    """Trading days that have not started, replaced by these."""

    days: tuple[TradingDay, ...]


class RulesInstalled(Event, frozen=True, tag="RulesInstalled"):
    """A rule version waits for its date."""

    rule_version: RuleVersion


class RulesTookEffect(Event, frozen=True, tag="RulesTookEffect"):
    """From this trading day on, the named rule version holds."""

    rule_version_id: str
    day: int


class DayStarted(Event, frozen=True, tag="DayStarted"):
    """A trading day began (phase PRE_OPEN)."""

    day: int


class DayEnded(Event, frozen=True, tag="DayEnded"):
    """A trading day is over; its DAY orders have expired."""

    day: int


class ReferencePriceSet(Event, frozen=True, tag="ReferencePriceSet"):
    """Reference price of an instrument for a day and the price limits it gives."""

    instrument_id: str
    day: int
    reference_price_ticks: int
    lower_limit_ticks: int
    upper_limit_ticks: int


class InstrumentDayClosed(Event, frozen=True, tag="InstrumentDayClosed"):
    """Public trading of an instrument on a day; prices are 0 when nothing traded."""

    instrument_id: str
    day: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    last_ticks: int
    vwap_ticks: int
    volume_tonnes: int
    turnover_fen: int
    trade_count: int


class PhaseChanged(Event, frozen=True, tag="PhaseChanged"):
    """An instrument's phase; cause only when it is HALTED."""

    instrument_id: str
    phase: Phase
    cause: HaltCause | None


class OpeningBlocked(Event, frozen=True, tag="OpeningBlocked"):
    """A scheduled opening did not happen; reason is a code of engine/reasons.py."""

    reason: str


class TradingHalted(Event, frozen=True, tag="TradingHalted"):
    """A halt holds for an instrument or for ALL_INSTRUMENTS."""

    instrument_id: str
    cause: HaltCause
    note: str


class TradingResumed(Event, frozen=True, tag="TradingResumed"):
    """The halt of that scope is lifted."""

    instrument_id: str
    note: str


# --- admission and access ---------------------------------------------------------------------


class ParticipantAdmitted(Event, frozen=True, tag="ParticipantAdmitted"):
    """A company or institution may hold accounts and trade."""

    participant_id: str
    name: str
    participant_class: ParticipantClass
    group_id: str
    annual_allowance_tonnes: int


class InsiderDeclared(Event, frozen=True, tag="InsiderDeclared"):
    """A person may not trade."""

    person_id: str
    body: str


class AccessGranted(Event, frozen=True, tag="AccessGranted"):
    """A person holds a role from now on; it replaces an earlier one."""

    person_id: str
    role: Role
    participant_id: str


class AccessRevoked(Event, frozen=True, tag="AccessRevoked"):
    """A person holds no role from now on."""

    person_id: str


class KeyIssued(Event, frozen=True, tag="KeyIssued"):
    """A machine key speaks for a person."""

    key_id: str
    person_id: str
    public_key: str
    label: str


class KeyRevoked(Event, frozen=True, tag="KeyRevoked"):
    """A machine key speaks for nobody."""

    key_id: str


# --- two people -------------------------------------------------------------------------------


class ActProposed(Event, frozen=True, tag="ActProposed"):
    """A sensitive act waits for its second signature until expires_ns."""

    act_id: int
    act: Act
    proposer: str
    reason: str
    expires_ns: int


class ActApproved(Event, frozen=True, tag="ActApproved"):
    """The second signature; the events of the act itself follow."""

    act_id: int
    approver: str


class ActFailed(Event, frozen=True, tag="ActFailed"):
    """Approved, but no longer possible: nothing was done."""

    act_id: int
    approver: str
    reason: str
    field: str
    facts: dict[str, str]


class ActRejected(Event, frozen=True, tag="ActRejected"):
    """The act will not happen."""

    act_id: int
    by: str
    reason: str


class ActExtended(Event, frozen=True, tag="ActExtended"):
    """An outage gave a pending act its time back."""

    act_id: int
    expires_ns: int


class ActExpired(Event, frozen=True, tag="ActExpired"):
    """Nobody signed in time."""

    act_id: int


# --- products ---------------------------------------------------------------------------------


class SeriesListed(Event, frozen=True, tag="SeriesListed"):
    """A series of units is known."""

    series_id: str
    product: Product
    vintage: int
    restriction: str
    expires_day: int


class InstrumentListed(Event, frozen=True, tag="InstrumentListed"):
    """An instrument is listed; it trades as soon as the schedule lets it."""

    instrument_id: str
    series_id: str
    price_tick_fen: int


# --- orders and trades ------------------------------------------------------------------------


class OrderAccepted(Event, frozen=True, tag="OrderAccepted"):
    """An order is in the market, its money or units held."""

    order_id: int
    participant_id: str
    client_order_id: str
    instrument_id: str
    side: Side
    price_ticks: int
    quantity: int
    time_in_force: TimeInForce
    fee_ppm: int


class OrderAmended(Event, frozen=True, tag="OrderAmended"):
    """Price or total quantity changed; version counts the changes."""

    order_id: int
    price_ticks: int
    quantity: int
    leaves_quantity: int
    version: int
    priority_kept: bool


class OrderCanceled(Event, frozen=True, tag="OrderCanceled"):
    """What was left of an order will not trade."""

    order_id: int
    leaves_quantity: int
    reason: CancelReason


class OrderExpired(Event, frozen=True, tag="OrderExpired"):
    """What was left of a DAY order ended with its day."""

    order_id: int
    leaves_quantity: int


class TradeExecuted(Event, frozen=True, tag="TradeExecuted"):
    """Two orders matched, at the resting order's price; each side pays its own fee."""

    trade_id: int
    trade_type: TradeType
    trading_day: int
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


# --- accounts ---------------------------------------------------------------------------------


class CashCredited(Event, frozen=True, tag="CashCredited"):
    """Money arrived for a participant."""

    act_id: int
    participant_id: str
    cash_fen: int
    reference: str


class CashWithdrawn(Event, frozen=True, tag="CashWithdrawn"):
    """Money left the participant's account."""

    act_id: int
    participant_id: str
    cash_fen: int
    reference: str


class UnitDepositRequested(Event, frozen=True, tag="UnitDepositRequested"):
    """The registry is to lock units; deposit_id is the act's id."""

    deposit_id: int
    participant_id: str
    series_id: str
    quantity: int
    reference: str


class UnitsDeposited(Event, frozen=True, tag="UnitsDeposited"):
    """Locked units are on the participant's trading account."""

    deposit_id: int
    participant_id: str
    series_id: str
    quantity: int


class UnitDepositRefused(Event, frozen=True, tag="UnitDepositRefused"):
    """The registry did not lock the units."""

    deposit_id: int
    refusal: str


class UnitsWithdrawn(Event, frozen=True, tag="UnitsWithdrawn"):
    """Units left the trading account; the registry releases its lock."""

    act_id: int
    participant_id: str
    series_id: str
    quantity: int
    reference: str


class UnitsFrozen(Event, frozen=True, tag="UnitsFrozen"):
    """Art 16: the use of units is suspended; shortfall is what was not there to freeze."""

    freeze_id: int
    participant_id: str
    series_id: str
    quantity: int
    shortfall: int
    reason: FreezeReason
    document: str


class UnitsReleased(Event, frozen=True, tag="UnitsReleased"):
    """A freeze ended."""

    freeze_id: int
    participant_id: str
    series_id: str
    quantity: int
    document: str


class CashChanged(Event, frozen=True, tag="CashChanged"):
    """A participant's cash after the command; total = available + held."""

    participant_id: str
    available_fen: int
    held_fen: int
    withdrawable_fen: int


class UnitsChanged(Event, frozen=True, tag="UnitsChanged"):
    """A participant's units of a series; total = available + held + frozen.

    sellable is what a new sell order may offer today (T+1, freezes and holds taken off).
    """

    participant_id: str
    series_id: str
    available: int
    held: int
    frozen: int
    sellable: int


# --- reconciliation ---------------------------------------------------------------------------


class CashTotal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A participant's whole cash."""

    participant_id: str
    cash_fen: int


class UnitTotal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A participant's whole position in a series."""

    participant_id: str
    series_id: str
    quantity: int


class PositionsReported(Event, frozen=True, tag="PositionsReported"):
    """Every account that is not empty, the fees charged so far, and the state digest (hex)."""

    day: int
    cash: tuple[CashTotal, ...]
    units: tuple[UnitTotal, ...]
    fees_fen: int
    pending_deposits: tuple[int, ...]
    state_digest: str


class ReconciliationRecorded(Event, frozen=True, tag="ReconciliationRecorded"):
    """Breaks found at report_seq; more than none block the next opening."""

    report_seq: int
    break_count: int


class BreaksOverridden(Event, frozen=True, tag="BreaksOverridden"):
    """Two people let the market open in spite of breaks."""

    reason: str


AnyEvent = (
    CommandRefused
    | OrderRejected
    | RequestRepeated
    | MarketFounded
    | LeadershipTaken
    | RequestQuarantined
    | TradingDaysSet
    | RulesInstalled
    | RulesTookEffect
    | DayStarted
    | DayEnded
    | ReferencePriceSet
    | InstrumentDayClosed
    | PhaseChanged
    | OpeningBlocked
    | TradingHalted
    | TradingResumed
    | ParticipantAdmitted
    | InsiderDeclared
    | AccessGranted
    | AccessRevoked
    | KeyIssued
    | KeyRevoked
    | ActProposed
    | ActApproved
    | ActFailed
    | ActRejected
    | ActExtended
    | ActExpired
    | SeriesListed
    | InstrumentListed
    | OrderAccepted
    | OrderAmended
    | OrderCanceled
    | OrderExpired
    | TradeExecuted
    | CashCredited
    | CashWithdrawn
    | UnitDepositRequested
    | UnitsDeposited
    | UnitDepositRefused
    | UnitsWithdrawn
    | UnitsFrozen
    | UnitsReleased
    | CashChanged
    | UnitsChanged
    | PositionsReported
    | ReconciliationRecorded
    | BreaksOverridden
)
