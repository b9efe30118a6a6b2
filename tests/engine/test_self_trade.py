"""Orders of one controlling owner never trade with each other (R-STP-1)."""

from engine.codes import CancelReason, Side
from tests.engine.expected import accepted, canceled, cash, traded, units
from tests.market_driver import admit, found, list_instrument, open_market


def test_an_order_that_meets_its_own_participants_order_is_cancelled() -> None:
    market = open_market("A sells 5@10000")
    expected = (
        accepted(2, "A buys 3@10000"),
        canceled(2, 3, CancelReason.SELF_TRADE_PREVENTED),
        cash("A"),
    )
    actual = market.say("A buys 3@10000")
    assert expected == actual


def test_a_sell_order_that_meets_its_own_bid_is_cancelled_and_its_units_are_free() -> None:
    market = open_market("A buys 5@10000")
    expected = (
        accepted(2, "A sells 3@10000"),
        canceled(2, 3, CancelReason.SELF_TRADE_PREVENTED),
        units("A"),
    )
    actual = market.say("A sells 3@10000")
    assert expected == actual


def test_what_traded_with_others_before_meeting_the_own_order_stands() -> None:
    market = open_market("B sells 2@9900", "A sells 5@10000", "C sells 5@10000")
    expected = (
        accepted(4, "A buys 6@10000"),
        traded(1, "2@9900", (4, "A"), (1, "B"), Side.BUY),
        canceled(4, 4, CancelReason.SELF_TRADE_PREVENTED),
        cash("A", -19_949),
        cash("B", +19_651, locked=19_651),
        units("A", +2, held=5, fresh=2),
        units("B", -2),
    )
    actual = market.say("A buys 6@10000")
    assert expected == actual


def test_an_order_that_is_used_up_before_its_own_one_is_reached_is_filled() -> None:
    market = open_market("B sells 2@9900", "A sells 5@10000")
    events = market.say("A buys 2@10000")
    assert traded(1, "2@9900", (3, "A"), (1, "B"), Side.BUY) == events[1]


def test_participants_of_one_controlling_owner_count_as_one() -> None:
    market = found()
    list_instrument(market)
    for name in ("A", "B"):
        admit(market, name, group="holding")
        market.fund(name, 10_000_000, 100)
    market.open_day()
    market.say("A sells 5@10000")
    events = market.say("B buys 5@10000")
    assert canceled(2, 5, CancelReason.SELF_TRADE_PREVENTED) == events[1]


def test_an_order_ended_by_the_prevention_frees_its_client_order_id_after_five_days() -> None:
    market = open_market("A sells 5@10000 GTC", "A buys 5@10000")
    for _ in range(5):
        market.next_day()
    (kept,) = market.say("A buys 4@9000", client_order_id="o2")
    market.next_day()
    (free, _) = market.say("A buys 4@9000", client_order_id="o2")
    assert (kept.reason, free.order_id) == ("IDEMPOTENCY_BODY_MISMATCH", 3)
