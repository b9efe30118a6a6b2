"""Makes up a trading day's order flow and records it.

Like a real recording it begins with unknown orders, lets old ids join in an opening cross, lists
only what changes the best levels, and goes on changing what is out of sight.

    python -m tests.exchange.replay.recorder    writes the committed day (day/*.csv)
"""

from pathlib import Path
from random import Random

from tests.exchange.replay.tape import BUY, HIDDEN, OPEN_NS, SELL, Recording, Tape

TICK = 100
FIRST_PRICE = 2_240_000
CROSS_NS = OPEN_NS + 190_000_000
JOINERS = 20

DAY = Path(__file__).parent / "day"
DAY_SEED, DAY_ROWS, DAY_LEVELS = 20120621, 600, 5


class Recorder:
    """Random order flow on a tape; `resting` is about how many orders the book holds."""

    def __init__(self, seed: int, levels: int, resting: int) -> None:
        self.random = Random(seed)
        self.tape = Tape(levels)
        self.resting = resting
        self._next_id = 5_000_000
        self._old_ids = self.random.sample(range(1_000_000, 4_900_000), resting + JOINERS)
        for _ in range(resting):
            order_id, size, price, side = self._order(self._old_ids.pop())
            self.tape.rest(side, (order_id, size, price))

    def record(self, rows: int) -> Recording:
        """Go on until there are at least this many rows (a run of executions is not cut)."""
        while self.tape.rows < rows:
            self.tape.now_ns += self.random.randrange(1, 40_000_000)
            if self._old_ids and self.tape.now_ns >= CROSS_NS:
                self._cross()
            self._act()
        return self.tape.recording

    def _act(self) -> None:
        is_few = len(self.tape.book.orders) < self.resting
        choice = self.random.random() - 0.2 * is_few
        if choice < 0.45:
            self._next_id += self.random.randrange(1, 500)
            self.tape.add(*self._order(self._next_id))
        elif choice < 0.83:
            self._cancel()
        elif choice < 0.97:
            self._sweep()
        else:
            middle = (self.tape.book.best(BUY) or FIRST_PRICE) + TICK // 2
            self.tape.note(HIDDEN, 0, self.random.randrange(1, 200), middle, BUY)

    def _order(self, order_id: int) -> tuple[int, int, int, int]:
        """Id, size, price and side of an order near the best of its side."""
        book, side = self.tape.book, self.random.choice((BUY, SELL))
        own, other = book.best(side), book.best(-side)
        anchor = own if own is not None else (other or FIRST_PRICE) - 4 * side * TICK
        price = anchor + side * TICK * (1 - min(int(self.random.expovariate(0.1)), 40))
        if other is not None and side * (other - price) <= 0:
            price = other - side * TICK
        return order_id, self.random.choice((1, 7, 50, 100, 100, 100, 200, 300)), price, side

    def _cross(self) -> None:
        """Orders entered before the opening join, all at one instant, with ids up and down."""
        first = self.tape.rows + 1
        while self._old_ids:
            self.tape.add(*self._order(self._old_ids.pop()))
        self.tape.at_once(first)

    def _cancel(self) -> None:
        orders = self.tape.book.orders
        if not orders:
            return
        order_id, size, _, _ = self.random.choice(orders)
        if size > 1 and self.random.random() < 0.2:
            self.tape.reduce(order_id, self.random.randrange(1, size))
        else:
            self.tape.delete(order_id)

    def _sweep(self) -> None:
        """An incoming order: one instant, an execution per resting order, a hidden one or two."""
        side = self.random.choice((BUY, SELL))
        left = self.random.choice((5, 60, 100, 250, 600))
        first = self.tape.rows + 1
        while left and (queue := self.tape.book.queue(side)):
            order_id, size, price, _ = queue[0]
            if self.random.random() < 0.1:
                self.tape.note(HIDDEN, 0, 10, price - side, side)
            self.tape.execute(order_id, min(left, size))
            left -= min(left, size)
        self.tape.at_once(first)


def record_day(seed: int, rows: int, levels: int, resting: int = 60) -> Recording:
    """A whole made-up day."""
    return Recorder(seed, levels, resting).record(rows)


if __name__ == "__main__":
    DAY.mkdir(exist_ok=True)
    record_day(DAY_SEED, DAY_ROWS, DAY_LEVELS).write(DAY)
