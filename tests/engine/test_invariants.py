"""Damage of each kind is named, and a broken order of commands stops the engine."""

from collections.abc import Callable
from typing import Any

import pytest

from engine import commands as c
from engine import engine as engine_module
from engine.accounts import Lot
from engine.codes import FreezeReason, Phase, Side
from engine.engine import Engine
from engine.events import DayEnded
from engine.faults import InvariantBroken, Refused
from engine.market import Freeze, Market, RequestRecord
from engine.step import Step
from tests.market_driver import ECOLOGY, INSTRUMENT, MarketDriver, open_market, trading_day


def damaged_market() -> MarketDriver:
    """A market with something of everything in it: order 1 buys (A), order 2 sells (B)."""
    market = open_market("A buys 5@9900", "B sells 7@10000", "C buys 2@10000")
    market.act(c.FreezeUnits("C", INSTRUMENT, 3, FreezeReason.OTHER, "(2024) 1"), ECOLOGY)
    market.engine.check_invariants()
    return market


def cash(market: Market, name: str) -> Any:
    return market.accounts[name].cash


def position(market: Market, name: str) -> Any:
    return market.accounts[name].positions[INSTRUMENT]


def order(market: Market, order_id: int) -> Any:
    return market.books[INSTRUMENT].orders[order_id]


def level(market: Market, side: Side) -> Any:
    return market.books[INSTRUMENT].best(side)


def cross(market: Market) -> None:
    bid = order(market, 1)
    book = market.books[INSTRUMENT]
    book.remove(bid)
    bid.price_ticks = 10_000
    book.add(bid)


def empty_level(market: Market) -> None:
    level(market, Side.BUY).orders.clear()


def forget_in_level(market: Market) -> None:
    sell = order(market, 2)
    empty_book = market.books[INSTRUMENT]
    empty_book.remove(sell)
    empty_book.orders[2] = sell


def change_identity(market: Market) -> None:
    market.books[INSTRUMENT].orders[1] = order(market, 2)


def no_leaves(market: Market) -> None:
    level(market, Side.BUY).quantity = order(market, 1).quantity = 0


def add(owner: Callable[[Market], Any], field: str, value: object) -> Callable[[Market], None]:
    """Damage: add to a number (or replace anything else) in what `owner` finds."""

    def damage(market: Market) -> None:
        target = owner(market)
        is_number = isinstance(value, int) and not isinstance(value, bool)
        setattr(target, field, getattr(target, field) + value if is_number else value)

    return damage


def both(*damages: Callable[[Market], None]) -> Callable[[Market], None]:
    def damage(market: Market) -> None:
        for each in damages:
            each(market)

    return damage


def a_record(market: Market) -> RequestRecord:
    return market.requests["participant:A|o1"]


DAMAGES: tuple[tuple[str, Callable[[Market], None]], ...] = (
    ("available cash is not negative", add(lambda m: cash(m, "A"), "available_fen", -(10**15))),
    ("held cash is not negative", add(lambda m: cash(m, "A"), "held_fen", -(10**15))),
    ("lots sum to the total", add(lambda m: position(m, "A"), "total", 1)),
    ("no lot is empty", lambda m: position(m, "A").lots.append(Lot(20240509, 0))),
    (
        "lots ascend by day",
        both(
            lambda m: position(m, "A").lots.insert(0, Lot(20240509, 1)),
            add(lambda m: position(m, "A"), "total", 1),
        ),
    ),
    ("holds and freezes are not negative", add(lambda m: position(m, "A"), "held", -1)),
    ("holds and freezes are covered by units", add(lambda m: position(m, "A"), "frozen", 10**6)),
    (
        "only sellable units are held by orders",
        lambda m: setattr(position(m, "B").lots[0], "sellable_from_day", 20240509),
    ),
    ("a buy order holds what it needs", add(lambda m: order(m, 1), "held_fen", -1)),
    (
        "held cash is the orders' holds",
        both(
            add(lambda m: cash(m, "A"), "held_fen", 1),
            add(lambda m: cash(m, "A"), "available_fen", -1),
        ),
    ),
    ("held units are the orders' leaves", add(lambda m: position(m, "C"), "held", 1)),
    (
        "open buys are the orders' leaves",
        lambda m: m.accounts["A"].open_buys.update({"BEA": 6}),
    ),
    ("money is conserved", add(lambda m: m, "fees_fen", 1)),
    ("BEA-2024 is conserved", lambda m: m.net_deposited.update({INSTRUMENT: 1})),
    ("frozen units are those of the freezes in force", lambda m: m.freezes.clear()),
    (
        "freezes in force are on positions",
        lambda m: m.freezes.update({9: Freeze("A", "BEA-2025", 1)}),
    ),
    (
        "phases follow the rule",
        add(lambda m: m.instruments[INSTRUMENT], "phase", Phase.HALTED),
    ),
    (
        "orders rest inside the limits",
        add(lambda m: m.instruments[INSTRUMENT], "lower_limit_ticks", 5_000),
    ),
    ("order ids were given here", add(lambda m: m, "last_order_id", -2)),
    ("an order never trades backwards", add(lambda m: order(m, 2), "cumulative_quantity", -9)),
    (
        "an order is charged the fee on its value",
        add(lambda m: order(m, 2), "charged_fee_fen", 1),
    ),
    (
        "ids are kept for open orders and quarantine",
        lambda m: setattr(a_record(m), "is_open_order", False),
    ),
    (
        "an open order keeps its client_order_id",
        lambda m: m.requests.clear(),
    ),
    ("no deadline is overdue", add(lambda m: m, "clock_ns", 10**18)),
    ("a level is never empty", empty_level),
    ("level 9900 totals its orders", add(lambda m: level(m, Side.BUY), "quantity", 1)),
    ("an order rests on its own side", add(lambda m: order(m, 1), "side", Side.SELL)),
    ("an order rests at its price", add(lambda m: order(m, 1), "price_ticks", 1)),
    ("the index knows every order", change_identity),
    ("the index knows no other order", forget_in_level),
    ("a resting order has leaves", no_leaves),
    ("the book is not crossed", cross),
)


