"""The registry's desk: issuing units, and what a holder has, block by block.

The registry is the final evidence of ownership (Measures Art 4, 35).
"""

from fastapi import APIRouter
from fastapi.responses import Response

from api.access import Caller
from api.commands import JsonReply, RequestId
from api.components import Parts
from api.forms import Id
from api.inputs import IssuanceInput
from api.outputs.settlement import Holdings, Issuance
from api.problems import Problem
from api.strict_json import StrictRoute

router = APIRouter(prefix="/registry/v1", tags=["registry"], route_class=StrictRoute)


@router.post(
    "/issuances", status_code=201, summary="Issue units to a holder", response_model=Issuance
)
async def issue(
    parts: Parts, caller: Caller, request_id: RequestId, issuance: IssuanceInput
) -> Response:
    """Fresh serial numbers; the holder may then deposit the units on the exchange."""
    read = parts.exchange.read
    if issuance.series_id not in read.series:
        raise Problem("SERIES_UNKNOWN", "series_id", series=issuance.series_id)
    if issuance.participant_id not in read.participants:
        raise Problem("PARTICIPANT_UNKNOWN", "participant_id", participant=issuance.participant_id)
    transfer_id = await parts.registry.issue(
        f"issue:{caller.person_id}:{request_id}",
        issuance.series_id,
        issuance.participant_id,
        issuance.quantity,
    )
    return JsonReply({"registry_transfer_id": transfer_id}, 201)


@router.get("/holdings/{participant_id}", summary="A holder's unit blocks", response_model=Holdings)
async def get_holdings(parts: Parts, participant_id: Id) -> Response:
    """Serial ranges by series and status; one serial is one tonne."""
    blocks = [
        {
            "series_id": block.series_id,
            "status": block.status,
            "serial_from": block.serial_from,
            "serial_to": block.serial_to,
            "quantity": block.quantity,
        }
        for block in await parts.books.holdings(participant_id)
    ]
    return JsonReply({"participant_id": participant_id, "blocks": blocks})
