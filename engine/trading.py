"""Continuous public bidding (公开竞价, Art 19): entering, amending and cancelling limit orders.

An order is checked whole before anything changes, is fully funded while it is open (Order 775
Art 6: spot only), trades at the resting order's price in price-time order, and what is left rests.

Does not: decide phases (engine/phases.py), know other ways to trade.
"""

from engine.codes import CancelReason, ParticipantClass, Phase, Side
from engine.commands import AmendOrder, CancelOrder, EnterOrder
from engine.events import OrderAccepted, OrderAmended, OrderCanceled
from engine.faults import Refused, require
from engine.market import Instrument, Market, Participant
from engine.matching import match
from engine.order import Order
from engine.step import Step, need_id


def enter_order(step: Step, command: EnterOrder) -> None:
    """Accept, match and rest an order, or refuse it whole."""
    market = step.market
    participant = _own_participant(step, command.participant_id)
    need_id("client_order_id", command.client_order_id)
    instrument = _open_instrument(market, command.instrument_id)
    _check_terms(market, instrument, command.price_ticks, command.quantity)
    order = Order(
        order_id=market.last_order_id + 1,
        participant_id=participant.participant_id,
        group_id=participant.group_id,
        client_order_id=command.client_order_id,
        instrument_id=command.instrument_id,
        side=command.side,
        price_ticks=command.price_ticks,
        quantity=command.quantity,
        time_in_force=command.time_in_force,
        fee_ppm=market.rules_now().public_fee_ppm,
        tick_fen=instrument.tick_fen,
    )
    _check_cover(market, instrument, order, command.price_ticks, command.quantity, 0)
    market.last_order_id = order.order_id
    step.emit(
        OrderAccepted(
            order.order_id,
            order.participant_id,
            order.client_order_id,
            order.instrument_id,
            order.side,
            order.price_ticks,
            order.quantity,
            order.time_in_force,
            order.fee_ppm,
        )
    )
    _hold(step, instrument, order)
    _trade_and_rest(step, instrument, order)


def amend_order(step: Step, command: AmendOrder) -> None:
    """Change price or total quantity; only a lower quantity at the same price keeps priority."""
    market = step.market
    order = _own_open_order(step, command.participant_id, command.order_id)
    _need_no_insider(step)
    instrument = _open_instrument(market, order.instrument_id)
    price = order.price_ticks if command.price_ticks is None else command.price_ticks
    quantity = order.quantity if command.quantity is None else command.quantity
    if (price, quantity) == (order.price_ticks, order.quantity):
        raise Refused("AMEND_WITHOUT_CHANGE", "quantity")
    leaves = quantity - order.cumulative_quantity
    if quantity >= 1 and leaves <= 0:
        close_order(step, order, CancelReason.AMENDED_TO_FILLED)
        return
    _check_terms(market, instrument, price, quantity)
    keeps = price == order.price_ticks and quantity < order.quantity
    _check_cover(market, instrument, order, price, leaves, order.leaves_quantity)
    book = market.books[order.instrument_id]
    release_hold(step, instrument, order)
    if keeps:
        book.reduce(order, order.quantity - quantity)
    else:
        book.remove(order)
    order.price_ticks, order.quantity = price, quantity
    order.version += 1
    step.emit(
        OrderAmended(
            order.order_id,
            order.price_ticks,
            order.quantity,
            leaves,
            order.version,
            keeps,
        )
    )
    _hold(step, instrument, order)
    if not keeps:
        _trade_and_rest(step, instrument, order)


def cancel_order(step: Step, command: CancelOrder) -> None:
    """Take the rest of an order out of the market; possible in every phase."""
    order = _own_open_order(step, command.participant_id, command.order_id)
    close_order(step, order, CancelReason.REQUESTED)


def close_order(step: Step, order: Order, reason: CancelReason) -> None:
    """Cancel a resting order for a reason of the closed list."""
    retire(step, order)
    step.emit(OrderCanceled(order.order_id, order.leaves_quantity, reason))


def retire(step: Step, order: Order) -> None:
    """Take a resting order out of its book and give back what it held."""
    market = step.market
    market.books[order.instrument_id].remove(order)
    release_hold(step, market.instruments[order.instrument_id], order)
    market.forget_open(order)


def release_hold(step: Step, instrument: Instrument, order: Order) -> None:
    """Give back everything an open order holds."""
    account = step.market.accounts[order.participant_id]
    if order.side is Side.BUY:
        account.cash.hold(-order.held_fen)
        order.held_fen = 0
        account.count_open_buy(instrument.product, -order.leaves_quantity)
        step.touch_cash(order.participant_id)
    else:
        account.position(instrument.series_id).held -= order.leaves_quantity
        step.touch_units(order.participant_id, instrument.series_id)


def _hold(step: Step, instrument: Instrument, order: Order) -> None:
    account = step.market.accounts[order.participant_id]
    if order.side is Side.BUY:
        order.held_fen = order.needed_fen(order.price_ticks, order.leaves_quantity)
        account.cash.hold(order.held_fen)
        account.count_open_buy(instrument.product, order.leaves_quantity)
        step.touch_cash(order.participant_id)
    else:
        account.position(instrument.series_id).held += order.leaves_quantity
        step.touch_units(order.participant_id, instrument.series_id)


def _trade_and_rest(step: Step, instrument: Instrument, order: Order) -> None:
    market = step.market
    is_prevented = match(step, instrument, order)
    if order.leaves_quantity == 0:
        market.forget_open(order)
    elif is_prevented:
        release_hold(step, instrument, order)
        market.forget_open(order)
        reason = CancelReason.SELF_TRADE_PREVENTED
        step.emit(OrderCanceled(order.order_id, order.leaves_quantity, reason))
    else:
        market.books[order.instrument_id].add(order)


