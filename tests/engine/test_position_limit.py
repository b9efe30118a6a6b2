"""The position limit of a controlled group (R-POS-1, R-POS-2)."""

import pytest

from engine import commands as c
from engine.codes import ParticipantClass
from tests.engine.expected import rejected
from tests.market_driver import (
    INSTRUMENT,
    MarketDriver,
    admit,
    found,
    list_instrument,
    open_market,
    rule_version,
)


def group_market(**classes: ParticipantClass) -> MarketDriver:
    """Participants A and B of one owner, C alone; nobody has units but C."""
    market = found(position_limit_tonnes=100)
    list_instrument(market)
    list_instrument(market, "BEA-2025", 2025)
    list_instrument(market, "PCER-1", 2024)
    for name, group in (("A", "holding"), ("B", "holding"), ("C", "C")):
        admit(market, name, group, participant_class=classes.get(name, ParticipantClass.EMITTER))
        market.fund(name, 1_000_000_000)
    for series in (INSTRUMENT, "BEA-2025", "PCER-1"):
        market.fund("C", units=500, series=series)
    market.open_day()
    return market


def test_an_order_up_to_the_limit_is_accepted_and_one_tonne_more_is_not() -> None:
    market = group_market()
    market.say("A buys 100@10000")
    expected = (
        rejected(2, "A buys", "POSITION_LIMIT_EXCEEDED", "quantity", exposure=101, limit=100),
    )
    actual = market.say("A buys 1@9000")
    assert expected == actual


def test_open_buys_of_the_whole_group_and_all_vintages_count_together() -> None:
    market = group_market()
    market.say("A buys 60@10000")
    market.say("B buys 30@10000", instrument="BEA-2025")
    (event,) = market.say("B buys 11@9000")
    assert event.facts == {"exposure": "101", "limit": "100"}


def test_another_product_has_a_count_of_its_own() -> None:
    market = group_market()
    market.say("A buys 100@10000")
    events = market.say("A buys 100@10000", instrument="PCER-1")
    assert events[0].quantity == 100


def test_units_of_another_product_do_not_count() -> None:
    market = group_market()
    market.fund("A", units=90, series="PCER-1")
    events = market.say("A buys 100@10000")
    assert events[0].quantity == 100


def test_bought_units_count_instead_of_the_order_that_bought_them() -> None:
    market = group_market()
    market.say("C sells 40@10000")
    market.say("A buys 60@10000")
    (event,) = market.say("B buys 41@9000")
    assert event.facts == {"exposure": "101", "limit": "100"}


def test_a_cancelled_order_counts_no_more() -> None:
    market = group_market()
    market.say("A buys 100@10000")
    market.cancel("A", 1)
    events = market.say("B buys 100@10000")
    assert events[0].order_id == 2


def test_an_amend_counts_only_what_it_adds() -> None:
    market = group_market()
    market.say("A buys 90@10000")
    (refused,) = market.amend("A", 1, 101, 10_000)
    accepted = market.amend("A", 1, 100, 10_000)
    assert (refused.facts, accepted[0].quantity) == ({"exposure": "101", "limit": "100"}, 100)


def test_units_beyond_the_limit_by_deposit_only_block_buying() -> None:
    market = group_market()
    market.say("A buys 50@9000")
    market.fund("A", units=500)
    (blocked,) = market.say("A buys 1@9000")
    repriced = market.amend("A", 1, 50, 8_999)
    sold = market.say("A sells 500@12000")
    assert (
        blocked.reason,
        repriced[0].price_ticks,
        sold[0].quantity,
    ) == ("POSITION_LIMIT_EXCEEDED", 8_999, 500)


@pytest.mark.parametrize(
    ("participant_class", "adds", "limit"),
    [
        (ParticipantClass.EMITTER, True, 107),
        (ParticipantClass.EMITTER, False, 100),
        (ParticipantClass.VOLUNTARY_INSTITUTION, True, 100),
        (ParticipantClass.REPORTING_UNIT, True, 100),
    ],
)
def test_only_an_emitters_annual_allowance_adds_to_the_limit(
    participant_class: ParticipantClass, adds: object, limit: int
) -> None:
    market = open_market(position_limit_tonnes=100, emitter_adds_allowance_to_limit=adds, units=0)
    admit(market, "D", allowance=7, participant_class=participant_class)
    market.fund("D", 10_000_000)
    (event,) = market.say("D buys 108@10000")
    assert str(limit) == event.facts["limit"]


def test_allowances_of_all_emitters_of_the_group_add_up() -> None:
    market = open_market(position_limit_tonnes=100, units=0)
    admit(market, "D", "holding", 7)
    admit(market, "E", "holding", 5)
    market.fund("D", 10_000_000)
    (event,) = market.say("D buys 113@10000")
    assert event.facts == {"exposure": "113", "limit": "112"}


def test_a_lower_limit_by_a_new_rule_version_leaves_resting_orders_alone() -> None:
    market = open_market("A buys 500@10000 GTC", units=0)
    version = rule_version("beijing-2", 20240507, position_limit_tonnes=100)
    market.act(c.InstallRules(version))
    market.next_day()
    (event,) = market.say("A buys 1@10000")
    assert (
        event.reason,
        market.market.books[INSTRUMENT].orders[1].leaves_quantity,
    ) == ("POSITION_LIMIT_EXCEEDED", 500)
