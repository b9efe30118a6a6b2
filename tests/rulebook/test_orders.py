"""Orders: size, prices, priority, amends, time in force, self-trade prevention."""

import pytest

from engine import events as e
from tests.market_driver import INSTRUMENT, MarketDriver, admit, open_market
from tests.rulebook.outcome import outcome

ENTERING = [
    # rule, resting orders, the order, what happens
    ("R-SIZE-1", "", "A buys 1@10000", "rests 1"),
    ("R-SIZE-1", "", "A buys 9999@10000", "rests 9999"),
    ("R-SIZE-1", "", "A buys 10000@10000", "refused QUANTITY_OUT_OF_RANGE"),
    ("R-SIZE-1", "", "A buys 0@10000", "refused QUANTITY_OUT_OF_RANGE"),
    ("R-PRICE-2", "", "A buys 1@8000", "rests 1"),
    ("R-PRICE-2", "", "A buys 1@7999", "refused PRICE_OUTSIDE_LIMITS"),
    ("R-PRICE-2", "", "A sells 1@12000", "rests 1"),
    ("R-PRICE-2", "", "A sells 1@12001", "refused PRICE_OUTSIDE_LIMITS"),
    ("R-PRICE-3", "B sells 5@9900", "A buys 5@10000", "5@9900"),
    ("R-PRICE-3", "B buys 5@10100", "A sells 5@10000", "5@10100"),
    ("R-PRICE-3", "B sells 5@9900", "A buys 8@10000", "5@9900 rests 3"),
    ("R-PRIO-1", "B sells 2@10100 | C sells 2@10000", "A buys 3@10100", "2@10000 1@10100"),
    ("R-PRIO-1", "B buys 2@9900 | C buys 2@10000", "A sells 3@9900", "2@10000 1@9900"),
    ("R-PRIO-1", "B sells 2@10000 | C sells 3@10000", "A buys 5@10000", "2@10000 3@10000"),
    ("R-PRIO-1", "C sells 3@10000 | B sells 2@10000", "A buys 4@10000", "3@10000 1@10000"),
    ("R-STP-1", "A sells 5@10000", "A buys 3@10000", "cancelled 3 SELF_TRADE_PREVENTED"),
    ("R-STP-1", "A sells 5@10000", "A2 buys 3@10000", "cancelled 3 SELF_TRADE_PREVENTED"),
    ("R-STP-1", "B sells 1@9900 | A sells 5@10000", "A buys 3@10000",
     "1@9900 cancelled 2 SELF_TRADE_PREVENTED"),
    ("R-STP-1", "A sells 5@10000", "A buys 3@9999", "rests 3"),
]  # fmt: skip


def market_with(orders: str) -> MarketDriver:
    """A market with these orders; A and A2 belong to one owner."""
    market = open_market()
    admit(market, "A2", group="A")
    market.fund("A2", 10_000_000_00, 1_000)
    for text in filter(None, orders.split(" | ")):
        market.say(text)
    return market


@pytest.mark.parametrize(("rule", "orders", "text", "expected"), ENTERING)
def test_entering(rule: str, orders: str, text: str, expected: str) -> None:
    market = market_with(orders)
    assert expected == outcome(market.say(text)), rule


AMENDING = [
    # rule, resting orders, amend of order 1 to, what happens, the queue of order ids afterwards
    ("R-PRIO-2", "A sells 5@10000 | B sells 5@10000", "4@10000", "rests 4", [1, 2]),
    ("R-PRIO-2", "A sells 5@10000 | B sells 5@10000", "6@10000", "rests 6", [2, 1]),
    ("R-PRIO-2", "A sells 5@10000 | B sells 5@10100", "4@10100", "rests 4", [2, 1]),
    ("R-PRIO-2", "A sells 5@10000 | B buys 5@9900", "5@9900", "5@9900", []),
    ("R-AMEND-1", "A sells 5@10000 | B buys 2@10000", "6@10000", "rests 4", [1]),
    ("R-AMEND-1", "A sells 5@10000", "5@10000", "refused AMEND_WITHOUT_CHANGE", [1]),
    ("R-AMEND-1", "A sells 5@10000", "5@12001", "refused PRICE_OUTSIDE_LIMITS", [1]),
    ("R-AMEND-1", "A sells 5@10000", "0@10000", "refused QUANTITY_OUT_OF_RANGE", [1]),
    ("R-AMEND-2", "A sells 5@10000 | B buys 2@10000", "2@10000",
     "cancelled 3 AMENDED_TO_FILLED", []),
    ("R-AMEND-2", "A sells 5@10000 | B buys 2@10000", "1@10000",
     "cancelled 3 AMENDED_TO_FILLED", []),
    ("R-ORDER-1", "A sells 5@10000 | B buys 5@10000", "6@10000", "refused ORDER_NOT_OPEN", []),
    ("R-ORDER-1", "B sells 5@10000", "6@10000", "refused ORDER_NOT_OPEN", [1]),
    ("R-STP-1", "A sells 5@10100 | A buys 5@10000", "5@10000",
     "cancelled 5 SELF_TRADE_PREVENTED", [2]),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "orders", "terms", "expected", "queue"), AMENDING)
def test_amending(rule: str, orders: str, terms: str, expected: str, queue: list[int]) -> None:
    market = market_with(orders)
    quantity, price = (int(part) for part in terms.split("@"))
    actual = outcome(market.amend("A", 1, quantity, price))
    resting = [order.order_id for order in market.market.books[INSTRUMENT].in_priority()]
    assert (expected, queue) == (actual, resting), rule


ENDING = [
    # rule, price of the day's only trade, order, what happens at its end or at the next start
    ("R-TIF-1", 0, "A buys 5@10000", "expired 5"),
    ("R-TIF-1", 0, "A buys 5@10000 GTC", ""),
    ("R-PRICE-4", 9_000, "A sells 5@10801 GTC", "cancelled 5 OUTSIDE_PRICE_LIMITS"),
    ("R-PRICE-4", 9_000, "A sells 5@10800 GTC", ""),
    ("R-PRICE-4", 11_000, "A buys 5@8799 GTC", "cancelled 5 OUTSIDE_PRICE_LIMITS"),
    ("R-PRICE-4", 11_000, "A buys 5@8800 GTC", ""),
]


@pytest.mark.parametrize(("rule", "traded", "text", "expected"), ENDING)
def test_the_end_of_the_day(rule: str, traded: int, text: str, expected: str) -> None:
    market = open_market()
    if traded:
        market.say(f"B sells 1@{traded}")
        market.say(f"C buys 1@{traded}")
    market.say(text)
    events = market.end_day()
    expired = [f"expired {x.leaves_quantity}" for x in events if isinstance(x, e.OrderExpired)]
    assert expected == " ".join([*expired, outcome(market.next_boundary())]).strip(), rule
