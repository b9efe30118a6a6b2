"""The read model: what a random market shows is what the engine holds, and it does not grow."""

from collections.abc import Iterator

import msgspec
import pytest

from engine import commands as c
from engine.canonical import decode_envelope, decode_events, encode
from engine.codes import ActStatus, OrderStatus, Phase, Role, Side, TimeInForce
from engine.market import Market
from engine.released import Released
from exchange.readmodel.model import KEPT_DAYS, Changes, ReadModel
from exchange.readmodel.views import OrderView, ReadRecord
from tests.market_driver import (
    INSTRUMENT,
    MarketDriver,
    closed_market,
    open_market,
    trading_day,
)
from tests.reliability.random_market import RandomMarket
from tests.seeded import FIRST_SEED

STEPS = 2_500
SIDES = (Side.BUY, Side.SELL)
OPEN = (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)


class Watched:
    """A read model fed with everything that a market in memory does."""

    def __init__(self, driver: MarketDriver) -> None:
        self.driver = driver
        self.model = ReadModel()
        self.changes = Changes()
        self.catch_up()

    def catch_up(self) -> None:
        for envelope, events in self.driver.log[self.model.seq :]:
            self.changes = self.model.apply(Released(self.model.seq + 1, envelope, events))

    def say(self, text: str, client_order_id: str = "") -> OrderView | None:
        """Enter an order; the model's view of it, None if it was refused."""
        before = len(self.model.orders)
        self.driver.say(text, client_order_id=client_order_id)
        self.catch_up()
        return (
            self.model.orders[max(self.model.orders)] if len(self.model.orders) > before else None
        )

    def days_pass(self, count: int) -> None:
        for _ in range(count):
            self.driver.next_day()
        self.catch_up()


# --- against the engine -------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [FIRST_SEED, 1])
def test_after_every_step_the_model_shows_what_the_engine_holds(seed: int) -> None:
    random_market = RandomMarket(seed, STEPS)
    market = random_market.driver.market
    model, channels = ReadModel(), Channels()
    for step in steps(random_market):
        channels.take(model.apply(step), model)
        if model.seq == market.seq:  # the engine has not gone ahead of this step
            assert shown(model) == held(market), f"seed {seed}, seq {model.seq}"
            assert channels.books == depths(model), f"seed {seed}, seq {model.seq}"
    assert market.last_trade_id > STEPS // 100, f"seed {seed}: a quiet market shows nothing"
    assert model.trading_day > 20240510, f"seed {seed}: no day passed"


@pytest.mark.parametrize("seed", [FIRST_SEED, 2])
def test_a_model_saved_and_restored_anywhere_goes_on_as_if_it_had_not(seed: int) -> None:
    random_market = RandomMarket(seed, STEPS)
    running, restored = ReadModel(), ReadModel()
    for step in steps(random_market):
        if step.seq % 97 == 0:
            restored = ReadModel.from_record(saved(restored))
        assert running.apply(step) == restored.apply(step), f"seed {seed}, seq {step.seq}"
    assert encode(running.to_record()) == encode(restored.to_record()), f"seed {seed}"
    assert indexes(running) == indexes(restored), f"seed {seed}"


class Channels:
    """What a subscriber of every channel has been told."""

    def __init__(self) -> None:
        self.seqs: dict[tuple[str, str], int] = {}
        self.books: dict[str, dict[tuple[Side, int], int]] = {}

    def take(self, changes: Changes, model: ReadModel) -> None:
        for change in changes.books:
            self._follows("book", change.instrument_id, change.seq)
            book = self.books.setdefault(change.instrument_id, {})
            for side, price, quantity in change.levels:
                assert quantity != book.get((side, price), 0), "no news"
                book[side, price] = quantity
                if not quantity:
                    del book[side, price]
        for trade in changes.trades:
            self._follows("trades", trade.instrument_id, trade.channel_seq)
        for execution in changes.executions:
            self._follows("executions", execution.participant_id, execution.seq)
            assert execution.order.participant_id == execution.participant_id
            assert execution.seq <= model.execution_seq[execution.participant_id]

    def _follows(self, channel: str, name: str, seq: int) -> None:
        assert seq == self.seqs.get((channel, name), 0) + 1, f"{channel} of {name} has a gap"
        self.seqs[channel, name] = seq


