"""The comparison that the kill trials rest on finds every kind of damage, and names it."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import pytest

from tests.reliability.comparison import Findings, compare
from tests.reliability.load import Sent, Trader
from tests.reliability.market_state import Fill, Holdings, OrderState, State
from tests.reliability.streams import Listener
from tests.reliability.wire import Answer

TRADE = {"trade_id": 1, "price": "80.00", "quantity": 2, "value": "160.00", "fee": "1.20"}


def order(order_id: int, name: str, side: str, quantity: int) -> OrderState:
    """An order at 80.00 of which two tonnes were filled."""
    is_filled = quantity == 2
    status = "FILLED" if is_filled else "PARTIALLY_FILLED"
    terms = (order_id, name, "BEA-2024", side, "80.00", quantity, "DAY", status, None)
    return OrderState(*terms, quantity - 2, 2, "160.00", "1.20", 1, f"t{order_id}")


def fill(side: str, order_id: int) -> Fill:
    """One side of the trade."""
    return Fill(1, "BEA-2024", "80.00", 2, "160.00", side, order_id, "1.20")


def sent(participant_id: str, state: OrderState) -> Sent:
    """The record of an order's entry, acknowledged with its trade."""
    answer = msgspec.to_builtins(state) | {"trades": [TRADE], "duplicate": False}
    raw = Answer(201, msgspec.json.encode(answer))
    return Sent(participant_id, "POST", "/v1/orders", state.client_order_id, {}, 1, raw)


@dataclass
class World:
    """A buys 3 of which B sells 2; A heard of it on the stream."""

    start: State
    now: State
    record: list[Sent]
    listener: Listener

    def findings(self) -> Findings:
        return compare(self.start, self.record, [self.listener], self.now)


def world() -> World:
    buy, sell = order(1, "a1", "BUY", 3), order(2, "b1", "SELL", 2)
    start = {
        "A": Holdings(cash_fen=100_000, units={"BEA-2024": 0}),
        "B": Holdings(cash_fen=0, units={"BEA-2024": 10}),
    }
    now = {
        "A": Holdings({1: buy}, {1: fill("BUY", 1)}, [], 83_880, 8_060, {"BEA-2024": 2}, {}),
        "B": Holdings({2: sell}, {1: fill("SELL", 2)}, [], 15_880, 0, {"BEA-2024": 8}, {}),
    }
    listener = Listener(1, Trader("A", "token"))
    head = {"channel": "executions", "participant_id": "A"}
    listener.frames = [
        msgspec.json.encode(head | {"type": "snapshot", "seq": 4, "orders": []}),
        msgspec.json.encode(
            head | {"type": "update", "seq": 5, "prev_seq": 4, "order": buy, "fill": fill("BUY", 1)}
        ),
    ]
    return World(start, now, [sent("A", buy), sent("B", sell)], listener)


def _forget_order(it: World) -> None:
    del it.now["A"].orders[1]


def _forget_trade(it: World) -> None:
    del it.now["A"].fills[1]


def _change_terms(it: World) -> None:
    it.now["A"].orders[1] = msgspec.structs.replace(it.now["A"].orders[1], price="79.00")


def _change_fee(it: World) -> None:
    it.now["B"].fills[1] = msgspec.structs.replace(it.now["B"].fills[1], fee="1.19")


def _double_order(it: World) -> None:
    it.now["A"].orders[3] = copy.copy(it.now["A"].orders[1])
    it.now["A"].repeated_ids.append("a1")


def _invent_order(it: World) -> None:
    it.now["B"].orders[9] = order(9, "nobody", "SELL", 2)


def _accept_refused(it: World) -> None:
    it.record[1].answer = Answer(422, b"{}")


def _lose_money(it: World) -> None:
    it.now["A"].cash_fen -= 1


def _lose_a_hold(it: World) -> None:
    it.now["A"].held_fen = 0


def _lose_units(it: World) -> None:
    it.now["B"].units["BEA-2024"] = 7


def _lose_a_frame(it: World) -> None:
    it.listener.frames[1] = it.listener.frames[1].replace(b'"prev_seq":4', b'"prev_seq":5')


def _forget_streamed_fill(it: World) -> None:
    it.listener.frames[1] = it.listener.frames[1].replace(b'"trade_id":1', b'"trade_id":7')


DAMAGE: dict[Callable[[World], None], str] = {
    _forget_order: "lost",
    _forget_trade: "lost",
    _change_terms: "lost",
    _change_fee: "lost",
    _double_order: "doubled",
    _invent_order: "invented",
    _accept_refused: "invented",
    _lose_money: "unsound",
    _lose_a_hold: "unsound",
    _lose_units: "unsound",
    _lose_a_frame: "lost",
    _forget_streamed_fill: "lost",
}


def test_a_sound_market_has_no_findings() -> None:
    found = world().findings()
    assert found == Findings(checked=3)


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__.strip("_"))
def test_damage_is_found_and_named(damage: Callable[[World], None]) -> None:
    damaged = world()
    damage(damaged)
    found = damaged.findings()
    assert getattr(found, DAMAGE[damage])
    with pytest.raises(AssertionError, match=DAMAGE[damage]):
        found.assert_none("after the damage")
