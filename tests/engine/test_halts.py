"""Halts of one instrument or of the whole market (R-HALT-1)."""

import pytest

from engine import commands as c
from engine import events as e
from engine.codes import HaltCause, Phase
from tests.engine.expected import refused
from tests.market_driver import INSTRUMENT, closed_market, list_instrument, open_market

OTHER = "PCER-1"
HALT_ALL = c.HaltTrading(c.ALL_INSTRUMENTS, HaltCause.REGULATOR, "inquiry")
HALT_ONE = c.HaltTrading(INSTRUMENT, HaltCause.ABNORMAL_TRADING, "a spike")
RESUME_ALL = c.ResumeTrading(c.ALL_INSTRUMENTS, "done")
RESUME_ONE = c.ResumeTrading(INSTRUMENT, "done")


def test_a_halt_stops_its_instrument_only() -> None:
    market = open_market()
    list_instrument(market, OTHER)
    expected = (
        e.TradingHalted(INSTRUMENT, HaltCause.ABNORMAL_TRADING, "a spike"),
        e.PhaseChanged(INSTRUMENT, Phase.HALTED, HaltCause.ABNORMAL_TRADING),
    )
    actual = market.send("op-1", HALT_ONE)
    assert (expected, Phase.CONTINUOUS) == (actual, market.market.instruments[OTHER].phase)


def test_a_halt_of_the_market_stops_every_instrument() -> None:
    market = open_market()
    list_instrument(market, OTHER)
    expected = (
        e.TradingHalted(c.ALL_INSTRUMENTS, HaltCause.REGULATOR, "inquiry"),
        e.PhaseChanged(INSTRUMENT, Phase.HALTED, HaltCause.REGULATOR),
        e.PhaseChanged(OTHER, Phase.HALTED, HaltCause.REGULATOR),
    )
    assert expected == market.send("eco-1", HALT_ALL)


@pytest.mark.parametrize("order", [(RESUME_ALL, RESUME_ONE), (RESUME_ONE, RESUME_ALL)])
def test_trading_goes_on_when_the_last_halt_on_an_instrument_is_lifted(
    order: tuple[c.ResumeTrading, ...],
) -> None:
    market = open_market()
    market.send("op-1", HALT_ONE)
    market.send("eco-1", HALT_ALL)
    first, second = (market.send("eco-1", resume) for resume in order)
    assert (e.TradingResumed(order[0].instrument_id, "done"),) == first
    assert e.PhaseChanged(INSTRUMENT, Phase.CONTINUOUS, None) == second[1]


def test_neither_entering_nor_amending_is_possible_while_halted() -> None:
    market = open_market("A buys 5@10000")
    market.send("op-1", HALT_ONE)
    (entered,), (amended,) = market.say("B sells 5@10000"), market.amend("A", 1, 4, 10_000)
    facts = {"instrument": INSTRUMENT, "phase": "HALTED"}
    assert [("MARKET_NOT_OPEN", facts)] * 2 == [
        (entered.reason, entered.facts),
        (amended.reason, amended.facts),
    ]


@pytest.mark.parametrize(
    ("command", "state", "field"),
    [(HALT_ALL, "halted", "*"), (HALT_ONE, "halted", INSTRUMENT)],
)
def test_what_is_halted_cannot_be_halted_again(
    command: c.HaltTrading, state: str, field: str
) -> None:
    market = open_market()
    market.send("eco-1", command)
    expected = (refused("HALT_UNCHANGED", instrument=field, state=state),)
    assert expected == market.send("eco-1", command)


@pytest.mark.parametrize("command", [RESUME_ALL, RESUME_ONE])
def test_what_is_not_halted_cannot_be_resumed(command: c.ResumeTrading) -> None:
    market = open_market()
    expected = (refused("HALT_UNCHANGED", instrument=command.instrument_id, state="not halted"),)
    assert expected == market.send("op-1", command)


def test_a_halt_names_a_listed_instrument_and_both_need_a_note() -> None:
    market = open_market()
    reasons = [
        market.send("op-1", body)[0].reason
        for body in (
            c.HaltTrading("BEA-1999", HaltCause.OPERATOR, "x"),
            c.HaltTrading(INSTRUMENT, HaltCause.OPERATOR, ""),
            c.ResumeTrading(INSTRUMENT, ""),
        )
    ]
    assert reasons == ["INSTRUMENT_UNKNOWN", "TEXT_INVALID", "TEXT_INVALID"]


def test_a_halt_outside_a_session_holds_when_it_opens() -> None:
    market = closed_market()
    halted = market.send("op-1", HALT_ONE)
    market.next_boundary()
    opening = market.next_boundary()
    assert (e.TradingHalted(INSTRUMENT, HaltCause.ABNORMAL_TRADING, "a spike"),) == halted
    assert (e.PhaseChanged(INSTRUMENT, Phase.HALTED, HaltCause.ABNORMAL_TRADING),) == opening


def test_a_halt_outlasts_the_day() -> None:
    market = open_market("A buys 5@10000 GTC")
    market.send("op-1", HALT_ONE)
    market.end_day()
    market.next_boundary()
    opening = market.next_boundary()
    assert (e.PhaseChanged(INSTRUMENT, Phase.HALTED, HaltCause.ABNORMAL_TRADING),) == opening


def test_a_halt_covers_an_instrument_listed_under_it() -> None:
    market = open_market()
    market.send("eco-1", HALT_ALL)
    list_instrument(market, OTHER)
    assert market.market.instruments[OTHER].phase is Phase.HALTED


def test_a_blocked_opening_that_is_halted_too_opens_after_both() -> None:
    market = closed_market()
    market.send("op-1", HALT_ONE)
    market.send(c.SYSTEM_ACTOR, c.RecordReconciliation(1, 1))
    market.next_boundary()
    market.next_boundary()
    resumed = market.send("op-1", RESUME_ONE)
    market.send(c.SYSTEM_ACTOR, c.RecordReconciliation(2, 0))
    opened = market.send("op-1", c.OpenMarket())
    assert e.PhaseChanged(INSTRUMENT, Phase.PRE_OPEN, None) == resumed[1]
    assert (e.PhaseChanged(INSTRUMENT, Phase.CONTINUOUS, None),) == opened


def test_only_the_ecology_department_halts_in_the_regulators_name() -> None:
    market = open_market()
    expected = refused("ROLE_NOT_PERMITTED", "actor", role="OPERATOR", command="REGULATOR halt")
    assert (expected,) == market.send("op-1", HALT_ALL)


def test_the_regulators_halt_is_not_an_operators_to_lift() -> None:
    market = open_market()
    market.send("eco-1", HALT_ALL)
    expected = refused("ROLE_NOT_PERMITTED", "actor", role="OPERATOR", command="REGULATOR halt")
    assert ((expected,), {c.ALL_INSTRUMENTS: HaltCause.REGULATOR}) == (
        market.send("op-1", RESUME_ALL),
        market.market.halts,
    )
