"""A participant's own orders, fills and account."""

from collections.abc import Iterable
from itertools import islice
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Query
from fastapi.responses import Response

from api import payloads
from api.access import Caller, Principal
from api.commands import JsonReply, RequestId, carry_out
from api.components import Components, Parts
from api.forms import Cursor, Id, Limit, Number
from api.inputs import AmendInput, OrderInput
from api.money import parse_ticks, price
from api.outputs.trading import (
    Account,
    AmendedOrder,
    CanceledOrder,
    EnteredOrder,
    Fills,
    Order,
    Orders,
    RejectedOrder,
)
from api.problems import InputProblem, Problem
from api.routes.market import find_instrument
from api.strict_json import StrictRoute
from engine import events as e
from engine.codes import CancelReason, OrderStatus, Side
from engine.commands import SYSTEM_ACTOR, AdvanceClock, AmendOrder, CancelOrder, EnterOrder
from engine.released import Released
from exchange.readmodel.views import OrderView

router = APIRouter(prefix="/v1", tags=["trading"], route_class=StrictRoute)

OPEN = (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)


@router.post("/orders", status_code=201, summary="Enter an order", response_model=EnteredOrder)
async def enter_order(parts: Parts, caller: Caller, terms: OrderInput) -> Response:
    """Answers when the order is durable, with the trades it made at once.

    `client_order_id` makes it safe to send again: the same id and terms give the first answer
    (`duplicate: true`), the same id with other terms is refused.
    """
    tick = find_instrument(parts, terms.instrument_id).tick_fen
    body = EnterOrder(
        caller.participant_id,
        terms.client_order_id,
        terms.instrument_id,
        terms.side,
        parse_ticks(terms.price, tick, "price"),
        terms.quantity,
        terms.time_in_force,
    )
    outcome = await carry_out(parts, caller.person_id, terms.client_order_id, body)
    return JsonReply(entered(outcome.step, tick, duplicate=outcome.is_repeated), 201)


@router.get("/orders", summary="Own orders, newest first", response_model=Orders)
async def list_orders(
    parts: Parts,
    caller: Caller,
    *,
    is_open: Annotated[bool | None, Query(alias="open")] = None,
    instrument_id: Id | None = None,
    before_order_id: Cursor = None,
    limit: Limit = 100,
) -> Response:
    """Open orders and those of the last trading days; `next` is the following page's cursor."""
    read = parts.exchange.read
    own = (
        read.orders[number] for number in reversed(read.orders_of.get(caller.participant_id, {}))
    )
    wanted = Wanted(is_open, instrument_id, before_order_id, limit)
    return JsonReply(order_page(parts, own, wanted))


@router.get(
    "/orders/by-client-id/{client_order_id}",
    summary="What became of a client id",
    response_model=Order | RejectedOrder,
)
async def get_by_client_id(parts: Parts, caller: Caller, client_order_id: Id) -> Response:
    """The order, its refusal, or a 404 that is final for everything sequenced before now."""
    found = _by_client_id(parts, caller, client_order_id)
    if found is None:
        await carry_out(parts, SYSTEM_ACTOR, "", AdvanceClock())
        found = _by_client_id(parts, caller, client_order_id)
    if found is None:
        raise Problem("ORDER_NOT_FOUND")
    return JsonReply(found)


@router.get("/orders/{order_id}", summary="One of one's own orders", response_model=Order)
async def get_order(parts: Parts, caller: Caller, order_id: Number) -> Response:
    """An open order, or a final one of the last trading days."""
    return JsonReply(shown_order(parts, _own_order(parts, caller, order_id)))


@router.patch("/orders/{order_id}", summary="Amend an open order", response_model=AmendedOrder)
async def amend_order(
    parts: Parts, caller: Caller, request_id: RequestId, order_id: Number, terms: AmendInput
) -> Response:
    """A lower quantity at the same price keeps priority, anything else loses it.

    To or below what is filled, the rest is cancelled.  What is left out stays as it is.
    """
    view = _own_order(parts, caller, order_id)
    if terms.price is None and terms.quantity is None:
        raise InputProblem("AMEND_WITHOUT_CHANGE", "quantity")
    tick = find_instrument(parts, view.instrument_id).tick_fen
    ticks = None if terms.price is None else parse_ticks(terms.price, tick, "price")
    body = AmendOrder(caller.participant_id, order_id, ticks, terms.quantity)
    outcome = await carry_out(parts, caller.person_id, request_id, body)
    return JsonReply(amended(outcome.step, order_id, tick, duplicate=outcome.is_repeated))


@router.delete(
    "/orders/{order_id}", summary="Cancel what is left of an order", response_model=CanceledOrder
)
async def cancel_order(
    parts: Parts, caller: Caller, request_id: RequestId, order_id: Number
) -> Response:
    """Possible in every phase."""
    _own_order(parts, caller, order_id)
    body = CancelOrder(caller.participant_id, order_id)
    outcome = await carry_out(parts, caller.person_id, request_id, body)
    return JsonReply(canceled(outcome.step, duplicate=outcome.is_repeated))


@router.get("/fills", summary="Own sides of trades, newest first", response_model=Fills)
async def list_fills(
    parts: Parts,
    caller: Caller,
    before_trade_id: Cursor = None,
    limit: Limit = 100,
) -> Response:
    """Fills of the last trading days; `next` is the cursor of the following page."""
    read = parts.exchange.read
    found: list[payloads.Payload] = []
    for trade_id in reversed(read.trades_of.get(caller.participant_id, ())):
        if before_trade_id is not None and trade_id >= before_trade_id:
            continue
        view = read.trades[trade_id]
        tick = read.instruments[view.instrument_id].tick_fen
        side = Side.BUY if view.buyer_id == caller.participant_id else Side.SELL
        found.append(payloads.fill(view, tick, side))
        if len(found) == limit:
            break
    cursor = found[-1]["trade_id"] if len(found) == limit else None
    return JsonReply({"fills": found, "next": cursor})


