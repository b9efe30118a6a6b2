"""Who takes part: admission, insiders, roles, machine keys (Art 17; Order 775 Art 7, 20)."""

from typing import Any

import pytest
from msgspec.structs import replace

from engine import commands as c
from engine import events as e
from engine.codes import ParticipantClass, Role
from tests.engine.expected import refused
from tests.market_driver import admit, found, open_market

ADMIT = c.AdmitParticipant("D", "Company D", ParticipantClass.EMITTER, "holding", 5)
KEY = c.IssueKey("key-1", "op-2", "ab" * 32, "night batch")


def grant(person: str, role: Role, participant: str = "") -> c.GrantAccess:
    return c.GrantAccess(c.AccessGrant(person, role, participant))


def test_a_company_of_an_admitted_class_gets_an_account() -> None:
    market = found()
    expected = (e.ParticipantAdmitted("D", "Company D", ParticipantClass.EMITTER, "holding", 5),)
    assert expected == market.send("op-1", ADMIT)


@pytest.mark.parametrize(
    ("changed", "reason", "field"),
    [
        ({"participant_id": ""}, "TEXT_INVALID", "participant_id"),
        ({"group_id": "a|b"}, "TEXT_INVALID", "group_id"),
        ({"name": ""}, "TEXT_INVALID", "name"),
        ({"annual_allowance_tonnes": -1}, "AMOUNT_OUT_OF_RANGE", "annual_allowance_tonnes"),
        ({"participant_class": ParticipantClass.STAFF}, "CLASS_NOT_ADMITTED", "participant_class"),
        ({"participant_id": "A"}, "PARTICIPANT_EXISTS", "participant_id"),
    ],
)
def test_an_unfit_applicant_is_refused(changed: dict[str, Any], reason: str, field: str) -> None:
    market = found()
    admit(market, "A")
    (event,) = market.send("op-1", replace(ADMIT, **changed))
    assert (reason, field) == (event.reason, event.field)


def test_a_role_of_a_participant_is_granted_by_two_people() -> None:
    market = open_market()
    events = market.act(grant("trader-A2", Role.TRADER, "A"))
    assert (e.AccessGranted("trader-A2", Role.TRADER, "A"),) == events[1:]


def test_whoever_works_for_the_venue_becomes_an_insider() -> None:
    market = open_market()
    events = market.act(grant("op-3", Role.OPERATOR))
    expected = (e.AccessGranted("op-3", Role.OPERATOR, ""), e.InsiderDeclared("op-3", "OPERATOR"))
    assert expected == events[1:]


def test_a_second_role_of_the_venue_declares_nobody_again() -> None:
    market = open_market()
    market.act(grant("op-3", Role.OPERATOR))
    events = market.act(grant("op-3", Role.OPERATOR))
    assert (e.AccessGranted("op-3", Role.OPERATOR, ""),) == events[1:]


@pytest.mark.parametrize(
    ("act", "reason", "field"),
    [
        (grant("p", Role.TRADER), "GRANT_INVALID", "grant/participant_id"),
        (grant("p", Role.COMPLIANCE), "GRANT_INVALID", "grant/participant_id"),
        (grant("p", Role.OPERATOR, "A"), "GRANT_INVALID", "grant/participant_id"),
        (grant("p", Role.AUDITOR, "A"), "GRANT_INVALID", "grant/participant_id"),
        (grant("p", Role.SYSTEM), "GRANT_INVALID", "grant/participant_id"),
        (grant("system", Role.OPERATOR), "GRANT_INVALID", "grant/participant_id"),
        (grant("", Role.OPERATOR), "TEXT_INVALID", "person_id"),
        (grant("p", Role.TRADER, "X"), "PARTICIPANT_UNKNOWN", "participant_id"),
        (grant("op-2", Role.TRADER, "A"), "INSIDER_MAY_NOT_TRADE", "grant/person_id"),
        (grant("eco-2", Role.COMPLIANCE, "A"), "INSIDER_MAY_NOT_TRADE", "grant/person_id"),
    ],
    ids=lambda value: repr(value.grant) if isinstance(value, c.GrantAccess) else value,
)
def test_an_unfit_grant_is_refused(act: c.Act, reason: str, field: str) -> None:
    market = open_market()
    (event,) = market.send("op-1", c.ProposeAct(act, "please"))
    assert (reason, field) == (event.reason, event.field)


def test_an_insider_never_trades_even_after_leaving_the_venue() -> None:
    market = open_market()
    market.act(grant("op-3", Role.OPERATOR))
    market.send("op-1", c.RevokeAccess("op-3"))
    (event,) = market.send("op-1", c.ProposeAct(grant("op-3", Role.TRADER, "A"), "please"))
    assert event.reason == "INSIDER_MAY_NOT_TRADE"


