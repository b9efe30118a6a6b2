"""Admission, roles, two people, listing, request ids."""

import pytest
from msgspec.structs import replace

from engine import commands as c
from engine import events as e
from engine.codes import ParticipantClass, Product, Role, Side, TimeInForce
from tests.market_driver import DAY, INSTRUMENT, MarketDriver, open_market, rule_version
from tests.rulebook.outcome import outcome

CLASSES = [
    # Measures Art 17; Order 775 Art 7: applicant, what happens
    (ParticipantClass.EMITTER, ""),
    (ParticipantClass.REPORTING_UNIT, ""),
    (ParticipantClass.VOLUNTARY_INSTITUTION, ""),
    (ParticipantClass.NATURAL_PERSON, "refused CLASS_NOT_ADMITTED"),
    (ParticipantClass.STAFF, "refused CLASS_NOT_ADMITTED"),
]


@pytest.mark.parametrize(("applicant", "expected"), CLASSES)
def test_who_is_admitted(applicant: ParticipantClass, expected: str) -> None:
    """Measures Art 17; Order 775 Art 7"""
    market = open_market()
    body = c.AdmitParticipant("D", "Company D", applicant, "D", 0)
    assert expected == outcome(market.send("op-1", body))


def grant(person: str, role: Role, participant: str = "") -> c.ProposeAct:
    return c.ProposeAct(c.GrantAccess(c.AccessGrant(person, role, participant)), "table")


def order(participant: str) -> c.EnterOrder:
    return c.EnterOrder(participant, "x", INSTRUMENT, Side.BUY, 9_000, 1, TimeInForce.DAY)


COMMANDS: list[tuple[str, str, c.AnyCommand, str]] = [
    # rule, person, command, what happens
    ("R-ADMIT-1", "op-1", c.AdmitParticipant("A", "A", ParticipantClass.EMITTER, "A", 0),
     "refused PARTICIPANT_EXISTS"),
    ("R-ADMIT-1", "trader-A", order("B"), "refused PARTICIPANT_UNKNOWN"),
    ("R-ADMIT-1", "trader-A", order("A"), "rests 1"),
    ("R-ROLE-1", "op-1", order("A"), "refused ROLE_NOT_PERMITTED"),
    ("R-ROLE-1", "trader-A", c.OpenMarket(), "refused ROLE_NOT_PERMITTED"),
    ("R-ROLE-1", "eco-1", c.CloseMarket("x"), "refused ROLE_NOT_PERMITTED"),
    ("R-ROLE-2", "nobody", order("A"), "refused PERSON_HAS_NO_ROLE"),
    ("R-ROLE-2", "op-1", grant("p", Role.TRADER), "refused GRANT_INVALID"),
    ("R-ROLE-2", "op-1", grant("p", Role.OPERATOR, "A"), "refused GRANT_INVALID"),
    ("R-ROLE-2", "op-1", grant("p", Role.SYSTEM), "refused GRANT_INVALID"),
    ("R-ROLE-2", "op-1", grant("system", Role.OPERATOR), "refused GRANT_INVALID"),
    ("R-ROLE-2", "op-1", c.RevokeAccess("system"), "refused PERSON_HAS_NO_ROLE"),
    ("R-ROLE-2", "op-1", c.RevokeAccess("trader-A"), ""),
    ("Order 775 Art 7, 20", "op-1", grant("op-2", Role.TRADER, "A"),
     "refused INSIDER_MAY_NOT_TRADE"),
    ("R-KEY-1", "op-1", c.ProposeAct(c.IssueKey("k", "trader-A", "ab", "x"), "table"),
     "refused KEY_INVALID"),
    ("R-KEY-1", "op-1", c.RevokeKey("k"), "refused KEY_UNKNOWN"),
    ("R-TEXT-1", "op-1", c.AdmitParticipant("D E", "D", ParticipantClass.EMITTER, "D", 0),
     "refused TEXT_INVALID"),
    ("R-TEXT-1", "op-1", c.CloseMarket(" "), "refused TEXT_INVALID"),
    ("R-LIST-1", "trader-A", replace(order("A"), instrument_id="BEA-1999"),
     "refused INSTRUMENT_UNKNOWN"),
    ("R-LIST-1", "op-1", c.ProposeAct(c.ListInstrument("X", INSTRUMENT, 10_000), "table"),
     "refused INSTRUMENT_INVALID"),
    ("R-SERIES-1", "op-1", c.ProposeAct(c.ListInstrument("X", "X", 10_000), "table"),
     "refused SERIES_UNKNOWN"),
    ("R-SERIES-1", "op-1",
     c.ProposeAct(c.ListSeries(INSTRUMENT, Product.BEA, 2024, "", 0), "table"),
     "refused SERIES_INVALID"),
    ("R-FOUND-1", "system", c.FoundMarket((), rule_version()), "refused MARKET_ALREADY_FOUNDED"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "person", "command", "expected"), COMMANDS)