@router.get("/account", summary="Own money and units", response_model=Account)
async def get_account(parts: Parts, caller: Caller) -> Response:
    """What is available, held, frozen, withdrawable and sellable now."""
    view = parts.exchange.read.accounts[caller.participant_id]
    return JsonReply(payloads.account(caller.participant_id, view))


def entered(step: Released, tick_fen: int, *, duplicate: bool) -> dict[str, Any]:
    """The answer to an order entry, from its events alone: the same whenever it is asked."""
    accepted = next(event for event in step.events if isinstance(event, e.OrderAccepted))
    trades = payloads.step_trades(step, accepted.order_id, tick_fen)
    filled = sum(trade["quantity"] for trade in trades)
    ended = _canceled_event(step, accepted.order_id)
    return {
        "order_id": accepted.order_id,
        "client_order_id": accepted.client_order_id,
        "instrument_id": accepted.instrument_id,
        "side": accepted.side,
        "price": price(accepted.price_ticks, tick_fen),
        "quantity": accepted.quantity,
        "time_in_force": accepted.time_in_force,
        "status": _status(accepted.quantity, filled, ended),
        "reason": ended.reason if ended is not None else None,
        "cumulative_quantity": filled,
        "leaves_quantity": 0 if ended is not None else accepted.quantity - filled,
        "trades": trades,
        "entered_at": payloads.instant(step.envelope.timestamp_ns),
        "duplicate": duplicate,
    }


def amended(step: Released, order_id: int, tick_fen: int, *, duplicate: bool) -> dict[str, Any]:
    """The answer to an amendment, from its events alone."""
    trades = payloads.step_trades(step, order_id, tick_fen)
    filled = sum(trade["quantity"] for trade in trades)
    ended = _canceled_event(step, order_id)
    change = next((event for event in step.events if isinstance(event, e.OrderAmended)), None)
    leaves = change.leaves_quantity - filled if change is not None and ended is None else 0
    return {
        "order_id": order_id,
        "price": price(change.price_ticks, tick_fen) if change is not None else None,
        "quantity": change.quantity if change is not None else None,
        "version": change.version if change is not None else None,
        "priority_kept": change.priority_kept if change is not None else False,
        "leaves_quantity": leaves,
        "is_open": leaves > 0,
        "reason": ended.reason if ended is not None else None,
        "trades": trades,
        "amended_at": payloads.instant(step.envelope.timestamp_ns),
        "duplicate": duplicate,
    }


def canceled(step: Released, *, duplicate: bool) -> dict[str, Any]:
    """The answer to a cancellation, from its events alone."""
    event = next(event for event in step.events if isinstance(event, e.OrderCanceled))
    return {
        "order_id": event.order_id,
        "status": OrderStatus.CANCELED,
        "reason": CancelReason.REQUESTED,
        "canceled_quantity": event.leaves_quantity,
        "canceled_at": payloads.instant(step.envelope.timestamp_ns),
        "duplicate": duplicate,
    }


class Wanted(NamedTuple):
    """Which orders a page of them shall hold; None leaves a thing open."""

    is_open: bool | None
    instrument_id: str | None
    before_order_id: int | None
    limit: int

    def holds(self, view: OrderView) -> bool:
        """Whether an order belongs on the page, its limit apart."""
        if self.before_order_id is not None and view.order_id >= self.before_order_id:
            return False
        if self.instrument_id is not None and view.instrument_id != self.instrument_id:
            return False
        return self.is_open is None or self.is_open == (view.status in OPEN)


def order_page(
    parts: Components, newest_first: Iterable[OrderView], wanted: Wanted
) -> payloads.Payload:
    """The wanted ones of some orders, and the cursor of the page that follows."""
    chosen = islice(filter(wanted.holds, newest_first), wanted.limit)
    found = [shown_order(parts, view) for view in chosen]
    cursor = found[-1]["order_id"] if len(found) == wanted.limit else None
    return {"orders": found, "next": cursor}


def shown_order(parts: Components, view: OrderView) -> payloads.Payload:
    """An order's payload at its instrument's tick."""
    return payloads.order(view, parts.exchange.read.instruments[view.instrument_id].tick_fen)


def _canceled_event(step: Released, order_id: int) -> e.OrderCanceled | None:
    for event in step.events:
        if isinstance(event, e.OrderCanceled) and event.order_id == order_id:
            return event
    return None


def _status(quantity: int, filled: int, ended: e.OrderCanceled | None) -> OrderStatus:
    if ended is not None:
        return OrderStatus.CANCELED
    if filled == quantity:
        return OrderStatus.FILLED
    return OrderStatus.PARTIALLY_FILLED if filled else OrderStatus.NEW


def _own_order(parts: Components, caller: Principal, order_id: int) -> OrderView:
    view = parts.exchange.read.orders.get(order_id)
    if view is None or view.participant_id != caller.participant_id:
        raise Problem("ORDER_NOT_FOUND")
    return view


def _by_client_id(
    parts: Components, caller: Principal, client_order_id: str
) -> payloads.Payload | None:
    read = parts.exchange.read
    order_id = read.order_of_client_id.get((caller.participant_id, client_order_id))
    if order_id is not None:
        return shown_order(parts, read.orders[order_id])
    rejected = read.rejected.get(f"{caller.participant_id}|{client_order_id}")
    if rejected is not None:
        return payloads.rejected_order(rejected.event, rejected.rejected_ns)
    return None
