"""What the events alone tell about the market, kept in the slowest and plainest way.

The mirror reads nothing but events.  It is written from the rulebook, not from the engine: a book
is a list that is searched, an account is what its last event says.  `apply` checks each event
against the rules, `compare` the whole picture against the engine's state.
"""

from functools import singledispatchmethod

import msgspec

from engine import events as e
from engine.codes import Side
from engine.market import Market
from engine.rules import half_up


class MirrorOrder(msgspec.Struct):
    """An open order as its events describe it; `rank` is its time priority."""

    order_id: int
    participant_id: str
    instrument_id: str
    side: Side
    price_ticks: int
    leaves: int
    fee_ppm: int
    rank: int
    value_fen: int = 0
    fees_fen: int = 0


class Mirror:
    """The market as its events describe it."""

    def __init__(self) -> None:
        self.orders: dict[int, MirrorOrder] = {}
        self.cash: dict[str, e.CashChanged] = {}
        self.units: dict[tuple[str, str], e.UnitsChanged] = {}
        self.phases: dict[str, str] = {}
        self.halts: set[str] = set()
        self.groups: dict[str, str] = {}
        self.acts: dict[int, int] = {}
        self.proposers: dict[int, str] = {}
        self.deposits: set[int] = set()
        self.freezes: dict[int, int] = {}
        self.limits: dict[str, tuple[int, int]] = {}
        self.money_fen = 0
        self.tonnes: dict[tuple[str, str], int] = {}
        self.bought_today: dict[tuple[str, str], int] = {}
        self.resale_interval_days = 1
        self._rank = 0
        self._final: set[int] = set()

    def apply(self, events: tuple[e.AnyEvent, ...]) -> None:
        """Follow one command's events."""
        for event in events:
            self._follow(event)
        for instrument_id in self.limits:
            self._check_not_crossed(instrument_id)

    def compare(self, market: Market) -> None:
        """The engine's state is what the events have told, and nothing else."""
        resting = {o.order_id: o for book in market.books.values() for o in book.orders.values()}
        assert resting.keys() == self.orders.keys()
        for order_id, order in self.orders.items():
            other = resting[order_id]
            assert (order.price_ticks, order.leaves) == (other.price_ticks, other.leaves_quantity)
        for book in market.books.values():
            for level in [*book.levels(Side.BUY), *book.levels(Side.SELL)]:
                ranks = [self.orders[order_id].rank for order_id in level.orders]
                assert ranks == sorted(ranks)
        self._compare_accounts(market)
        phases = {name: str(each.phase) for name, each in market.instruments.items()}
        assert phases == {name: self.phases.get(name, "CLOSED") for name in phases}
        assert self.halts == market.halts.keys()
        assert self.acts == {act_id: act.expires_ns for act_id, act in market.acts.items()}
        assert self.deposits == market.deposits.keys()
        assert self.freezes == {key: each.quantity for key, each in market.freezes.items()}
        limits = {
            name: (each.lower_limit_ticks, each.upper_limit_ticks)
            for name, each in market.instruments.items()
        }
        assert self.limits == limits

    def _compare_accounts(self, market: Market) -> None:
        total = market.fees_fen
        for name, account in market.accounts.items():
            cash = account.cash
            told = self.cash.get(name, e.CashChanged(name, 0, 0, 0))
            withdrawable = cash.withdrawable_fen(market.day)
            assert told == e.CashChanged(name, cash.available_fen, cash.held_fen, withdrawable)
            total += cash.total_fen
            for series, position in account.positions.items():
                key = (name, series)
                sellable = position.sellable(market.day)
                held = e.UnitsChanged(
                    name, series, position.available, position.held, position.frozen, sellable
                )
                assert held == self.units.get(key, e.UnitsChanged(name, series, 0, 0, 0, 0))
                assert position.total == self.tonnes.get(key, 0)
        assert total == self.money_fen

    @singledispatchmethod
    def _follow(self, event: e.AnyEvent) -> None:
        """Events that change nothing in the picture."""

    # --- orders and trades --------------------------------------------------------------------

    @_follow.register
    def _(self, event: e.OrderAccepted) -> None:
        assert event.order_id not in self._final
        lower, upper = self.limits[event.instrument_id]
        assert lower <= event.price_ticks <= upper
        assert self.phases[event.instrument_id] == "CONTINUOUS"
        self._rank += 1
        self.orders[event.order_id] = MirrorOrder(
            event.order_id, event.participant_id, event.instrument_id, event.side,
            event.price_ticks, event.quantity, event.fee_ppm, self._rank,
        )  # fmt: skip

    @_follow.register
    def _(self, event: e.OrderAmended) -> None:
        order = self.orders[event.order_id]
        is_less = event.price_ticks == order.price_ticks and event.leaves_quantity < order.leaves
        assert event.priority_kept == is_less
        order.price_ticks, order.leaves = event.price_ticks, event.leaves_quantity
        if not event.priority_kept:
            self._rank += 1
            order.rank = self._rank

    @_follow.register
    def _(self, event: e.OrderCanceled | e.OrderExpired) -> None:
        self._end(event.order_id, event.leaves_quantity)

    @_follow.register
    def _(self, event: e.TradeExecuted) -> None:
        buy, sell = self.orders[event.buy_order_id], self.orders[event.sell_order_id]
        incoming, resting = (buy, sell) if event.aggressor is Side.BUY else (sell, buy)
        assert resting is self._best_for(incoming), "price, then time"
        assert event.price_ticks == resting.price_ticks
        assert self.groups[event.buyer_id] != self.groups[event.seller_id]
        assert event.quantity == min(buy.leaves, sell.leaves)
        assert event.value_fen == event.quantity * event.price_ticks
        self._fill(buy, event.quantity, event.value_fen, event.buyer_fee_fen)
        self._fill(sell, event.quantity, event.value_fen, event.seller_fee_fen)
        self._move(event.buyer_id, event.series_id, event.quantity)
        self._move(event.seller_id, event.series_id, -event.quantity)
        bought = (event.buyer_id, event.series_id)
        self.bought_today[bought] = self.bought_today.get(bought, 0) + event.quantity
        self._check_resale(event.seller_id, event.series_id)

    def _fill(self, order: MirrorOrder, quantity: int, value_fen: int, fee_fen: int) -> None:
        order.leaves -= quantity
        order.value_fen += value_fen
        order.fees_fen += fee_fen
        assert order.fees_fen == half_up(order.value_fen * order.fee_ppm, 1_000_000)
        if order.leaves == 0:
            self._end(order.order_id, 0)

    def _best_for(self, incoming: MirrorOrder) -> MirrorOrder:
        sign = 1 if incoming.side is Side.BUY else -1
        others = [
            order
            for order in self.orders.values()
            if order.instrument_id == incoming.instrument_id
            and order.side is not incoming.side
            and sign * order.price_ticks <= sign * incoming.price_ticks
        ]
        return min(others, key=lambda order: (sign * order.price_ticks, order.rank))

    def _end(self, order_id: int, leaves: int) -> None:
        order = self.orders.pop(order_id)
        assert order.leaves == leaves
        self._final.add(order_id)

    def _check_not_crossed(self, instrument_id: str) -> None:
        prices: dict[Side, list[int]] = {Side.BUY: [], Side.SELL: []}
        for order in self.orders.values():
            if order.instrument_id == instrument_id:
                prices[order.side].append(order.price_ticks)
        assert max(prices[Side.BUY], default=0) < min(prices[Side.SELL], default=10**9)

    # --- accounts ----------------------------------------------------------------------------

    def _move(self, participant_id: str, series_id: str, quantity: int) -> None:
        key = (participant_id, series_id)
        self.tonnes[key] = self.tonnes.get(key, 0) + quantity

    def _check_resale(self, participant_id: str, series_id: str) -> None:
        if self.resale_interval_days:
            key = (participant_id, series_id)
            assert self.tonnes[key] >= self.bought_today.get(key, 0), "bought today, sold today"

    @_follow.register
    def _(self, event: e.CashCredited) -> None:
        self.money_fen += event.cash_fen

    @_follow.register
    def _(self, event: e.CashWithdrawn) -> None:
        self.money_fen -= event.cash_fen

    @_follow.register
    def _(self, event: e.UnitDepositRequested) -> None:
        self.deposits.add(event.deposit_id)

    @_follow.register
    def _(self, event: e.UnitDepositRefused) -> None:
        self.deposits.remove(event.deposit_id)

    @_follow.register
    def _(self, event: e.UnitsDeposited) -> None:
        self.deposits.remove(event.deposit_id)
        self._move(event.participant_id, event.series_id, event.quantity)

    @_follow.register
    def _(self, event: e.UnitsWithdrawn) -> None:
        self._move(event.participant_id, event.series_id, -event.quantity)
        self._check_resale(event.participant_id, event.series_id)

    @_follow.register
    def _(self, event: e.UnitsFrozen) -> None:
        self.freezes[event.freeze_id] = event.quantity

    @_follow.register
    def _(self, event: e.UnitsReleased) -> None:
        assert self.freezes.pop(event.freeze_id) == event.quantity

    @_follow.register
    def _(self, event: e.CashChanged) -> None:
        self.cash[event.participant_id] = event

    @_follow.register
    def _(self, event: e.UnitsChanged) -> None:
        self.units[event.participant_id, event.series_id] = event

    # --- the run of the market ---------------------------------------------------------------

    @_follow.register
    def _(self, _event: e.DayStarted) -> None:
        self.bought_today.clear()

    @_follow.register
    def _(self, event: e.PhaseChanged) -> None:
        assert self.phases.get(event.instrument_id) != str(event.phase)
        self.phases[event.instrument_id] = str(event.phase)

    @_follow.register
    def _(self, event: e.ReferencePriceSet) -> None:
        self.limits[event.instrument_id] = (event.lower_limit_ticks, event.upper_limit_ticks)

    @_follow.register
    def _(self, event: e.TradingHalted) -> None:
        self.halts.add(event.instrument_id)

    @_follow.register
    def _(self, event: e.TradingResumed) -> None:
        self.halts.remove(event.instrument_id)

    @_follow.register
    def _(self, event: e.ParticipantAdmitted) -> None:
        self.groups[event.participant_id] = event.group_id

    @_follow.register
    def _(self, event: e.ActProposed) -> None:
        self.acts[event.act_id] = event.expires_ns
        self.proposers[event.act_id] = event.proposer

    @_follow.register
    def _(self, event: e.ActExtended) -> None:
        self.acts[event.act_id] = event.expires_ns

    @_follow.register
    def _(self, event: e.ActApproved) -> None:
        assert event.approver != self.proposers[event.act_id], "two people"
        del self.acts[event.act_id]

    @_follow.register
    def _(self, event: e.ActFailed | e.ActRejected | e.ActExpired) -> None:
        del self.acts[event.act_id]
