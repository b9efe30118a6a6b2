"""Executions of an incoming order against the book, and what each does to both accounts.

Conventions: the resting order's price; one execution per resting order; price, then time.
Orders of one controlling owner never trade with each other: the incoming one's rest is cancelled
(self-trade prevention, EXPIRE_TAKER).
"""

from engine.codes import Side, TradeType
from engine.events import TradeExecuted
from engine.faults import require
from engine.market import Instrument, Market
from engine.order import Order
from engine.step import Step


def match(step: Step, instrument: Instrument, order: Order) -> bool:
    """Trade an incoming order as far as it crosses; True if self-trade prevention ended it."""
    book = step.market.books[instrument.instrument_id]
    while order.leaves_quantity:
        resting = book.first_match(order.side, order.price_ticks)
        if resting is None:
            return False
        if resting.group_id == order.group_id:
            return True
        quantity = min(order.leaves_quantity, resting.leaves_quantity)
        book.reduce(resting, quantity)
        _execute(step, instrument, order, resting, quantity)
        if resting.leaves_quantity == 0:
            book.remove(resting)
            step.market.forget_open(resting)
    return False


def _execute(
    step: Step, instrument: Instrument, order: Order, resting: Order, quantity: int
) -> None:
    market = step.market
    price = resting.price_ticks
    value = quantity * price * instrument.tick_fen
    buy, sell = (order, resting) if order.side is Side.BUY else (resting, order)
    buyer_fee = buy.record_fill(quantity, value)
    seller_fee = sell.record_fill(quantity, value)
    _pay(market, instrument, buy, quantity, value + buyer_fee)
    _deliver(market, instrument, sell, quantity, value - seller_fee)
    market.fees_fen += buyer_fee + seller_fee
    market.last_trade_id += 1
    _count_in_day(instrument, price, quantity)
    step.emit(
        TradeExecuted(
            market.last_trade_id,
            TradeType.CONTINUOUS,
            market.day,
            instrument.instrument_id,
            instrument.series_id,
            price,
            quantity,
            value,
            order.side,
            buy.order_id,
            sell.order_id,
            buy.participant_id,
            sell.participant_id,
            buyer_fee,
            seller_fee,
        )
    )
    for side in (buy, sell):
        step.touch_cash(side.participant_id)
        step.touch_units(side.participant_id, instrument.series_id)


def _pay(market: Market, instrument: Instrument, buy: Order, quantity: int, cost: int) -> None:
    """The buyer pays out of the hold, gets back what a better price saved, receives the units."""
    account = market.accounts[buy.participant_id]
    still_needed = buy.needed_fen(buy.price_ticks, buy.leaves_quantity)
    saved = buy.held_fen - cost - still_needed
    require(saved >= 0, "a buy order's hold covers every cutting into fills")
    account.cash.held_fen -= cost + saved
    account.cash.available_fen += saved
    buy.held_fen = still_needed
    account.count_open_buy(instrument.product, -quantity)
    account.receive(instrument.series_id, quantity, market.resale_day)


def _deliver(market: Market, instrument: Instrument, sell: Order, quantity: int, net: int) -> None:
    """The seller delivers the held units and receives the price less the fee."""
    account = market.accounts[sell.participant_id]
    position = account.position(instrument.series_id)
    position.held -= quantity
    position.take(quantity)
    account.cash.add_proceeds(net, market.withdrawal_day)


def _count_in_day(instrument: Instrument, price_ticks: int, quantity: int) -> None:
    today = instrument.today
    if today.trade_count == 0:
        today.open_ticks = today.high_ticks = today.low_ticks = price_ticks
    today.high_ticks = max(today.high_ticks, price_ticks)
    today.low_ticks = min(today.low_ticks, price_ticks)
    today.last_ticks = price_ticks
    today.volume_tonnes += quantity
    today.turnover_ticks += price_ticks * quantity
    today.trade_count += 1