def steps(random_market: RandomMarket) -> Iterator[Released]:
    for seq, (command, events) in enumerate(random_market.run(STEPS), 1):
        yield Released(seq, decode_envelope(command), decode_events(events))


def shown(model: ReadModel) -> dict[str, object]:
    """The state of the market as the model shows it."""
    instruments = {
        name: (
            view.phase,
            view.reference_price_ticks if model.is_day_open else 0,
            (view.lower_limit_ticks, view.upper_limit_ticks),
            (view.open_ticks, view.high_ticks, view.low_ticks, view.last_ticks),
            (view.volume_tonnes, view.turnover_fen, view.trade_count),
        )
        for name, view in model.instruments.items()
    }
    return {
        "time": (model.seq, model.timestamp_ns, model.trading_day),
        "days": model.days,
        "is_day_open": model.is_day_open,
        "rules": model.rule_version_id,
        "block": model.opening_block,
        "halts": model.halts,
        "instruments": instruments,
        "books": {name: book for name, book in depths(model).items() if book},
        "orders": {
            order.order_id: (order.price_ticks, order.leaves_quantity, order.version)
            for order in model.orders.values()
            if order.status in OPEN
        },
        "cash": {name: msgspec.structs.astuple(a.cash) for name, a in model.accounts.items()},
        "units": {
            (name, series_id): msgspec.structs.astuple(view)
            for name, account in model.accounts.items()
            for series_id, view in account.units.items()
            if any(msgspec.structs.astuple(view))
        },
        "acts": [a.act_id for a in model.acts.values() if a.status is ActStatus.PENDING_APPROVAL],
        "freezes": {f.freeze_id: (f.participant_id, f.quantity) for f in model.freezes.values()},
        "access": model.access,
        "keys": set(model.keys),
        "participants": set(model.participants),
    }


def held(market: Market) -> dict[str, object]:
    """The same, read off the engine."""
    is_day_open = market.scheduled_phase is not Phase.CLOSED
    books = {name: levels_of(market, name) for name in market.books}
    instruments = {
        name: (
            i.phase,
            i.reference_price_ticks if is_day_open else 0,  # after the close: the next day's
            (i.lower_limit_ticks, i.upper_limit_ticks),
            (i.today.open_ticks, i.today.high_ticks, i.today.low_ticks, i.today.last_ticks),
            (i.today.volume_tonnes, i.today.turnover_ticks * i.tick_fen, i.today.trade_count),
        )
        for name, i in market.instruments.items()
    }
    return {
        "time": (market.seq, market.clock_ns, market.day),
        "days": list(market.calendar.days),
        "is_day_open": is_day_open,
        "rules": market.rule_version_id,
        "block": market.opening_block,
        "halts": market.halts,
        "instruments": instruments,
        "books": {name: book for name, book in books.items() if book},
        "orders": {
            order.order_id: (order.price_ticks, order.leaves_quantity, order.version)
            for book in market.books.values()
            for order in book.orders.values()
        },
        "cash": {
            name: (a.cash.available_fen, a.cash.held_fen, a.cash.withdrawable_fen(market.day))
            for name, a in market.accounts.items()
        },
        "units": {
            (name, series_id): (p.available, p.held, p.frozen, p.sellable(market.day))
            for name, account in market.accounts.items()
            for series_id, p in account.positions.items()
            if p.total
        },
        "acts": sorted(market.acts),
        "freezes": {number: (f.participant_id, f.quantity) for number, f in market.freezes.items()},
        "access": market.access,
        "keys": set(market.keys),
        "participants": set(market.participants),
    }


