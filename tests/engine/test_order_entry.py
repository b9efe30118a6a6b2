"""Entering limit orders: resting, matching, price-time priority, refusals."""

import pytest
from msgspec.structs import replace

from engine import events as e
from engine.codes import Phase, Side, TimeInForce
from engine.commands import EnterOrder
from tests.engine.expected import accepted, cash, rejected, traded, units
from tests.market_driver import INSTRUMENT, copy_of, open_market

ORDER = EnterOrder("A", "x", INSTRUMENT, Side.BUY, 10_000, 1, TimeInForce.DAY)


def test_a_buy_order_without_a_counterparty_rests_and_holds_its_cash_with_the_fee() -> None:
    market = open_market()
    expected = (accepted(1, "A buys 5@10000"), cash("A", held=50_375))
    actual = market.say("A buys 5@10000")
    assert expected == actual


def test_a_sell_order_without_a_counterparty_rests_and_holds_its_units() -> None:
    market = open_market()
    expected = (accepted(1, "A sells 5@10000"), units("A", held=5))
    actual = market.say("A sells 5@10000")
    assert expected == actual


def test_an_incoming_buy_trades_at_the_resting_price() -> None:
    market = open_market("B sells 5@9900")
    expected = (
        accepted(2, "A buys 5@10000"),
        traded(1, "5@9900", (2, "A"), (1, "B"), Side.BUY),
        cash("A", -49_871),
        cash("B", +49_129, locked=49_129),
        units("A", +5, fresh=5),
        units("B", -5),
    )
    actual = market.say("A buys 5@10000")
    assert expected == actual


def test_an_incoming_sell_trades_at_the_resting_price() -> None:
    market = open_market("B buys 5@10100")
    expected = (
        accepted(2, "A sells 5@10000"),
        traded(1, "5@10100", (1, "B"), (2, "A"), Side.SELL),
        cash("B", -50_879),
        cash("A", +50_121, locked=50_121),
        units("A", -5),
        units("B", +5, fresh=5),
    )
    actual = market.say("A sells 5@10000")
    assert expected == actual


def test_what_does_not_trade_rests_with_the_hold_that_it_still_needs() -> None:
    market = open_market("B sells 2@9900")
    expected = (
        accepted(2, "A buys 5@10000"),
        traded(1, "2@9900", (2, "A"), (1, "B"), Side.BUY),
        cash("A", -19_949, held=30_225),
        cash("B", +19_651, locked=19_651),
        units("A", +2, fresh=2),
        units("B", -2),
    )
    actual = market.say("A buys 5@10000")
    assert expected == actual


def test_better_prices_trade_first_and_the_older_order_at_one_price() -> None:
    market = open_market("B sells 2@10100", "C sells 2@10000", "B sells 2@10000")
    events = market.say("A buys 5@10100")
    expected = [
        traded(1, "2@10000", (4, "A"), (2, "C"), Side.BUY),
        traded(2, "2@10000", (4, "A"), (3, "B"), Side.BUY),
        traded(3, "1@10100", (4, "A"), (1, "B"), Side.BUY, fees=(76, 76)),
    ]
    actual = list(events[1:4])
    assert expected == actual


def test_an_incoming_sell_takes_the_highest_bid_first() -> None:
    market = open_market("B buys 2@9900", "C buys 2@10000")
    events = market.say("A sells 3@9900")
    expected = [
        traded(1, "2@10000", (2, "C"), (3, "A"), Side.SELL),
        traded(2, "1@9900", (1, "B"), (3, "A"), Side.SELL, fees=(74, 74)),
    ]
    actual = list(events[1:3])
    assert expected == actual


@pytest.mark.parametrize("text", ["A buys 5@9899", "A sells 5@9899"])
def test_an_order_that_does_not_cross_does_not_trade(text: str) -> None:
    market = open_market("B sells 5@9900", "C buys 5@9898")
    events = market.say(text)
    assert [event for event in events if isinstance(event, e.TradeExecuted)] == []


