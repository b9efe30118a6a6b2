"""The trading calendar: which days trade, and when each session opens and closes.

Set by command, in UTC nanoseconds, so that the engine needs no time zone; conventions rulebook:
hours Mon-Fri 09:30-11:30 and 13:00-15:00 Asia/Shanghai outside Chinese holidays.

    starts        opens    closes   opens    closes
    |--PRE_OPEN---|--CONT--|-BREAK--|--CONT--|--CLOSED--> the next day's start
    START         OPEN     BREAK    OPEN     END

Invariants: days ascend, boundaries strictly ascend, every boundary fires once.
"""

from enum import StrEnum

import msgspec

NEVER_NS = 2**63 - 1
"""A deadline that never comes."""


class BoundaryKind(StrEnum):
    """What happens at a boundary of the schedule."""

    START = "START"
    OPEN = "OPEN"
    BREAK = "BREAK"
    END = "END"


class Session(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One stretch of continuous trading, in UTC nanoseconds, end exclusive."""

    opens_ns: int
    closes_ns: int


class TradingDay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One trading day: its date (yyyymmdd), when PRE_OPEN starts, and its sessions."""

    day: int
    starts_ns: int
    sessions: tuple[Session, ...]


class Boundary(msgspec.Struct, frozen=True):
    """One moment at which the schedule acts."""

    at_ns: int
    kind: BoundaryKind
    day: int


def boundaries_of(day: TradingDay) -> list[Boundary]:
    """The boundaries of one day, ascending."""
    found = [Boundary(day.starts_ns, BoundaryKind.START, day.day)]
    last = len(day.sessions) - 1
    for number, session in enumerate(day.sessions):
        found.append(Boundary(session.opens_ns, BoundaryKind.OPEN, day.day))
        kind = BoundaryKind.END if number == last else BoundaryKind.BREAK
        found.append(Boundary(session.closes_ns, kind, day.day))
    return found


def find_fault(days: tuple[TradingDay, ...]) -> tuple[str, str] | None:
    """The first (field, fault) that makes a list of days unusable, or None."""
    if not days:
        return "days", "at least one trading day"
    last_day, last_ns = 0, -1
    for number, day in enumerate(days):
        field = f"days/{number}"
        if day.day <= last_day:
            return field, f"days ascend; {day.day} follows {last_day}"
        if not day.sessions:
            return field, f"{day.day} has no session"
        for boundary in boundaries_of(day):
            if boundary.at_ns <= last_ns:
                return field, f"the times of {day.day} do not ascend"
            last_ns = boundary.at_ns
        last_day = day.day
    return None


class Calendar:
    """Days known to the market and the boundaries still to come.

    The day in progress and past days are history; days that have not started may be replaced.
    """

    __slots__ = ("_pending", "_position", "days", "done_ns")

    def __init__(self, days: tuple[TradingDay, ...] = (), done_ns: int = -1) -> None:
        self.days = days
        self.done_ns = done_ns
        self._pending = [b for day in days for b in boundaries_of(day) if b.at_ns > done_ns]
        self._position = 0

    def next_boundary(self) -> Boundary | None:
        """The earliest boundary that has not fired; O(1)."""
        if self._position < len(self._pending):
            return self._pending[self._position]
        return None

    def next_ns(self) -> int:
        """When the next boundary fires, NEVER_NS if none is known."""
        boundary = self.next_boundary()
        return boundary.at_ns if boundary is not None else NEVER_NS

    def fire(self) -> Boundary:
        """Take the next boundary; it never comes back."""
        boundary = self._pending[self._position]
        self._position += 1
        self.done_ns = boundary.at_ns
        return boundary

    def end_day(self, day: int) -> None:
        """Take what is left of the given day: the market closes early."""
        boundary = self.next_boundary()
        while boundary is not None and boundary.day == day:
            self.fire()
            boundary = self.next_boundary()

    def replace_future(self, days: tuple[TradingDay, ...]) -> None:
        """Keep the days that have started, replace all later ones."""
        started = tuple(d for d in self.days if d.starts_ns <= self.done_ns)
        self.__init__(started + days, self.done_ns)  # type: ignore[misc]

    def last_started_day(self) -> int:
        """The latest day whose START has fired, 0 if none has."""
        return max((d.day for d in self.days if d.starts_ns <= self.done_ns), default=0)

    def history_ends_ns(self) -> int:
        """When the latest day that has started ends by the schedule, -1 if none has."""
        ends = (d.sessions[-1].closes_ns for d in self.days if d.starts_ns <= self.done_ns)
        return max(ends, default=-1)

    def day_after(self, day: int, count: int) -> int | None:
        """The trading day `count` trading days after `day`, None beyond the known calendar."""
        if count == 0:
            return day
        later = [d.day for d in self.days if d.day > day]
        return later[count - 1] if count <= len(later) else None

    def session_ns_between(self, from_ns: int, to_ns: int) -> int:
        """Nanoseconds of session time inside [from_ns, to_ns)."""
        total = 0
        for day in self.days:
            for session in day.sessions:
                overlap = min(session.closes_ns, to_ns) - max(session.opens_ns, from_ns)
                total += max(overlap, 0)
        return total
