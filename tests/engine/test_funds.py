"""Money and units in and out of the accounts."""

import pytest

from engine import commands as c
from engine import events as e
from engine.codes import FreezeReason
from tests.engine.expected import CASH, UNITS, cash, refused, units
from tests.market_driver import INSTRUMENT, MarketDriver, open_market


def locked(deposit_id: int) -> c.ConfirmUnitDeposit:
    return c.ConfirmUnitDeposit(deposit_id, is_locked=True, refusal="")


def test_credited_money_is_usable_and_withdrawable_at_once() -> None:
    market = open_market()
    expected = (
        e.ActApproved(_next_act(market), "op-2"),
        e.CashCredited(_next_act(market), "A", 500, "bank-7"),
        cash("A", +500),
    )
    actual = market.act(c.CreditCash("A", 500, "bank-7"))
    assert expected == actual


def test_withdrawn_money_leaves_the_account() -> None:
    market = open_market()
    expected = (
        e.ActApproved(_next_act(market), "op-2"),
        e.CashWithdrawn(_next_act(market), "A", CASH, "bank-7"),
        cash("A", -CASH),
    )
    actual = market.act(c.WithdrawCash("A", CASH, "bank-7"))
    assert expected == actual


def test_held_money_cannot_be_withdrawn() -> None:
    market = open_market("A buys 5@10000")
    act = c.WithdrawCash("A", CASH, "bank-7")
    expected = (refused("CASH_NOT_WITHDRAWABLE", "cash", withdrawable_fen=CASH - 50_375),)
    assert expected == market.send("op-1", c.ProposeAct(act, "please"))


def test_proceeds_can_be_withdrawn_the_next_trading_day() -> None:
    market = open_market("A sells 5@10000", "B buys 5@10000")
    act = c.WithdrawCash("A", CASH + 49_625, "bank-7")
    (today,) = market.send("op-1", c.ProposeAct(act, "please"))
    market.next_day()
    events = market.act(act)
    assert (today.reason, events[1].cash_fen) == ("CASH_NOT_WITHDRAWABLE", CASH + 49_625)


def test_money_spent_between_the_two_signatures_makes_the_withdrawal_fail() -> None:
    market = open_market()
    act_id = _next_act(market)
    market.send("op-1", c.ProposeAct(c.WithdrawCash("A", CASH, "bank-7"), "please"))
    market.say("A buys 5@10000")
    facts = {"withdrawable_fen": str(CASH - 50_375)}
    expected = (e.ActFailed(act_id, "op-2", "CASH_NOT_WITHDRAWABLE", "cash", facts),)
    actual = market.send("op-2", c.ApproveAct(act_id))
    assert expected == actual


def test_units_count_when_the_registry_has_locked_them() -> None:
    market = open_market()
    deposit = _next_act(market)
    requested = market.act(c.DepositUnits("A", INSTRUMENT, 7, "reg-7"))
    confirmed = market.send(c.SYSTEM_ACTOR, locked(deposit))
    assert (
        (
            e.ActApproved(deposit, "op-2"),
            e.UnitDepositRequested(deposit, "A", INSTRUMENT, 7, "reg-7"),
        ),
        (e.UnitsDeposited(deposit, "A", INSTRUMENT, 7), units("A", +7)),
    ) == (requested, confirmed)


def test_units_that_the_registry_refuses_never_count() -> None:
    market = open_market()
    deposit = _next_act(market)
    market.act(c.DepositUnits("A", INSTRUMENT, 7, "reg-7"))
    expected = (e.UnitDepositRefused(deposit, "no such account"),)
    actual = market.send(
        c.SYSTEM_ACTOR, c.ConfirmUnitDeposit(deposit, is_locked=False, refusal="no such account")
    )
    assert (expected, UNITS) == (actual, market.market.accounts["A"].positions[INSTRUMENT].total)


@pytest.mark.parametrize("deposit", [0, 1, 999])
def test_an_answer_to_no_pending_deposit_is_refused(deposit: int) -> None:
    market = open_market()
    expected = (refused("DEPOSIT_UNKNOWN", "deposit_id", deposit=deposit),)
    actual = market.send(c.SYSTEM_ACTOR, locked(deposit))
    assert expected == actual


def test_a_second_answer_to_a_deposit_is_refused() -> None:
    market = open_market()
    deposit = _next_act(market)
    market.act(c.DepositUnits("A", INSTRUMENT, 7, "reg-7"))
    market.send(c.SYSTEM_ACTOR, locked(deposit), "settle:1")
    repeated = market.send(c.SYSTEM_ACTOR, locked(deposit), "settle:1")
    renamed = market.send(c.SYSTEM_ACTOR, locked(deposit), "settle:2")
    assert isinstance(repeated[0], e.RequestRepeated)
    assert renamed[0].reason == "DEPOSIT_UNKNOWN"


