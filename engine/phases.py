"""The trading day: phases by schedule, the day's start and end, outages.

    CLOSED -START-> PRE_OPEN -OPEN-> CONTINUOUS <-BREAK/OPEN-> BREAK ... CONTINUOUS -END-> CLOSED

An instrument's own phase follows from the scheduled one, halts and blocks (engine/halts.py).

At one instant expiries come first, then the boundary (conventions rulebook, "expiry").
Missed phases never fire retroactively: an outage longer than `auto_resume_seconds` of session time
leaves the market HALTED(TECHNICAL) until the operator resumes it.
"""

from engine.acts import expire_acts, extend_acts
from engine.calendar import BoundaryKind
from engine.codes import CancelReason, HaltCause, Phase, TimeInForce
from engine.commands import (
    ALL_INSTRUMENTS,
    CloseMarket,
    LeaderStarted,
    OpenMarket,
    RefuseRequest,
)
from engine.events import (
    DayEnded,
    DayStarted,
    InstrumentDayClosed,
    LeadershipTaken,
    OpeningBlocked,
    OrderExpired,
    ReferencePriceSet,
    RequestQuarantined,
    RulesTookEffect,
)
from engine.faults import Refused
from engine.halts import halt, settle_phases
from engine.market import (
    NEVER_DAY,
    DayTrading,
    Instrument,
    Market,
    RequestRecord,
    request_key,
)
from engine.oversight import report_positions
from engine.rules import half_up, price_limits
from engine.step import Step, need_text
from engine.trading import close_order, retire

NS_PER_SECOND = 1_000_000_000


def advance(step: Step, to_ns: int) -> None:
    """Carry out everything due up to to_ns, in order of time, expiries first at each instant."""
    market = step.market
    while market.next_deadline() <= to_ns:
        now_ns = market.next_deadline()
        expire_acts(step, now_ns)
        if market.calendar.next_ns() == now_ns:
            _pass_boundary(step)


def start_leader(step: Step, command: LeaderStarted) -> None:
    """Take over after an outage: resume if little was missed, otherwise halt."""
    market = step.market
    market.epoch = command.epoch
    since_ns = max(step.last_ns, market.calendar.done_ns)
    missed_ns = market.calendar.session_ns_between(since_ns, step.now_ns)
    allowed_ns = market.rules.auto_resume_seconds * NS_PER_SECOND if market.rules else 0
    is_halted = missed_ns > allowed_ns
    step.emit(LeadershipTaken(command.epoch, missed_ns, is_halted))
    if is_halted:
        extend_acts(step, step.now_ns - step.last_ns)
        halt(step, ALL_INSTRUMENTS, HaltCause.TECHNICAL, "outage")
    advance(step, step.now_ns)


def quarantine_request(step: Step, command: RefuseRequest) -> None:
    """Keep refusing a request that broke an invariant; its instrument reopens halted."""
    market = step.market
    market.last_quarantine_id = command.quarantine_id
    key = request_key(command.scope, command.request_id)
    market.requests[key] = RequestRecord("", step.seq, market.day_number, is_open_order=True)
    step.emit(RequestQuarantined(command.quarantine_id, command.scope, command.request_id))
    if command.instrument_id in market.instruments:
        halt(
            step,
            command.instrument_id,
            HaltCause.TECHNICAL,
            f"request {command.request_id}",
        )


def open_market(step: Step, _command: OpenMarket) -> None:
    """Open a session whose scheduled opening was blocked, once nothing blocks it any more."""
    market = step.market
    if market.scheduled_phase is not Phase.CONTINUOUS:
        raise Refused("OUTSIDE_TRADING_HOURS")
    if not market.opening_block:
        raise Refused("MARKET_ALREADY_OPEN")
    block = _opening_block(market)
    if block:
        raise Refused(block, breaks=market.break_count)
    market.opening_block = ""
    settle_phases(step)


def close_market(step: Step, command: CloseMarket) -> None:
    """End the trading day now."""
    need_text("note", command.note)
    market = step.market
    if market.scheduled_phase is Phase.CLOSED:
        raise Refused("OUTSIDE_TRADING_HOURS")
    market.calendar.end_day(market.day)
    _end_day(step)


def set_limits(step: Step, instrument: Instrument) -> None:
    """Price limits around the reference price, by the rules in effect."""
    market = step.market
    limits = price_limits(instrument.reference_price_ticks, market.rules_now())
    instrument.lower_limit_ticks, instrument.upper_limit_ticks = limits
    step.emit(
        ReferencePriceSet(
            instrument.instrument_id,
            market.day,
            instrument.reference_price_ticks,
            *limits,
        )
    )


