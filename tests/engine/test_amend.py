"""Amending open orders: priority, holds, refusals (R-AMEND-1, R-AMEND-2, R-PRIO-2)."""

import pytest

from engine import events as e
from engine.codes import CancelReason, Phase, Side
from engine.commands import AmendOrder, DeclareInsider
from tests.engine.expected import amended, canceled, cash, refused, traded, units
from tests.market_driver import INSTRUMENT, MarketDriver, open_market


def book_order(market: MarketDriver) -> list[int]:
    """Order ids of the offers, best and oldest first."""
    return [order.order_id for order in market.market.books[INSTRUMENT].in_priority()]


def test_a_lower_quantity_keeps_the_place_and_frees_the_rest_of_the_hold() -> None:
    market = open_market("A buys 5@10000", "B buys 5@10000")
    expected = (amended(1, "2@10000", 2, 2, kept=True), cash("A", held=20_150))
    actual = market.amend("A", 1, 2, 10_000)
    assert (expected, [1, 2]) == (actual, book_order(market))


def test_a_higher_quantity_goes_to_the_back_of_the_level() -> None:
    market = open_market("A sells 5@10000", "B sells 5@10000")
    expected = (amended(1, "6@10000", 6, 2, kept=False), units("A", held=6))
    actual = market.amend("A", 1, 6, 10_000)
    assert (expected, [2, 1]) == (actual, book_order(market))


def test_another_price_with_a_lower_quantity_loses_the_place_too() -> None:
    market = open_market("A sells 5@10000", "B sells 5@10100")
    expected = (amended(1, "4@10100", 4, 2, kept=False), units("A", held=4))
    actual = market.amend("A", 1, 4, 10_100)
    assert (expected, [2, 1]) == (actual, book_order(market))


def test_a_crossing_price_trades_at_once_with_the_total_quantity_in_mind() -> None:
    market = open_market("A sells 5@10000", "B buys 2@10000", "B buys 4@9900")
    expected = (
        amended(1, "6@9900", 4, 2, kept=False),
        traded(2, "4@9900", (3, "B"), (1, "A"), Side.SELL),
        cash("B", -20_150 - 39_897),
        cash("A", +19_850 + 39_303, locked=59_153),
        units("A", -6),
        units("B", +6, fresh=6),
    )
    actual = market.amend("A", 1, 6, 9_900)
    assert expected == actual


@pytest.mark.parametrize("quantity", [1, 2])
def test_an_amend_to_or_below_what_is_filled_cancels_the_rest(quantity: int) -> None:
    market = open_market("A buys 5@10000", "B sells 2@10000")
    expected = (
        canceled(1, 3, CancelReason.AMENDED_TO_FILLED),
        cash("A", -20_150),
    )
    actual = market.amend("A", 1, quantity, 10_000)
    assert expected == actual


def test_an_amend_of_a_partly_filled_order_holds_only_what_is_still_to_pay() -> None:
    market = open_market("A buys 5@10000", "B sells 2@10000", cash_fen=50_375)
    events = market.amend("A", 1, 4, 10_000)
    assert (events[1].available_fen, events[1].held_fen) == (10_075, 20_150)


def test_an_amend_may_use_what_the_order_holds_already() -> None:
    market = open_market("A buys 5@10000", cash_fen=50_375)
    events = market.amend("A", 1, 6, 8_300)
    assert (events[1].available_fen, events[1].held_fen) == (201, 50_174)


def test_an_amend_beyond_the_cash_is_refused_whole() -> None:
    market = open_market("A buys 5@10000", cash_fen=50_375)
    expected = (refused("INSUFFICIENT_CASH", "quantity", needed_fen=60_450, available_fen=50_375),)
    actual = market.amend("A", 1, 6, 10_000)
    assert (expected, 5) == (actual, market.market.books[INSTRUMENT].orders[1].quantity)