def levels_of(market: Market, instrument_id: str) -> dict[tuple[Side, int], int]:
    book = market.books[instrument_id]
    return {(side, v.price_ticks): v.quantity for side in SIDES for v in book.levels(side)}


def depths(model: ReadModel) -> dict[str, dict[tuple[Side, int], int]]:
    return {
        name: {(side, price): n for side in SIDES for price, n in book.depth(side, 10**6)}
        for name, book in model.books.items()
    }


def saved(model: ReadModel) -> ReadRecord:
    """What a snapshot gives back."""
    return msgspec.json.decode(encode(model.to_record()), type=ReadRecord)


def indexes(model: ReadModel) -> tuple[object, ...]:
    orders = {name: list(ids) for name, ids in model.orders_of.items() if ids}
    tapes = ({k: v for k, v in index.items() if v} for index in (model.tape, model.trades_of))
    books = {name: book for name, book in depths(model).items() if book}
    return orders, model.order_of_client_id, *tapes, books


# --- what is kept, and for how long -------------------------------------------------------------


def test_an_id_is_known_for_as_long_as_the_engine_repeats_its_outcome() -> None:
    watched = Watched(open_market())
    order = watched.say("A buys 5@9000", "once")
    assert order is not None
    watched.driver.cancel("A", order.order_id)
    for _ in range(KEPT_DAYS):
        watched.days_pass(1)
        assert watched.model.order_of_client_id["A", "once"] == order.order_id
        assert watched.say("A buys 5@9000", "once") is None  # the engine repeats the outcome
    watched.days_pass(1)
    assert ("A", "once") not in watched.model.order_of_client_id
    assert order.order_id not in watched.model.orders
    again = watched.say("A buys 5@9000", "once")
    assert again is not None
    assert watched.model.order_of_client_id["A", "once"] == again.order_id
    assert ReadModel.from_record(saved(watched.model)).order_of_client_id == (
        watched.model.order_of_client_id
    )


def test_an_order_that_rested_for_long_is_remembered_from_the_day_it_ended() -> None:
    watched = Watched(open_market())
    order = watched.say("A buys 5@9000 GTC", "patient")
    assert order is not None
    watched.days_pass(KEPT_DAYS + 2)
    watched.driver.cancel("A", order.order_id)
    watched.days_pass(KEPT_DAYS)
    assert watched.model.orders[order.order_id].status is OrderStatus.CANCELED
    assert watched.say("A buys 5@9000 GTC", "patient") is None
    watched.days_pass(1)
    assert order.order_id not in watched.model.orders


def test_ids_are_kept_longer_if_the_rules_remember_them_longer() -> None:
    watched = Watched(open_market(idempotency_days=KEPT_DAYS + 2))
    assert watched.say("A buys 5@9000", "once") is not None
    watched.days_pass(KEPT_DAYS + 2)
    assert ("A", "once") in watched.model.order_of_client_id
    watched.days_pass(1)
    assert ("A", "once") not in watched.model.order_of_client_id


def test_an_id_that_was_used_again_leads_to_the_newer_order() -> None:
    watched = Watched(open_market(idempotency_days=1))
    old = watched.say("A buys 5@9000", "again")
    watched.days_pass(2)
    new = watched.say("A buys 5@9000 GTC", "again")
    assert old is not None
    assert new is not None
    watched.days_pass(KEPT_DAYS)
    assert old.order_id not in watched.model.orders
    assert watched.model.order_of_client_id["A", "again"] == new.order_id


def test_the_first_refusal_under_an_id_stays_its_outcome() -> None:
    watched = Watched(open_market())
    watched.say("A buys 5@20000", "refused")
    watched.say("A buys 6@20000", "refused")
    assert watched.model.rejected["A|refused"].event.reason == "PRICE_OUTSIDE_LIMITS"


def test_another_body_under_an_accepted_id_is_no_outcome_of_it() -> None:
    watched = Watched(open_market())
    watched.say("A buys 5@9000", "taken")
    watched.say("A buys 6@9000", "taken")
    assert "A|taken" not in watched.model.rejected


