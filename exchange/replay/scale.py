"""A first pass over the recording: is it well formed, and how does it fit into the engine?

The engine's prices are ticks inside price limits, so a recording is measured before it is played:
its rows, its prices, and the first order id that is given out in the recorded time.

Prices become ticks of their greatest common divisor (100 = one cent for most stocks).  The few
beyond the engine's widest limits (stub quotes of 0.01 or 199,999 dollars) are drawn in to the
limits, keeping their order: the scale is strictly increasing, and matching depends on nothing else.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import gcd
from pathlib import Path

from engine.products import MAX_PRICE_TICKS
from engine.rules import Rules, price_limits
from exchange.replay.lobster import ADD, EMPTY_ASK, EXECUTE, InputFault, Message, Row, read_rows

Progress = Callable[[int, int], None]
"""Called now and then with rows done and rows in all (0 while they are still being counted)."""

PROGRESS_ROWS = 5_000
MAX_PRICES = 2_000_000


@dataclass
class Survey:
    """What must be known of a recording before it can be played."""

    rows: int = 0
    levels: int = 0
    prices: set[int] = field(default_factory=set)
    first_id: int | None = None
    """An id given out early in the recorded time: what rested before has lower ones; None if no
    id is known to be."""


def survey(messages: Path, orderbook: Path, progress: Progress) -> Survey:
    """Read both files once; raises InputFault if they are malformed or empty."""
    found, first_id = Survey(), _FirstId()
    row: Row | None = None
    for row in read_rows(messages, orderbook):
        message, book = row
        if message.type <= EXECUTE:
            found.prices.add(message.price)
            if message.type == ADD:
                first_id.count(message)
        found.prices.update(book[0::4], book[2::4])
        if message.row % PROGRESS_ROWS == 0:
            progress(message.row, 0)
            if len(found.prices) > MAX_PRICES:
                raise InputFault(orderbook, message.row, 0, f"more than {MAX_PRICES} prices")
    if row is None:
        raise InputFault(messages, 0, 0, "the file is empty")
    found.prices = {price for price in found.prices if 0 < price < EMPTY_ASK}
    found.rows, found.levels = row.message.row, len(row.book) // 4
    found.first_id = first_id.found()
    return found


class _FirstId:
    """Finds an early add that is no late joiner.

    Ids grow with time, but orders entered before the recording may join the book inside it, many
    at one instant with ids up and down (the opening cross).  So an instant whose adds do not
    ascend is a joining.  A joining of which only one order is seen looks like any instant: the
    first that ascends is not trusted, the second is.
    """

    TRUSTED_INSTANT = 2

    def __init__(self) -> None:
        self._found: int | None = None
        self._ascending = 0
        self._highest = -1
        self._time_ns = -1
        self._ids: list[int] = []

    def count(self, message: Message) -> None:
        if self._found is not None:
            return
        if message.time_ns != self._time_ns:
            self._close_instant()
            self._time_ns = message.time_ns
        self._ids.append(message.order_id)

    def found(self) -> int | None:
        self._close_instant()
        return self._found

    def _close_instant(self) -> None:
        if self._ids:
            if self._ids == sorted(self._ids) and self._ids[0] > self._highest:
                self._ascending += 1
                if self._ascending == self.TRUSTED_INSTANT:
                    self._found = self._ids[0]
            self._highest = max(self._highest, *self._ids)
        self._ids = []


class PriceScale:
    """Recorded prices to engine ticks and back, strictly increasing."""

    def __init__(self, prices: set[int], rules: Rules) -> None:
        ascending = sorted(prices) or [1]
        self.tick = gcd(*ascending)
        median = ascending[len(ascending) // 2] // self.tick
        self.reference_ticks = min(max(median, len(ascending)), MAX_PRICE_TICKS)
        lower, upper = price_limits(self.reference_ticks, rules)
        ticks = _fit([price // self.tick for price in ascending], lower, upper)
        self.ticks_of = dict(zip(ascending, ticks, strict=True))
        self.price_of = dict(zip(ticks, ascending, strict=True))


def _fit(ascending: list[int], lower: int, upper: int) -> list[int]:
    """The numbers drawn in to [lower, upper], still strictly ascending."""
    fitted, least = [], lower
    for number in ascending:
        fitted.append(max(number, least))
        least = fitted[-1] + 1
    most = upper
    for index in range(len(fitted) - 1, -1, -1):
        fitted[index] = min(fitted[index], most)
        most = fitted[index] - 1
    return fitted
