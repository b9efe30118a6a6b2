"""The trading day: phases by schedule, start and end, early close, blocked openings."""

import pytest

from engine import commands as c
from engine import events as e
from engine.codes import CancelReason, Phase
from engine.market import NEVER_DAY
from tests.engine.expected import CASH, MONDAY, UNITS, canceled, cash, refused, units
from tests.market_driver import (
    INSTRUMENT,
    MINUTE,
    MarketDriver,
    closed_market,
    list_instrument,
    open_market,
    trading_day,
)

TUESDAY = 20240507


def changed(phase: Phase) -> e.PhaseChanged:
    return e.PhaseChanged(INSTRUMENT, phase, None)


def advance_to_phase(market: MarketDriver, phase: Phase) -> None:
    while market.market.instruments[INSTRUMENT].phase is not phase:
        market.next_boundary()


def without_report(events: tuple[e.AnyEvent, ...]) -> list[e.AnyEvent]:
    return [event for event in events if not isinstance(event, e.PositionsReported)]


def test_a_day_passes_through_its_phases() -> None:
    market = closed_market()
    actual = [without_report(market.next_boundary()) for _ in range(5)]
    expected = [
        [
            e.DayStarted(MONDAY),
            e.ReferencePriceSet(INSTRUMENT, MONDAY, 10_000, 8_000, 12_000),
            changed(Phase.PRE_OPEN),
        ],
        [changed(Phase.CONTINUOUS)],
        [changed(Phase.BREAK)],
        [changed(Phase.CONTINUOUS)],
        [
            e.InstrumentDayClosed(INSTRUMENT, MONDAY, 0, 0, 0, 0, 0, 0, 0, 0),
            changed(Phase.CLOSED),
            e.DayEnded(MONDAY),
        ],
    ]
    assert expected == actual


def test_a_boundary_fires_once_and_at_its_instant() -> None:
    market = closed_market()
    day = trading_day(0)
    fired = [market.next_boundary() and market.log[-1][0].timestamp_ns for _ in range(5)]
    first, second = day.sessions
    assert [
        day.starts_ns, first.opens_ns, first.closes_ns, second.opens_ns, second.closes_ns,
    ] == fired  # fmt: skip


def test_the_days_end_reports_every_account_and_the_state_it_leaves() -> None:
    market = open_market("A sells 5@10000", "B buys 2@10000")
    events = market.end_day()
    expected = e.PositionsReported(
        day=MONDAY,
        cash=(
            e.CashTotal("A", CASH + 19_850),
            e.CashTotal("B", CASH - 20_150),
            e.CashTotal("C", CASH),
        ),
        units=(
            e.UnitTotal("A", INSTRUMENT, UNITS - 2),
            e.UnitTotal("B", INSTRUMENT, UNITS + 2),
            e.UnitTotal("C", INSTRUMENT, UNITS),
        ),
        fees_fen=300,
        pending_deposits=(),
        state_digest=market.engine.state_digest().hex(),
    )
    (actual,) = [event for event in events if isinstance(event, e.PositionsReported)]
    assert expected == actual


def test_the_days_end_closes_each_instruments_day() -> None:
    market = open_market("A sells 9@10100", "B buys 2@10100", "A sells 3@9900", "C buys 1@10000")
    market.say("B buys 2@9900")
    events = market.end_day()
    expected = e.InstrumentDayClosed(
        INSTRUMENT, MONDAY, 10_100, 10_100, 9_900, 9_900, 9_980, 5, 49_900, 3
    )
    (actual,) = [event for event in events if isinstance(event, e.InstrumentDayClosed)]
    assert expected == actual


def test_the_days_average_price_is_the_next_days_reference_price() -> None:
    market = open_market("A sells 9@10100", "B buys 2@10100")
    events = market.next_day()
    assert e.ReferencePriceSet(INSTRUMENT, TUESDAY, 10_100, 8_080, 12_120) in events


def test_a_day_without_trades_carries_the_reference_price_over() -> None:
    market = open_market("A sells 9@10100", "B buys 2@10100")
    market.next_day()
    events = market.next_day()
    assert e.ReferencePriceSet(INSTRUMENT, 20240508, 10_100, 8_080, 12_120) in events


def test_orders_outside_the_moved_limits_are_cancelled_at_the_days_start() -> None:
    market = open_market("A sells 9@9000", "B buys 9@9000")
    market.say("A sells 2@10800 GTC")
    market.say("A sells 1@10801 GTC")
    market.say("B buys 3@8000 GTC")
    market.end_day()
    expected = (
        e.DayStarted(TUESDAY),
        e.ReferencePriceSet(INSTRUMENT, TUESDAY, 9_000, 7_200, 10_800),
        canceled(4, 1, CancelReason.OUTSIDE_PRICE_LIMITS),
        changed(Phase.PRE_OPEN),
        cash("A", +80_392),
        units("B", +9),
        units("A", -9, held=2),
    )
    assert expected == market.next_boundary()