def test_a_trader_declared_an_insider_enters_no_more_orders() -> None:
    market = open_market()
    declared = market.send("op-1", c.DeclareInsider("trader-A", "verifier X"))
    (event,) = market.say("A buys 1@10000")
    assert (e.InsiderDeclared("trader-A", "verifier X"),) == declared
    assert (event.reason, event.facts) == (
        "INSIDER_MAY_NOT_TRADE",
        {"person": "trader-A", "body": "verifier X"},
    )


def test_a_declaration_needs_a_person_and_a_body() -> None:
    market = open_market()
    reasons = [
        market.send("op-1", c.DeclareInsider(*terms))[0].field
        for terms in (("", "verifier"), ("trader-A", " "))
    ]
    assert reasons == ["person_id", "body"]


def test_a_revoked_person_can_do_nothing() -> None:
    market = open_market()
    revoked = market.send("op-1", c.RevokeAccess("trader-A"))
    (event,) = market.say("A buys 1@10000")
    assert (e.AccessRevoked("trader-A"),) == revoked
    assert (event.reason, event.facts) == ("PERSON_HAS_NO_ROLE", {"person": "trader-A"})


@pytest.mark.parametrize("person", ["nobody", "system", ""])
def test_only_a_person_with_a_role_can_lose_it(person: str) -> None:
    market = open_market()
    expected = (refused("PERSON_HAS_NO_ROLE", "actor", person=person),)
    assert expected == market.send("op-1", c.RevokeAccess(person))


def test_a_trader_who_moves_to_another_company_trades_for_that_one_only() -> None:
    market = open_market()
    market.act(grant("trader-A", Role.TRADER, "B"))
    (event,) = market.say("A buys 1@10000")
    assert event.reason == "PARTICIPANT_UNKNOWN"


def test_a_key_is_issued_by_two_people_and_revoked_by_one() -> None:
    market = open_market()
    issued = market.act(KEY)
    revoked = market.send("op-1", c.RevokeKey("key-1"))
    again = market.send("op-1", c.RevokeKey("key-1"))
    assert (e.KeyIssued("key-1", "op-2", "ab" * 32, "night batch"),) == issued[1:]
    assert (e.KeyRevoked("key-1"),) == revoked
    assert (refused("KEY_UNKNOWN", "key_id", key="key-1"),) == again


@pytest.mark.parametrize(
    ("changed", "reason", "field"),
    [
        ({"key_id": "key 2"}, "TEXT_INVALID", "key_id"),
        ({"label": ""}, "TEXT_INVALID", "label"),
        ({"key_id": "key-1"}, "KEY_INVALID", "key_id"),
        ({"public_key": "ab" * 31}, "KEY_INVALID", "public_key"),
        ({"public_key": "AB" * 32}, "KEY_INVALID", "public_key"),
        ({"public_key": "zz" * 32}, "KEY_INVALID", "public_key"),
        ({"public_key": KEY.public_key}, "KEY_INVALID", "public_key"),
        ({"person_id": "nobody"}, "PERSON_HAS_NO_ROLE", "actor"),
        ({"person_id": "system"}, "PERSON_HAS_NO_ROLE", "actor"),
    ],
)
def test_an_unfit_key_is_refused(changed: dict[str, Any], reason: str, field: str) -> None:
    market = open_market()
    market.act(KEY)
    act = replace(KEY, **({"key_id": "key-2", "public_key": "cd" * 32} | changed))
    (event,) = market.send("op-1", c.ProposeAct(act, "please"))
    assert (reason, field) == (event.reason, event.field)


@pytest.mark.parametrize(
    ("person", "body"),
    [
        ("trader-A", c.OpenMarket()),
        ("trader-A", c.AdvanceClock()),
        ("trader-A", ADMIT),
        ("trader-A", c.ReportPositions()),
        ("op-1", c.ConfirmUnitDeposit(1, is_locked=True, refusal="")),
        ("op-1", c.RecordReconciliation(1, 0)),
        ("op-1", c.CancelOrder("", 1)),
        ("eco-1", c.CloseMarket("now")),
        ("eco-1", c.RevokeAccess("op-1")),
        ("system", c.ResumeTrading("*", "go on")),
        ("system", ADMIT),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_a_role_is_not_permitted_is_refused(person: str, body: c.AnyCommand) -> None:
    market = open_market()
    (event,) = market.send(person, body)
    assert ("ROLE_NOT_PERMITTED", type(body).__name__) == (event.reason, event.facts["command"])
