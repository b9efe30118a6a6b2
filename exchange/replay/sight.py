"""How far a recorded row shows the book, and so what may be adopted from it.

A row shows each side down to its last level; a side with an empty level is shown whole.  A price
at or before that reach is in sight: if the row does not list it, nothing rests there.  What was
in sight in the row before can only have changed by the message; only what was beyond the reach is
not determined by the data and is adopted as recorded.

Distances compare prices of one side: the greater, the farther from the market.
"""

from collections.abc import Iterator

from engine.codes import Side
from exchange.replay.lobster import ADD, EXECUTE, Message

NOTHING = -(10**18)
"""Reach of a side of which nothing has been shown."""
EVERYTHING = 10**18
"""Reach of a side that is shown whole."""

FIRST_COLUMN = {Side.SELL: 0, Side.BUY: 2}
SIDES = (Side.SELL, Side.BUY)


def distance(side: Side, price: int) -> int:
    """How far a price is from the market, to compare with others of its side."""
    return price if side is Side.SELL else -price


def reach(book: list[int], side: Side) -> int:
    """Distance of the last level of a side, EVERYTHING if the side ends before."""
    column = FIRST_COLUMN[side] - 4
    return distance(side, book[column]) if book[column + 1] else EVERYTHING


def levels_of(book: list[int], side: Side) -> Iterator[tuple[int, int]]:
    """Price and size of a side's levels, best first."""
    first = FIRST_COLUMN[side]
    for price, size in zip(book[first::4], book[first + 1 :: 4], strict=True):
        if size:
            yield price, size


def is_crossed(book: list[int]) -> bool:
    """Whether the best bid is not below the best ask."""
    ask, ask_size, bid, bid_size = book[:4]
    return bool(ask_size and bid_size) and bid >= ask


def effect(message: Message) -> int:
    """By how much a message changes the size of the level it names; 0 if it names none."""
    if message.type > EXECUTE:
        return 0
    return message.size if message.type == ADD else -message.size


def newly_seen(side: Side, before: int, message: Message, book: list[int]) -> dict[int, int]:
    """Prices that this row shows and the row before (with reach `before`) did not.

    Returns the sizes that rested there just before the message.
    """
    seen = {price: size for price, size in levels_of(book, side) if distance(side, price) > before}
    where = distance(side, message.price)
    if message.side is side and effect(message) and before < where <= reach(book, side):
        seen[message.price] = max(seen.get(message.price, 0) - effect(message), 0)
    return seen
