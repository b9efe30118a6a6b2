"""Records a made-up trading day in the LOBSTER format from a naive book of its own.

The book is plain lists, searched and sorted at every step, and shares nothing with the engine: it
is the slow twin that the replay is tested against.  Like a real recording it begins with unknown
orders, lets old ids join in an opening cross, lists only what changes the best levels, and goes on
changing what is out of sight.

    python -m tests.exchange.replay.recorder    writes the committed day (day/*.csv)
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

TICK = 100
OPEN_NS = 34_200 * 10**9
CROSS_NS = OPEN_NS + 190_000_000
FIRST_PRICE = 2_240_000
DAY = Path(__file__).parent / "day"
DAY_SEED, DAY_ROWS, DAY_LEVELS = 20120621, 600, 5

BUY, SELL = 1, -1
Message = list[int]
"""time_ns, type, order id, size, price, side."""


@dataclass
class Recording:
    """Messages and the book after each, as numbers."""

    levels: int
    messages: list[Message] = field(default_factory=list)
    books: list[list[int]] = field(default_factory=list)

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write both files; returns their paths."""
        messages, orderbook = folder / "messages.csv", folder / "orderbook.csv"
        messages.write_text("".join(message_lines(self.messages)))
        orderbook.write_text("".join(",".join(map(str, b)) + "\n" for b in self.books))
        return messages, orderbook


def message_lines(messages: list[Message]) -> Iterator[str]:
    """Messages as csv lines; time in seconds, trailing zeros cut as in real files."""
    for time_ns, *rest in messages:
        seconds, ns = divmod(time_ns, 10**9)
        fraction = f"{ns:09}".rstrip("0") or "0"
        yield f"{seconds}.{fraction}," + ",".join(map(str, rest)) + "\n"


class NaiveBook:
    """Orders as [id, size, price, side], oldest id first; nothing is indexed."""

    def __init__(self) -> None:
        self.orders: list[list[int]] = []

    def add(self, order_id: int, size: int, price: int, side: int) -> None:
        self.orders.append([order_id, size, price, side])
        self.orders.sort()

    def queue(self, side: int) -> list[list[int]]:
        """Orders of a side, best price first, then oldest."""
        return sorted((o for o in self.orders if o[3] == side), key=lambda o: (-side * o[2], o[0]))

    def best(self, side: int) -> int | None:
        queue = self.queue(side)
        return queue[0][2] if queue else None

    def take(self, order: list[int], size: int) -> None:
        order[1] -= size
        if order[1] == 0:
            self.orders.remove(order)

    def row(self, levels: int) -> list[int]:
        """Ask price, ask size, bid price, bid size of each level."""
        sides = []
        for side, empty in ((SELL, 9_999_999_999), (BUY, -9_999_999_999)):
            sizes: dict[int, int] = {}
            for _, size, price, _ in self.queue(side):
                sizes[price] = sizes.get(price, 0) + size
            shown = list(sizes.items())[:levels]
            sides.append(shown + [(empty, 0)] * (levels - len(shown)))
        return [n for ask, bid in zip(*sides, strict=True) for n in (*ask, *bid)]


class Recorder:
    """Makes up a day's order flow and records what changes the best levels."""

    def __init__(self, seed: int, levels: int, resting: int = 60) -> None:
        self.random = Random(seed)
        self.book = NaiveBook()
        self.recording = Recording(levels)
        self.now_ns = OPEN_NS
        self.resting = resting
        self._next_id = 5_000_000
        self._old_ids = self.random.sample(range(1_000_000, 4_900_000), 400)
        for _ in range(resting):
            self._enter(self._old_ids.pop())

    def record(self, rows: int) -> Recording:
        """Go on until there are at least this many rows (a run of executions is not cut)."""
        while len(self.recording.messages) < rows:
            self.now_ns += self.random.randrange(1, 40_000_000)
            if self._old_ids and self.now_ns >= CROSS_NS:
                self._cross()
            self._act()
        return self.recording

    def note(self, kind: int, order_id: int, size: int, price: int, side: int) -> None:
        """Record a message if it changes the best levels or changes no level at all."""
        book = self.book.row(self.recording.levels)
        books = self.recording.books
        if kind <= 4 and books and books[-1] == book:
            return
        self.recording.messages.append([self.now_ns, kind, order_id, size, price, side])
        books.append(book)

    def _act(self) -> None:
        few = len(self.book.orders) < self.resting
        choice = self.random.random() + (-0.2 if few else 0.0)
        if choice < 0.45:
            self._next_id += self.random.randrange(1, 500)
            self.note(1, *self._enter(self._next_id))
        elif choice < 0.83:
            self._cancel()
        elif choice < 0.97:
            self._trade()
        else:
            self.note(5, 0, self.random.randrange(1, 200), self._inside(), self._side())

    def _enter(self, order_id: int) -> tuple[int, int, int, int]:
        """Rest an order near the best of its side; returns id, size, price, side."""
        side = self._side()
        other = self.book.best(-side)
        own = self.book.best(side)
        anchor = own if own is not None else (other or FIRST_PRICE) - 4 * side * TICK
        price = anchor + side * TICK * (1 - min(int(self.random.expovariate(0.3)), 40))
        if other is not None and side * (other - price) <= 0:
            price = other - side * TICK
        size = self.random.choice((1, 7, 50, 100, 100, 100, 200, 300))
        self.book.add(order_id, size, price, side)
        return order_id, size, price, side

    def _cross(self) -> None:
        """Orders entered before the opening join, all at one instant, with ids up and down."""
        self.now_ns = max(self.now_ns, CROSS_NS)
        for _ in range(20):
            self.note(1, *self._enter(self._old_ids.pop()))
        self._old_ids = []
        self.now_ns += 1

    def _cancel(self) -> None:
        if not self.book.orders:
            return
        order = self.random.choice(self.book.orders)
        order_id, size, price, side = order
        if size > 1 and self.random.random() < 0.2:
            part = self.random.randrange(1, size)
            self.book.take(order, part)
            self.note(2, order_id, part, price, side)
        else:
            self.book.take(order, size)
            self.note(3, order_id, size, price, side)

    def _trade(self) -> None:
        """An incoming order: one instant, one execution per resting order, some of them hidden."""
        side = self._side()
        left = self.random.choice((5, 60, 100, 250, 600))
        self.now_ns += 1
        while left and (queue := self.book.queue(side)):
            order = queue[0]
            if self.random.random() < 0.1:
                self.note(5, 0, 10, order[2] - side, side)
            size = min(left, order[1])
            order_id, _, price, _ = order
            self.book.take(order, size)
            self.note(4, order_id, size, price, side)
            left -= size
        self.now_ns += 1

    def _side(self) -> int:
        return self.random.choice((BUY, SELL))

    def _inside(self) -> int:
        return (self.book.best(BUY) or FIRST_PRICE) + 50


def record_day(seed: int, rows: int, levels: int, resting: int = 60) -> Recording:
    """A whole made-up day."""
    return Recorder(seed, levels, resting).record(rows)


if __name__ == "__main__":
    DAY.mkdir(exist_ok=True)
    record_day(DAY_SEED, DAY_ROWS, DAY_LEVELS).write(DAY)