def test_an_early_close_ends_the_day_and_the_next_one_starts_as_scheduled() -> None:
    market = open_market("A buys 5@10000", "B sells 7@10100 GTC")
    events = market.send("op-1", c.CloseMarket("typhoon"))
    next_start = market.next_boundary()
    assert [
        e.OrderExpired(1, 5),
        e.InstrumentDayClosed(INSTRUMENT, MONDAY, 0, 0, 0, 0, 0, 0, 0, 0),
        changed(Phase.CLOSED),
        e.DayEnded(MONDAY),
        cash("A"),
    ] == without_report(events)
    assert e.DayStarted(TUESDAY) == next_start[0]
    assert trading_day(1).starts_ns == market.log[-1][0].timestamp_ns


@pytest.mark.parametrize("phase", [Phase.PRE_OPEN, Phase.CONTINUOUS, Phase.BREAK])
def test_the_market_can_be_closed_early_in_every_phase_of_a_day(phase: Phase) -> None:
    market = closed_market()
    advance_to_phase(market, phase)
    events = market.send("op-1", c.CloseMarket("typhoon"))
    assert changed(Phase.CLOSED) in events
    assert trading_day(1).starts_ns == market.engine.next_deadline()
    market.open_day()
    assert market.market.day == TUESDAY


def test_a_closed_market_cannot_be_closed() -> None:
    market = open_market()
    market.end_day()
    expected = (refused("OUTSIDE_TRADING_HOURS"),)
    assert expected == market.send("op-1", c.CloseMarket("typhoon"))


def test_an_early_close_needs_a_note() -> None:
    market = open_market()
    (event,) = market.send("op-1", c.CloseMarket(""))
    assert event.reason == "TEXT_INVALID"


def test_an_open_market_cannot_be_opened() -> None:
    market = open_market()
    expected = (refused("MARKET_ALREADY_OPEN"),)
    assert expected == market.send("op-1", c.OpenMarket())


@pytest.mark.parametrize("phase", [Phase.PRE_OPEN, Phase.BREAK, Phase.CLOSED])
def test_the_market_is_opened_by_hand_inside_sessions_only(phase: Phase) -> None:
    market = open_market()
    advance_to_phase(market, phase)
    expected = (refused("OUTSIDE_TRADING_HOURS"),)
    assert expected == market.send("op-1", c.OpenMarket())


def blocked_market() -> MarketDriver:
    """A market whose Monday morning did not open for two reconciliation breaks."""
    market = closed_market()
    market.send(c.SYSTEM_ACTOR, c.RecordReconciliation(1, 2))
    market.next_boundary()
    return market


def test_unresolved_breaks_block_the_opening() -> None:
    market = blocked_market()
    opening = market.next_boundary()
    (entered,) = market.say("A buys 5@10000")
    assert (e.OpeningBlocked("BREAKS_UNRESOLVED"),) == opening
    assert (entered.reason, entered.facts["phase"]) == ("MARKET_NOT_OPEN", "PRE_OPEN")


def test_a_blocked_market_is_not_opened_while_breaks_stand() -> None:
    market = blocked_market()
    market.next_boundary()
    expected = (refused("BREAKS_UNRESOLVED", breaks=2),)
    assert expected == market.send("op-1", c.OpenMarket())


@pytest.mark.parametrize("way", ["reconciled", "overridden"])
def test_a_blocked_market_opens_when_the_breaks_are_gone(way: str) -> None:
    market = blocked_market()
    market.next_boundary()
    if way == "reconciled":
        market.send(c.SYSTEM_ACTOR, c.RecordReconciliation(9, 0))
    else:
        market.act(c.OverrideBreaks("the bank is late"), ("op-1", "eco-1"))
    expected = (changed(Phase.CONTINUOUS),)
    assert expected == market.send("op-1", c.OpenMarket())


def test_a_block_of_the_morning_is_gone_in_the_afternoon_once_its_cause_is() -> None:
    market = blocked_market()
    market.next_boundary()
    market.send(c.SYSTEM_ACTOR, c.RecordReconciliation(9, 0))
    at_break, at_open = market.next_boundary(), market.next_boundary()
    assert ((changed(Phase.BREAK),), (changed(Phase.CONTINUOUS),)) == (at_break, at_open)


def test_breaks_found_in_a_session_block_only_the_next_one() -> None:
    market = open_market()
    market.send(c.SYSTEM_ACTOR, c.RecordReconciliation(1, 2))
    entered = market.say("A buys 5@10000")
    market.next_boundary()
    assert isinstance(entered[0], e.OrderAccepted)
    assert e.OpeningBlocked("BREAKS_UNRESOLVED") in market.next_boundary()


def test_a_blocked_day_ends_like_any_other() -> None:
    market = blocked_market()
    market.end_day()
    assert market.market.opening_block == ""


def test_beyond_the_calendar_the_market_stays_closed() -> None:
    market = closed_market(days=1)
    market.end_day()
    market.now_ns += 30 * 24 * 60 * MINUTE
    (event,) = market.say("A buys 5@10000")
    assert (event.reason, market.market.resale_day) == ("MARKET_NOT_OPEN", NEVER_DAY)


def test_instruments_follow_the_schedule_together() -> None:
    market = closed_market()
    list_instrument(market, "PCER-1")
    market.next_boundary()
    events = market.next_boundary()
    expected = (changed(Phase.CONTINUOUS), e.PhaseChanged("PCER-1", Phase.CONTINUOUS, None))
    assert expected == events
