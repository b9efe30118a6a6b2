"""Cancelling orders, and what ends them by itself."""

import pytest

from engine import commands as c
from engine import events as e
from engine.codes import CancelReason, HaltCause, Phase, Role, Side, TimeInForce
from tests.engine.expected import canceled, cash, refused, units
from tests.market_driver import INSTRUMENT, open_market


def test_a_cancel_gives_the_whole_hold_of_a_buy_order_back() -> None:
    market = open_market("A buys 5@10000")
    expected = (canceled(1, 5, CancelReason.REQUESTED), cash("A"))
    actual = market.cancel("A", 1)
    assert expected == actual


def test_a_cancel_gives_the_units_of_a_sell_order_back() -> None:
    market = open_market("A sells 5@10000")
    expected = (canceled(1, 5, CancelReason.REQUESTED), units("A"))
    actual = market.cancel("A", 1)
    assert expected == actual


def test_a_cancel_of_a_partly_filled_order_reports_what_is_left() -> None:
    market = open_market("A sells 5@10000", "B buys 2@10000")
    expected = (canceled(1, 3, CancelReason.REQUESTED), units("A", -2))
    actual = market.cancel("A", 1)
    assert expected == actual


@pytest.mark.parametrize("order_id", [0, 1, 99, -1])
def test_an_order_that_is_not_open_cannot_be_cancelled(order_id: int) -> None:
    market = open_market("A sells 5@10000")
    market.cancel("A", 1)
    expected = (refused("ORDER_NOT_OPEN", "order_id", order=order_id),)
    actual = market.cancel("A", order_id)
    assert expected == actual


def test_another_participants_order_cannot_be_cancelled() -> None:
    market = open_market("A sells 5@10000")
    expected = (refused("ORDER_NOT_OPEN", "order_id", order=1),)
    actual = market.cancel("B", 1)
    assert (expected, 1) == (actual, len(market.market.books[INSTRUMENT].orders))


def test_a_compliance_officer_may_cancel_but_not_enter() -> None:
    market = open_market("A sells 5@10000")
    market.act(c.GrantAccess(c.AccessGrant("officer-A", Role.COMPLIANCE, "A")))
    entry = c.EnterOrder("A", "c1", INSTRUMENT, Side.SELL, 10_000, 1, TimeInForce.DAY)
    entered = market.send("officer-A", entry)
    cancelled = market.send("officer-A", c.CancelOrder("A", 1))
    assert entered[0].reason == "ROLE_NOT_PERMITTED"
    assert (canceled(1, 5, CancelReason.REQUESTED), units("A")) == cancelled


@pytest.mark.parametrize("phase", [Phase.BREAK, Phase.CLOSED, Phase.PRE_OPEN])
def test_a_cancel_is_possible_in_every_phase_of_the_schedule(phase: Phase) -> None:
    market = open_market("A sells 5@10000 GTC")
    while market.market.instruments[INSTRUMENT].phase is not phase:
        market.next_boundary()
    expected = (canceled(1, 5, CancelReason.REQUESTED), units("A"))
    actual = market.cancel("A", 1)
    assert expected == actual


def test_a_cancel_is_possible_while_trading_is_halted() -> None:
    market = open_market("A sells 5@10000")
    market.send("eco-1", c.HaltTrading(c.ALL_INSTRUMENTS, HaltCause.REGULATOR, "inquiry"))
    expected = (canceled(1, 5, CancelReason.REQUESTED), units("A"))
    actual = market.cancel("A", 1)
    assert expected == actual


def test_a_day_order_expires_at_the_days_end_and_a_good_till_cancelled_one_stays() -> None:
    market = open_market("A sells 5@10000", "A sells 7@10000 GTC", "B buys 2@9000")
    events = market.end_day()
    expected = [e.OrderExpired(3, 2), e.OrderExpired(1, 5), cash("B"), units("A", held=7)]
    actual = [
        event
        for event in events
        if isinstance(event, e.OrderExpired | e.CashChanged | e.UnitsChanged)
    ]
    assert expected == actual