def test_who_may_do_what(rule: str, person: str, command: c.AnyCommand, expected: str) -> None:
    market = open_market()
    request_id = command.client_order_id if isinstance(command, c.EnterOrder) else ""
    assert expected == outcome(market.send(person, command, request_id)), rule


def proposed(market: MarketDriver) -> int:
    body = c.ProposeAct(c.CreditCash("A", 1, "bank"), "table")
    return int(market.send("op-1", body)[0].act_id)


SIGNATURES = [
    # rule, what happens between the two signatures, second signer, what happens
    ("R-ACT-1", "", "op-2", "approved"),
    ("R-ACT-1", "", "eco-1", "refused ROLE_NOT_PERMITTED"),
    ("R-ACT-1", "approved", "op-2", "refused ACT_UNKNOWN"),
    ("R-ACT-2", "", "op-1", "refused SAME_PERSON"),
    ("R-ACT-2", "proposer revoked", "op-2", "refused PERSON_HAS_NO_ROLE"),
    ("R-ACT-2", "approver revoked", "op-2", "refused PERSON_HAS_NO_ROLE"),
    ("R-ACT-2", "taken back", "op-2", "refused ACT_UNKNOWN"),
    ("R-ACT-3", "a day passes", "op-2", "refused ACT_UNKNOWN"),
    ("R-ACT-3", "an outage of two days", "op-2", "approved"),
]


@pytest.mark.parametrize(("rule", "between", "signer", "expected"), SIGNATURES)
def test_two_people(rule: str, between: str, signer: str, expected: str) -> None:
    market = open_market()
    act_id = proposed(market)
    steps = {
        "approved": lambda: market.send("op-2", c.ApproveAct(act_id)),
        "proposer revoked": lambda: market.send("op-2", c.RevokeAccess("op-1")),
        "approver revoked": lambda: market.send("op-1", c.RevokeAccess("op-2")),
        "taken back": lambda: market.send("op-1", c.RejectAct(act_id, "table")),
        "a day passes": lambda: market.advance_to(market.now_ns + DAY),
        "an outage of two days": lambda: market.crash(2 * DAY),
    }
    if between:
        steps[between]()
    events = market.send(signer, c.ApproveAct(act_id))
    is_approved = isinstance(events[0], e.ActApproved)
    assert expected == ("approved" if is_approved else outcome(events)), rule


REQUESTS = [
    # rule, first order under the id, second, what happens
    ("R-ID-1", "A buys 1@9000", "A buys 1@9000", "repeated"),
    ("R-ID-1", "A buys 1@9000", "A buys 2@9000", "refused IDEMPOTENCY_BODY_MISMATCH"),
    ("R-ID-1", "A buys 1@7000", "A buys 1@7000", "repeated"),
    ("R-ID-1", "A buys 1@9000", "B buys 1@9000", "rests 1"),
    ("R-ID-2", "broken", "A buys 1@9000", "refused REQUEST_QUARANTINED"),
]


@pytest.mark.parametrize(("rule", "first", "second", "expected"), REQUESTS)
def test_the_same_request_id(rule: str, first: str, second: str, expected: str) -> None:
    market = open_market()
    if first == "broken":
        market.send(c.SYSTEM_ACTOR, c.RefuseRequest(1, "participant:A", "x", ""))
    else:
        market.say(first, client_order_id="x")
    events = market.say(second, client_order_id="x")
    is_repeated = isinstance(events[0], e.RequestRepeated)
    assert expected == ("repeated" if is_repeated else outcome(events)), rule
