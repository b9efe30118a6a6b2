"""Operators' hand on the market: open, close, halt, resume, and a demo market's clock."""

from fastapi import APIRouter
from fastapi.responses import Response

from api import payloads
from api.access import Caller
from api.commands import JsonReply, RequestId, record
from api.components import Parts
from api.inputs import ClockInput, HaltInput, NoteInput, ResumeInput
from api.outputs.operations import Done, MarketTime
from api.problems import Problem
from api.strict_json import StrictRoute
from engine.calendar import NEVER_NS
from engine.commands import CloseMarket, HaltTrading, OpenMarket, ResumeTrading
from exchange.clock import DemoClock

router = APIRouter(prefix="/ops/v1", tags=["operations"], route_class=StrictRoute)


@router.post(
    "/market/opening", summary="Open a session whose opening was blocked", response_model=Done
)
async def open_market(parts: Parts, caller: Caller, request_id: RequestId) -> Response:
    """Sessions open by themselves unless breaks or the calendar block them."""
    return await record(parts, caller, request_id, OpenMarket())


@router.post("/market/closing", summary="End the trading day now", response_model=Done)
async def close_market(
    parts: Parts, caller: Caller, request_id: RequestId, why: NoteInput
) -> Response:
    """A special closure: DAY orders expire, reference prices are set, positions are reported."""
    return await record(parts, caller, request_id, CloseMarket(why.note))


@router.post(
    "/market/halts",
    status_code=201,
    summary="Halt an instrument or the whole market",
    response_model=Done,
)
async def halt(parts: Parts, caller: Caller, request_id: RequestId, order: HaltInput) -> Response:
    """Entering and amending stop at once; cancelling stays possible."""
    body = HaltTrading(order.instrument_id, order.cause, order.note)
    return await record(parts, caller, request_id, body, 201)


@router.post("/market/resumptions", status_code=201, summary="Lift a halt", response_model=Done)
async def resume(
    parts: Parts, caller: Caller, request_id: RequestId, order: ResumeInput
) -> Response:
    """Of exactly the scope that was halted."""
    body = ResumeTrading(order.instrument_id, order.note)
    return await record(parts, caller, request_id, body, 201)


@router.post(
    "/clock", summary="Demo market only: leap to the next deadline", response_model=MarketTime
)
async def leap(parts: Parts, _caller: Caller, _leap: ClockInput) -> Response:
    """Market time jumps to whatever is due next, and it happens."""
    exchange = parts.exchange
    if not isinstance(parts.clock, DemoClock):
        raise Problem("CLOCK_NOT_ADJUSTABLE")
    deadline_ns = exchange.sequencer.next_deadline()
    if deadline_ns == NEVER_NS:
        raise Problem("CALENDAR_EXHAUSTED")
    parts.clock.leap_to(deadline_ns)
    exchange.sequencer.tick()
    await exchange.sequencer.wait_durable(exchange.sequencer.sequenced_seq)
    return JsonReply({"market_time": payloads.instant(parts.clock.now_ns())})
