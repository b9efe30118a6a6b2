"""Money and units: funding, resale, withdrawal, position limit, freezes."""

import pytest

from engine import commands as c
from engine.codes import FreezeReason
from tests.market_driver import ECOLOGY, INSTRUMENT, MarketDriver, admit, open_market
from tests.rulebook.outcome import outcome

CASH = 50_375
"""Five tonnes at 100.00 with the fee of 7.5 per mille, to the fen."""

FUNDING = [
    # rule, what A did before, the order, what happens; A has 503.75 CNY and 5 t
    ("R-FUND-1", "", "A buys 5@10000", "rests 5"),
    ("R-FUND-1", "", "A buys 5@10001", "refused INSUFFICIENT_CASH"),
    ("R-FUND-1", "A buys 3@10000", "A buys 2@10001", "refused INSUFFICIENT_CASH"),
    ("R-FEE-2", "A buys 3@10000", "A buys 2@10000", "rests 2"),
    ("R-FUND-2", "", "A sells 5@10000", "rests 5"),
    ("R-FUND-2", "", "A sells 6@10000", "refused INSUFFICIENT_UNITS"),
    ("R-FUND-2", "A sells 3@10000", "A sells 3@10000", "refused INSUFFICIENT_UNITS"),
    ("R-FUND-2", "freeze 2", "A sells 4@10000", "refused INSUFFICIENT_UNITS"),
    ("R-T1-1", "B sells 2@10000 | A buys 2@10000", "A sells 6@10000",
     "refused UNITS_NOT_YET_SELLABLE"),
    ("R-T1-1", "B sells 2@10000 | A buys 2@10000 | next day", "A sells 7@10000", "rests 7"),
    ("R-T1-2", "A sells 5@10000 | B buys 5@10000", "A buys 9@10000", "rests 9"),
]  # fmt: skip


def do(market: MarketDriver, what: str) -> None:
    """Carry out one cell of a table: an order, "next day", "freeze 2"."""
    if what == "next day":
        market.next_day()
    elif what.startswith("freeze"):
        quantity = int(what.split()[1])
        act = c.FreezeUnits("A", INSTRUMENT, quantity, FreezeReason.COURT, "(2024) 1")
        market.act(act, ECOLOGY)
    elif what:
        market.say(what)


@pytest.mark.parametrize(("rule", "before", "text", "expected"), FUNDING)
def test_funding(rule: str, before: str, text: str, expected: str) -> None:
    market = open_market(cash_fen=CASH, units=5)
    for what in before.split(" | "):
        do(market, what)
    assert expected == outcome(market.say(text)), rule


WITHDRAWALS = [
    # rule, before, act, what happens
    ("R-T1-2", "A sells 5@10000 | B buys 5@10000", c.WithdrawCash("A", CASH + 1, "r"),
     "refused CASH_NOT_WITHDRAWABLE"),
    ("R-T1-2", "A sells 5@10000 | B buys 5@10000", c.WithdrawCash("A", CASH, "r"), ""),
    ("R-T1-2", "A sells 5@10000 | B buys 5@10000 | next day",
     c.WithdrawCash("A", CASH + 49_625, "r"), ""),
    ("R-T1-1", "B sells 2@10000 | A buys 2@10000", c.WithdrawUnits("A", INSTRUMENT, 6, "r"),
     "refused INSUFFICIENT_UNITS"),
    ("R-T1-1", "B sells 2@10000 | A buys 2@10000 | next day",
     c.WithdrawUnits("A", INSTRUMENT, 7, "r"), ""),
    ("R-FUND-3", "", c.CreditCash("A", 0, "r"), "refused AMOUNT_OUT_OF_RANGE"),
    ("R-FUND-3", "", c.CreditCash("A", 1, "r"), ""),
    ("R-FUND-3", "", c.DepositUnits("A", INSTRUMENT, 0, "r"), "refused AMOUNT_OUT_OF_RANGE"),
    ("R-TEXT-1", "", c.CreditCash("A", 1, " "), "refused TEXT_INVALID"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "before", "act", "expected"), WITHDRAWALS)
