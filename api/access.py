"""Authentication and authorisation of every request, by one dependency of the whole app.

A person shows a session token, a machine key signs the request; both speak for a person, whose
role is what the journal says now.  A route without a row in api/policy.py is refused.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request

from api.components import Components, Parts
from api.field_errors import pointer_of
from api.identity.signatures import KEY_HEADER, RequestSignature, request_target
from api.policy import Access, Ownership, access_to
from api.problems import Problem
from engine.codes import Role

BEARER = "bearer "


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling, in which role, for which participant ('' for staff and authorities)."""

    person_id: str
    role: Role
    participant_id: str


async def authorise(request: Request, parts: Parts) -> None:
    """Let the request through, or raise the Problem that says why not."""
    route = request.scope.get("route")
    access = access_to(request.method, getattr(route, "path", ""))
    if access is None:
        raise Problem("NOT_PERMITTED")
    if access.roles is not None:
        principal = principal_of(parts, await _authenticate(request, parts), access)
        request.state.principal = principal
    if request.scope["query_string"]:
        _refuse_unknown_query(request, route)


def principal_of(parts: Components, person_id: str, access: Access) -> Principal:
    """The caller's role as journaled, or Problem(NOT_PERMITTED)."""
    grant = parts.exchange.read.access.get(person_id)
    roles = access.roles or ()
    if grant is None or grant.role not in roles:
        raise Problem("NOT_PERMITTED")
    if access.ownership is Ownership.OWN and not grant.participant_id:
        raise Problem("NOT_PERMITTED")
    return Principal(person_id, grant.role, grant.participant_id)


async def current_principal(request: Request) -> Principal:
    """The principal that `authorise` found."""
    found: Principal = request.state.principal
    return found


Caller = Annotated[Principal, Depends(current_principal)]


async def _authenticate(request: Request, parts: Components) -> str:
    """The person who calls, by key or by session token."""
    if KEY_HEADER in request.headers:
        return await _signer(request, parts)
    header = request.headers.get("authorization", "")
    if header[: len(BEARER)].lower() == BEARER:
        person_id = parts.sessions.authenticate(header[len(BEARER) :].strip())
        if person_id is not None:
            return person_id
    raise Problem("NOT_AUTHENTICATED")


def _refuse_unknown_query(request: Request, route: Any) -> None:
    """A query that a route does not know was meant to narrow the answer: refuse, do not ignore."""
    known = {parameter.alias for parameter in route.dependant.query_params}
    for name in request.query_params:
        if name not in known:
            raise Problem("FIELD_UNKNOWN", pointer_of(("query", name)))


async def _signer(request: Request, parts: Components) -> str:
    signed = RequestSignature.from_headers(request.headers)
    key = parts.exchange.read.keys.get(signed.key_id)
    if key is None:
        raise Problem("KEY_NOT_IN_FORCE")
    scope = request.scope
    target = request_target(scope["raw_path"], scope["query_string"])
    public_key = bytes.fromhex(key.public_key)
    body = await request.body()
    parts.signatures.verify(public_key, signed, request.method, target, body)
    return key.person_id
