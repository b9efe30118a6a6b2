"""Quantity whose orders the recording does not name: one Block for each level that has some.

A level is adopted when it comes into sight: its recorded quantity is taken over as a block of
engine orders without recorded ids.  Whatever enters the level later stands behind the block.
Inside the block nothing is known of priority, except that it goes by id: an order that turns up
after a younger one of its block was executed had been passed over.
"""

from dataclasses import dataclass, field

from engine.codes import Side
from exchange.replay.venue import Venue

Place = tuple[Side, int]
"""A level of the engine's book: side and price in ticks."""


@dataclass
class Block:
    """Adopted orders of one level, as engine order ids.

    No order in it has a recorded id above ceiling_id; has_joiners: a known order with an id up to
    ceiling_id stands in the level; passed_id: the youngest id executed since the block is there.
    """

    ceiling_id: int
    orders: list[int] = field(default_factory=list)
    has_joiners: bool = False
    passed_id: int = -1
    passed_row: int = 0


class Names:
    """Recorded ids of engine orders, both ways."""

    def __init__(self) -> None:
        self.engine_ids: dict[int, int] = {}
        self.recorded_ids: dict[int, int] = {}

    def give(self, order_id: int, recorded_id: int) -> None:
        """From now on the engine order stands for the recorded one."""
        self.engine_ids[recorded_id] = order_id
        self.recorded_ids[order_id] = recorded_id

    def forget(self, order_id: int) -> int | None:
        """The engine order stands for nothing known; returns the recorded id it stood for."""
        recorded_id = self.recorded_ids.pop(order_id, None)
        if recorded_id is not None:
            del self.engine_ids[recorded_id]
        return recorded_id


class Adopted:
    """All blocks of the book."""

    def __init__(self, venue: Venue, names: Names) -> None:
        self._venue = venue
        self._names = names
        self._blocks: dict[Place, Block] = {}

    def block(self, place: Place) -> Block | None:
        """The block of a level, None if everything in it is known."""
        return self._blocks.get(place)

    def take_over(self, place: Place, quantity: int, ceiling_id: int) -> bool:
        """Make a level adopted quantity as a whole; False if it had just that quantity."""
        change = quantity - self.forget_names(place, ceiling_id)
        if change < 0:
            self.remove(place, -change)
        elif change > 0:
            order_id = self._venue.rest(*place, change)
            self._blocks.setdefault(place, Block(ceiling_id)).orders.append(order_id)
        return change != 0

    def forget_names(self, place: Place, ceiling_id: int) -> int:
        """Make what rests in a level adopted, as it stands; returns its quantity."""
        self._blocks.pop(place, None)
        level = self._venue.level(*place)
        if level is None:
            return 0
        block = self._blocks[place] = Block(ceiling_id, list(level.orders))
        for order_id in block.orders:
            self._names.forget(order_id)
        return level.quantity

    def quantity(self, place: Place) -> int:
        """Adopted quantity of a level."""
        block = self._blocks.get(place)
        if block is None:
            return 0
        orders = self._venue.book.orders
        return sum(orders[order_id].leaves_quantity for order_id in block.orders)

    def remove(self, place: Place, quantity: int) -> None:
        """Cancel adopted quantity, at most all there is, from the back of the block."""
        block = self._blocks[place]
        while quantity and block.orders:
            leaves = self._venue.book.orders[block.orders[-1]].leaves_quantity
            if quantity < leaves:
                self._venue.reduce(block.orders[-1], quantity)
                return
            self._venue.cancel(block.orders.pop())
            quantity -= leaves
        if not block.orders:
            del self._blocks[place]

    def split(self, place: Place, quantity: int) -> int | None:
        """Make an adopted order of just this quantity, behind the level; None if there is less."""
        if self.quantity(place) < quantity:
            return None
        block = self._blocks[place]
        self.remove(place, quantity)
        self._blocks[place] = block
        block.orders.append(self._venue.rest(*place, quantity))
        return block.orders[-1]

    def replace(self, place: Place, old_order_id: int, new_order_id: int) -> None:
        """An adopted order was entered anew."""
        orders = self._blocks[place].orders
        orders[orders.index(old_order_id)] = new_order_id

    def forget_filled(self, place: Place) -> None:
        """After trades in a level: drop what has left the book."""
        block = self._blocks.get(place)
        if block is not None:
            block.orders = [o for o in block.orders if o in self._venue.book.orders]
            if not block.orders:
                del self._blocks[place]