def test_money_and_units_in_and_out(rule: str, before: str, act: c.Act, expected: str) -> None:
    market = open_market(cash_fen=CASH, units=5)
    for what in before.split(" | "):
        do(market, what)
    assert expected == outcome(market.send("op-1", c.ProposeAct(act, "table"))), rule


def test_units_count_when_the_registry_has_confirmed_once() -> None:
    """R-FUND-4"""
    market = open_market(units=0)
    deposit = market.act(c.DepositUnits("A", INSTRUMENT, 5, "r"))[1].deposit_id
    confirm = c.ConfirmUnitDeposit(deposit, is_locked=True, refusal="")
    before = outcome(market.say("A sells 5@10000"))
    market.send(c.SYSTEM_ACTOR, confirm)
    after = outcome(market.say("A sells 5@10000"))
    again = outcome(market.send(c.SYSTEM_ACTOR, confirm))
    assert [
        before, after, again,
    ] == ["refused INSUFFICIENT_UNITS", "rests 5", "refused DEPOSIT_UNKNOWN"]  # fmt: skip


POSITION_LIMITS = [
    # rule, allowance of A, units of A and of its sister A2, the order, what happens; limit 100 t
    ("R-POS-1", 0, 60, 40, "A buys 1@10000", "refused POSITION_LIMIT_EXCEEDED"),
    ("R-POS-1", 0, 60, 39, "A buys 1@10000", "rests 1"),
    ("R-POS-1", 7, 60, 40, "A buys 7@10000", "rests 7"),
    ("R-POS-1", 7, 60, 40, "A buys 8@10000", "refused POSITION_LIMIT_EXCEEDED"),
    ("R-POS-2", 0, 900, 0, "A buys 1@10000", "refused POSITION_LIMIT_EXCEEDED"),
    ("R-POS-2", 0, 900, 0, "A sells 900@10000", "rests 900"),
]


@pytest.mark.parametrize(
    ("rule", "allowance", "own", "sisters", "text", "expected"), POSITION_LIMITS
)
def test_position_limits(
    rule: str, allowance: int, own: int, sisters: int, text: str, expected: str
) -> None:
    market = open_market(position_limit_tonnes=100, units=0)
    for name, units in (("A1", own), ("A2", sisters)):
        admit(market, name, "owner", allowance if name == "A1" else 0)
        market.fund(name, 1_000_000_00, units)
    assert expected == outcome(market.say(text.replace("A ", "A1 "))), rule


FREEZES = [
    # Measures Art 16: A's orders (A has 10 t), tonnes to freeze, frozen, shortfall, orders left
    ("", 4, 4, 0, []),
    ("A sells 6@10000", 4, 4, 0, [1]),
    ("A sells 6@10000", 5, 5, 0, []),
    ("A sells 3@10000 | A sells 3@10100", 5, 5, 0, [1]),
    ("A sells 6@10000", 25, 10, 15, []),
]


@pytest.mark.parametrize(("orders", "quantity", "frozen", "shortfall", "left"), FREEZES)
def test_freezes(orders: str, quantity: int, frozen: int, shortfall: int, left: list[int]) -> None:
    """Measures Art 16"""
    market = open_market(units=10)
    for text in filter(None, orders.split(" | ")):
        market.say(text)
    act = c.FreezeUnits("A", INSTRUMENT, quantity, FreezeReason.SURRENDER_RISK, "(2024) 1")
    events = market.act(act, ECOLOGY)
    event = next(event for event in events if hasattr(event, "shortfall"))
    resting = sorted(market.market.books[INSTRUMENT].orders)
    assert (frozen, shortfall, left) == (event.quantity, event.shortfall, resting)
