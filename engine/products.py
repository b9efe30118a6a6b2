"""What trades and by which rules: series, instruments, rule versions, the trading calendar.

Art 17: allowances and Beijing-certified offsets; Art 2: national units follow national rules and
cannot be listed (they have no product here).  Restricted series are not tradable by default.
"""

from engine.book import Book
from engine.calendar import TradingDay
from engine.calendar import find_fault as find_calendar_fault
from engine.codes import Phase
from engine.commands import InstallRules, ListInstrument, ListSeries, SetTradingDays
from engine.events import (
    InstrumentListed,
    ReferencePriceSet,
    RulesInstalled,
    SeriesListed,
    TradingDaysSet,
)
from engine.faults import Refused
from engine.halts import settle_phases
from engine.market import DayTrading, Instrument, Series
from engine.rules import find_fault as find_rules_fault
from engine.rules import price_limits
from engine.step import Step, need_id, need_range

MAX_PRICE_TICKS = 10**7
FIRST_VINTAGE = 2013


def check_series(step: Step, act: ListSeries) -> None:
    """A new id, a vintage of the pilot's years."""
    need_id("series_id", act.series_id)
    if act.series_id in step.market.series:
        raise Refused("SERIES_INVALID", "series_id", series=act.series_id, fault="known already")
    need_range("vintage", act.vintage, FIRST_VINTAGE, 2200)
    need_range("expires_day", act.expires_day, 0, 9999_12_31)


def list_series(step: Step, act: ListSeries, _act_id: int) -> None:
    """Make the series known."""
    step.market.series[act.series_id] = Series(
        act.series_id, act.product, act.vintage, act.restriction, act.expires_day
    )
    step.emit(
        SeriesListed(act.series_id, act.product, act.vintage, act.restriction, act.expires_day)
    )


def check_instrument(step: Step, act: ListInstrument) -> None:
    """A new id, an unrestricted series of its own, and a reference price: none, no trading."""
    market = step.market
    need_id("instrument_id", act.instrument_id)
    series = market.known_series(act.series_id)
    need_range("reference_price", act.reference_price_ticks, 1, MAX_PRICE_TICKS)
    fault = ""
    if act.instrument_id in market.instruments:
        fault = "listed already"
    elif series.restriction:
        fault = f"series {act.series_id} is restricted ({series.restriction}) and not tradable"
    elif any(i.series_id == act.series_id for i in market.instruments.values()):
        fault = f"series {act.series_id} has an instrument already"
    if fault:
        raise Refused(
            "INSTRUMENT_INVALID",
            "instrument_id",
            instrument=act.instrument_id,
            fault=fault,
        )


def list_instrument(step: Step, act: ListInstrument, _act_id: int) -> None:
    """List the instrument; it trades as soon as the schedule lets it."""
    market = step.market
    series = market.series[act.series_id]
    rules = market.rules_now()
    lower, upper = price_limits(act.reference_price_ticks, rules)
    market.instruments[act.instrument_id] = Instrument(
        act.instrument_id,
        act.series_id,
        series.product,
        rules.price_tick_fen,
        act.reference_price_ticks,
        lower,
        upper,
        Phase.CLOSED,
        DayTrading(),
    )
    market.books[act.instrument_id] = Book()
    step.emit(InstrumentListed(act.instrument_id, act.series_id, rules.price_tick_fen))
    step.emit(
        ReferencePriceSet(act.instrument_id, market.day, act.reference_price_ticks, lower, upper)
    )
    settle_phases(step)


def check_rules(step: Step, act: InstallRules) -> None:
    """A new id, complete and sane parameters, in effect on a later day than any other version."""
    version, market = act.rule_version, step.market
    need_id("rule_version_id", version.rule_version_id)
    fault = find_rules_fault(version)
    if fault is None and any(
        v.rule_version_id == version.rule_version_id for v in market.rule_versions
    ):
        fault = ("rule_version_id", "the id is in use")
    latest = max(market.day, *(v.effective_from_day for v in market.rule_versions))
    if fault is None and version.effective_from_day <= latest:
        fault = ("effective_from_day", f"later than {latest}")
    if fault is not None:
        raise Refused(
            "RULES_INVALID",
            f"rule_version/{fault[0]}",
            version=version.rule_version_id,
            fault=f"{fault[0]}: {fault[1]}",
        )


def install_rules(step: Step, act: InstallRules, _act_id: int) -> None:
    """Publish the version; it takes effect when its day starts."""
    step.market.rule_versions.append(act.rule_version)
    step.emit(RulesInstalled(act.rule_version))


def set_trading_days(step: Step, command: SetTradingDays) -> None:
    """Replace the days that have not started; history stays."""
    market = step.market
    fault = find_calendar_fault(command.days) or _find_misfit(step, command.days)
    if fault is not None:
        raise Refused("CALENDAR_INVALID", fault[0], fault=fault[1])
    market.calendar.replace_future(command.days)
    market.refresh()
    step.emit(TradingDaysSet(command.days))


def _find_misfit(step: Step, days: tuple[TradingDay, ...]) -> tuple[str, str] | None:
    """The first (field, fault) by which sound days do not follow on the history, or None."""
    calendar, rules = step.market.calendar, step.market.rules_now()
    first, count = days[0], max(rules.resale_interval_days, rules.withdrawal_interval_days)
    if first.day <= calendar.last_started_day():
        return "days/0", f"{first.day} has started already"
    if first.starts_ns <= max(step.now_ns, calendar.history_ends_ns()):
        return "days/0", f"{first.day} would start in the past or in the day in progress"
    if len(days) < count:
        return "days", f"at least {count}, to cover the resale and withdrawal intervals"
    return None
