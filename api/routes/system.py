"""Liveness, readiness, and the state of the exchange for people."""

from fastapi import APIRouter
from fastapi.responses import Response

from api import payloads
from api.commands import JsonReply
from api.components import Parts
from api.outputs.market import Liveness, Readiness, SystemStatus
from api.strict_json import StrictRoute
from engine import ENGINE_VERSION

router = APIRouter(tags=["system"], route_class=StrictRoute)


@router.get("/livez", summary="Whether the process lives", response_model=Liveness)
async def livez() -> Response:
    """Answers while the event loop turns."""
    return JsonReply({"status": "ok"})


@router.get("/readyz", summary="Whether commands are taken", response_model=Readiness)
async def readyz(parts: Parts) -> Response:
    """200 when the journal is replayed and writable, 503 with the reason otherwise."""
    why = parts.exchange.sequencer.refusal()
    if why:
        return JsonReply({"status": "unavailable", "reason": why}, 503)
    return JsonReply({"status": "ok", "reason": None})


@router.get(
    "/v1/system/status",
    summary="Market time, trading day, phases, halts",
    response_model=SystemStatus,
)
async def status(parts: Parts) -> Response:
    """What a person wants to know first."""
    read = parts.exchange.read
    return JsonReply(
        {
            "market_time": payloads.instant(parts.clock.now_ns()),
            "trading_day": payloads.trading_day(read.trading_day),
            "is_day_open": read.is_day_open,
            "is_demo": parts.is_demo,
            "phases": {name: view.phase for name, view in sorted(read.instruments.items())},
            "halts": dict(sorted(read.halts.items())),
            "opening_block": read.opening_block or None,
            "rule_version_id": read.rule_version_id,
            "engine_version": ENGINE_VERSION,
            "as_of": payloads.instant(read.timestamp_ns),
        }
    )
