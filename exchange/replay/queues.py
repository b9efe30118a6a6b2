"""Which recorded order is which order in the engine, and in what order they stand.

A recorded order that was seen entering is *known*: it has an engine order of its own, whose place
in the level is its place.  Everything else is *adopted* (exchange/replay/adopted.py).

    level = engine orders in priority: first adopted ones, then known ones as they came

Priority goes by id, since ids grow with time: an order that joins with an older id (opening
cross) is put before the known ones with younger ids.  Between such a joiner and adopted orders
nothing is known until an execution names an order: then that one is put where its id belongs, and
whether it is the one to trade is the engine's decision.

What a message says against this is kept as a Contradiction; the message is then followed as far
as it can be.
"""

from exchange.replay.adopted import Adopted, Block, Names, Place
from exchange.replay.lobster import Message
from exchange.replay.report import Contradiction, Kind
from exchange.replay.venue import Venue

ABOVE_ALL_IDS = 10**18
"""Ceiling of adopted orders as long as no id is known to be newer."""


class Queues:
    """The recorded orders' places in the engine's book; prices in ticks."""

    def __init__(self, venue: Venue, first_id: int | None) -> None:
        self.late_joiners = 0
        self.contradictions: list[Contradiction] = []
        self._venue = venue
        self._names = Names()
        self._adopted = Adopted(venue, self._names)
        self._highest_id = -1
        self._ceiling_id = ABOVE_ALL_IDS if first_id is None else first_id - 1

    def engine_id(self, recorded_id: int) -> int | None:
        """The engine order of a known order, None for any other."""
        return self._names.engine_ids.get(recorded_id)

    def recorded_id(self, order_id: int) -> int | None:
        """The recorded id of an engine order, None for an adopted one."""
        return self._names.recorded_ids.get(order_id)

    def is_mixed(self, place: Place) -> bool:
        """Whether a level has adopted orders and joiners whose mutual priority is unknown."""
        block = self._adopted.block(place)
        return block is not None and block.has_joiners

    def see(self, message: Message) -> None:
        """Note an id that the recording names: ids given out later are higher."""
        self._highest_id = max(self._highest_id, message.order_id)

    # --- messages --------------------------------------------------------------------------------

    def join(self, message: Message, ticks: int) -> None:
        """A new order comes in, behind its level or where its id belongs."""
        place = message.side, ticks
        earlier = self.engine_id(message.order_id)
        if earlier is not None:
            why = "an order of this id rests in the book already"
            self._contradict(Kind.ORDER, "a new order", "an open order", why)
            order = self._venue.book.orders[earlier]
            self.forget_names((order.side, order.price_ticks))
        order_id = self._venue.rest(message.side, ticks, message.size)
        self._names.give(order_id, message.order_id)
        block = self._adopted.block(place)
        if block is not None and message.order_id <= block.ceiling_id:
            block.has_joiners = True
        if message.order_id < self._highest_id:
            self.late_joiners += 1
            known = self._names.recorded_ids
            self._requeue(
                place,
                [o for o in self._orders_at(place) if known.get(o, -1) > message.order_id],
            )
        self.see(message)

    def reduce(self, message: Message, ticks: int) -> None:
        """Part of an order is cancelled; the rest keeps its place."""
        self.see(message)
        order_id = self._named_order(message, ticks)
        if order_id is None:
            self._remove_adopted(message, ticks)
            return
        leaves = self._venue.book.orders[order_id].leaves_quantity
        if message.size < leaves:
            self._venue.reduce(order_id, message.size)
            return
        why = "a partial cancel leaves something of the order"
        self._contradict(Kind.QUANTITY, f"{message.size} cancelled", f"{leaves} left", why)
        self._cancel(order_id)

    def delete(self, message: Message, ticks: int) -> None:
        """An order is cancelled whole."""
        self.see(message)
        order_id = self._named_order(message, ticks)
        if order_id is None:
            self._remove_adopted(message, ticks)
            return
        leaves = self._venue.book.orders[order_id].leaves_quantity
        if message.size != leaves:
            why = "a deletion takes exactly what is left of the order"
            self._contradict(Kind.QUANTITY, f"{message.size} deleted", f"{leaves} left", why)
        self._cancel(order_id)

    def reveal(self, message: Message, ticks: int) -> None:
        """Before an execution in a mixed level: put the named order where its id belongs.

        The level then is: known joiners and the named order by id, other adopted ones, known ones
        that came later.  An order that came later than all adopted ones has its place already.
        """
        place = message.side, ticks
        block = self._adopted.block(place)
        if block is None or not block.has_joiners:
            return
        order_id = self.engine_id(message.order_id)
        if order_id is not None and message.order_id > block.ceiling_id:
            return
        if order_id is None and not self._is_next(message, place):
            order_id = self._adopted.split(place, message.size)
        if order_id is None:
            return
        ranks = {
            order: self._rank(order, message.order_id if order == order_id else None, block)
            for order in self._orders_at(place)
        }
        current, wanted = list(ranks), sorted(ranks, key=ranks.__getitem__)
        agreed = 0
        while agreed < len(wanted) and wanted[agreed] == current[agreed]:
            agreed += 1
        self._requeue(place, wanted[agreed:])

    def count_execution(self, message: Message, ticks: int, maker: int | None) -> None:
        """After an execution of a known order (maker) or of an adopted one (None).

        What it says of adopted orders that turn up later is kept.
        """
        self.see(message)
        block = self._adopted.block((message.side, ticks))
        if block is None:
            return
        if maker is None:
            self._check_passed(block, message)
        if message.order_id > block.passed_id:
            block.passed_id, block.passed_row = message.order_id, message.row

    # --- levels ----------------------------------------------------------------------------------

    def take_over(self, place: Place, quantity: int) -> bool:
        """Adopt a level with its recorded quantity; False if it had just that quantity."""
        return self._adopted.take_over(place, quantity, self._ceiling())

    def forget_names(self, place: Place) -> None:
        """Adopt what stands in a level: its priority has become doubtful."""
        self._adopted.forget_names(place, self._ceiling())

    def forget_filled(self, place: Place, order_ids: list[int]) -> None:
        """After trades in a level: what has left the engine's book is forgotten here."""
        for order_id in order_ids:
            if order_id not in self._venue.book.orders:
                self._names.forget(order_id)
        self._adopted.forget_filled(place)

    # --- private ---------------------------------------------------------------------------------

    def _ceiling(self) -> int:
        """No order that rests now has an id above this."""
        return max(self._ceiling_id, self._highest_id)

    def _contradict(self, kind: Kind, recorded: str, engine: str, why: str) -> None:
        self.contradictions.append(Contradiction(kind, recorded, engine, why))

    def _orders_at(self, place: Place) -> list[int]:
        level = self._venue.level(*place)
        return [] if level is None else list(level.orders)

    def _named_order(self, message: Message, ticks: int) -> int | None:
        """The engine order a message names, if known, wherever it rests."""
        order_id = self.engine_id(message.order_id)
        if order_id is not None:
            order = self._venue.book.orders[order_id]
            if (order.side, order.price_ticks) != (message.side, ticks):
                why = "the order rests elsewhere"
                self._contradict(Kind.ORDER, "another side or price", "where it entered", why)
        return order_id

    def _remove_adopted(self, message: Message, ticks: int) -> None:
        """A message names an order that was not seen entering: it must be an adopted one."""
        place = message.side, ticks
        block, quantity = self._adopted.block(place), self._adopted.quantity(place)
        if block is None or quantity < message.size:
            why = "the order was not seen entering, and so much was not there before"
            self._contradict(
                Kind.ORDER, f"{message.size} of an earlier order", f"{quantity} adopted", why
            )
        if block is not None:
            self._check_passed(block, message)
            self._adopted.remove(place, message.size)

    def _check_passed(self, block: Block, message: Message) -> None:
        if message.order_id < block.passed_id:
            why = "an execution takes the oldest order of its level"
            self._contradict(
                Kind.PRIORITY,
                f"order {message.order_id} still there",
                f"younger order {block.passed_id} executed in row {block.passed_row}",
                why,
            )

    def _is_next(self, message: Message, place: Place) -> bool:
        """Whether adopted orders stand where the engine would look for the named one."""
        quantity = 0
        for order_id in self._orders_at(place):
            recorded_id = self._names.recorded_ids.get(order_id)
            if recorded_id is None:
                quantity += self._venue.book.orders[order_id].leaves_quantity
                if quantity >= message.size:
                    return True
            elif quantity or recorded_id > message.order_id:
                return False
        return False

    def _rank(self, order_id: int, revealed_id: int | None, block: Block) -> tuple[int, int]:
        recorded_id = revealed_id or self._names.recorded_ids.get(order_id)
        if recorded_id is None:
            return 1, 0
        return (0 if recorded_id <= block.ceiling_id or revealed_id else 2), recorded_id

    def _cancel(self, order_id: int) -> None:
        self._names.forget(order_id)
        self._venue.cancel(order_id)

    def _requeue(self, place: Place, order_ids: list[int]) -> None:
        """Cancel orders of a level and enter them again, so that they stand last, in this order."""
        for old_id in order_ids:
            leaves = self._venue.book.orders[old_id].leaves_quantity
            self._venue.cancel(old_id)
            new_id = self._venue.rest(*place, leaves)
            recorded_id = self._names.forget(old_id)
            if recorded_id is None:
                self._adopted.replace(place, old_id, new_id)
            else:
                self._names.give(new_id, recorded_id)
