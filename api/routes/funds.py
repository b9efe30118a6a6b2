"""Money and units in and out of trading accounts: proposed by one operator, approved by another."""

from fastapi import APIRouter
from fastapi.responses import Response

from api.access import Caller
from api.commands import RequestId, propose
from api.components import Parts
from api.inputs import CashInput, ReasonInput, UnitsInput
from api.money import parse_fen
from api.outputs.operations import ProposedAct
from api.strict_json import StrictRoute
from engine.commands import CreditCash, DepositUnits, OverrideBreaks, WithdrawCash, WithdrawUnits

router = APIRouter(prefix="/ops/v1", tags=["operations"], route_class=StrictRoute)


@router.post(
    "/cash-credits",
    status_code=202,
    summary="Propose to credit money that arrived",
    response_model=ProposedAct,
)
async def credit_cash(
    parts: Parts, caller: Caller, request_id: RequestId, cash: CashInput
) -> Response:
    """Usable as soon as a second operator approves."""
    act = CreditCash(cash.participant_id, parse_fen(cash.amount, "amount"), cash.reference)
    return await propose(parts, caller, request_id, act, cash.reason)


@router.post(
    "/cash-withdrawals",
    status_code=202,
    summary="Propose to pay money out",
    response_model=ProposedAct,
)
async def withdraw_cash(
    parts: Parts, caller: Caller, request_id: RequestId, cash: CashInput
) -> Response:
    """Today's sale proceeds can be withdrawn from the next trading day on."""
    act = WithdrawCash(cash.participant_id, parse_fen(cash.amount, "amount"), cash.reference)
    return await propose(parts, caller, request_id, act, cash.reason)


@router.post(
    "/unit-deposits",
    status_code=202,
    summary="Propose to deposit units",
    response_model=ProposedAct,
)
async def deposit_units(
    parts: Parts, caller: Caller, request_id: RequestId, units: UnitsInput
) -> Response:
    """On approval the registry is asked to lock them; they count when it has."""
    act = DepositUnits(units.participant_id, units.series_id, units.quantity, units.reference)
    return await propose(parts, caller, request_id, act, units.reason)


@router.post(
    "/unit-withdrawals",
    status_code=202,
    summary="Propose to return units",
    response_model=ProposedAct,
)
async def withdraw_units(
    parts: Parts, caller: Caller, request_id: RequestId, units: UnitsInput
) -> Response:
    """Sellable units go back to the participant's own registry account."""
    act = WithdrawUnits(units.participant_id, units.series_id, units.quantity, units.reference)
    return await propose(parts, caller, request_id, act, units.reason)


@router.post(
    "/break-overrides",
    status_code=202,
    summary="Propose to open in spite of breaks",
    response_model=ProposedAct,
)
async def override_breaks(
    parts: Parts, caller: Caller, request_id: RequestId, override: ReasonInput
) -> Response:
    """The breaks stay on record; the market may open."""
    act = OverrideBreaks(override.reason)
    return await propose(parts, caller, request_id, act, override.reason)
