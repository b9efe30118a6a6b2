"""The order book of one instrument: price-time priority, nothing else.

    bids: price -> Level (FIFO)        best bid   = highest price
    offers: price -> Level (FIFO)      best offer = lowest price

Invariants: a level is never empty; its quantity is the sum of its orders' leaves; the book is
never crossed in continuous trading; `orders` indexes exactly the orders in the levels.
It knows no accounts, phases or limits: engine/trading.py decides, the book keeps the queue.
"""

from collections import OrderedDict
from collections.abc import Iterator

from sortedcontainers import SortedDict

from engine.codes import Side
from engine.faults import require
from engine.order import Order


class Level:
    """Orders at one price, oldest first, and their total leaves."""

    __slots__ = ("orders", "price_ticks", "quantity")

    def __init__(self, price_ticks: int) -> None:
        self.price_ticks = price_ticks
        self.orders: OrderedDict[int, Order] = OrderedDict()
        self.quantity = 0

    def head(self) -> Order:
        """The oldest order; O(1)."""
        return next(iter(self.orders.values()))


class Book:
    """Resting orders of one instrument."""

    __slots__ = ("_bids", "_offers", "orders")

    def __init__(self) -> None:
        self._bids: SortedDict[int, Level] = SortedDict()
        self._offers: SortedDict[int, Level] = SortedDict()
        self.orders: dict[int, Order] = {}

    def best(self, side: Side) -> Level | None:
        """The best level of a side, None when the side is empty; O(log n)."""
        levels = self._side(side)
        if not levels:
            return None
        return levels.peekitem(-1 if side is Side.BUY else 0)[1]

    def first_match(self, side: Side, price_ticks: int) -> Order | None:
        """The resting order that an incoming order of `side` at price_ticks trades with next."""
        if side is Side.BUY:
            level = self.best(Side.SELL)
            return level.head() if level is not None and level.price_ticks <= price_ticks else None
        level = self.best(Side.BUY)
        return level.head() if level is not None and level.price_ticks >= price_ticks else None

    def add(self, order: Order) -> None:
        """Rest an order behind its level; O(log levels)."""
        levels = self._side(order.side)
        level = levels.get(order.price_ticks)
        if level is None:
            level = levels[order.price_ticks] = Level(order.price_ticks)
        level.orders[order.order_id] = order
        level.quantity += order.leaves_quantity
        self.orders[order.order_id] = order

    def remove(self, order: Order) -> None:
        """Take an order out, whatever is left of it; O(log levels)."""
        level = self._side(order.side)[order.price_ticks]
        del level.orders[order.order_id]
        del self.orders[order.order_id]
        level.quantity -= order.leaves_quantity
        if not level.orders:
            del self._side(order.side)[order.price_ticks]

    def reduce(self, order: Order, quantity: int) -> None:
        """Count `quantity` less in the order's level; the caller changes the order itself."""
        self._side(order.side)[order.price_ticks].quantity -= quantity

    def levels(self, side: Side) -> Iterator[Level]:
        """Levels of a side, best first."""
        levels = self._side(side)
        return iter(reversed(levels.values()) if side is Side.BUY else levels.values())

    def in_priority(self) -> list[Order]:
        """All orders, bids then offers, each side best and oldest first: adding them in this
        order to an empty book gives the same book."""
        sides = (Side.BUY, Side.SELL)
        return [o for side in sides for level in self.levels(side) for o in level.orders.values()]

    def check_invariants(self) -> None:
        """Raise InvariantBroken if the book contradicts itself; O(n)."""
        seen = 0
        for side in (Side.BUY, Side.SELL):
            for level in self.levels(side):
                require(bool(level.orders), "a level is never empty")
                total = sum(order.leaves_quantity for order in level.orders.values())
                require(
                    total == level.quantity,
                    f"level {level.price_ticks} totals its orders",
                )
                for order_id, order in level.orders.items():
                    require(order.side is side, "an order rests on its own side")
                    require(
                        order.price_ticks == level.price_ticks,
                        "an order rests at its price",
                    )
                    require(
                        self.orders.get(order_id) is order,
                        "the index knows every order",
                    )
                    require(order.leaves_quantity > 0, "a resting order has leaves")
                    seen += 1
        require(seen == len(self.orders), "the index knows no other order")
        bid, offer = self.best(Side.BUY), self.best(Side.SELL)
        if bid is not None and offer is not None:
            require(bid.price_ticks < offer.price_ticks, "the book is not crossed")

    def _side(self, side: Side) -> "SortedDict[int, Level]":
        return self._bids if side is Side.BUY else self._offers
