"""Logging in and out, and changing a password."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.access import BEARER, Caller
from api.commands import JsonReply
from api.components import Parts
from api.inputs import LoginInput, PasswordInput
from api.outputs.trading import IssuedSession, Me
from api.payloads import instant
from api.strict_json import StrictRoute

router = APIRouter(prefix="/v1", tags=["sessions"], route_class=StrictRoute)


@router.post("/sessions", status_code=201, summary="Log in", response_model=IssuedSession)
async def login(parts: Parts, request: Request, credentials: LoginInput) -> Response:
    """A token for `Authorization: Bearer`; it is shown once and stored nowhere."""
    session = await parts.sessions.login(
        credentials.login, credentials.password, address_of(request)
    )
    grant = parts.exchange.read.access.get(session.person_id)
    shown = {
        "token": session.token,
        "token_type": "Bearer",
        "person_id": session.person_id,
        "role": grant.role if grant is not None else None,
        "participant_id": (grant.participant_id or None) if grant is not None else None,
        "expires_at": instant(session.expires_at_ns),
    }
    return JsonReply(shown, 201)


@router.delete("/sessions/current", status_code=204, summary="Log out")
async def logout(parts: Parts, request: Request, _caller: Caller) -> Response:
    """End the session whose token this request carries."""
    header = request.headers.get("authorization", "")
    await parts.sessions.revoke(header[len(BEARER) :].strip())
    return Response(status_code=204)


@router.post("/passwords", status_code=204, summary="Change a password")
async def change_password(parts: Parts, request: Request, change: PasswordInput) -> Response:
    """Needs the current or one-time password; ends all sessions of the person."""
    await parts.people.change_password(
        change.login,
        change.current_password,
        change.new_password,
        address=address_of(request),
    )
    return Response(status_code=204)


@router.get("/me", summary="Who is calling", response_model=Me)
async def get_me(caller: Caller) -> Response:
    """The person, role and participant that this session or key speaks for."""
    shown = {
        "person_id": caller.person_id,
        "role": caller.role,
        "participant_id": caller.participant_id or None,
    }
    return JsonReply(shown)


def address_of(request: Request) -> str:
    """The peer's network address."""
    return request.client.host if request.client is not None else ""
