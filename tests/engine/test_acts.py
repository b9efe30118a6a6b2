"""Two people for every sensitive act (R-ACT-1, R-ACT-2, R-ACT-3)."""

import pytest

from engine import commands as c
from engine import events as e
from engine.codes import FreezeReason, Product, Role
from tests.engine.expected import cash, refused
from tests.market_driver import (
    DAY,
    HOUR,
    INSTRUMENT,
    SECOND,
    MarketDriver,
    found,
    open_market,
    rule_version,
)

CREDIT = c.CreditCash("A", 500, "bank-7")
FREEZE = c.FreezeUnits("A", INSTRUMENT, 1, FreezeReason.COURT, "(2024) 1")
AUTHORITY_GRANT = c.GrantAccess(c.AccessGrant("eco-9", Role.ECOLOGY))


def propose(market: MarketDriver, act: c.Act = CREDIT, person: str = "op-1") -> int:
    """Propose an act; returns its id."""
    (event,) = market.send(person, c.ProposeAct(act, "please"))
    return int(event.act_id)


def test_a_proposal_waits_for_a_day() -> None:
    market = open_market()
    expires_ns = market.now_ns + DAY
    expected = (e.ActProposed(market.market.last_act_id + 1, CREDIT, "op-1", "please", expires_ns),)
    actual = market.send("op-1", c.ProposeAct(CREDIT, "please"))
    assert expected == actual


def test_the_second_signature_carries_the_act_out() -> None:
    market = open_market()
    act_id = propose(market)
    expected = (
        e.ActApproved(act_id, "op-2"),
        e.CashCredited(act_id, "A", 500, "bank-7"),
        cash("A", +500),
    )
    actual = market.send("op-2", c.ApproveAct(act_id))
    assert expected == actual


def test_one_person_cannot_sign_twice() -> None:
    market = open_market()
    act_id = propose(market)
    expected = (refused("SAME_PERSON", "act_id"),)
    assert expected == market.send("op-1", c.ApproveAct(act_id))


def test_an_act_is_carried_out_once() -> None:
    market = open_market()
    act_id = propose(market)
    market.send("op-2", c.ApproveAct(act_id))
    expected = (refused("ACT_UNKNOWN", "act_id", act=act_id),)
    assert expected == market.send("op-2", c.ApproveAct(act_id))


def test_a_proposal_can_be_taken_back_and_is_then_over() -> None:
    market = open_market()
    act_id = propose(market)
    rejected = market.send("op-1", c.RejectAct(act_id, "a mistake"))
    approved = market.send("op-2", c.ApproveAct(act_id))
    assert (e.ActRejected(act_id, "op-1", "a mistake"),) == rejected
    assert (refused("ACT_UNKNOWN", "act_id", act=act_id),) == approved


def test_another_person_of_the_right_role_may_reject() -> None:
    market = open_market()
    act_id = propose(market)
    expected = (e.ActRejected(act_id, "op-2", "no"),)
    assert expected == market.send("op-2", c.RejectAct(act_id, "no"))


def test_who_could_not_approve_cannot_reject() -> None:
    market = open_market()
    act_id = propose(market)
    expected = (refused("ROLE_NOT_PERMITTED", "actor", role="ECOLOGY", command="CreditCash"),)
    assert expected == market.send("eco-1", c.RejectAct(act_id, "no"))


def test_a_rejection_needs_a_reason_and_an_act() -> None:
    market = open_market()
    act_id = propose(market)
    assert market.send("op-2", c.RejectAct(act_id, " "))[0].reason == "TEXT_INVALID"
    assert market.send("op-2", c.RejectAct(act_id + 1, "no"))[0].reason == "ACT_UNKNOWN"


def test_a_proposal_needs_a_reason() -> None:
    market = open_market()
    (event,) = market.send("op-1", c.ProposeAct(CREDIT, ""))
    assert (event.reason, event.field) == ("TEXT_INVALID", "reason")


