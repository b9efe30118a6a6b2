"""Fees by the cumulative formula; holds cover every cutting into fills (R-FEE-1, R-FEE-2)."""

from itertools import pairwise

import pytest

from engine import commands as c
from engine import events as e
from engine.rules import half_up
from tests.market_driver import (
    INSTRUMENT,
    Frame,
    MarketDriver,
    closed_market,
    open_market,
    rule_version,
)
from tests.seeded import seeded


def fees_of(events: Frame, order_id: int) -> list[int]:
    """Fees charged to an order, fill by fill."""
    trades = [event for event in events if isinstance(event, e.TradeExecuted)]
    return [
        t.buyer_fee_fen if t.buy_order_id == order_id else t.seller_fee_fen
        for t in trades
        if order_id in (t.buy_order_id, t.sell_order_id)
    ]


def test_a_fill_pays_the_fee_on_the_cumulative_value_less_what_was_charged() -> None:
    market = open_market("A buys 3@8044")
    events = market.say("B sells 1@8044") + market.say("C sells 1@8044")
    events += market.say("B sells 1@8044")
    assert fees_of(events, 1) == [60, 61, 60]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("fee_ppm", [0, 1, 7_500, 499_999, 1_000_000])
def test_any_cutting_into_fills_adds_up_to_the_fee_on_the_whole(seed: int, fee_ppm: int) -> None:
    rng = seeded(seed)
    market = open_market(public_fee_ppm=fee_ppm, units=10_000)
    quantity = rng.randint(1, 400)
    events: Frame = ()
    left = quantity
    while left:
        part = rng.randint(1, left)
        events += market.say(f"{rng.choice('BC')} sells {part}@{rng.randint(8_000, 12_000)}")
        left -= part
    price = max(order.price_ticks for order in market.market.books[INSTRUMENT].orders.values())
    order_id = market.market.last_order_id + 1
    filled = market.say(f"A buys {quantity}@{price}")
    value = sum(event.value_fen for event in filled if isinstance(event, e.TradeExecuted))
    assert half_up(value * fee_ppm, 1_000_000) == sum(fees_of(filled, order_id))
    market.engine.check_invariants()


@pytest.mark.parametrize("seed", range(20))
def test_a_buyer_with_exactly_the_hold_is_never_short_however_it_is_filled(seed: int) -> None:
    rng = seeded(seed)
    quantity, price = rng.randint(1, 200), rng.randint(8_000, 12_000)
    market = closed_market(cash_fen=0)
    value = quantity * price
    market.fund("A", value + half_up(value * 7_500, 1_000_000))
    market.open_day()
    market.say(f"A buys {quantity}@{price}")
    left = quantity
    while left:
        part = rng.randint(1, left)
        market.say(f"{rng.choice('BC')} sells {part}@{price}")
        market.engine.check_invariants()
        left -= part
    cash = market.market.accounts["A"].cash
    assert (cash.available_fen, cash.held_fen) == (0, 0)


def test_the_rate_of_acceptance_stays_with_a_resting_order() -> None:
    market = open_market("A sells 2@10000 GTC")
    market.act(c.InstallRules(rule_version("beijing-2", 20240507, public_fee_ppm=100_000)))
    market.next_day()
    events = market.say("B buys 2@10000")
    trade = events[1]
    assert (trade.buyer_fee_fen, trade.seller_fee_fen) == (2_000, 150)


def test_an_amend_keeps_the_rate_of_acceptance() -> None:
    market = open_market("A buys 2@10000 GTC")
    market.act(c.InstallRules(rule_version("beijing-2", 20240507, public_fee_ppm=100_000)))
    market.next_day()
    events = market.amend("A", 1, 3, 10_000)
    assert events[1].held_fen == 30_225


def test_money_counts_in_fen_whatever_the_tick_is() -> None:
    market = open_market("A sells 3@10000", price_tick_fen=10)
    trade = market.say("B buys 3@10000")[1]
    (refused,) = market.say("B buys 3@7999")
    assert (trade.value_fen, trade.buyer_fee_fen, trade.seller_fee_fen) == (300_000, 2_250, 2_250)
    assert refused.facts == {"lower_fen": "80000", "upper_fen": "120000"}
    (closed,) = [x for x in market.end_day() if isinstance(x, e.InstrumentDayClosed)]
    assert (closed.vwap_ticks, closed.turnover_fen) == (10_000, 300_000)
    market.engine.check_invariants()


def test_all_fees_are_what_the_participants_money_lacks() -> None:
    market = open_market("A sells 3@9999", "B buys 1@9999", "C buys 2@10001")
    fees = [t.buyer_fee_fen + t.seller_fee_fen for t in _trades(market)]
    assert sum(fees) == market.market.fees_fen
    market.engine.check_invariants()


def test_the_seller_never_pays_more_than_the_price() -> None:
    market = open_market("A sells 9@8001", public_fee_ppm=1_000_000)
    market.say("B buys 9@8001")
    (trade,) = _trades(market)
    assert (trade.value_fen, 0) == (
        trade.seller_fee_fen,
        market.market.accounts["A"].cash.withdrawable_fen(20240507) - 100_000_000_00,
    )


def test_trade_ids_and_order_ids_grow_by_one() -> None:
    market = open_market("A sells 3@9999", "B buys 1@9999", "C buys 2@10001")
    ids = [trade.trade_id for trade in _trades(market)]
    assert all(later == earlier + 1 for earlier, later in pairwise(ids))
    assert (ids, market.market.last_order_id) == ([1, 2], 3)


def _trades(market: MarketDriver) -> list[e.TradeExecuted]:
    return [
        event for _, events in market.log for event in events if isinstance(event, e.TradeExecuted)
    ]
