"""The second signature: acts that wait for approval, and deciding them."""

from fastapi import APIRouter
from fastapi.responses import Response

from api import payloads
from api.access import Caller
from api.commands import JsonReply, RequestId, carry_out
from api.components import Parts
from api.forms import Cursor, Limit, Number
from api.inputs import ReasonInput
from api.outputs.operations import Acts, ApprovedAct, RejectedAct
from api.strict_json import StrictRoute
from engine.codes import ActStatus
from engine.commands import ApproveAct, RejectAct

router = APIRouter(prefix="/ops/v1/acts", tags=["two people"], route_class=StrictRoute)


@router.get("", summary="Sensitive acts, newest first", response_model=Acts)
async def list_acts(
    parts: Parts,
    status: ActStatus | None = None,
    before_act_id: Cursor = None,
    limit: Limit = 100,
) -> Response:
    """Every act with who proposed it, who decided, when and why."""
    found = []
    for act_id, view in sorted(parts.exchange.read.acts.items(), reverse=True):
        if before_act_id is not None and act_id >= before_act_id:
            continue
        if status is None or view.status is status:
            found.append(payloads.act(view))
        if len(found) == limit:
            break
    cursor = found[-1]["act_id"] if len(found) == limit else None
    return JsonReply({"acts": found, "next": cursor})


@router.post(
    "/{act_id}/approval",
    summary="Approve an act that another person proposed",
    response_model=ApprovedAct,
)
async def approve(parts: Parts, caller: Caller, request_id: RequestId, act_id: Number) -> Response:
    """Carries the act out; refused to its proposer and to the wrong role."""
    outcome = await carry_out(parts, caller.person_id, request_id, ApproveAct(act_id))
    done = [type(event).__name__ for event in outcome.step.events]
    shown = {"act_id": act_id, "status": ActStatus.APPROVED, "events": done}
    return JsonReply(shown | {"duplicate": outcome.is_repeated})


@router.post(
    "/{act_id}/rejection",
    summary="Refuse an act, or take one's own proposal back",
    response_model=RejectedAct,
)
async def reject(
    parts: Parts, caller: Caller, request_id: RequestId, act_id: Number, why: ReasonInput
) -> Response:
    """The act will not happen."""
    outcome = await carry_out(parts, caller.person_id, request_id, RejectAct(act_id, why.reason))
    shown = {"act_id": act_id, "status": ActStatus.REJECTED}
    return JsonReply(shown | {"duplicate": outcome.is_repeated})