def test_days_that_the_calendar_took_back_are_forgotten() -> None:
    watched = Watched(open_market())
    later = tuple(trading_day(number) for number in range(3, 20))
    watched.driver.send("op-1", c.SetTradingDays(later))
    watched.catch_up()
    assert watched.model.days == [trading_day(0), *later]
    assert tuple(watched.model.days) == watched.driver.market.calendar.days


def test_what_is_over_is_forgotten_after_some_days() -> None:
    watched = Watched(closed_market(days=20))
    driver, model = watched.driver, watched.model
    for _ in range(15):
        driver.open_day()
        for _ in range(3):
            driver.say("A sells 2@10000")
            driver.say("B buys 1@10000")
        driver.say("A buys 5@20000")
        driver.act(c.CreditCash("A", 100, "bank"))
        driver.send("op-1", c.ProposeAct(c.CreditCash("A", 100, "bank"), "nobody approves"))
        driver.end_day()
        watched.catch_up()
        assert len(model.orders) <= 6 * (KEPT_DAYS + 1)
        assert len(model.trades) <= 3 * (KEPT_DAYS + 1)
        assert len(model.rejected) <= KEPT_DAYS + 1
    pending = {act.act_id for act in model.acts.values() if not act.decided_ns}
    assert pending == set(driver.market.acts)
    assert len(model.acts) <= 2 * (KEPT_DAYS + 1) + len(pending)
    assert sum(map(len, model.orders_of.values())) == len(model.orders)
    assert len(model.order_of_client_id) == len(model.orders)
    assert list(model.tape[INSTRUMENT]) == list(model.trades)
    assert sum(map(len, model.trades_of.values())) == 2 * len(model.trades)


# --- changes --------------------------------------------------------------------------------------


def test_a_step_tells_each_level_once_and_only_if_it_differs() -> None:
    watched = Watched(open_market("A sells 3@10000", "A sells 4@10010"))
    watched.say("B buys 3@10000")
    assert [change.levels for change in watched.changes.books] == [[(Side.SELL, 10_000, 0)]]
    watched.say("B buys 5@10010 GTC")
    (book,) = watched.changes.books
    assert sorted(book.levels) == [(Side.BUY, 10_010, 1), (Side.SELL, 10_010, 0)]


def test_an_execution_shows_the_order_as_it_was_then() -> None:
    watched = Watched(open_market("A sells 3@10000"))
    watched.say("B buys 2@10000")
    (first,) = [x for x in watched.changes.executions if x.participant_id == "A"]
    watched.say("B buys 1@10000")
    assert (first.order.status, first.order.cumulative_quantity) == ("PARTIALLY_FILLED", 2)
    (second,) = [x for x in watched.changes.executions if x.participant_id == "A"]
    assert (second.order.status, second.order.cumulative_quantity) == ("FILLED", 3)


def test_a_new_role_and_a_lost_one_end_open_streams() -> None:
    watched = Watched(open_market())
    watched.driver.send("op-1", c.RevokeAccess("trader-A"))
    watched.catch_up()
    assert watched.changes.access_lost == ["trader-A"]
    watched.driver.act(c.GrantAccess(c.AccessGrant("trader-A", Role.TRADER, "A")))
    watched.catch_up()
    assert watched.changes.access_lost == ["trader-A"]


def test_depth_shows_the_best_levels_first() -> None:
    watched = Watched(open_market("A buys 1@9990", "A buys 2@9999", "B sells 3@10005"))
    book = watched.model.books[INSTRUMENT]
    assert book.depth(Side.BUY, 1) == [(9_999, 2)]
    assert book.depth(Side.BUY, 5) == [(9_999, 2), (9_990, 1)]
    assert book.depth(Side.SELL, 5) == [(10_005, 3)]
    assert TimeInForce.DAY is watched.model.orders[1].time_in_force
