"""The trading calendar, by itself and as the operator sets it (R-CAL-1)."""

import pytest

from engine import commands as c
from engine import events as e
from engine.calendar import (
    NEVER_NS,
    Boundary,
    BoundaryKind,
    Calendar,
    Session,
    TradingDay,
    find_fault,
)
from tests.market_driver import HOUR, MarketDriver, found, open_market, trading_day


def day(date: int, starts_ns: int, *sessions: tuple[int, int]) -> TradingDay:
    return TradingDay(date, starts_ns, tuple(Session(*session) for session in sessions))


MONDAY = day(20240506, 10, (20, 30), (40, 50))
TUESDAY = day(20240507, 110, (120, 130), (140, 150))


def test_boundaries_fire_in_order_and_then_never() -> None:
    calendar = Calendar((MONDAY, TUESDAY))
    fired = [calendar.fire() for _ in range(6)]
    kinds = [BoundaryKind.START, BoundaryKind.OPEN, BoundaryKind.BREAK, BoundaryKind.OPEN,
             BoundaryKind.END, BoundaryKind.START]  # fmt: skip
    assert kinds == [boundary.kind for boundary in fired]
    assert Boundary(110, BoundaryKind.START, 20240507) == fired[-1]
    for _ in range(4):
        calendar.fire()
    assert (calendar.next_boundary(), calendar.next_ns()) == (None, NEVER_NS)


def test_a_calendar_goes_on_where_it_was() -> None:
    calendar = Calendar((MONDAY, TUESDAY), done_ns=30)
    assert Boundary(40, BoundaryKind.OPEN, 20240506) == calendar.next_boundary()


def test_ending_a_day_early_leads_to_the_next_days_start() -> None:
    calendar = Calendar((MONDAY, TUESDAY), done_ns=20)
    calendar.end_day(20240506)
    assert (calendar.next_ns(), calendar.done_ns) == (110, 50)


def test_ending_the_last_day_early_leads_to_nothing() -> None:
    calendar = Calendar((MONDAY,), done_ns=20)
    calendar.end_day(20240506)
    assert calendar.next_ns() == NEVER_NS


@pytest.mark.parametrize(
    ("date", "count", "found_day"),
    [
        (20240506, 0, 20240506),
        (20240506, 1, 20240507),
        (20240505, 2, 20240507),
        (20240506, 2, None),
        (20240507, 1, None),
    ],
)
def test_days_after_a_day_are_counted_in_trading_days(
    date: int, count: int, found_day: int | None
) -> None:
    assert found_day == Calendar((MONDAY, TUESDAY)).day_after(date, count)


@pytest.mark.parametrize(
    ("from_ns", "to_ns", "expected"),
    [(0, 15, 0), (15, 25, 5), (22, 28, 6), (25, 45, 10), (0, 200, 40), (30, 40, 0), (60, 20, 0)],
)
def test_session_time_is_counted_inside_sessions_only(
    from_ns: int, to_ns: int, expected: int
) -> None:
    assert expected == Calendar((MONDAY, TUESDAY)).session_ns_between(from_ns, to_ns)


@pytest.mark.parametrize(
    ("days", "field"),
    [
        ((), "days"),
        ((TUESDAY, MONDAY), "days/1"),
        ((MONDAY, MONDAY), "days/1"),
        ((day(20240506, 10),), "days/0"),
        ((day(20240506, 20, (20, 30)),), "days/0"),
        ((day(20240506, 10, (20, 20)),), "days/0"),
        ((day(20240506, 10, (20, 30), (30, 40)),), "days/0"),
        ((day(20240506, 10, (20, 30), (25, 40)),), "days/0"),
        ((MONDAY, day(20240507, 50, (60, 70))), "days/1"),
        ((day(20240506, -1, (20, 30)),), "days/0"),
        ((day(0, 10, (20, 30)),), "days/0"),
    ],
)
def test_days_that_do_not_ascend_or_trade_are_unusable(
    days: tuple[TradingDay, ...], field: str
) -> None:
    fault = find_fault(days)
    assert fault is not None
    assert field == fault[0]


def test_sound_days_have_no_fault() -> None:
    assert find_fault((MONDAY, TUESDAY)) is None


def set_days(market: MarketDriver, *days: TradingDay) -> e.AnyEvent:
    (event,) = market.send("op-1", c.SetTradingDays(days))
    found_event: e.AnyEvent = event
    return found_event


def test_the_days_that_have_not_started_are_replaced() -> None:
    market = open_market()
    days = (trading_day(2), trading_day(3))
    assert e.TradingDaysSet(days) == set_days(market, *days)
    market.end_day()
    assert e.DayStarted(20240508) == market.next_boundary()[0]


def test_the_day_that_has_just_started_stays() -> None:
    market = found()
    market.next_boundary()
    set_days(market, trading_day(3), trading_day(4))
    assert [day.day for day in market.market.calendar.days] == [20240506, 20240509, 20240510]
    event = set_days(market, trading_day(0), trading_day(4))
    assert isinstance(event, e.CommandRefused)
    assert event.facts == {"fault": "20240506 has started already"}


def test_an_unusable_list_of_days_is_refused() -> None:
    market = open_market()
    event = set_days(market, trading_day(3), trading_day(2))
    assert isinstance(event, e.CommandRefused)
    assert (event.reason, event.field) == ("CALENDAR_INVALID", "days/1")


def test_a_day_that_has_started_stays_history() -> None:
    market = open_market()
    market.end_day()
    late = day(20240506, market.now_ns + HOUR, (market.now_ns + 2 * HOUR, market.now_ns + 3 * HOUR))
    event = set_days(market, late)
    assert isinstance(event, e.CommandRefused)
    assert event.facts == {"fault": "20240506 has started already"}


def test_a_day_in_the_past_is_refused() -> None:
    market = found()
    market.advance_to(trading_day(1).sessions[1].closes_ns + HOUR)
    start_ns = market.now_ns - HOUR // 2
    event = set_days(market, day(20240508, start_ns, (start_ns + HOUR, start_ns + 2 * HOUR)))
    assert isinstance(event, e.CommandRefused)
    assert event.reason == "CALENDAR_INVALID"


def test_a_new_day_may_not_start_inside_the_day_in_progress() -> None:
    market = open_market()
    noon = trading_day(0).sessions[0].closes_ns + HOUR
    event = set_days(market, day(20240507, noon, (noon + HOUR, noon + 2 * HOUR)))
    assert isinstance(event, e.CommandRefused)
    assert event.reason == "CALENDAR_INVALID"
    market.end_day()
    market.open_day()


def test_a_new_day_starts_after_the_end_of_the_day_in_progress_not_with_it() -> None:
    market = open_market()
    end_ns = trading_day(0).sessions[1].closes_ns
    sessions = (end_ns + HOUR, end_ns + 2 * HOUR)
    refused = set_days(market, day(20240507, end_ns, sessions))
    accepted = set_days(market, day(20240507, end_ns + 1, sessions))
    assert (type(refused), type(accepted)) == (e.CommandRefused, e.TradingDaysSet)


def test_after_an_early_close_the_rest_of_its_day_cannot_be_used_again() -> None:
    market = open_market()
    market.send("op-1", c.CloseMarket("typhoon"))
    noon = trading_day(0).sessions[0].closes_ns + HOUR
    event = set_days(market, day(20240507, noon, (noon + HOUR, noon + 2 * HOUR)))
    assert isinstance(event, e.CommandRefused)
    assert "20240507 would start in the past" in event.facts["fault"]