def _pass_boundary(step: Step) -> None:
    market = step.market
    boundary = market.calendar.fire()
    if boundary.kind is BoundaryKind.START:
        _start_day(step, boundary.day)
    elif boundary.kind is BoundaryKind.OPEN:
        market.scheduled_phase = Phase.CONTINUOUS
        market.opening_block = _opening_block(market)
        if market.opening_block:
            step.emit(OpeningBlocked(market.opening_block))
        settle_phases(step)
    elif boundary.kind is BoundaryKind.BREAK:
        market.scheduled_phase = Phase.BREAK
        settle_phases(step)
    else:
        _end_day(step)


def _start_day(step: Step, day: int) -> None:
    market = step.market
    day_before, market.day = market.day, day
    market.day_number += 1
    market.scheduled_phase = Phase.PRE_OPEN
    _take_rules_into_effect(step)
    market.refresh()
    step.emit(DayStarted(day))
    _forget_old_requests(market)
    _mature_accounts(step, day_before)
    for instrument_id in sorted(market.instruments):
        instrument = market.instruments[instrument_id]
        instrument.today = DayTrading()
        set_limits(step, instrument)
        _cancel_unfit(step, instrument)
    settle_phases(step)


def _end_day(step: Step) -> None:
    market = step.market
    market.scheduled_phase = Phase.CLOSED
    market.opening_block = ""
    for instrument_id in sorted(market.instruments):
        _expire_day_orders(step, instrument_id)
        _close_instrument_day(step, market.instruments[instrument_id])
    settle_phases(step)
    step.emit(DayEnded(market.day))
    report_positions(step)


def _take_rules_into_effect(step: Step) -> None:
    market = step.market
    due = [v for v in market.rule_versions if v.effective_from_day <= market.day]
    latest = max(due, key=lambda version: version.effective_from_day, default=None)
    if latest is not None and latest.rule_version_id != market.rule_version_id:
        market.rule_version_id = latest.rule_version_id
        step.emit(RulesTookEffect(latest.rule_version_id, market.day))


def _forget_old_requests(market: Market) -> None:
    oldest = market.day_number - market.rules_now().idempotency_days
    market.requests = {
        key: record
        for key, record in market.requests.items()
        if record.is_open_order or record.day_number >= oldest
    }


def _mature_accounts(step: Step, day_before: int) -> None:
    market = step.market
    for participant_id in sorted(market.accounts):
        account = market.accounts[participant_id]
        if account.cash.mature(market.day):
            step.touch_cash(participant_id)
        for series_id in sorted(account.positions):
            if account.positions[series_id].mature(day_before, market.day):
                step.touch_units(participant_id, series_id)


def _cancel_unfit(step: Step, instrument: Instrument) -> None:
    """Cancel what the new day's limits, or the end of the series, leave no place for."""
    market = step.market
    series = market.series[instrument.series_id]
    is_expired = bool(series.expires_day) and market.day > series.expires_day
    lower, upper = instrument.lower_limit_ticks, instrument.upper_limit_ticks
    for order in market.books[instrument.instrument_id].in_priority():
        if is_expired:
            close_order(step, order, CancelReason.SERIES_EXPIRED)
        elif not lower <= order.price_ticks <= upper:
            close_order(step, order, CancelReason.OUTSIDE_PRICE_LIMITS)


def _expire_day_orders(step: Step, instrument_id: str) -> None:
    for order in step.market.books[instrument_id].in_priority():
        if order.time_in_force is TimeInForce.DAY:
            retire(step, order)
            step.emit(OrderExpired(order.order_id, order.leaves_quantity))


def _close_instrument_day(step: Step, instrument: Instrument) -> None:
    """The day's VWAP is the next day's reference price; without a trade it is carried over."""
    today = instrument.today
    vwap = half_up(today.turnover_ticks, today.volume_tonnes) if today.volume_tonnes else 0
    step.emit(
        InstrumentDayClosed(
            instrument.instrument_id,
            step.market.day,
            today.open_ticks,
            today.high_ticks,
            today.low_ticks,
            today.last_ticks,
            vwap,
            today.volume_tonnes,
            today.turnover_ticks * instrument.tick_fen,
            today.trade_count,
        )
    )
    if vwap:
        instrument.reference_price_ticks = vwap


def _opening_block(market: Market) -> str:
    """The reason code for which a session may not open, '' if none."""
    if market.break_count:
        return "BREAKS_UNRESOLVED"
    if NEVER_DAY in (market.resale_day, market.withdrawal_day):
        return "CALENDAR_EXHAUSTED"
    return ""
