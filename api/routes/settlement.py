"""Settlement, reconciliation and the journal, for operators and the venue's supervisors."""

import asyncio

import msgspec
from fastapi import APIRouter
from fastapi.responses import Response

from api import payloads
from api.access import Caller
from api.commands import JsonReply, RequestId, carry_out
from api.components import Components, Parts
from api.forms import After, Id, Limit, Number
from api.money import cny
from api.outputs.settlement import (
    Instructions,
    Journal,
    ReconciliationReport,
    Reconciliations,
    SettlementStatus,
)
from api.problems import Problem
from api.strict_json import StrictRoute
from engine.commands import ReportPositions
from exchange.faults import OutcomeUnknown
from settlement.queries import Reconciliation

router = APIRouter(prefix="/ops/v1", tags=["settlement"], route_class=StrictRoute)

RUN_TIMEOUT_SECONDS = 120.0


@router.get("/settlement", summary="How far settlement is", response_model=SettlementStatus)
async def get_settlement(parts: Parts) -> Response:
    """Watermark, instructions by state, registry transfers, balances of the house accounts."""
    return JsonReply(await _status(parts))


@router.post(
    "/settlement/runs",
    summary="Settle everything that is durable now",
    response_model=SettlementStatus,
)
async def run_settlement(parts: Parts, _caller: Caller) -> Response:
    """Answers when every trade up to now has its final state; safe to repeat."""
    try:
        async with asyncio.timeout(RUN_TIMEOUT_SECONDS):
            await parts.settlement.catch_up(parts.exchange.sequencer.durable_seq)
    except TimeoutError as late:
        raise OutcomeUnknown("settlement goes on in the background") from late
    return JsonReply(await _status(parts))


@router.get(
    "/settlement/instructions", summary="DvP instructions by trade", response_model=Instructions
)
async def list_instructions(
    parts: Parts,
    participant_id: Id | None = None,
    after_trade_id: After = 0,
    limit: Limit = 100,
) -> Response:
    """Each with its state, ledger posting and registry transfer."""
    rows = await parts.books.instructions(after_trade_id, limit, participant_id or "")
    shown = [
        {
            "trade_id": row.trade_id,
            "trading_day": payloads.trading_day(row.trading_day),
            "instrument_id": row.instrument_id,
            "series_id": row.series_id,
            "quantity": row.quantity,
            "value": cny(row.value_fen),
            "buyer_id": row.buyer_id,
            "seller_id": row.seller_id,
            "buyer_fee": cny(row.buyer_fee_fen),
            "seller_fee": cny(row.seller_fee_fen),
            "state": row.state,
            "reason": row.reason,
            "posting_id": row.posting_id or None,
            "registry_transfer_id": row.registry_transfer_id or None,
        }
        for row in rows
    ]
    cursor = shown[-1]["trade_id"] if len(shown) == limit else None
    return JsonReply({"instructions": shown, "next": cursor})


@router.post(
    "/reconciliations",
    status_code=201,
    summary="Reconcile now",
    response_model=ReconciliationReport,
)
async def reconcile(parts: Parts, caller: Caller, request_id: RequestId) -> Response:
    """Engine = ledger = registry = bank, at the seq at which the engine reports its positions."""
    outcome = await carry_out(parts, caller.person_id, request_id, ReportPositions())
    report_seq = outcome.step.seq
    try:
        async with asyncio.timeout(RUN_TIMEOUT_SECONDS):
            await parts.settlement.catch_up(report_seq)
    except TimeoutError as late:
        raise OutcomeUnknown("reconciliation goes on in the background") from late
    return JsonReply(await _reconciliation(parts, report_seq), 201)


@router.get(
    "/reconciliations",
    summary="Reconciliations of the running market, newest first",
    response_model=Reconciliations,
)
async def list_reconciliations(parts: Parts, limit: Limit = 100) -> Response:
    """Seq of the position report, number of breaks, time."""
    views = parts.exchange.read.reconciliations[-limit:]
    shown = [
        {
            "report_seq": view.report_seq,
            "breaks": view.break_count,
            "recorded_at": payloads.instant(view.recorded_ns),
        }
        for view in reversed(views)
    ]
    return JsonReply({"reconciliations": shown})


@router.get(
    "/reconciliations/{report_seq}",
    summary="One reconciliation with every break",
    response_model=ReconciliationReport,
)
async def get_reconciliation(parts: Parts, report_seq: Number) -> Response:
    """Each break with its ids, what was expected and what was found."""
    return JsonReply(await _reconciliation(parts, report_seq))


@router.get("/journal", summary="Where the journal stands", response_model=Journal)
async def get_journal(parts: Parts) -> Response:
    """Durable seq, epoch, chain value, snapshot, and commands that wait."""
    return JsonReply(parts.exchange.journal_status())


async def _reconciliation(parts: Components, report_seq: int) -> payloads.Payload:
    found = await parts.books.reconciliation(report_seq)
    if found is None:
        raise Problem("NOT_FOUND")
    return _shown(found)


def _shown(found: Reconciliation) -> payloads.Payload:
    return {
        "report_seq": found.report_seq,
        "trading_day": payloads.trading_day(found.trading_day),
        "state_digest": found.state_digest,
        "break_count": found.break_count,
        "breaks": [msgspec.to_builtins(item) for item in found.breaks],
    }


async def _status(parts: Components) -> payloads.Payload:
    status = await parts.books.status()
    house = await parts.books.house_balances()
    return {
        "watermark": status.watermark,
        "instructions": {str(state): count for state, count in status.instructions.items()},
        "unposted": status.unposted,
        "registry_transfers": status.registry_transfers,
        "house_balances": [
            {"account": row.owner, "series_id": row.series_id or None}
            | ({"units": row.amount} if row.series_id else {"cash": cny(row.amount)})
            for row in house
        ],
    }
