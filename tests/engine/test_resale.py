"""Units by lots that become sellable on their day, proceeds withdrawable on theirs."""

import pytest

from engine import commands as c
from engine import events as e
from engine.accounts import Lot, Position
from engine.market import NEVER_DAY
from tests.engine.expected import cash, rejected, units
from tests.market_driver import INSTRUMENT, closed_market, open_market, trading_day


def test_units_bought_today_are_not_sellable_today() -> None:
    market = open_market("B sells 5@10000", "A buys 5@10000")
    market.act(c.WithdrawUnits("A", INSTRUMENT, 100_000, "out"))
    expected = (
        rejected(
            3,
            "A sells 5@10000",
            "UNITS_NOT_YET_SELLABLE",
            "quantity",
            available=0,
            sellable_from=20240507,
        ),
    )
    actual = market.say("A sells 5@10000")
    assert expected == actual


def test_units_bought_yesterday_are_sellable_from_the_days_first_phase() -> None:
    market = open_market("B sells 5@10000", "A buys 5@10000")
    market.end_day()
    events = market.next_boundary()
    expected = [cash("B", +49_625), units("A", +5)]
    actual = [event for event in events if isinstance(event, e.CashChanged | e.UnitsChanged)]
    assert expected == actual


@pytest.mark.parametrize(("interval", "days"), [(0, 0), (1, 1), (2, 2), (5, 5)])
def test_the_resale_interval_is_counted_in_trading_days(interval: int, days: int) -> None:
    market = open_market("B sells 5@10000", units=5, resale_interval_days=interval)
    market.say("A buys 5@10000")
    refusals = []
    for _ in range(days):
        (event,) = market.say("A sells 6@10000")
        refusals.append(event.reason)
        market.next_day()
    events = market.say("A sells 10@10000")
    assert (["UNITS_NOT_YET_SELLABLE"] * days, 10) == (refusals, events[1].held)


@pytest.mark.parametrize(("interval", "withdrawable"), [(0, 1_049_625), (1, 1_000_000)])
def test_proceeds_are_reusable_at_once_and_withdrawable_on_their_day(
    interval: int, withdrawable: int
) -> None:
    market = open_market(
        "A sells 5@10000",
        "B buys 5@10000",
        cash_fen=1_000_000,
        withdrawal_interval_days=interval,
    )
    account = market.market.accounts["A"].cash
    assert (1_049_625, withdrawable) == (
        account.available_fen,
        account.withdrawable_fen(market.market.day),
    )


def test_spending_takes_the_withdrawable_money_first() -> None:
    market = open_market("A sells 5@10000", "B buys 5@10000", cash_fen=1_000_000)
    market.say("A buys 1@10000")
    account = market.market.accounts["A"].cash
    assert account.withdrawable_fen(market.market.day) == 1_000_000 - 10_075


def test_proceeds_of_several_sales_and_days_are_kept_apart() -> None:
    market = open_market(
        "A sells 5@10000", "B buys 2@10000", "B buys 3@10000", withdrawal_interval_days=2
    )
    market.next_day()
    market.say("A sells 1@10000")
    market.say("B buys 1@10000")
    locked = [
        (p.withdrawable_from_day, p.cash_fen) for p in market.market.accounts["A"].cash.proceeds
    ]
    assert locked == [(20240508, 49_625), (20240509, 9_925)]


def test_the_longest_sellable_units_are_sold_first() -> None:
    position = Position(lots=[Lot(20240506, 5), Lot(20240507, 5)], total=10)
    position.take(7)
    assert [Lot(20240507, 3)] == position.lots


def test_units_of_an_earlier_day_are_put_before_the_later_ones() -> None:
    position = Position(lots=[Lot(20240506, 1), Lot(20240508, 1)], total=2)
    for day in (20240507, 20240508, 20240509):
        position.add(2, day)
    expected = [Lot(20240506, 1), Lot(20240507, 2), Lot(20240508, 3), Lot(20240509, 2)]
    assert (expected, 8) == (position.lots, position.total)


def test_lots_that_are_sellable_merge() -> None:
    position = Position(lots=[Lot(20240506, 1), Lot(20240507, 2), Lot(20240508, 4)], total=7)
    changed = position.mature(20240506, 20240507)
    assert (True, [Lot(20240506, 3), Lot(20240508, 4)]) == (changed, position.lots)


def test_units_whose_day_was_taken_out_of_the_calendar_ripen_on_the_next_one_and_say_so() -> None:
    market = open_market("B sells 5@10000", "A buys 5@10000")
    market.send("op-1", c.SetTradingDays((trading_day(2), trading_day(3))))
    market.end_day()
    events = market.next_boundary()
    expected = [cash("B", +49_625), units("A", +5)]
    actual = [event for event in events if isinstance(event, e.CashChanged | e.UnitsChanged)]
    assert expected == actual


def test_the_calendar_may_not_be_cut_below_the_intervals_while_a_day_is_on() -> None:
    market = open_market("B sells 5@10000", resale_interval_days=2)
    (event,) = market.send("op-1", c.SetTradingDays((trading_day(1),)))
    market.say("A buys 5@10000")
    lots = market.market.accounts["A"].positions[INSTRUMENT].lots
    assert (event.reason, event.field) == ("CALENDAR_INVALID", "days")
    assert NEVER_DAY not in [lot.sellable_from_day for lot in lots]


def test_a_session_within_the_resale_interval_of_the_calendars_end_does_not_open() -> None:
    market = closed_market(days=3, resale_interval_days=2)
    market.open_day()
    market.end_day()
    market.next_boundary()
    events = market.next_boundary()
    expected = (e.OpeningBlocked("CALENDAR_EXHAUSTED"),)
    assert expected == events


def test_further_days_let_the_operator_open_the_blocked_session() -> None:
    market = closed_market(days=1)
    market.next_boundary()
    market.next_boundary()
    blocked = market.send("op-1", c.OpenMarket())
    market.send("op-1", c.SetTradingDays((trading_day(1),)))
    opened = market.send("op-1", c.OpenMarket())
    assert (blocked[0].reason, opened[0].phase) == ("CALENDAR_EXHAUSTED", "CONTINUOUS")
