"""Saved states, their digest, and the canonical form."""

import msgspec
import pytest

from engine import commands as c
from engine.canonical import body_hash, decode_envelope, decode_events, digest, encode
from engine.codes import FreezeReason, HaltCause, Role, Side, TimeInForce
from engine.engine import Engine
from engine.released import Released
from tests.market_driver import (
    ECOLOGY,
    INSTRUMENT,
    MarketDriver,
    copy_of,
    list_instrument,
    open_market,
    rule_version,
)


def busy_market() -> MarketDriver:
    """A market with something in every part of its state."""
    market = open_market(
        "A buys 5@9900", "B buys 5@9900 GTC", "B sells 7@10000 GTC", "C buys 2@10000"
    )
    market.act(c.FreezeUnits("C", INSTRUMENT, 3, FreezeReason.OTHER, "(2024) 1"), ECOLOGY)
    market.act(c.DepositUnits("C", INSTRUMENT, 3, "reg-1"))
    market.act(c.InstallRules(rule_version("beijing-2", 20240601)))
    market.act(c.IssueKey("key-1", "trader-A", "ab" * 32, "desk"))
    market.send("op-1", c.ProposeAct(c.CreditCash("A", 500, "bank-7"), "please"))
    list_instrument(market, "PCER-1")
    market.send("op-1", c.HaltTrading("PCER-1", HaltCause.OPERATOR, "x"))
    market.send(c.SYSTEM_ACTOR, c.RefuseRequest(1, "op-1", "r1", ""))
    return market


def test_a_restored_market_has_the_same_state_and_goes_on_alike() -> None:
    market, twin = busy_market(), busy_market()
    twin.restart()
    for each in (market, twin):
        each.say("A sells 9@9900")
        each.next_day()
        each.say("B sells 2@9950")
        each.next_day()
    assert market.log == twin.log
    assert market.engine.state_digest() == twin.engine.state_digest()
    twin.engine.check_invariants()


def test_a_restored_market_keeps_the_order_of_its_queues() -> None:
    market = busy_market()
    before = [order.order_id for order in market.market.books[INSTRUMENT].in_priority()]
    market.restart()
    after = [order.order_id for order in market.market.books[INSTRUMENT].in_priority()]
    assert before == after == [1, 2, 3]


def test_the_state_before_the_founding_can_be_saved() -> None:
    engine = Engine.from_record(copy_of(Engine().to_record()))
    assert Engine().state_digest() == engine.state_digest()


@pytest.mark.parametrize(
    "command",
    [
        c.CancelOrder("A", 1),
        c.HaltTrading(INSTRUMENT, HaltCause.OPERATOR, "x"),
        c.DeclareInsider("p", "verifier"),
        c.ReportPositions(),
    ],
)
def test_every_command_changes_the_digest(command: c.AnyCommand) -> None:
    market = busy_market()
    before = market.engine.state_digest()
    actor = "trader-A" if isinstance(command, c.CancelOrder) else "op-1"
    market.send(actor, command)
    assert before != market.engine.state_digest()


def test_the_digest_does_not_depend_on_the_order_of_insertion() -> None:
    assert digest({"b": 1, "a": {2: "x", 10: "y"}}) == digest({"a": {10: "y", 2: "x"}, "b": 1})


def test_the_canonical_form_is_compact_json_with_sorted_keys() -> None:
    order = c.EnterOrder("A", "x1", INSTRUMENT, Side.BUY, 10_000, 5, TimeInForce.DAY)
    expected = (
        b'{"actor":"trader-A","body":{"client_order_id":"x1","instrument_id":"BEA-2024",'
        b'"participant_id":"A","price_ticks":10000,"quantity":5,"side":"BUY",'
        b'"time_in_force":"DAY","type":"EnterOrder"},"request_id":"x1","timestamp_ns":7}'
    )
    assert expected == encode(c.Envelope(7, "trader-A", "x1", order))


def test_commands_and_events_come_back_from_their_canonical_form() -> None:
    market = busy_market()
    for envelope, events in market.log:
        assert envelope == decode_envelope(encode(envelope))
        assert events == decode_events(encode(events))
        assert encode(envelope) == encode(decode_envelope(encode(envelope)))


def test_what_is_no_command_is_not_read() -> None:
    with pytest.raises(msgspec.ValidationError):
        decode_envelope(b'{"actor":"a","body":{"type":"Unknown"},"request_id":"","timestamp_ns":1}')
    with pytest.raises(msgspec.ValidationError):
        decode_events(b'[{"type":"DayStarted","day":1,"extra":2}]')


def test_another_body_has_another_hash() -> None:
    one, other = c.CancelOrder("A", 1), c.CancelOrder("A", 2)
    assert (body_hash(one), body_hash(one)) == (body_hash(c.CancelOrder("A", 1)), body_hash(one))
    assert body_hash(one) != body_hash(other)


def test_a_released_step_carries_its_command_and_events() -> None:
    market = busy_market()
    envelope, events = market.log[-1]
    released = Released(len(market.log), envelope, events)
    assert (market.market.seq, envelope.body) == (released.seq, released.envelope.body)


def test_roles_and_keys_survive_a_restart() -> None:
    market = busy_market()
    market.restart()
    assert market.market.keys["key-1"].person_id == "trader-A"
    assert market.market.access["trader-A"].role is Role.TRADER