def test_sellable_units_can_be_withdrawn() -> None:
    market = open_market("A sells 5@10000")
    expected = (
        e.ActApproved(_next_act(market), "op-2"),
        e.UnitsWithdrawn(_next_act(market), "A", INSTRUMENT, UNITS - 5, "reg-7"),
        units("A", -UNITS + 5, held=5),
    )
    actual = market.act(c.WithdrawUnits("A", INSTRUMENT, UNITS - 5, "reg-7"))
    assert expected == actual
    market.engine.check_invariants()


def test_neither_held_nor_fresh_nor_frozen_units_can_be_withdrawn() -> None:
    market = open_market("B sells 9@10000", "A buys 9@10000", "A sells 5@11000", units=20)
    market.act(c.FreezeUnits("A", INSTRUMENT, 4, FreezeReason.COURT, "order 1"), ("eco-1", "eco-2"))
    act = c.WithdrawUnits("A", INSTRUMENT, 12, "reg-7")
    expected = (
        refused("INSUFFICIENT_UNITS", "quantity", series=INSTRUMENT, needed=12, available=11),
    )
    assert expected == market.send("op-1", c.ProposeAct(act, "please"))


def test_asking_for_units_of_a_series_one_never_had_leaves_no_trace() -> None:
    market = open_market(units=0)
    act = c.WithdrawUnits("A", INSTRUMENT, 1, "reg-7")
    (event,) = market.send("op-1", c.ProposeAct(act, "please"))
    assert (event.reason, market.market.accounts["A"].positions) == ("INSUFFICIENT_UNITS", {})


LARGEST = [
    (c.CreditCash("A", 10**15, "r" * 200), "ActProposed"),
    (c.DepositUnits("A", INSTRUMENT, 10**10, "r"), "ActProposed"),
    (c.DepositUnits("A", INSTRUMENT, 10**10 + 1, "r"), "CommandRefused"),
]


@pytest.mark.parametrize(("act", "kind"), LARGEST, ids=repr)
def test_the_largest_amounts(act: c.Act, kind: str) -> None:
    market = open_market()
    (event,) = market.send("op-1", c.ProposeAct(act, "please"))
    assert kind == type(event).__name__


OUT_OF_RANGE = (0, -1, 10**15 + 1)


@pytest.mark.parametrize(
    "act",
    [
        act(amount)
        for amount in OUT_OF_RANGE
        for act in (
            lambda n: c.CreditCash("A", n, "r"),
            lambda n: c.WithdrawCash("A", n, "r"),
            lambda n: c.DepositUnits("A", INSTRUMENT, n, "r"),
            lambda n: c.WithdrawUnits("A", INSTRUMENT, n, "r"),
            lambda n: c.FreezeUnits("A", INSTRUMENT, n, FreezeReason.COURT, "r"),
        )
    ],
    ids=repr,
)
def test_amounts_out_of_range_are_refused(act: c.Act) -> None:
    market = open_market()
    signer = "eco-1" if isinstance(act, c.FreezeUnits) else "op-1"
    (event,) = market.send(signer, c.ProposeAct(act, "please"))
    assert event.reason == "AMOUNT_OUT_OF_RANGE"


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (c.CreditCash("X", 1, "r"), "PARTICIPANT_UNKNOWN"),
        (c.CreditCash("A", 1, " "), "TEXT_INVALID"),
        (c.CreditCash("A", 1, "x" * 201), "TEXT_INVALID"),
        (c.WithdrawCash("X", 1, "r"), "PARTICIPANT_UNKNOWN"),
        (c.WithdrawCash("A", 1, ""), "TEXT_INVALID"),
        (c.DepositUnits("X", INSTRUMENT, 1, "r"), "PARTICIPANT_UNKNOWN"),
        (c.DepositUnits("A", "BEA-1999", 1, "r"), "SERIES_UNKNOWN"),
        (c.DepositUnits("A", INSTRUMENT, 1, ""), "TEXT_INVALID"),
        (c.WithdrawUnits("X", INSTRUMENT, 1, "r"), "PARTICIPANT_UNKNOWN"),
        (c.WithdrawUnits("A", "BEA-1999", 1, "r"), "SERIES_UNKNOWN"),
        (c.WithdrawUnits("A", INSTRUMENT, 1, ""), "TEXT_INVALID"),
    ],
    ids=repr,
)
def test_acts_on_unknown_accounts_or_without_a_reference_are_refused(
    act: c.Act, reason: str
) -> None:
    market = open_market()
    (event,) = market.send("op-1", c.ProposeAct(act, "please"))
    assert reason == event.reason


def _next_act(market: MarketDriver) -> int:
    return market.market.last_act_id + 1
