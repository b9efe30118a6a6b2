"""The supervisors' view of every order and trade, and the ecology department's powers.

Measures Art 16 (suspension of use), Art 18 and 20 (supervision, order of the market).
"""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query
from fastapi.responses import Response

from api import payloads
from api.access import Caller
from api.commands import JsonReply, RequestId, propose, record
from api.components import Parts
from api.forms import Cursor, Id, Limit, Number
from api.inputs import FreezeInput, HaltInput, ReleaseInput, ResumeInput
from api.outputs.operations import Done, Freezes, ProposedAct
from api.outputs.trading import Orders, SupervisedTrades
from api.routes.trading import Wanted, order_page
from api.strict_json import StrictRoute
from engine.commands import FreezeUnits, HaltTrading, ReleaseUnits, ResumeTrading

router = APIRouter(prefix="/regulator/v1", tags=["regulator"], route_class=StrictRoute)


@router.get("/orders", summary="Every order, newest first", response_model=Orders)
async def list_orders(
    parts: Parts,
    *,
    is_open: Annotated[bool | None, Query(alias="open")] = None,
    participant_id: Id | None = None,
    instrument_id: Id | None = None,
    before_order_id: Cursor = None,
    limit: Limit = 100,
) -> Response:
    """Open orders and those of the last trading days, of all participants."""
    everybody = sorted(parts.exchange.read.orders.values(), key=lambda view: -view.order_id)
    listed = (v for v in everybody if participant_id in (None, v.participant_id))
    wanted = Wanted(is_open, instrument_id, before_order_id, limit)
    return JsonReply(order_page(parts, listed, wanted))


@router.get(
    "/trades", summary="Every trade with both sides, newest first", response_model=SupervisedTrades
)
async def list_trades(
    parts: Parts,
    participant_id: Id | None = None,
    before_trade_id: Cursor = None,
    limit: Limit = 100,
) -> Response:
    """Trades of the last trading days with buyer, seller, orders and fees."""
    read = parts.exchange.read
    found = []
    for trade_id, view in sorted(read.trades.items(), reverse=True):
        if before_trade_id is not None and trade_id >= before_trade_id:
            continue
        if participant_id is not None and participant_id not in (view.buyer_id, view.seller_id):
            continue
        tick = read.instruments[view.instrument_id].tick_fen
        found.append(payloads.supervised_trade(view, tick))
        if len(found) == limit:
            break
    cursor = found[-1]["trade_id"] if len(found) == limit else None
    return JsonReply({"trades": found, "next": cursor})


@router.post(
    "/halts", status_code=201, summary="Halt an instrument or the whole market", response_model=Done
)
async def halt(parts: Parts, caller: Caller, request_id: RequestId, order: HaltInput) -> Response:
    """Entering and amending stop at once; cancelling stays possible."""
    body = HaltTrading(order.instrument_id, order.cause, order.note)
    return await record(parts, caller, request_id, body, 201)


@router.post("/resumptions", status_code=201, summary="Lift a halt", response_model=Done)
async def resume(
    parts: Parts, caller: Caller, request_id: RequestId, order: ResumeInput
) -> Response:
    """Of exactly the scope that was halted."""
    body = ResumeTrading(order.instrument_id, order.note)
    return await record(parts, caller, request_id, body, 201)


@router.get("/freezes", summary="Freezes in force", response_model=Freezes)
async def list_freezes(parts: Parts) -> Response:
    """Units whose use is suspended, with ground and document."""
    views = sorted(parts.exchange.read.freezes.values(), key=lambda v: v.freeze_id)
    return JsonReply({"freezes": [msgspec.to_builtins(view) for view in views]})


@router.post(
    "/freezes",
    status_code=202,
    summary="Propose to suspend the use of units",
    response_model=ProposedAct,
)
async def freeze(
    parts: Parts, caller: Caller, request_id: RequestId, order: FreezeInput
) -> Response:
    """Takes available units first, then cancels sell orders; a shortfall is recorded."""
    act = FreezeUnits(
        order.participant_id,
        order.series_id,
        order.quantity,
        order.freeze_reason,
        order.document,
    )
    return await propose(parts, caller, request_id, act, order.reason)


@router.post(
    "/freezes/{freeze_id}/release",
    status_code=202,
    summary="Propose to end a freeze",
    response_model=ProposedAct,
)
async def release(
    parts: Parts, caller: Caller, request_id: RequestId, freeze_id: Number, order: ReleaseInput
) -> Response:
    """Gives the use of the units back."""
    act = ReleaseUnits(freeze_id, order.document)
    return await propose(parts, caller, request_id, act, order.reason)
