"""Founding the market, position reports and reconciliation results."""

import pytest

from engine import commands as c
from engine import events as e
from engine.codes import Role
from engine.engine import Engine
from tests.engine.expected import refused
from tests.market_driver import INSTRUMENT, MarketDriver, closed_market, found, rule_version

FOUND = c.FoundMarket((c.AccessGrant("op-1", Role.OPERATOR),), rule_version())


def empty() -> MarketDriver:
    return MarketDriver(Engine())


def test_the_founding_names_the_staff_who_thereby_become_insiders() -> None:
    market = empty()
    expected = (
        e.MarketFounded(rule_version()),
        e.AccessGranted("op-1", Role.OPERATOR, ""),
        e.InsiderDeclared("op-1", "OPERATOR"),
    )
    assert expected == market.send(c.SYSTEM_ACTOR, FOUND)


def test_a_market_is_founded_once() -> None:
    market = found()
    expected = (refused("MARKET_ALREADY_FOUNDED"),)
    assert expected == market.send(c.SYSTEM_ACTOR, FOUND)


def test_unusable_rules_found_no_market() -> None:
    market = empty()
    (event,) = market.send(c.SYSTEM_ACTOR, c.FoundMarket((), rule_version(lot_tonnes=0)))
    assert (event.reason, market.market.rule_versions) == ("RULES_INVALID", [])
    assert (event.field, event.facts["fault"]) == (
        "rule_version/lot_tonnes",
        "lot_tonnes: 1..1000000",
    )


@pytest.mark.parametrize(
    ("grant", "reason"),
    [
        (c.AccessGrant("p", Role.SYSTEM), "GRANT_INVALID"),
        (c.AccessGrant("system", Role.OPERATOR), "GRANT_INVALID"),
        (c.AccessGrant("p", Role.TRADER, "A"), "PARTICIPANT_UNKNOWN"),
        (c.AccessGrant("", Role.OPERATOR), "TEXT_INVALID"),
    ],
)
def test_an_unfit_grant_founds_no_market(grant: c.AccessGrant, reason: str) -> None:
    market = empty()
    (event,) = market.send(c.SYSTEM_ACTOR, c.FoundMarket((grant,), rule_version()))
    assert (reason, [], {}) == (event.reason, market.market.rule_versions, market.market.access)


def test_before_the_founding_nobody_has_a_role() -> None:
    market = empty()
    (event,) = market.send("op-1", c.OpenMarket())
    assert event.reason == "PERSON_HAS_NO_ROLE"


def test_a_position_report_names_accounts_that_are_not_empty_and_pending_deposits() -> None:
    market = closed_market(cash_fen=0, units=0)
    market.fund("C", 700)
    market.fund("A", units=5)
    deposit = market.act(c.DepositUnits("B", INSTRUMENT, 3, "reg-9"))[1].deposit_id
    market.act(c.WithdrawUnits("A", INSTRUMENT, 5, "reg-1"))
    market.fund("B", units=2)
    (report,) = market.send("op-1", c.ReportPositions())
    expected = e.PositionsReported(
        day=0,
        cash=(e.CashTotal("C", 700),),
        units=(e.UnitTotal("B", INSTRUMENT, 2),),
        fees_fen=0,
        pending_deposits=(deposit,),
        state_digest=market.engine.state_digest().hex(),
    )
    assert expected == report


def test_a_reconciliation_result_is_recorded() -> None:
    market = found()
    events = market.send(c.SYSTEM_ACTOR, c.RecordReconciliation(5, 2))
    assert ((e.ReconciliationRecorded(5, 2),), 2) == (events, market.market.break_count)