@pytest.mark.parametrize(
    ("act", "proposer", "approver"),
    [
        (CREDIT, "eco-1", ""),
        (CREDIT, "op-1", "eco-1"),
        (FREEZE, "op-1", ""),
        (FREEZE, "eco-1", "op-1"),
        (AUTHORITY_GRANT, "eco-1", ""),
        (AUTHORITY_GRANT, "op-1", "op-2"),
        (c.InstallRules(rule_version("beijing-2", 20240601)), "eco-1", ""),
        (c.OverrideBreaks("urgent"), "eco-1", ""),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_each_signature_needs_its_role(act: c.Act, proposer: str, approver: str) -> None:
    market = open_market()
    events = market.send(proposer, c.ProposeAct(act, "please"))
    if approver:
        events = market.send(approver, c.ApproveAct(events[0].act_id))
    role = "ECOLOGY" if (approver or proposer).startswith("eco") else "OPERATOR"
    expected = (refused("ROLE_NOT_PERMITTED", "actor", role=role, command=type(act).__name__),)
    assert expected == events


@pytest.mark.parametrize(
    "role",
    [
        r
        for r in Role
        if r.name
        in (
            "ECOLOGY",
            "DISTRICT",
            "FINANCE_SUPERVISOR",
            "TREASURY",
            "REGISTRY",
            "AUDITOR",
        )
    ],
)
def test_an_authoritys_role_is_approved_by_the_ecology_department(role: Role) -> None:
    market = open_market()
    events = market.act(c.GrantAccess(c.AccessGrant("new-1", role)), ("op-1", "eco-2"))
    assert (e.AccessGranted("new-1", role, ""), e.InsiderDeclared("new-1", str(role))) == events[1:]


@pytest.mark.parametrize("approver", ["op-2", "eco-1"])
def test_rules_and_overrides_may_be_approved_by_either(approver: str) -> None:
    market = open_market()
    rules = market.act(c.InstallRules(rule_version("beijing-2", 20240601)), ("op-1", approver))
    override = market.act(c.OverrideBreaks("urgent"), ("op-1", approver))
    assert isinstance(rules[1], e.RulesInstalled)
    assert (e.BreaksOverridden("urgent"),) == override[1:]


@pytest.mark.parametrize("person", ["trader-A", "nobody", "system"])
def test_others_can_neither_propose_nor_approve(person: str) -> None:
    market = open_market()
    act_id = propose(market)
    reasons = {
        market.send(person, c.ProposeAct(CREDIT, "please"))[0].reason,
        market.send(person, c.ApproveAct(act_id))[0].reason,
        market.send(person, c.RejectAct(act_id, "no"))[0].reason,
    }
    assert {"PERSON_HAS_NO_ROLE" if person == "nobody" else "ROLE_NOT_PERMITTED"} == reasons


def test_a_proposer_who_lost_every_role_has_signed_nothing() -> None:
    market = open_market()
    act_id = propose(market)
    market.send("op-2", c.RevokeAccess("op-1"))
    expected = (refused("PERSON_HAS_NO_ROLE", "actor", person="op-1"),)
    assert expected == market.send("op-2", c.ApproveAct(act_id))


def test_a_proposer_whose_role_changed_has_signed_nothing() -> None:
    market = open_market()
    act_id = propose(market)
    market.act(c.GrantAccess(c.AccessGrant("op-3", Role.OPERATOR)))
    market.act(c.GrantAccess(c.AccessGrant("op-1", Role.ECOLOGY)), ("op-2", "eco-1"))
    expected = (refused("ROLE_NOT_PERMITTED", "actor", role="ECOLOGY", command="CreditCash"),)
    assert expected == market.send("op-3", c.ApproveAct(act_id))


def test_an_approver_whose_role_was_taken_cannot_sign() -> None:
    market = open_market()
    act_id = propose(market)
    market.send("op-1", c.RevokeAccess("op-2"))
    expected = (refused("PERSON_HAS_NO_ROLE", "actor", person="op-2"),)
    assert expected == market.send("op-2", c.ApproveAct(act_id))


def test_an_approval_just_before_the_deadline_counts() -> None:
    market = open_market()
    market.now_ns += SECOND
    act_id = propose(market)
    market.advance_to(market.market.acts[act_id].expires_ns - 1)
    events = market.send("op-2", c.ApproveAct(act_id))
    assert e.ActApproved(act_id, "op-2") == events[0]


def test_an_act_expires_at_its_instant() -> None:
    market = open_market()
    act_id = propose(market)
    events = market.advance_to(market.market.acts[act_id].expires_ns)
    late = market.send("op-2", c.ApproveAct(act_id))
    assert (e.ActExpired(act_id), "ACT_UNKNOWN") == (events[-1], late[0].reason)


def test_the_time_to_sign_is_a_rule() -> None:
    market = open_market(act_expiry_seconds=60)
    act_id = propose(market)
    assert market.log[-1][0].timestamp_ns + 60 * SECOND == market.market.acts[act_id].expires_ns


def test_expiries_come_before_the_boundary_of_the_same_instant() -> None:
    market = found(act_expiry_seconds=3_600)
    start_ns = market.market.calendar.next_ns()
    market.now_ns = start_ns - HOUR
    act_id = propose(market, c.OverrideBreaks("urgent"))
    events = market.advance_to(start_ns)
    assert (e.ActExpired(act_id), e.DayStarted(20240506)) == events[:2]


def test_acts_that_expire_together_do_so_by_their_ids() -> None:
    market = open_market()
    first, second = propose(market), propose(market)
    market.crash(2 * DAY)
    assert market.market.acts != {}
    by_ns = max(act.expires_ns for act in market.market.acts.values())
    events = market.advance_to(by_ns)
    expired = [event for event in events if isinstance(event, e.ActExpired)]
    assert [e.ActExpired(first), e.ActExpired(second)] == expired


def test_an_override_needs_a_reason_of_its_own() -> None:
    market = open_market()
    (event,) = market.send("op-1", c.ProposeAct(c.OverrideBreaks(" "), "please"))
    assert (event.reason, event.field) == ("TEXT_INVALID", "reason")


def test_what_became_impossible_fails_at_approval_and_is_over() -> None:
    market = open_market()
    series = c.ListSeries("BEA-2025", Product.BEA, 2025, "", 0)
    first, second = propose(market, series), propose(market, series)
    market.send("op-2", c.ApproveAct(first))
    facts = {"series": "BEA-2025", "fault": "known already"}
    failed = market.send("op-2", c.ApproveAct(second))
    again = market.send("op-2", c.ApproveAct(second))
    assert (e.ActFailed(second, "op-2", "SERIES_INVALID", "series_id", facts),) == failed
    assert again[0].reason == "ACT_UNKNOWN"
