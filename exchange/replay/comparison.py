"""The engine's book against the recorded one, level by level, and why they differ.

Only what a row shows is compared: its best levels on each side, and that nothing else rests
before the last of them.  A difference that lasts for a second row is a lasting one: it is counted
again there, and the caller then takes the recorded size over, so that one fault in a recording is
not found in every row that follows.
"""

from dataclasses import dataclass
from itertools import islice

from engine.book import Book
from engine.codes import Side
from exchange.replay.lobster import EMPTY_ASK, EMPTY_BID, Message
from exchange.replay.sight import (
    FIRST_COLUMN,
    NOTHING,
    SIDES,
    distance,
    effect,
    levels_of,
    reach,
)

EXTRA_LEVELS = 16
"""Levels looked at beyond the recorded ones, to tell what stands where the recording differs."""

Shown = tuple[list[int], list[int]]
"""Prices and sizes of one side, best first; may be deeper than what is compared."""


@dataclass(frozen=True)
class Difference:
    """A level whose size is not the recorded one."""

    side: Side
    price: int
    recorded: int
    engine: int
    why: str
    is_lasting: bool


def shown(book: Book, side: Side, count: int, price_of: dict[int, int]) -> Shown:
    """The best `count` levels of a side of the engine's book, in recorded prices."""
    levels = list(islice(book.levels(side), count))
    return [price_of[level.price_ticks] for level in levels], [lv.quantity for lv in levels]


def agrees(recorded: list[int], side: Side, side_shown: Shown) -> bool:
    """Whether the best levels of a side are exactly the recorded ones."""
    count, first = len(recorded) // 4, FIRST_COLUMN[side]
    prices, sizes = side_shown
    if len(prices) != count:
        missing = count - len(prices)
        empty = EMPTY_ASK if side is Side.SELL else EMPTY_BID
        prices = prices[:count] + [empty] * missing
        sizes = sizes[:count] + [0] * missing
    return prices == recorded[first::4] and sizes == recorded[first + 1 :: 4]


class Comparison:
    """Compares row after row and remembers what is needed to say why one differs."""

    def __init__(self) -> None:
        self._earlier: list[int] = []
        self._open: dict[tuple[Side, int], tuple[int, int]] = {}

    def accept(self, recorded: list[int]) -> None:
        """Take note of a row that agrees."""
        self._earlier = recorded
        if self._open:
            self._open = {}

    def differences(
        self, message: Message, recorded: list[int], both: dict[Side, Shown]
    ) -> list[Difference]:
        """Every level of a row that differs, with the reason; [] only if none does."""
        found, still_open = [], {}
        for side in SIDES:
            sizes = dict(levels_of(recorded, side))
            engine = dict(zip(*both[side], strict=True))
            limit = reach(recorded, side)
            for price in sorted(sizes.keys() | engine.keys()):
                delta = sizes.get(price, 0) - engine.get(price, 0)
                if delta == 0 or distance(side, price) > limit:
                    continue
                since = self._open.get((side, price), (0, 0))
                is_lasting = since[0] == delta
                still_open[side, price] = since if is_lasting else (delta, message.row)
                why = (
                    f"as in row {since[1]}, the recorded size is taken over"
                    if is_lasting
                    else self._why(message, side, price, sizes.get(price, 0))
                )
                found.append(
                    Difference(
                        side, price, sizes.get(price, 0), engine.get(price, 0), why, is_lasting
                    )
                )
        self._earlier, self._open = recorded, still_open
        return found

    def _why(self, message: Message, side: Side, price: int, recorded: int) -> str:
        earlier = self._earlier_size(side, price)
        if message.side is side and message.price == price and effect(message):
            went = (
                f"went from {earlier} to {recorded}" if earlier is not None else "came into sight"
            )
            return f"the message changes the level by {effect(message):+}, the recorded one {went}"
        if earlier is not None and earlier != recorded:
            return f"the recorded level went from {earlier} to {recorded} without a message for it"
        return "the recorded level did not change, the engine's did"

    def _earlier_size(self, side: Side, price: int) -> int | None:
        """Size at a price in the row before, None if that row did not show the price."""
        limit = reach(self._earlier, side) if self._earlier else NOTHING
        if distance(side, price) > limit:
            return None
        return dict(levels_of(self._earlier, side)).get(price, 0)
