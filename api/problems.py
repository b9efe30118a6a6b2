"""Every refusal and failure as RFC 9457 problem+json, in English and Chinese.

FastAPI's own error shapes are all overridden, so that a client meets exactly one shape.  The codes
and their words are in api/codes.py, what can be wrong with a field in api/field_errors.py.
"""

import math
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from api.codes import LANGUAGES, Code, explain
from api.edge_codes import EDGE_CODES
from api.field_errors import FieldError, field_error
from api.identity.errors import IdentityError
from exchange.faults import OutcomeUnknown, Unavailable

log = structlog.get_logger()

MAX_BODY_BYTES = 256 * 1024
MAX_ERRORS = 20
DEFAULT_RETRY_MS = 1_000
_HTTP_CODES = {
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    400: "BODY_MALFORMED",
    413: "BODY_TOO_LARGE",
}
OUTAGE_CLASSES = ("08", "28", "3D", "53", "55", "57")
"""SQLSTATE classes of a database that is away: no connection, no entry, no resources, shut down."""


class Problem(Exception):
    """A problem reply: a code of one of the tables, what it is about, and its facts.

    `pointer` names the field: of the body, or with /path, /query or /header before it.
    """

    def __init__(self, code: str, pointer: str = "", **facts: object) -> None:
        super().__init__(code)
        self.code = code
        self.pointer = pointer
        self.facts = {name: str(value) for name, value in facts.items()}


class InputProblem(Problem):
    """One input field is not usable."""


def language_of(request: Request) -> str:
    """'zh' or 'en', whichever the client prefers; English if it names neither."""
    best, best_weight = "en", 0.0
    for choice in request.headers.get("accept-language", "").lower().split(","):
        tag, *parameters = (part.strip() for part in choice.split(";"))
        language = tag.partition("-")[0]
        weight = _weight(parameters)
        if language in LANGUAGES and weight > best_weight:
            best, best_weight = language, weight
    return best


def reply(
    request: Request,
    problem: Code,
    errors: Sequence[FieldError] = (),
    *,
    detail: str = "",
    retry_after_ms: int | None = None,
) -> Response:
    """The problem+json response of an explained code; `detail` says more than the code does."""
    chosen = problem.words[language_of(request)]
    body: dict[str, Any] = {
        "type": f"urn:jingtan:problem:{problem.code}",
        "title": chosen.rule,
        "status": problem.status,
        "code": problem.code,
        "detail": detail or f"{chosen.rule} {chosen.fix}",
        "messages": {name: {"rule": w.rule, "fix": w.fix} for name, w in problem.words.items()},
        "errors": [error._asdict() for error in errors],
        "retryable": problem.is_retryable,
        "rule_ref": problem.rule_ref,
        "instance": request.scope["path"],
        "trace_id": request.scope.get("trace_id", ""),
    }
    headers = {}
    if problem.is_retryable:
        body["retry_after_ms"] = retry_after_ms or DEFAULT_RETRY_MS
        headers["Retry-After"] = str(math.ceil(body["retry_after_ms"] / 1_000))
    if problem.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    content = msgspec.json.encode(body)
    return Response(content, problem.status, headers, "application/problem+json")


def install(app: FastAPI) -> None:
    """Turn every exception the edge may meet into a problem."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(IdentityError, _on_identity_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(Unavailable, _on_unavailable)
    app.add_exception_handler(OutcomeUnknown, _on_outcome_unknown)
    app.add_exception_handler(OSError, _on_database_away)
    app.add_exception_handler(PoolTimeoutError, _on_database_away)
    for kind in (
        DBAPIError,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        asyncpg.InternalClientError,
    ):
        app.add_exception_handler(kind, _on_database_error)
    app.add_exception_handler(Exception, _at_the_last)


def new_trace_id() -> str:
    """An id that ties a reply to the server's logs."""
    return uuid4().hex


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - registered for this type
    problem = explain(error.code, error.facts)
    if not error.pointer:
        return reply(request, problem)
    return reply(request, problem, [_about(request, problem, error.pointer)])


