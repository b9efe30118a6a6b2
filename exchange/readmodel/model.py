"""Applies released steps to the read model and says what changed on each channel.

Final orders, refusals, trades and decided acts stay in memory for KEPT_DAYS trading days, or for as
long as the rules remember client ids if that is longer: what the engine still answers a repeated
request with can be read here.  Older ones are in the journal.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from engine import events as e
from engine.codes import OrderStatus, Side
from engine.released import Released
from exchange.readmodel import records
from exchange.readmodel.book import LevelBook
from exchange.readmodel.views import (
    CashView,
    InstrumentView,
    OrderView,
    ReadRecord,
    RejectedView,
    TradeView,
    UnitsView,
)

KEPT_DAYS = 5


class BookChange(msgspec.Struct, frozen=True):
    """Levels of an instrument's book that a step changed; quantity 0 removes a level."""

    instrument_id: str
    seq: int
    levels: list[tuple[Side, int, int]]


class Execution(msgspec.Struct, frozen=True):
    """A change of one participant's order, as its private channel tells it."""

    participant_id: str
    seq: int
    order: OrderView
    trade: TradeView | None


class Changes(msgspec.Struct):
    """What one released step changed, per channel."""

    books: list[BookChange] = []
    trades: list[TradeView] = []
    executions: list[Execution] = []
    access_lost: list[str] = []


