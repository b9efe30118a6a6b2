"""Records in the LOBSTER format what happens in a naive book of its own.

The book is a plain list, searched and sorted at every step, and shares nothing with the engine:
it is the slow twin that the replay is tested against.  Nothing is checked either, so a tape can
also record what no market may do.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

OPEN_NS = 34_200 * 10**9
BUY, SELL = 1, -1
ADD, REDUCE, DELETE, EXECUTE, HIDDEN, CROSS, HALT = range(1, 8)

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
        orderbook.write_text("".join(",".join(map(str, book)) + "\n" for book in self.books))
        return messages, orderbook

    def drop(self, row: int) -> None:
        """Lose a row (counted from 1) from both files."""
        del self.messages[row - 1], self.books[row - 1]


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
        """Rest an order where its id belongs."""
        self.orders.append([order_id, size, price, side])
        self.orders.sort()

    def find(self, order_id: int) -> list[int]:
        """The order of this id."""
        return next(order for order in self.orders if order[0] == order_id)

    def queue(self, side: int) -> list[list[int]]:
        """Orders of a side, best price first, then oldest."""
        return sorted((o for o in self.orders if o[3] == side), key=lambda o: (-side * o[2], o[0]))

    def best(self, side: int) -> int | None:
        """Best price of a side."""
        queue = self.queue(side)
        return queue[0][2] if queue else None

    def take(self, order: list[int], size: int) -> None:
        """Take part or all of an order out."""
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
        return [number for ask, bid in zip(*sides, strict=True) for number in (*ask, *bid)]


class Tape:
    """A naive book with a recorder: what changes the best levels, or no level, is recorded."""

    def __init__(self, levels: int) -> None:
        self.book = NaiveBook()
        self.recording = Recording(levels)
        self.now_ns = OPEN_NS

    @property
    def rows(self) -> int:
        """Rows recorded so far: the number of the last one."""
        return len(self.recording.messages)

    def rest(self, side: int, *orders: tuple[int, int, int]) -> None:
        """Orders (id, size, price) that come unseen: before the first row, or out of sight."""
        for order_id, size, price in orders:
            self.book.add(order_id, size, price, side)

    def add(self, order_id: int, size: int, price: int, side: int) -> None:
        """A new order."""
        self.book.add(order_id, size, price, side)
        self.note(ADD, order_id, size, price, side)

    def reduce(self, order_id: int, size: int) -> None:
        """Part of an order is cancelled."""
        self._take(REDUCE, order_id, size)

    def delete(self, order_id: int) -> None:
        """An order is cancelled whole."""
        self._take(DELETE, order_id, self.book.find(order_id)[1])

    def execute(self, order_id: int, size: int = 0) -> None:
        """Part of an order, or all of it (0), is executed."""
        self._take(EXECUTE, order_id, size or self.book.find(order_id)[1])

    def note(self, kind: int, order_id: int, size: int, price: int, side: int) -> None:
        """Record a message about a changed book, and let a moment pass."""
        book = self.book.row(self.recording.levels)
        books = self.recording.books
        if kind > EXECUTE or not books or books[-1] != book:
            self.recording.messages.append([self.now_ns, kind, order_id, size, price, side])
            books.append(book)
        self.now_ns += 1_000

    def at_once(self, first_row: int) -> None:
        """All rows from first_row on happened at one instant."""
        for message in self.recording.messages[first_row - 1 :]:
            message[0] = self.recording.messages[first_row - 1][0]

    def _take(self, kind: int, order_id: int, size: int) -> None:
        order = self.book.find(order_id)
        _, _, price, side = order
        self.book.take(order, size)
        self.note(kind, order_id, size, price, side)
