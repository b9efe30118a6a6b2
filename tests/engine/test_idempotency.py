"""Request ids: the first outcome stands; the same id with another body is refused."""

import pytest
from msgspec.structs import replace

from engine import commands as c
from engine import events as e
from engine.codes import HaltCause, Phase, Role, Side, TimeInForce
from engine.engine import instrument_of, scope_of
from tests.engine.expected import refused
from tests.market_driver import INSTRUMENT, MarketDriver, open_market

ORDER = c.EnterOrder("A", "x1", INSTRUMENT, Side.BUY, 10_000, 5, TimeInForce.DAY)
QUARANTINE = c.RefuseRequest(7, "participant:A", "x1", INSTRUMENT)


def entered(market: MarketDriver) -> int:
    """Enter ORDER; returns its seq."""
    market.send("trader-A", ORDER)
    return market.market.seq


def test_the_same_order_again_points_to_the_first_outcome_and_does_nothing() -> None:
    market = open_market()
    seq = entered(market)
    before = market.market.last_order_id
    assert (e.RequestRepeated(seq),) == market.send("trader-A", ORDER)
    assert before == market.market.last_order_id


@pytest.mark.parametrize("changed", [{"quantity": 6}, {"price_ticks": 9_999}, {"side": Side.SELL}])
def test_the_same_id_with_another_body_is_refused(changed: dict[str, object]) -> None:
    market = open_market()
    entered(market)
    code, facts = "IDEMPOTENCY_BODY_MISMATCH", {"request": "x1"}
    expected = (e.OrderRejected("A", "x1", INSTRUMENT, code, "request_id", facts),)
    assert expected == market.send("trader-A", replace(ORDER, **changed))


def test_a_refused_order_keeps_its_answer_too() -> None:
    market = open_market(cash_fen=1)
    seq = entered(market)
    market.fund("A", 1_000_000)
    assert (e.RequestRepeated(seq),) == market.send("trader-A", ORDER)


def test_two_traders_of_one_participant_share_their_client_order_ids() -> None:
    market = open_market()
    market.act(c.GrantAccess(c.AccessGrant("trader-A2", Role.TRADER, "A")))
    seq = entered(market)
    assert (e.RequestRepeated(seq),) == market.send("trader-A2", ORDER)


def test_two_participants_may_use_the_same_id() -> None:
    market = open_market()
    entered(market)
    events = market.send("trader-B", replace(ORDER, participant_id="B"))
    assert isinstance(events[0], e.OrderAccepted)


def test_a_person_named_like_a_participant_has_ids_of_its_own() -> None:
    market = open_market()
    market.act(c.GrantAccess(c.AccessGrant("A", Role.COMPLIANCE, "B")))
    market.send("A", c.CancelOrder("B", 99), "x1")
    events = market.send("trader-A", ORDER)
    assert isinstance(events[0], e.OrderAccepted)
    market.engine.check_invariants()


def test_an_order_id_of_the_trader_is_apart_from_ids_of_other_requests() -> None:
    market = open_market()
    entered(market)
    events = market.send("trader-A", c.CancelOrder("A", 1), "x1")
    assert isinstance(events[0], e.OrderCanceled)


def test_a_repeated_act_is_proposed_once() -> None:
    market = open_market()
    act = c.ProposeAct(c.CreditCash("A", 500, "bank-7"), "please")
    first = market.send("op-1", act, "r1")
    seq = market.market.seq
    second = market.send("op-1", act, "r1")
    others = market.send("op-2", act, "r1")
    assert ((e.RequestRepeated(seq),), first[0].act_id + 1) == (second, others[0].act_id)


def test_a_request_without_an_id_is_carried_out_each_time() -> None:
    market = open_market()
    act = c.ProposeAct(c.CreditCash("A", 500, "bank-7"), "please")
    first, second = market.send("op-1", act), market.send("op-1", act)
    assert first[0].act_id + 1 == second[0].act_id


def test_the_id_of_a_good_till_cancelled_order_is_kept_as_long_as_it_is_open() -> None:
    market = open_market("A buys 5@10000 GTC")
    for _ in range(8):
        market.next_day()
    (event,) = market.say("A buys 5@9000", client_order_id="o1")
    assert event.reason == "IDEMPOTENCY_BODY_MISMATCH"


