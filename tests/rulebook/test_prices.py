"""Reference price, price limits, fees: the arithmetic of the rulebook as tables."""

import pytest

from engine import events as e
from engine.beijing import RULES
from engine.rules import fee_on, price_limits
from tests.market_driver import open_market

REFERENCE_PRICES = [
    # R-PRICE-1: trades of the day (tonnes at ticks), reference price of the next one
    ("", 10_000),
    ("1@10489", 10_489),
    ("1@10000 1@10001", 10_001),
    ("2@10000 1@10001", 10_000),
    ("1@10000 2@10001", 10_001),
    ("3@9000 7@11000", 10_400),
    ("9999@12000 1@8000", 12_000),
]


@pytest.mark.parametrize(("trades", "reference"), REFERENCE_PRICES)
def test_the_reference_price_is_the_average_price_of_the_day_before(
    trades: str, reference: int
) -> None:
    """R-PRICE-1"""
    market = open_market()
    for trade in trades.split():
        market.say(f"B sells {trade}")
        market.say(f"A buys {trade}")
    market.end_day()
    (event,) = [x for x in market.next_boundary() if isinstance(x, e.ReferencePriceSet)]
    assert (reference, price_limits(reference, RULES)) == (
        event.reference_price_ticks,
        (event.lower_limit_ticks, event.upper_limit_ticks),
    )


PRICE_LIMITS = [
    # R-PRICE-2: reference, lowest, highest (20 %, half-up)
    (10_489, 8_391, 12_587),
    (10_000, 8_000, 12_000),
    (9_998, 7_998, 11_998),
    (9_997, 7_998, 11_996),
    (3, 2, 4),
    (1, 1, 1),
]


@pytest.mark.parametrize(("reference", "lower", "upper"), PRICE_LIMITS)
def test_price_limits(reference: int, lower: int, upper: int) -> None:
    """R-PRICE-2"""
    assert (lower, upper) == price_limits(reference, RULES)


FEES = [
    # R-FEE-1: value in fen, fee at 7.5 per mille, half-up
    (0, 0),
    (66, 0),
    (67, 1),
    (10_489, 79),
    (3_653_360_656, 27_400_205),
]


@pytest.mark.parametrize(("value_fen", "fee_fen"), FEES)
def test_fees(value_fen: int, fee_fen: int) -> None:
    """R-FEE-1"""
    assert fee_fen == fee_on(value_fen, RULES.public_fee_ppm)


CUTTINGS = [
    # R-FEE-1: fills of one order at 80.44, fee of each
    ("3", [181]),
    ("1 1 1", [60, 61, 60]),
    ("2 1", [121, 60]),
    ("1 2", [60, 121]),
]


@pytest.mark.parametrize(("fills", "fees"), CUTTINGS)
def test_the_fee_of_a_fill_depends_on_what_was_filled_before(fills: str, fees: list[int]) -> None:
    """R-FEE-1, R-FEE-2: any cutting adds up to the fee on the whole, inside the hold."""
    market = open_market("A buys 3@8044")
    events = [market.say(f"B sells {quantity}@8044")[1] for quantity in fills.split()]
    assert (fees, 0) == (
        [event.buyer_fee_fen for event in events],
        market.market.accounts["A"].cash.held_fen,
    )