async def _on_identity_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, IdentityError)  # noqa: S101 - registered for this type
    problem = explain(error.code, {})
    language = language_of(request)
    more = error.detail_zh if language == "zh" else error.detail
    detail = f"{more} {problem.words[language].fix}" if more else ""
    errors = [_about(request, problem, error.field)] if error.field else []
    return reply(request, problem, errors, detail=detail, retry_after_ms=error.retry_after_ms)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    """One fault that has a code of its own gives the whole problem that code."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type
    found = error.errors()[:MAX_ERRORS]
    if any(fault["type"] == "json_invalid" for fault in found):
        return reply(request, explain("BODY_MALFORMED", {}))
    if any(fault["loc"] == ("body",) and isinstance(fault["input"], bytes) for fault in found):
        return reply(request, explain("BODY_NOT_JSON", {}))
    errors = [field_error(fault, language_of(request)) for fault in found]
    codes = {said.code for said in errors}
    only = codes.pop() if len(codes) == 1 else ""
    return reply(request, explain(only if only in EDGE_CODES else "INPUT_INVALID", {}), errors)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type
    facts = {"limit": str(MAX_BODY_BYTES)}
    is_ours = error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
    otherwise = "INTERNAL" if is_ours else "REQUEST_REFUSED"
    response = reply(request, explain(_HTTP_CODES.get(error.status_code, otherwise), facts))
    if error.headers:
        response.headers.update(error.headers)
    return response


async def _on_unavailable(request: Request, error: Exception) -> Response:
    assert isinstance(error, Unavailable)  # noqa: S101 - registered for this type
    problem = explain("EXCHANGE_UNAVAILABLE", {})
    return reply(request, problem, retry_after_ms=error.retry_after_ms)


async def _on_outcome_unknown(request: Request, _error: Exception) -> Response:
    return reply(request, explain("OUTCOME_UNKNOWN", {}))


async def _on_database_away(request: Request, error: Exception) -> Response:
    log.warning("database_unreachable", error=str(error), path=request.scope["path"])
    return reply(request, explain("DATABASE_UNAVAILABLE", {}))


async def _on_database_error(request: Request, error: Exception) -> Response:
    """The database is away, or the statement was wrong: then it is our failure."""
    if _is_outage(error):
        return await _on_database_away(request, error)
    return await _on_failure(request, error)


async def _on_failure(request: Request, error: Exception) -> Response:
    trace_id = request.scope.get("trace_id", "")
    log.error("request_failed", path=request.scope["path"], trace_id=trace_id, exc_info=error)
    return reply(request, explain("INTERNAL", {}))


async def _at_the_last(request: Request, error: Exception) -> Response:
    """Outside the middleware that names the reply, so the name is given here."""
    response = await _on_failure(request, error)
    response.headers["X-Request-ID"] = request.scope.get("trace_id", "")
    return response


def _about(request: Request, problem: Code, field: str) -> FieldError:
    """The field that a problem is about: of the path if it is there, else of the body."""
    pointer = field if field.startswith("/") else f"/{field}"
    if pointer[1:] in request.path_params:
        pointer = f"/path{pointer}"
    messages = {name: words.rule for name, words in problem.words.items()}
    return FieldError(pointer, problem.code, messages[language_of(request)], messages)


def _is_outage(error: Exception) -> bool:
    if isinstance(error, DBAPIError):
        if error.connection_invalidated:
            return True
        cause: object = getattr(error.orig, "__cause__", None) or error.orig
    else:
        cause = error
    if isinstance(cause, asyncpg.InternalClientError):
        return True  # the server died while it was answering
    if isinstance(cause, asyncpg.InterfaceError):
        return not isinstance(cause, ValueError)  # a value that does not fit its column
    return str(getattr(cause, "sqlstate", None) or "")[:2] in OUTAGE_CLASSES


def _weight(parameters: Sequence[str]) -> float:
    """The q-value of a language range, 1 unless it says otherwise."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
