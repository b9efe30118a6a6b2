"""From a request to a command and from its events to a reply: the one way every write goes."""

import asyncio
import re
from typing import Annotated, Any
from uuid import uuid4

import msgspec
from fastapi import Depends, Header, Request
from fastapi.responses import Response

from api.access import Principal
from api.components import Components
from api.payloads import Payload, instant
from api.problems import InputProblem
from api.refusals import raise_refusal
from engine import events as e
from engine.codes import ActStatus
from engine.commands import Act, AnyCommand, ProposeAct
from exchange.faults import OutcomeUnknown
from exchange.service import Outcome

REPLY_TIMEOUT_SECONDS = 10.0
_KEY = re.compile(r"[A-Za-z0-9_-]{1,36}", re.ASCII)


class JsonReply(Response):
    """A JSON response of ready builtins; its shape is declared by the route's response_model."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Encode once, fast."""
        return msgspec.json.encode(content)


async def idempotency_key(
    request: Request,
    _documented: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="1-36 of A-Z a-z 0-9 _ -; the same key and body give the first answer",
        ),
    ] = None,
) -> str:
    """The request's idempotency key, a fresh one if it brings none."""
    given = request.headers.get("idempotency-key")
    if given is None:
        return uuid4().hex
    if _KEY.fullmatch(given) is None:
        raise InputProblem("IDEMPOTENCY_KEY_MALFORMED", "/header/Idempotency-Key")
    return given


RequestId = Annotated[str, Depends(idempotency_key)]


async def carry_out(
    parts: Components, person_id: str, request_id: str, body: AnyCommand
) -> Outcome:
    """Sequence a command and wait until it is durable; a refusal becomes its Problem."""
    try:
        async with asyncio.timeout(REPLY_TIMEOUT_SECONDS):
            outcome = await parts.exchange.submit(person_id, request_id, body)
    except TimeoutError as late:
        raise OutcomeUnknown("no answer from the journal in time") from late
    raise_refusal(outcome.step)
    return outcome


async def propose(
    parts: Components, caller: Principal, request_id: str, act: Act, reason: str
) -> Response:
    """Give a sensitive act its first signature."""
    outcome = await carry_out(parts, caller.person_id, request_id, ProposeAct(act, reason))
    event = outcome.step.events[0]
    if not isinstance(event, e.ActProposed):
        raise OutcomeUnknown("the journal holds another outcome")
    return JsonReply(proposed(event, duplicate=outcome.is_repeated), 202)


def proposed(event: e.ActProposed, *, duplicate: bool) -> Payload:
    """The answer to a proposal."""
    return {
        "act_id": event.act_id,
        "status": ActStatus.PENDING_APPROVAL,
        "expires_at": instant(event.expires_ns),
        "duplicate": duplicate,
    }


async def record(
    parts: Components, caller: Principal, request_id: str, body: AnyCommand, status: int = 200
) -> Response:
    """Carry a command out and answer with its events in short."""
    outcome = await carry_out(parts, caller.person_id, request_id, body)
    done = [type(event).__name__ for event in outcome.step.events]
    at = instant(outcome.step.envelope.timestamp_ns)
    return JsonReply({"events": done, "at": at, "duplicate": outcome.is_repeated}, status)
