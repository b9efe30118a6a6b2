"""The order book by itself: queues by price, then time."""

from engine.book import Book
from engine.codes import Side, TimeInForce
from engine.order import Order


def order(order_id: int, side: Side, price: int, quantity: int = 5) -> Order:
    return Order(
        order_id, "A", "A", f"o{order_id}", "BEA-2024", side, price, quantity, TimeInForce.DAY,
        7_500, 1,
    )  # fmt: skip


def book(*orders: Order) -> Book:
    found = Book()
    for each in orders:
        found.add(each)
    found.check_invariants()
    return found


BIDS = (order(1, Side.BUY, 98), order(2, Side.BUY, 99), order(3, Side.BUY, 98))
OFFERS = (order(4, Side.SELL, 102), order(5, Side.SELL, 101), order(6, Side.SELL, 102))


def test_levels_come_best_first_with_their_totals() -> None:
    found = book(*BIDS, *OFFERS)
    bids = [(level.price_ticks, level.quantity) for level in found.levels(Side.BUY)]
    offers = [(level.price_ticks, level.quantity) for level in found.levels(Side.SELL)]
    assert (bids, offers) == ([(99, 5), (98, 10)], [(101, 5), (102, 10)])


def test_orders_come_by_side_price_and_time() -> None:
    found = book(*BIDS, *OFFERS)
    assert [each.order_id for each in found.in_priority()] == [2, 1, 3, 5, 4, 6]


def test_a_book_filled_in_priority_is_the_same_book() -> None:
    found = book(*BIDS, *OFFERS)
    again = book(*found.in_priority())
    assert again.in_priority() == found.in_priority()


def test_an_empty_side_has_no_best_level() -> None:
    found = book(*BIDS)
    best = found.best(Side.BUY)
    assert best is not None
    assert (best.price_ticks, found.best(Side.SELL)) == (99, None)


def test_the_first_match_is_the_oldest_order_at_the_best_price_that_crosses() -> None:
    found = book(*BIDS, *OFFERS)
    matches = [
        found.first_match(side, price)
        for side, price in (
            (Side.BUY, 100), (Side.BUY, 101), (Side.BUY, 200),
            (Side.SELL, 100), (Side.SELL, 99), (Side.SELL, 1),
        )
    ]  # fmt: skip
    ids = [match.order_id if match is not None else None for match in matches]
    assert ids == [None, 5, 5, None, 2, 2]


def test_removing_the_last_order_of_a_level_removes_the_level() -> None:
    bid, other = order(1, Side.BUY, 98), order(2, Side.BUY, 97)
    found = book(bid, other)
    found.remove(bid)
    found.check_invariants()
    assert [level.price_ticks for level in found.levels(Side.BUY)] == [97]
    assert list(found.orders) == [2]