@pytest.mark.parametrize(("what", "damage"), DAMAGES, ids=[what for what, _ in DAMAGES])
def test_damage_is_found_and_named(what: str, damage: Callable[[Market], None]) -> None:
    market = damaged_market()
    damage(market.market)
    if what == "an order never trades backwards":
        level(market.market, Side.SELL).quantity += 9
        position(market.market, "B").held += 9
    with pytest.raises(InvariantBroken, match=what):
        market.engine.check_invariants()


def envelope(market: MarketDriver, body: c.AnyCommand, later_ns: int = 1) -> c.Envelope:
    return c.Envelope(market.market.clock_ns + later_ns, c.SYSTEM_ACTOR, "", body)


@pytest.mark.parametrize("offset", [-1, 0, 2])
def test_a_gap_in_the_seq_stops_the_engine(offset: int) -> None:
    market = open_market()
    with pytest.raises(InvariantBroken, match="follows"):
        market.engine.apply(market.market.seq + offset, envelope(market, c.ReportPositions()))


@pytest.mark.parametrize("later_ns", [0, -1])
def test_time_that_does_not_grow_stops_the_engine(later_ns: int) -> None:
    market = open_market()
    with pytest.raises(InvariantBroken, match="time grows"):
        market.engine.apply(market.market.seq + 1, envelope(market, c.ReportPositions(), later_ns))


@pytest.mark.parametrize(
    ("body", "late_ns"),
    [(c.ReportPositions(), 0), (c.ReportPositions(), 1), (c.AdvanceClock(), 1)],
)
def test_an_overdue_deadline_stops_the_engine(body: c.AnyCommand, late_ns: int) -> None:
    market = open_market()
    late = trading_day(0).sessions[0].closes_ns + late_ns - market.market.clock_ns
    with pytest.raises(InvariantBroken, match="overdue"):
        market.engine.apply(market.market.seq + 1, envelope(market, body, late))


def test_a_clock_that_advances_before_the_deadline_changes_nothing() -> None:
    market = open_market()
    assert market.apply(c.SYSTEM_ACTOR, c.AdvanceClock()) == ()


def test_an_order_whose_request_id_is_not_its_client_order_id_stops_the_engine() -> None:
    market = open_market("A buys 5@10000")
    order_envelope, _ = market.log[-1]
    wrong = c.Envelope(
        market.market.clock_ns + 1, order_envelope.actor, "other", order_envelope.body
    )
    with pytest.raises(InvariantBroken, match="client id"):
        market.engine.apply(market.market.seq + 1, wrong)


def test_a_refusal_after_a_change_stops_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    def change_and_refuse(step: Step, _command: c.OpenMarket) -> None:
        step.emit(DayEnded(20240506))
        raise Refused("MARKET_ALREADY_OPEN")

    monkeypatch.setitem(engine_module._HANDLERS, c.OpenMarket, change_and_refuse)
    market = open_market()
    with pytest.raises(InvariantBroken, match="has changed nothing"):
        market.send("op-1", c.OpenMarket())


def test_a_market_that_was_not_founded_has_no_rules() -> None:
    with pytest.raises(InvariantBroken, match="a founded market has rules"):
        Engine().market.rules_now()


def test_a_hold_that_does_not_cover_a_fill_stops_the_engine() -> None:
    market = open_market("A buys 5@10000")
    order(market.market, 1).held_fen = 0
    with pytest.raises(InvariantBroken, match="covers every cutting"):
        market.say("B sells 5@10000")