@pytest.mark.parametrize("days", range(7))
def test_an_id_is_remembered_for_five_trading_days_after_the_orders_end(days: int) -> None:
    market = open_market()
    seq = entered(market)
    market.cancel("A", 1)
    for _ in range(days):
        market.next_day()
    events = market.send("trader-A", ORDER)
    if days <= 5:
        assert (e.RequestRepeated(seq),) == events
    else:
        assert isinstance(events[0], e.OrderAccepted)


def test_the_days_count_from_the_orders_end_not_from_its_entry() -> None:
    market = open_market("A sells 5@10000 GTC")
    for _ in range(3):
        market.next_day()
    market.say("B buys 5@10000")
    for _ in range(5):
        market.next_day()
    (event,) = market.say("A sells 4@10000 GTC", client_order_id="o1")
    assert event.reason == "IDEMPOTENCY_BODY_MISMATCH"


def test_a_quarantined_request_stays_refused_and_halts_its_instrument() -> None:
    market = open_market()
    events = market.send(c.SYSTEM_ACTOR, QUARANTINE)
    (again,) = market.send("trader-A", ORDER)
    assert (
        e.RequestQuarantined(7, "participant:A", "x1"),
        e.TradingHalted(INSTRUMENT, HaltCause.TECHNICAL, "request x1"),
        e.PhaseChanged(INSTRUMENT, Phase.HALTED, HaltCause.TECHNICAL),
    ) == events
    assert (again.reason, again.field) == ("REQUEST_QUARANTINED", "request_id")
    market.engine.check_invariants()


def test_a_quarantined_request_is_never_forgotten() -> None:
    market = open_market()
    market.send(c.SYSTEM_ACTOR, replace(QUARANTINE, instrument_id=""))
    for _ in range(8):
        market.next_day()
    (again,) = market.send("trader-A", ORDER)
    assert again.reason == "REQUEST_QUARANTINED"


def test_a_quarantine_leaves_a_halt_in_force_with_its_cause() -> None:
    market = open_market()
    market.send("eco-1", c.HaltTrading(INSTRUMENT, HaltCause.REGULATOR, "inquiry"))
    events = market.send(c.SYSTEM_ACTOR, QUARANTINE)
    assert (e.RequestQuarantined(7, "participant:A", "x1"),) == events
    assert market.market.halts == {INSTRUMENT: HaltCause.REGULATOR}


def test_a_quarantine_of_a_request_without_an_instrument_halts_nothing() -> None:
    market = open_market()
    quarantine = c.RefuseRequest(8, "op-1", "r1", "")
    events = market.send(c.SYSTEM_ACTOR, quarantine)
    (again,) = market.send("op-1", c.OpenMarket(), "r1")
    assert (e.RequestQuarantined(8, "op-1", "r1"),) == events
    assert refused("REQUEST_QUARANTINED", "request_id", request="r1") == again


@pytest.mark.parametrize(
    ("actor", "body", "scope"),
    [
        ("trader-A", ORDER, "participant:A"),
        ("trader-A", replace(ORDER, participant_id="B"), "participant:A"),
        ("trader-A", c.CancelOrder("A", 1), "trader-A"),
        ("op-1", ORDER, "op-1"),
        ("nobody", ORDER, "nobody"),
        ("system", c.ReportPositions(), "system"),
    ],
)
def test_the_scope_of_an_id(actor: str, body: c.AnyCommand, scope: str) -> None:
    market = open_market()
    assert scope == scope_of(market.market, c.Envelope(1, actor, "r1", body))


@pytest.mark.parametrize(
    ("body", "instrument"),
    [
        (ORDER, INSTRUMENT),
        (c.CancelOrder("A", 1), INSTRUMENT),
        (c.AmendOrder("A", 1, 1, 1), INSTRUMENT),
        (c.CancelOrder("A", 99), ""),
        (c.HaltTrading(INSTRUMENT, HaltCause.OPERATOR, "x"), INSTRUMENT),
        (c.OpenMarket(), ""),
    ],
)
def test_the_instrument_a_command_acts_on(body: c.AnyCommand, instrument: str) -> None:
    market = open_market("A buys 5@10000")
    assert instrument == instrument_of(market.market, body)


def test_an_id_burnt_by_a_person_without_a_role_is_not_the_participants() -> None:
    market = open_market()
    (burnt,) = market.send("nobody", ORDER)
    events = market.send("trader-A", ORDER)
    assert (burnt.reason, isinstance(events[0], e.OrderAccepted)) == ("PERSON_HAS_NO_ROLE", True)
