"""Answers about the market as everybody may see it: instruments, book, tape, rules, calendar."""

from typing import Any, Literal

from pydantic import Field

from api.outputs.base import Count, Currency, Day, Instant, Money, Number, Output, Tonnes
from api.outputs.problem import SaidWords
from engine.codes import HaltCause, Phase, Product, Side, SourceStatus, TradeType


class Liveness(Output):
    """The process lives."""

    status: Literal["ok"]


class Readiness(Output):
    """Whether commands are taken, and if not, why."""

    status: Literal["ok", "unavailable"]
    reason: str | None


class SystemStatus(Output):
    """What a person wants to know first."""

    market_time: Instant
    trading_day: Day | None
    is_day_open: bool
    is_demo: bool
    phases: dict[str, Phase] = Field(description="instrument -> phase")
    halts: dict[str, HaltCause] = Field(description="instrument, or * -> cause")
    opening_block: str | None = Field(description="reason code for which sessions may not open")
    rule_version_id: str
    engine_version: str
    as_of: Instant


class Instrument(Output):
    """An instrument with its limits, phase and trading today; prices null before a trade."""

    instrument_id: str
    series_id: str
    product: Product
    vintage: int
    currency: Currency
    price_tick: Money
    phase: Phase
    halt_cause: HaltCause | None
    reference_price: Money
    lower_limit: Money
    upper_limit: Money
    open: Money | None
    high: Money | None
    low: Money | None
    last: Money | None
    volume: Tonnes
    turnover: Money
    trade_count: Count


class Instruments(Output):
    """All instruments in order of id."""

    instruments: list[Instrument]


class Level(Output):
    """One price with all that rests there; in a delta, quantity 0 removes the level."""

    price: Money
    quantity: Tonnes


class Book(Output):
    """The best levels of both sides, best first; seq counts the book's changes."""

    instrument_id: str
    seq: Count
    bids: list[Level]
    offers: list[Level]


class PublicTrade(Output):
    """A trade as the tape shows it: no names."""

    trade_id: Number
    trade_type: TradeType
    instrument_id: str
    price: Money
    quantity: Number
    value: Money
    aggressor: Side
    trading_day: Day
    executed_at: Instant


class Tape(Output):
    """Trades, newest first; next is the cursor of the following page."""

    trades: list[PublicTrade]
    next: Number | None


class Parameter(Output):
    """One number the market decides by, with its source."""

    name: str
    value: Any
    status: SourceStatus
    basis: str


class RuleVersion(Output):
    """A dated set of rules."""

    rule_version_id: str
    effective_from: Day
    in_effect: bool
    title: str
    basis: str
    parameters: list[Parameter]


class RuleVersions(Output):
    """Every rule version; one is in effect."""

    rule_versions: list[RuleVersion]


class Reason(Output):
    """One code that a problem may carry."""

    code: str
    status: int
    rule_ref: str
    retryable: bool
    en: SaidWords
    zh: SaidWords


class Reasons(Output):
    """Every code that a problem may carry."""

    reasons: list[Reason]


class TradingSession(Output):
    """One stretch of continuous trading."""

    opens_at: Instant
    closes_at: Instant


class TradingDay(Output):
    """One trading day."""

    trading_day: Day
    pre_open_at: Instant
    sessions: list[TradingSession]


class Calendar(Output):
    """The known trading days; current is the latest that has started."""

    current: Day | None
    is_day_open: bool
    days: list[TradingDay]
