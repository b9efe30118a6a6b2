"""Recorded executions rebuilt as incoming orders, and the engine's trades checked against them.

The recording names the resting orders that were executed, not the incoming order.  A run of
executions at one instant on one side is one incoming order of their total size, limited at the
worst of their prices, so that it trades completely.  The engine then chooses price and resting
orders by its own rules; each recorded execution is checked against the trades it should have
given: same price (the engine's best), same order (the engine's oldest), same size.
"""

from collections import deque
from typing import NamedTuple

from engine.codes import Side
from engine.events import TradeExecuted
from exchange.replay.lobster import Message
from exchange.replay.queues import Queues
from exchange.replay.report import Contradiction, ExecutionCounts, Kind
from exchange.replay.scale import PriceScale
from exchange.replay.venue import Venue


class Portion(NamedTuple):
    """Part of an engine trade that belongs to one recorded execution."""

    ticks: int
    quantity: int
    maker: int


class Checked(NamedTuple):
    """What the engine traded for one recorded execution, and what is wrong with it."""

    message: Message
    portions: list[Portion]
    contradictions: list[Contradiction]


class Taker:
    """The incoming side of the recorded market."""

    def __init__(
        self, venue: Venue, queues: Queues, scale: PriceScale, counts: ExecutionCounts
    ) -> None:
        self.trades = 0
        self._venue = venue
        self._queues = queues
        self._scale = scale
        self._counts = counts

    def execute(self, messages: list[Message]) -> list[Checked]:
        """Trade one run of executions on one side and check each."""
        ticks = [self._scale.ticks_of[message.price] for message in messages]
        self._queues.reveal(messages[0], ticks[0])
        makers = [self._queues.engine_id(message.order_id) for message in messages]
        resting = messages[0].side
        taking, limit = (Side.BUY, max(ticks)) if resting is Side.SELL else (Side.SELL, min(ticks))
        total = sum(message.size for message in messages)
        trades = self._venue.take(taking, limit, total)
        self.trades += len(trades)
        portions = deque(
            Portion(trade.price_ticks, trade.quantity, _maker(trade)) for trade in trades
        )
        checked = [
            self._check(message, tick, maker, _draw(portions, message.size))
            for message, tick, maker in zip(messages, ticks, makers, strict=True)
        ]
        self._settle(checked, ticks, trades)
        return checked

    def _check(
        self, message: Message, ticks: int, maker: int | None, portions: list[Portion]
    ) -> Checked:
        self._counts.recorded += 1
        found: list[Contradiction] = []
        traded = sum(portion.quantity for portion in portions)
        elsewhere = next((p for p in portions if p.ticks != ticks), None)
        if elsewhere is not None:
            price = self._scale.price_of[elsewhere.ticks]
            why = "an execution takes the best price"
            found.append(Contradiction(Kind.PRICE, str(message.price), str(price), why))
        if traded < message.size:
            why = "no more rests at this price or better"
            found.append(Contradiction(Kind.QUANTITY, str(message.size), str(traded), why))
        if not found:
            self._counts.at_best_price += 1
            found += self._check_maker(message, maker, portions)
        before = len(self._queues.contradictions)
        self._queues.count_execution(message, ticks, maker)
        found += self._queues.contradictions[before:]
        del self._queues.contradictions[before:]
        if not found:
            if maker is None:
                self._counts.by_adopted_oldest += 1
            else:
                self._counts.by_known_oldest += 1
        return Checked(message, portions, found)

    def _check_maker(
        self, message: Message, maker: int | None, portions: list[Portion]
    ) -> list[Contradiction]:
        """The executed order is the one that the engine found oldest."""
        for portion in portions:
            recorded_id = self._queues.recorded_id(portion.maker)
            is_same = recorded_id is None if maker is None else portion.maker == maker
            if not is_same:
                other = "an adopted order" if recorded_id is None else f"order {recorded_id}"
                why = "an execution takes the oldest order of its level"
                recorded = f"order {message.order_id}" + (" (adopted)" if maker is None else "")
                return [Contradiction(Kind.PRIORITY, recorded, other, why)]
        return []

    def _settle(
        self, checked: list[Checked], ticks: list[int], trades: list[TradeExecuted]
    ) -> None:
        """Forget what was filled; levels where the recording went another way become doubtful."""
        resting = checked[0].message.side
        makers: dict[int, list[int]] = {}
        for trade in trades:
            makers.setdefault(trade.price_ticks, []).append(_maker(trade))
        for price_ticks, order_ids in makers.items():
            self._queues.forget_filled((resting, price_ticks), order_ids)
        for one, tick in zip(checked, ticks, strict=True):
            if one.contradictions:
                for price_ticks in {tick: None} | {p.ticks: None for p in one.portions}:
                    self._queues.forget_names((resting, price_ticks))


def _maker(trade: TradeExecuted) -> int:
    return trade.sell_order_id if trade.aggressor is Side.BUY else trade.buy_order_id


def _draw(portions: deque[Portion], quantity: int) -> list[Portion]:
    """Take the next `quantity` of the traded portions, or what is left of them."""
    drawn = []
    while quantity and portions:
        portion = portions.popleft()
        taken = min(quantity, portion.quantity)
        if taken < portion.quantity:
            portions.appendleft(portion._replace(quantity=portion.quantity - taken))
        drawn.append(portion._replace(quantity=taken))
        quantity -= taken
    return drawn
