"""Trading days of the Beijing market: hours, holidays, make-up Saturdays, years without a list."""

from datetime import UTC, date, datetime, timedelta

import pytest

from engine.calendar import find_fault
from exchange.trading_days import (
    has_holidays,
    is_trading_day,
    shanghai_date,
    trading_day,
    trading_days,
)

NS = 1_000_000_000


def utc(ns: int) -> str:
    return datetime.fromtimestamp(ns // NS, UTC).strftime("%Y-%m-%d %H:%M")


def test_a_day_has_its_pre_opening_and_two_sessions() -> None:
    day = trading_day(date(2024, 9, 2))
    assert day.day == 20240902
    assert utc(day.starts_ns) == "2024-09-02 01:00"
    assert [(utc(s.opens_ns), utc(s.closes_ns)) for s in day.sessions] == [
        ("2024-09-02 01:30", "2024-09-02 03:30"),
        ("2024-09-02 05:00", "2024-09-02 07:00"),
    ]


@pytest.mark.parametrize(
    ("day", "trades"),
    [
        ("2024-09-02", True),  # Monday
        ("2024-08-31", False),  # Saturday
        ("2024-09-01", False),  # Sunday
        ("2024-01-01", False),  # New Year
        ("2024-02-12", False),  # Spring Festival
        ("2024-02-18", False),  # Sunday, worked in its place
        ("2024-05-01", False),  # Labour Day
        ("2024-05-06", True),  # the first day after it
        ("2024-05-11", False),  # Saturday, worked in its place
        ("2024-10-01", False),  # National Day
        ("2024-10-07", False),
        ("2024-10-08", True),
    ],
)
def test_holidays_and_weekends_do_not_trade(day: str, trades: bool) -> None:  # noqa: FBT001
    assert is_trading_day(date.fromisoformat(day)) is trades


def test_without_a_holiday_list_every_weekday_trades() -> None:
    first = date(2099, 1, 1)
    assert not has_holidays(first.year)
    days = [first + timedelta(days=n) for n in range(14)]
    assert [is_trading_day(day) for day in days] == [day.weekday() < 5 for day in days]


def test_a_span_includes_both_ends_and_is_a_calendar_that_the_engine_takes() -> None:
    days = trading_days(date(2024, 4, 29), date(2024, 5, 7))
    assert [day.day for day in days] == [20240429, 20240430, 20240506, 20240507]
    assert find_fault(trading_days(date(2024, 1, 1), date(2024, 12, 31))) is None
    assert trading_days(date(2024, 5, 1), date(2024, 5, 3)) == ()


def test_the_date_is_shanghais() -> None:
    day = trading_day(date(2024, 9, 2))
    assert shanghai_date(day.starts_ns) == date(2024, 9, 2)
    midnight = day.starts_ns - 9 * 3_600 * NS
    assert shanghai_date(midnight) == date(2024, 9, 2)
    assert shanghai_date(midnight - 1) == date(2024, 9, 1)
