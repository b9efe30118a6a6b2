"""Trading days of the Beijing market, for the command that sets them.

Monday to Friday outside Chinese public holidays, 09:30-11:30 and 13:00-15:00 Asia/Shanghai,
PRE_OPEN from 09:00 (parameters: hours).  Make-up working Saturdays do not trade.  The holiday
calendar is published a year at a time; in a year that it does not cover, every weekday counts.
"""

from datetime import UTC, date, datetime, time, timedelta, timezone

import chinese_calendar

from engine.calendar import Session, TradingDay

SHANGHAI = timezone(timedelta(hours=8))
"""Asia/Shanghai: without daylight saving time since 1991."""

PRE_OPEN = time(9, 0)
SESSIONS = ((time(9, 30), time(11, 30)), (time(13, 0), time(15, 0)))
NS = 1_000_000_000
_FRIDAY = 4


def trading_days(first: date, last: date) -> tuple[TradingDay, ...]:
    """Every trading day from `first` to `last`, both included."""
    days = []
    day = first
    while day <= last:
        if is_trading_day(day):
            days.append(trading_day(day))
        day += timedelta(days=1)
    return tuple(days)


def is_trading_day(day: date) -> bool:
    """A weekday that is no public holiday."""
    if day.weekday() > _FRIDAY:
        return False
    return not (has_holidays(day.year) and chinese_calendar.is_holiday(day))


def has_holidays(year: int) -> bool:
    """Whether the holiday calendar covers a year."""
    return any(day.year == year for day in chinese_calendar.holidays)


def trading_day(day: date) -> TradingDay:
    """The schedule of one day."""
    return TradingDay(
        day.year * 10_000 + day.month * 100 + day.day,
        _ns(day, PRE_OPEN),
        tuple(Session(_ns(day, opens), _ns(day, closes)) for opens, closes in SESSIONS),
    )


def shanghai_date(ns: int) -> date:
    """The date in Shanghai at a UTC time in nanoseconds."""
    return datetime.fromtimestamp(ns // NS, SHANGHAI).date()


def _ns(day: date, at: time) -> int:
    moment = datetime.combine(day, at, SHANGHAI).astimezone(UTC)
    return int(moment.timestamp()) * NS