def _own_participant(step: Step, participant_id: str) -> Participant:
    """The participant the actor trades for; another's looks like an unknown one."""
    market = step.market
    if step.grant().participant_id != participant_id:
        raise Refused("PARTICIPANT_UNKNOWN", "participant_id", participant=participant_id)
    _need_no_insider(step)
    return market.participant(participant_id)


def _need_no_insider(step: Step) -> None:
    body = step.market.insiders.get(step.actor)
    if body is not None:
        raise Refused("INSIDER_MAY_NOT_TRADE", "actor", person=step.actor, body=body)


def _own_open_order(step: Step, participant_id: str, order_id: int) -> Order:
    if step.grant().participant_id == participant_id:
        for book in step.market.books.values():
            order = book.orders.get(order_id)
            if order is not None and order.participant_id == participant_id:
                return order
    raise Refused("ORDER_NOT_OPEN", "order_id", order=order_id)


def _open_instrument(market: Market, instrument_id: str) -> Instrument:
    instrument = market.instrument(instrument_id)
    if instrument.phase is not Phase.CONTINUOUS:
        raise Refused(
            "MARKET_NOT_OPEN",
            "instrument_id",
            instrument=instrument_id,
            phase=instrument.phase,
        )
    series = market.series[instrument.series_id]
    if series.expires_day and market.day > series.expires_day:
        raise Refused(
            "SERIES_EXPIRED",
            "instrument_id",
            series=series.series_id,
            expires=series.expires_day,
        )
    return instrument


def _check_terms(market: Market, instrument: Instrument, price_ticks: int, quantity: int) -> None:
    rules = market.rules_now()
    low, high, lot = rules.min_order_tonnes, rules.max_order_tonnes, rules.lot_tonnes
    if not low <= quantity <= high or quantity % lot:
        raise Refused("QUANTITY_OUT_OF_RANGE", "quantity", minimum=low, maximum=high, lot=lot)
    lower, upper = instrument.lower_limit_ticks, instrument.upper_limit_ticks
    if not lower <= price_ticks <= upper:
        tick = instrument.tick_fen
        raise Refused(
            "PRICE_OUTSIDE_LIMITS",
            "price",
            lower_fen=lower * tick,
            upper_fen=upper * tick,
        )


def _check_cover(
    market: Market,
    instrument: Instrument,
    order: Order,
    price_ticks: int,
    leaves: int,
    leaves_before: int,
) -> None:
    """Refuse unless money or units for `leaves` are there, the order's own hold counted in."""
    if order.side is Side.BUY:
        _check_cash(market, order, order.needed_fen(price_ticks, leaves))
        if leaves > leaves_before:
            _check_position_limit(market, instrument, order, leaves - leaves_before)
    else:
        _check_units(market, instrument, order, leaves - leaves_before)


def _check_cash(market: Market, order: Order, needed_fen: int) -> None:
    available = market.accounts[order.participant_id].cash.available_fen + order.held_fen
    if needed_fen > available:
        raise Refused(
            "INSUFFICIENT_CASH",
            "quantity",
            needed_fen=needed_fen,
            available_fen=available,
        )


def _check_units(market: Market, instrument: Instrument, order: Order, more: int) -> None:
    position = market.accounts[order.participant_id].position(instrument.series_id)
    series_id = instrument.series_id
    if more > position.available:
        raise Refused(
            "INSUFFICIENT_UNITS",
            "quantity",
            series=series_id,
            needed=more,
            available=position.available,
        )
    sellable = position.sellable(market.day)
    if more > sellable:
        raise Refused(
            "UNITS_NOT_YET_SELLABLE",
            "quantity",
            available=sellable,
            sellable_from=position.lots[-1].sellable_from_day,
        )


def _check_position_limit(market: Market, instrument: Instrument, order: Order, more: int) -> None:
    rules = market.rules_now()
    limit = rules.position_limit_tonnes
    if rules.emitter_adds_allowance_to_limit:
        members = [market.participants[name] for name in market.groups[order.group_id]]
        limit += sum(
            member.annual_allowance_tonnes
            for member in members
            if member.participant_class is ParticipantClass.EMITTER
        )
    exposure = market.exposure(order.group_id, instrument.product) + more
    if exposure > limit:
        raise Refused("POSITION_LIMIT_EXCEEDED", "quantity", exposure=exposure, limit=limit)


def check_funded(market: Market) -> None:
    """Raise InvariantBroken unless holds equal what the open orders need; O(orders)."""
    cash: dict[str, int] = dict.fromkeys(market.accounts, 0)
    units: dict[tuple[str, str], int] = {}
    buys: dict[tuple[str, str], int] = {}
    for instrument_id, book in market.books.items():
        instrument = market.instruments[instrument_id]
        for order in book.orders.values():
            name = order.participant_id
            if order.side is Side.BUY:
                needed = order.needed_fen(order.price_ticks, order.leaves_quantity)
                require(order.held_fen == needed, "a buy order holds what it needs")
                cash[name] += order.held_fen
                key = (name, str(instrument.product))
                buys[key] = buys.get(key, 0) + order.leaves_quantity
            else:
                held = (name, instrument.series_id)
                units[held] = units.get(held, 0) + order.leaves_quantity
    for name, account in market.accounts.items():
        require(account.cash.held_fen == cash[name], "held cash is the orders' holds")
        for series_id, position in account.positions.items():
            held_units = units.get((name, series_id), 0)
            require(position.held == held_units, "held units are the orders' leaves")
        for product, quantity in account.open_buys.items():
            require(
                quantity == buys.get((name, product), 0),
                "open buys are the orders' leaves",
            )
