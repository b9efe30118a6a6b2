"""Takes over what a recorded row shows for the first time.

How far each side was shown by the row before is kept here; a level beyond that is adopted with
its recorded size, whatever the engine had there from earlier; nothing else ever is.  A level that
the engine still has but the row does not show is taken away.
"""

from engine.codes import Side
from exchange.replay.lobster import Message, Row
from exchange.replay.queues import Queues
from exchange.replay.report import AdoptionCounts
from exchange.replay.scale import PriceScale
from exchange.replay.sight import NOTHING, SIDES, distance, newly_seen, reach
from exchange.replay.venue import Venue


class Adoption:
    """What is in sight, and the adopting of what comes into sight."""

    def __init__(
        self, venue: Venue, queues: Queues, scale: PriceScale, counts: AdoptionCounts
    ) -> None:
        self._venue = venue
        self._queues = queues
        self._scale = scale
        self._counts = counts
        self._reach = dict.fromkeys(SIDES, NOTHING)
        self._reach_before = dict(self._reach)

    def forget(self) -> None:
        """Nothing is in sight any more: the next row is adopted whole."""
        self._reach = dict.fromkeys(SIDES, NOTHING)

    def adopt(self, step: list[Row]) -> None:
        """Adopt what the rows of a step show newly, as it was before their messages."""
        self._reach_before = dict(self._reach)
        for row in step:
            levels: list[tuple[int, Side, int]] = []
            for side in SIDES:
                before, after = self._reach[side], reach(row.book, side)
                self._reach[side] = after
                if after > before:
                    sizes = dict.fromkeys(self._prices_between(side, before, after), 0)
                    sizes |= newly_seen(side, before, row.message, row.book)
                    levels += [(size, side, price) for price, size in sizes.items()]
            if levels:
                self._counts.rows += row.message.row > 1
                for size, side, price in sorted(levels):
                    self._adopt_level(row.message.row, side, price, size)

    def is_out_of_sight(self, message: Message) -> bool:
        """Whether neither the row of the last step nor the row before shows the message's price."""
        reaches = self._reach_before[message.side], self._reach[message.side]
        return distance(message.side, message.price) > max(reaches)

    def _prices_between(self, side: Side, before: int, after: int) -> list[int]:
        """Prices of the engine's levels that were out of sight and now are in sight."""
        found = []
        for level in self._venue.book.levels(side):
            price = self._scale.price_of[level.price_ticks]
            if distance(side, price) > after:
                break
            if distance(side, price) > before:
                found.append(price)
        return found

    def _adopt_level(self, row: int, side: Side, price: int, size: int) -> None:
        place, counts = (side, self._scale.ticks_of[price]), self._counts
        if self._venue.level(*place) is not None:
            counts.returned_levels += 1
            counts.changed_levels += self._queues.take_over(place, size)
        elif size:
            counts.first_levels += row == 1
            counts.new_levels += row > 1
            self._queues.take_over(place, size)
