"""Where market time comes from.

The engine never reads a clock: the sequencer stamps each command with max(last + 1, now).
SystemClock is the machine's; DemoClock runs at the same rate but can leap ahead, so that a demo
jumps between phases.  Times are UTC nanoseconds.
"""

import time
from typing import Protocol


class Clock(Protocol):
    """What the sequencer needs of a clock."""

    def now_ns(self) -> int:
        """Market time now."""

    def resume_after(self, last_ns: int) -> None:
        """Told once, after recovery, the time of the journal's last command."""


class SystemClock:
    """The machine's clock, disciplined from outside."""

    def now_ns(self) -> int:
        """Market time is the machine's time."""
        return time.time_ns()

    def resume_after(self, last_ns: int) -> None:
        """Nothing to do: recovery refuses a journal that ends in the future."""


class DemoClock:
    """A clock that leaps ahead on request and never goes back; stands still while down."""

    def __init__(self, start_ns: int = 0) -> None:
        self._start_ns = start_ns
        self._offset_ns = start_ns - time.time_ns() if start_ns else 0

    def now_ns(self) -> int:
        """Market time: the machine's time plus all leaps."""
        return time.time_ns() + self._offset_ns

    def resume_after(self, last_ns: int) -> None:
        """Go on from the journal's last time, as if the outage had not been."""
        if last_ns:
            self._offset_ns = last_ns + 1 - time.time_ns()

    def leap_to(self, to_ns: int) -> None:
        """Make it to_ns now, unless it is later already."""
        self._offset_ns += max(to_ns - self.now_ns(), 0)
