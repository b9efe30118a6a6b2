"""Freezes of units on deposit (Measures Art 16): what they take, cancel and leave."""

import pytest

from engine import commands as c
from engine import events as e
from engine.codes import CancelReason, FreezeReason, Product
from tests.engine.expected import canceled, refused, units
from tests.market_driver import ECOLOGY, INSTRUMENT, Frame, MarketDriver, open_market


def freeze(
    market: MarketDriver, quantity: int, participant: str = "A", series: str = INSTRUMENT
) -> Frame:
    """Freeze by two people of the ecology department; returns the events after the approval."""
    act = c.FreezeUnits(participant, series, quantity, FreezeReason.COURT, "(2024) 1")
    return market.act(act, ECOLOGY)[1:]


def frozen(freeze_id: int, quantity: int, shortfall: int = 0) -> e.UnitsFrozen:
    return e.UnitsFrozen(
        freeze_id, "A", INSTRUMENT, quantity, shortfall, FreezeReason.COURT, "(2024) 1"
    )


def test_available_units_are_frozen_first() -> None:
    market = open_market("A sells 99990@10000", max_order_tonnes=100_000)
    expected = (frozen(1, 10), units("A", held=99_990, frozen=10))
    actual = freeze(market, 10)
    assert expected == actual


def test_sell_orders_are_cancelled_newest_first_only_as_far_as_needed() -> None:
    market = open_market(
        "A sells 4@10000", "A sells 3@9900", "A sells 2@11000", "A buys 1@9000", units=10
    )
    events = freeze(market, 5)
    expected = (
        canceled(3, 2, CancelReason.UNITS_FROZEN),
        canceled(2, 3, CancelReason.UNITS_FROZEN),
        frozen(1, 5),
    )
    assert expected == events[:3]
    assert [o.order_id for o in market.market.books[INSTRUMENT].in_priority()] == [4, 1]


def test_what_is_not_there_is_recorded_as_a_shortfall() -> None:
    market = open_market("A sells 4@10000", units=10)
    events = freeze(market, 25)
    assert (canceled(1, 4, CancelReason.UNITS_FROZEN), frozen(1, 10, 15)) == events[:2]


def test_a_freeze_of_a_participant_without_units_is_all_shortfall() -> None:
    market = open_market(units=0)
    events = freeze(market, 5)
    expected = (frozen(1, 0, 5), e.UnitsChanged("A", INSTRUMENT, 0, 0, 0, 0))
    assert expected == events


def test_frozen_units_can_neither_be_sold_nor_frozen_again() -> None:
    market = open_market(units=10)
    freeze(market, 8)
    (sold,) = market.say("A sells 3@10000")
    events = freeze(market, 3)
    assert ("INSUFFICIENT_UNITS", frozen(2, 2, 1)) == (sold.reason, events[0])


def test_units_not_yet_sellable_are_frozen_before_orders_are_cancelled() -> None:
    market = open_market("B sells 6@10000", "A buys 6@10000", "A sells 10@11000", units=10)
    events = freeze(market, 6)
    expected = (frozen(1, 6), e.UnitsChanged("A", INSTRUMENT, 0, 10, 6, 0))
    assert expected == events
    market.engine.check_invariants()


def test_a_freeze_on_fresh_units_lets_the_resting_order_deliver() -> None:
    market = open_market("B sells 6@10000", "A buys 6@10000", "A sells 10@11000", units=10)
    freeze(market, 6)
    market.say("C buys 10@11000")
    position = market.market.accounts["A"].positions[INSTRUMENT]
    market.engine.check_invariants()
    assert (
        position.total,
        position.held,
        position.frozen,
        position.sellable(market.market.day),
    ) == (6, 0, 6, 0)


def test_a_release_gives_the_units_back() -> None:
    market = open_market(units=10)
    freeze(market, 8)
    events = market.act(c.ReleaseUnits(1, "(2024) 2"), ECOLOGY)
    expected = (
        e.UnitsReleased(1, "A", INSTRUMENT, 8, "(2024) 2"),
        e.UnitsChanged("A", INSTRUMENT, 10, 0, 0, 10),
    )
    assert expected == events[1:]


def test_a_release_of_an_empty_freeze_changes_nothing() -> None:
    market = open_market(units=0)
    freeze(market, 5)
    events = market.act(c.ReleaseUnits(1, "(2024) 2"), ECOLOGY)
    assert e.UnitsReleased(1, "A", INSTRUMENT, 0, "(2024) 2") == events[1]
    market.engine.check_invariants()


def test_a_freeze_ends_once() -> None:
    market = open_market()
    freeze(market, 5)
    market.act(c.ReleaseUnits(1, "(2024) 2"), ECOLOGY)
    expected = (refused("FREEZE_UNKNOWN", "freeze_id", freeze=1),)
    actual = market.send("eco-1", c.ProposeAct(c.ReleaseUnits(1, "(2024) 3"), "again"))
    assert expected == actual


def test_trades_sequenced_before_the_freeze_stand() -> None:
    market = open_market("A sells 10@10000", "B buys 4@10000", units=10)
    events = freeze(market, 10)
    assert (canceled(1, 6, CancelReason.UNITS_FROZEN), frozen(1, 6, 4)) == events[:2]


def test_orders_of_another_series_and_of_others_stay() -> None:
    market = open_market("A sells 4@10000", "B sells 4@10000", units=4)
    market.act(c.ListSeries("BEA-2025", Product.BEA, 2025, "", 0))
    market.act(c.ListInstrument("BEA-2025", "BEA-2025", 10_000))
    market.fund("A", units=4, series="BEA-2025")
    market.say("A sells 4@10000", instrument="BEA-2025")
    events = freeze(market, 4, series="BEA-2025")
    assert canceled(3, 4, CancelReason.UNITS_FROZEN) == events[0]
    assert sorted(market.market.books[INSTRUMENT].orders) == [1, 2]


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (c.FreezeUnits("X", INSTRUMENT, 1, FreezeReason.OTHER, "d"), "PARTICIPANT_UNKNOWN"),
        (c.FreezeUnits("A", "BEA-1999", 1, FreezeReason.OTHER, "d"), "SERIES_UNKNOWN"),
        (c.FreezeUnits("A", INSTRUMENT, 1, FreezeReason.OTHER, ""), "TEXT_INVALID"),
        (c.ReleaseUnits(1, ""), "TEXT_INVALID"),
        (c.ReleaseUnits(7, "d"), "FREEZE_UNKNOWN"),
    ],
    ids=repr,
)
def test_a_freeze_needs_an_account_a_series_and_a_document(act: c.Act, reason: str) -> None:
    market = open_market()
    (event,) = market.send("eco-1", c.ProposeAct(act, "please"))
    assert reason == event.reason