class ReadModel(ReadRecord):
    """The record with its indexes; one instance a process."""

    books: dict[str, LevelBook] = msgspec.field(default_factory=dict)
    orders_of: dict[str, dict[int, None]] = msgspec.field(default_factory=dict)
    order_of_client_id: dict[tuple[str, str], int] = msgspec.field(default_factory=dict)
    trades_of: dict[str, deque[int]] = msgspec.field(default_factory=dict)
    tape: dict[str, deque[int]] = msgspec.field(default_factory=dict)
    touched: dict[str, None] = msgspec.field(default_factory=dict)

    def apply(self, step: Released) -> Changes:
        """Take one step in; returns what changed."""
        changes = Changes()
        self.seq = step.seq
        self.timestamp_ns = step.envelope.timestamp_ns
        for event in step.events:
            handler = _ORDER_HANDLERS.get(type(event))
            if handler is not None:
                handler(self, event, changes)
            else:
                records.apply(self, event, step, changes.access_lost)
            if type(event) is e.DayStarted:
                self._forget_old()
        for instrument_id in self.touched:
            levels = self.books[instrument_id].take_changes()
            if levels:
                view = self.instruments[instrument_id]
                view.book_seq += 1
                changes.books.append(BookChange(instrument_id, view.book_seq, levels))
        self.touched.clear()
        return changes

    def to_record(self) -> ReadRecord:
        """The saved form; shares its parts with the running model."""
        return ReadRecord(**{f: getattr(self, f) for f in ReadRecord.__struct_fields__})

    @classmethod
    def from_record(cls, record: ReadRecord) -> "ReadModel":
        """A model that goes on from a saved record."""
        model = cls(**{f: getattr(record, f) for f in ReadRecord.__struct_fields__})
        for order_id in sorted(model.orders):
            model._index_order(model.orders[order_id])
        for trade_id in sorted(model.trades):
            model._index_trade(model.trades[trade_id])
        for instrument_id in model.touched:
            model.books[instrument_id].take_changes()
        model.touched.clear()
        return model

    # --- orders and trades --------------------------------------------------------------------

    def _order_accepted(self, event: e.OrderAccepted, changes: Changes) -> None:
        order = OrderView(
            event.order_id,
            event.participant_id,
            event.client_order_id,
            event.instrument_id,
            event.side,
            event.price_ticks,
            event.quantity,
            event.time_in_force,
            OrderStatus.NEW,
            self.trading_day,
            self.timestamp_ns,
            self.timestamp_ns,
        )
        self.orders[event.order_id] = order
        self._index_order(order)
        self._report(order, None, changes)

    def _order_rejected(self, event: e.OrderRejected, _changes: Changes) -> None:
        if event.reason == "IDEMPOTENCY_BODY_MISMATCH":
            return  # the id has another outcome
        key = f"{event.participant_id}|{event.client_order_id}"
        self.rejected[key] = RejectedView(event, self.trading_day, self.timestamp_ns)

    def _order_amended(self, event: e.OrderAmended, changes: Changes) -> None:
        order = self.orders[event.order_id]
        self._change_book(order, -order.leaves_quantity)
        order.price_ticks, order.quantity = event.price_ticks, event.quantity
        order.version = event.version
        self._change_book(order, order.leaves_quantity)
        self._report(order, None, changes)

    def _order_canceled(self, event: e.OrderCanceled, changes: Changes) -> None:
        order = self.orders[event.order_id]
        order.reason = event.reason
        self._finish(order, OrderStatus.CANCELED, changes)

    def _order_expired(self, event: e.OrderExpired, changes: Changes) -> None:
        self._finish(self.orders[event.order_id], OrderStatus.EXPIRED, changes)

    def _finish(self, order: OrderView, status: OrderStatus, changes: Changes) -> None:
        self._change_book(order, -order.leaves_quantity)
        order.status = status
        self._report(order, None, changes)

    def _trade_executed(self, event: e.TradeExecuted, changes: Changes) -> None:
        view = self.instruments[event.instrument_id]
        _count_trade(view, event)
        trade = TradeView(
            event.trade_id,
            event.trade_type,
            event.trading_day,
            self.timestamp_ns,
            event.instrument_id,
            event.series_id,
            event.price_ticks,
            event.quantity,
            event.value_fen,
            event.aggressor,
            event.buy_order_id,
            event.sell_order_id,
            event.buyer_id,
            event.seller_id,
            event.buyer_fee_fen,
            event.seller_fee_fen,
            view.trade_seq,
        )
        self.trades[event.trade_id] = trade
        self._index_trade(trade)
        changes.trades.append(trade)
        for order_id, fee in (
            (event.buy_order_id, event.buyer_fee_fen),
            (event.sell_order_id, event.seller_fee_fen),
        ):
            order = self.orders[order_id]
            self._change_book(order, -event.quantity)
            order.cumulative_quantity += event.quantity
            order.cumulative_value_fen += event.value_fen
            order.fee_fen += fee
            is_filled = order.cumulative_quantity == order.quantity
            order.status = OrderStatus.FILLED if is_filled else OrderStatus.PARTIALLY_FILLED
            self._report(order, trade, changes)

    def _change_book(self, order: OrderView, by: int) -> None:
        """Add to, or take from, the level of an order's book."""
        self.books[order.instrument_id].change(order.side, order.price_ticks, by)
        self.touched[order.instrument_id] = None

    def _report(self, order: OrderView, trade: TradeView | None, changes: Changes) -> None:
        """One frame of the participant's executions channel, with the order as it is now."""
        order.updated_ns = self.timestamp_ns
        name = order.participant_id
        seq = self.execution_seq[name] = self.execution_seq.get(name, 0) + 1
        changes.executions.append(Execution(name, seq, msgspec.structs.replace(order), trade))

    # --- accounts -----------------------------------------------------------------------------

    def _cash_changed(self, event: e.CashChanged, _changes: Changes) -> None:
        self.accounts[event.participant_id].cash = CashView(
            event.available_fen, event.held_fen, event.withdrawable_fen
        )

    def _units_changed(self, event: e.UnitsChanged, _changes: Changes) -> None:
        self.accounts[event.participant_id].units[event.series_id] = UnitsView(
            event.available, event.held, event.frozen, event.sellable
        )

    # --- indexes ------------------------------------------------------------------------------

    def _index_order(self, order: OrderView) -> None:
        self.orders_of.setdefault(order.participant_id, {})[order.order_id] = None
        self.order_of_client_id[order.participant_id, order.client_order_id] = order.order_id
        self.books.setdefault(order.instrument_id, LevelBook())
        self._change_book(order, order.leaves_quantity)

    def _index_trade(self, trade: TradeView) -> None:
        self.tape.setdefault(trade.instrument_id, deque()).append(trade.trade_id)
        for name in dict.fromkeys((trade.buyer_id, trade.seller_id)):
            self.trades_of.setdefault(name, deque()).append(trade.trade_id)

    def _forget_old(self) -> None:
        """Drop what was over before the oldest trading day that is kept."""
        past = [day for day in self.days if day.day <= self.trading_day]
        kept_days = self._kept_days()
        if len(past) <= kept_days:
            return
        oldest = past[-1 - kept_days]
        for order in list(self.orders.values()):
            if order.leaves_quantity == 0 and order.updated_ns < oldest.starts_ns:
                self._forget_order(order)
        for act in list(self.acts.values()):
            if act.decided_ns and act.decided_ns < oldest.starts_ns:
                del self.acts[act.act_id]
        for key in [k for k, view in self.rejected.items() if view.trading_day < oldest.day]:
            del self.rejected[key]
        old = {t.trade_id: None for t in self.trades.values() if t.trading_day < oldest.day}
        for trade_id in old:
            del self.trades[trade_id]
        for index in (*self.tape.values(), *self.trades_of.values()):
            while index and index[0] in old:
                index.popleft()

    def _forget_order(self, order: OrderView) -> None:
        del self.orders[order.order_id]
        del self.orders_of[order.participant_id][order.order_id]
        key = (order.participant_id, order.client_order_id)
        if self.order_of_client_id.get(key) == order.order_id:
            del self.order_of_client_id[key]

    def _kept_days(self) -> int:
        remembered = (
            version.rules.idempotency_days
            for version in self.rule_versions
            if version.rule_version_id == self.rule_version_id
        )
        return max((KEPT_DAYS, *remembered))


def _count_trade(view: InstrumentView, event: e.TradeExecuted) -> None:
    price = event.price_ticks
    if view.trade_count == 0:
        view.open_ticks = view.high_ticks = view.low_ticks = price
    view.high_ticks = max(view.high_ticks, price)
    view.low_ticks = min(view.low_ticks, price)
    view.last_ticks = price
    view.volume_tonnes += event.quantity
    view.turnover_fen += event.value_fen
    view.trade_count += 1
    view.trade_seq += 1


_ORDER_HANDLERS: dict[type, Callable[[ReadModel, Any, Changes], None]] = {
    e.OrderAccepted: ReadModel._order_accepted,  # noqa: SLF001 - the class's own table
    e.OrderRejected: ReadModel._order_rejected,  # noqa: SLF001
    e.OrderAmended: ReadModel._order_amended,  # noqa: SLF001
    e.OrderCanceled: ReadModel._order_canceled,  # noqa: SLF001
    e.OrderExpired: ReadModel._order_expired,  # noqa: SLF001
    e.TradeExecuted: ReadModel._trade_executed,  # noqa: SLF001
    e.CashChanged: ReadModel._cash_changed,  # noqa: SLF001
    e.UnitsChanged: ReadModel._units_changed,  # noqa: SLF001
}