def test_an_amend_beyond_the_units_is_refused_whole() -> None:
    market = open_market("A sells 5@10000", units=6)
    expected = (
        refused("INSUFFICIENT_UNITS", "quantity", series=INSTRUMENT, needed=2, available=1),
    )
    actual = market.amend("A", 1, 7, 10_000)
    assert expected == actual


def test_an_amend_may_offer_the_last_unit() -> None:
    market = open_market("A sells 5@10000", units=6)
    events = market.amend("A", 1, 6, 10_000)
    assert (events[1].available, events[1].held) == (0, 6)


def test_an_amend_that_changes_nothing_is_refused() -> None:
    market = open_market("A sells 5@10000")
    expected = (refused("AMEND_WITHOUT_CHANGE", "quantity"),)
    actual = market.amend("A", 1, 5, 10_000)
    assert expected == actual


@pytest.mark.parametrize(
    ("quantity", "price", "reason"),
    [
        (0, 10_000, "QUANTITY_OUT_OF_RANGE"),
        (-3, 10_000, "QUANTITY_OUT_OF_RANGE"),
        (10_000, 10_000, "QUANTITY_OUT_OF_RANGE"),
        (5, 12_001, "PRICE_OUTSIDE_LIMITS"),
        (5, 7_999, "PRICE_OUTSIDE_LIMITS"),
    ],
)
def test_terms_outside_the_rules_are_refused(quantity: int, price: int, reason: str) -> None:
    market = open_market("A buys 5@10000", "B sells 2@10000")
    (event,) = market.amend("A", 1, quantity, price)
    assert (reason, [1]) == (event.reason, book_order(market))


def test_a_filled_order_cannot_be_amended() -> None:
    market = open_market("A buys 5@10000", "B sells 5@10000")
    expected = (refused("ORDER_NOT_OPEN", "order_id", order=1),)
    actual = market.amend("A", 1, 6, 10_000)
    assert expected == actual


def test_another_participants_order_looks_like_one_that_is_not_open() -> None:
    market = open_market("A buys 5@10000")
    own = market.send("trader-B", AmendOrder("B", 1, 10_000, 6))
    foreign = market.send("trader-B", AmendOrder("A", 1, 10_000, 6))
    expected = (refused("ORDER_NOT_OPEN", "order_id", order=1),)
    assert (expected, expected) == (own, foreign)


def test_an_amend_into_the_own_groups_order_cancels_the_amended_one() -> None:
    market = open_market("A sells 5@10100", "A buys 5@10000")
    expected = (
        amended(2, "5@10100", 5, 2, kept=False),
        canceled(2, 5, CancelReason.SELF_TRADE_PREVENTED),
        cash("A"),
    )
    actual = market.amend("A", 2, 5, 10_100)
    assert expected == actual


def test_an_amend_needs_an_open_session() -> None:
    market = open_market("A sells 5@10000 GTC")
    market.end_day()
    expected = (
        refused("MARKET_NOT_OPEN", "instrument_id", instrument=INSTRUMENT, phase=Phase.CLOSED),
    )
    actual = market.amend("A", 1, 4, 10_000)
    assert expected == actual


def test_whoever_became_an_insider_may_cancel_but_not_amend() -> None:
    market = open_market("A sells 5@10000")
    market.send("op-1", DeclareInsider("trader-A", "verifier"))
    expected = (refused("INSIDER_MAY_NOT_TRADE", "actor", person="trader-A", body="verifier"),)
    actual = market.amend("A", 1, 6, 9_000)
    assert expected == actual
    assert isinstance(market.cancel("A", 1)[0], e.OrderCanceled)


def test_what_an_amendment_leaves_out_stays_as_it_is() -> None:
    market = open_market("A buys 5@10000")
    lower, dearer, nothing = (
        market.send("trader-A", AmendOrder("A", 1, *terms))[0]
        for terms in ((None, 4), (10_010, None), (None, None))
    )
    assert (
        amended(1, "4@10000", 4, 2, kept=True),
        amended(1, "4@10010", 4, 3, kept=False),
        refused("AMEND_WITHOUT_CHANGE", "quantity"),
    ) == (lower, dearer, nothing)