@pytest.mark.parametrize(
    ("text", "reason", "field", "facts"),
    [
        ("A buys 5@7999", "PRICE_OUTSIDE_LIMITS", "price", ("lower_fen", "upper_fen")),
        ("A buys 5@12001", "PRICE_OUTSIDE_LIMITS", "price", ("lower_fen", "upper_fen")),
        ("A sells 0@10000", "QUANTITY_OUT_OF_RANGE", "quantity", ("lot", "maximum", "minimum")),
        ("A sells -1@10000", "QUANTITY_OUT_OF_RANGE", "quantity", ("lot", "maximum", "minimum")),
        ("A buys 10000@10000", "QUANTITY_OUT_OF_RANGE", "quantity", ("lot", "maximum", "minimum")),
    ],
)
def test_terms_outside_the_rules_are_refused(
    text: str, reason: str, field: str, facts: tuple[str, ...]
) -> None:
    market = open_market()
    (event,) = market.say(text)
    assert (reason, field, facts) == (event.reason, event.field, tuple(sorted(event.facts)))


def test_a_price_at_either_limit_is_allowed() -> None:
    market = open_market("A buys 1@8000", "A sells 1@12000")
    assert sorted(market.market.books[INSTRUMENT].orders) == [1, 2]


def test_an_order_off_the_lot_is_refused() -> None:
    market = open_market(lot_tonnes=10, min_order_tonnes=10)
    (event,) = market.say("A buys 15@10000")
    assert event.reason == "QUANTITY_OUT_OF_RANGE"


def test_too_little_cash_for_price_and_fee_is_refused() -> None:
    market = open_market(cash_fen=50_374)
    expected = (
        rejected(
            1,
            "A buys 5@10000",
            "INSUFFICIENT_CASH",
            "quantity",
            needed_fen=50_375,
            available_fen=50_374,
        ),
    )
    actual = market.say("A buys 5@10000")
    assert expected == actual


def test_cash_to_the_last_fen_is_enough() -> None:
    market = open_market(cash_fen=50_375)
    events = market.say("A buys 5@10000")
    assert (events[1].available_fen, events[1].held_fen) == (0, 50_375)


def test_held_cash_cannot_be_used_again() -> None:
    market = open_market("A buys 5@10000", cash_fen=50_375)
    (event,) = market.say("A buys 1@8000")
    assert event.reason == "INSUFFICIENT_CASH"


def test_held_units_cannot_be_sold_again() -> None:
    market = open_market("A sells 4@10000", units=5)
    expected = (
        rejected(
            2,
            "A sells 2@10000",
            "INSUFFICIENT_UNITS",
            "quantity",
            series=INSTRUMENT,
            needed=2,
            available=1,
        ),
    )
    actual = market.say("A sells 2@10000")
    assert expected == actual


def test_an_unlisted_instrument_is_refused() -> None:
    market = open_market()
    (event,) = market.say("A buys 5@10000", instrument="BEA-1999")
    assert (event.reason, event.facts) == ("INSTRUMENT_UNKNOWN", {"instrument": "BEA-1999"})


def test_another_participants_account_looks_like_an_unknown_one() -> None:
    market = open_market()
    expected = (
        e.OrderRejected(
            "B", "x", INSTRUMENT, "PARTICIPANT_UNKNOWN", "participant_id", {"participant": "B"}
        ),
    )
    actual = market.send("trader-A", replace(ORDER, participant_id="B"))
    assert expected == actual


@pytest.mark.parametrize("name", ["", "a b", "x" * 37, "é"])
def test_a_malformed_client_order_id_is_refused(name: str) -> None:
    market = open_market()
    (event,) = market.send("trader-A", replace(ORDER, client_order_id=name))
    assert (event.reason, event.field) == ("TEXT_INVALID", "client_order_id")


@pytest.mark.parametrize("phase", [Phase.PRE_OPEN, Phase.BREAK, Phase.CLOSED])
def test_orders_outside_a_session_are_refused(phase: Phase) -> None:
    market = open_market()
    while market.market.instruments[INSTRUMENT].phase is not phase:
        market.next_boundary()
    expected = (
        rejected(
            1,
            "A buys 5@10000",
            "MARKET_NOT_OPEN",
            "instrument_id",
            instrument=INSTRUMENT,
            phase=phase,
        ),
    )
    actual = market.say("A buys 5@10000")
    assert expected == actual


def test_a_refused_order_leaves_no_trace_but_its_request_id() -> None:
    market = open_market(units=0)
    before = copy_of(market.engine.to_record())
    (event,) = market.say("A sells 5@10000")
    after = market.engine.to_record()
    changed = [n for n in before.__struct_fields__ if getattr(before, n) != getattr(after, n)]
    assert (event.reason, changed) == ("INSUFFICIENT_UNITS", ["seq", "clock_ns", "requests"])
