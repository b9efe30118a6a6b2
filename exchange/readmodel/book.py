"""The public book: total leaves per price level, kept from released order events."""

from sortedcontainers import SortedDict

from engine.codes import Side

LevelKey = tuple[Side, int]


class LevelBook:
    """Quantity per level of one instrument, and which levels a step has touched."""

    __slots__ = ("_before", "_bids", "_offers")

    def __init__(self) -> None:
        self._bids: SortedDict[int, int] = SortedDict()
        self._offers: SortedDict[int, int] = SortedDict()
        self._before: dict[LevelKey, int] = {}

    def change(self, side: Side, price_ticks: int, by: int) -> None:
        """Add to, or take from, a level."""
        if by == 0:
            return
        levels = self._bids if side is Side.BUY else self._offers
        quantity = levels.get(price_ticks, 0)
        self._before.setdefault((side, price_ticks), quantity)
        if quantity + by:
            levels[price_ticks] = quantity + by
        else:
            del levels[price_ticks]

    def take_changes(self) -> list[tuple[Side, int, int]]:
        """(side, price, new quantity) of every level that differs since the last call."""
        changed = [
            (side, price, self._quantity(side, price))
            for (side, price), before in self._before.items()
            if self._quantity(side, price) != before
        ]
        self._before.clear()
        return changed

    def depth(self, side: Side, limit: int) -> list[tuple[int, int]]:
        """(price, quantity) of the best `limit` levels, best first."""
        levels = self._bids if side is Side.BUY else self._offers
        keys = reversed(levels) if side is Side.BUY else iter(levels)
        return [(price, levels[price]) for price, _ in zip(keys, range(limit), strict=False)]

    def _quantity(self, side: Side, price_ticks: int) -> int:
        levels = self._bids if side is Side.BUY else self._offers
        return levels.get(price_ticks, 0)
