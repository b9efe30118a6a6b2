"""Every refusal and failure as RFC 9457 problem+json, in English and Chinese.

One table of codes for the edge (here) beside the market's (engine/reasons.py).  FastAPI's own
error shapes are all overridden, so that a client meets exactly one shape.
"""

import math
from http import HTTPStatus
from typing import Any, NamedTuple
from uuid import uuid4

import msgspec
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from api.identity.errors import IdentityError
from engine.reasons import REASONS, Words, words
from exchange.faults import OutcomeUnknown, Unavailable

log = structlog.get_logger()

MAX_ERRORS = 20


class EdgeCode(NamedTuple):
    """One row of the edge's table."""

    status: int
    en: Words
    zh: Words
    is_retryable: bool = False


EDGE_CODES: dict[str, EdgeCode] = {
    "BODY_MALFORMED": EdgeCode(
        400,
        Words("The body is not valid JSON.", "Send a JSON object in UTF-8."),
        Words("请求体不是有效的 JSON。", "请以 UTF-8 编码的 JSON 对象提交。"),
    ),
    "INPUT_INVALID": EdgeCode(
        422,
        Words("Some fields do not have their documented form.", "Mend the fields in `errors`."),
        Words("部分字段不符合规定格式。", "请更正 errors 中列出的字段。"),
    ),
    "AMOUNT_MALFORMED": EdgeCode(
        422,
        Words(
            "Money and prices are decimal strings with at most two places.",
            'Send for example "83.50", not a number.',
        ),
        Words("金额与价格须为最多两位小数的十进制字符串。", '请填写如 "83.50" 的字符串。'),
    ),
    "PRICE_OFF_TICK": EdgeCode(
        422,
        Words("Prices are whole multiples of {tick} CNY.", "Round the price to the tick."),
        Words("价格须为 {tick} 元的整数倍。", "请按最小变动价位调整价格。"),
    ),
    "BODY_TOO_LARGE": EdgeCode(
        413,
        Words("A body has at most {limit} bytes.", "Send less at once."),
        Words("请求体不得超过 {limit} 字节。", "请减少单次提交内容。"),
    ),
    "NOT_AUTHENTICATED": EdgeCode(
        401,
        Words(
            "This needs a session token or a signed request.",
            "Log in with POST /v1/sessions and send `Authorization: Bearer <token>`.",
        ),
        Words("需要会话令牌或签名请求。", "请通过 POST /v1/sessions 登录并携带令牌。"),
    ),
    "KEY_NOT_IN_FORCE": EdgeCode(
        401,
        Words("This machine key is not in force.", "Use an issued key that is not revoked."),
        Words("该密钥未生效或已撤销。", "请使用有效的已签发密钥。"),
    ),
    "NOT_PERMITTED": EdgeCode(
        403,
        Words("Your role may not do this.", "Ask a person whose role permits it."),
        Words("您的角色无权执行此操作。", "请由具备权限的人员办理。"),
    ),
    "NOT_FOUND": EdgeCode(
        404,
        Words("There is nothing at this address.", "Check the address and the id in it."),
        Words("该地址下没有内容。", "请检查地址及其中的编号。"),
    ),
    "ORDER_NOT_FOUND": EdgeCode(
        404,
        Words("You have no such order.", "Check the id; others' orders cannot be seen."),
        Words("查无此订单。", "请检查编号；他人订单不可见。"),
    ),
    "METHOD_NOT_ALLOWED": EdgeCode(
        405,
        Words("This address does not take that method.", "See /docs for what it takes."),
        Words("该地址不支持此方法。", "请参阅 /docs。"),
    ),
    "CLOCK_NOT_ADJUSTABLE": EdgeCode(
        409,
        Words("This exchange runs on real time.", "Only a demo market's clock can leap."),
        Words("本交易系统按真实时间运行。", "仅演示市场可调整时钟。"),
    ),
    "EXCHANGE_UNAVAILABLE": EdgeCode(
        503,
        Words("The exchange takes no command now; nothing was done.", "Try again shortly."),
        Words("交易系统暂不受理，未执行任何操作。", "请稍后重试。"),
        is_retryable=True,
    ),
    "DATABASE_UNAVAILABLE": EdgeCode(
        503,
        Words("The database does not answer; nothing was done.", "Try again shortly."),
        Words("数据库暂不可用，未执行任何操作。", "请稍后重试。"),
        is_retryable=True,
    ),
    "OUTCOME_UNKNOWN": EdgeCode(
        504,
        Words(
            "The command may or may not have taken effect.",
            "Send it again with the same id: it takes effect at most once.",
        ),
        Words("指令可能已生效，也可能未生效。", "请以相同编号重发：至多生效一次。"),
        is_retryable=True,
    ),
    "INTERNAL": EdgeCode(
        500,
        Words("The server failed; the operators have its trace.", "Report the trace id."),
        Words("服务器内部错误，已记录。", "请提供跟踪编号。"),
    ),
}


class Problem(Exception):
    """A problem reply: a code of one of the tables, what it is about, and its facts."""

    def __init__(self, code: str, pointer: str = "", **facts: object) -> None:
        super().__init__(code)
        self.code = code
        self.pointer = pointer
        self.facts = {name: str(value) for name, value in facts.items()}


class InputProblem(Problem):
    """One input field is not usable."""


class FieldError(NamedTuple):
    """One invalid field: where, which rule, in words."""

    pointer: str
    code: str
    detail: str


def language_of(request: Request) -> str:
    """'zh' if the client prefers Chinese, else 'en'."""
    return "zh" if request.headers.get("accept-language", "").lower().startswith("zh") else "en"


def reply(
    request: Request,
    code: str,
    facts: dict[str, str],
    errors: list[FieldError],
    retry_after_ms: int | None = None,
) -> Response:
    """The problem+json response for a code of either table."""
    status, rule_ref, is_retryable, both = _row(code, facts)
    chosen = both[language_of(request)]
    body: dict[str, Any] = {
        "type": f"urn:jingtan:problem:{code}",
        "title": chosen.rule,
        "status": status,
        "code": code,
        "detail": f"{chosen.rule} {chosen.fix}",
        "messages": {name: {"rule": w.rule, "fix": w.fix} for name, w in both.items()},
        "errors": [error._asdict() for error in errors],
        "retryable": is_retryable,
        "rule_ref": rule_ref,
        "instance": request.url.path,
        "trace_id": request.scope.get("trace_id", ""),
    }
    headers = {}
    if is_retryable:
        body["retry_after_ms"] = retry_after_ms if retry_after_ms is not None else 1_000
        headers["Retry-After"] = str(math.ceil(body["retry_after_ms"] / 1_000))
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(msgspec.json.encode(body), status, headers, "application/problem+json")


def install(app: FastAPI) -> None:
    """Turn every exception the edge may meet into a problem."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(IdentityError, _on_identity_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(Unavailable, _on_unavailable)
    app.add_exception_handler(OutcomeUnknown, _on_outcome_unknown)
    app.add_exception_handler(OSError, _on_database_error)
    app.add_exception_handler(Exception, _on_failure)


def _row(code: str, facts: dict[str, str]) -> tuple[int, str, bool, dict[str, Words]]:
    reason = REASONS.get(code)
    if reason is not None:
        both = {language: words(code, facts, language) for language in ("en", "zh")}
        return reason.status, reason.rule_ref, False, both
    row = EDGE_CODES[code]
    both = {
        language: Words(chosen.rule.format_map(facts), chosen.fix)
        for language, chosen in (("en", row.en), ("zh", row.zh))
    }
    return row.status, "", row.is_retryable, both


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - registered for this type
    errors = []
    if error.pointer:
        both = _row(error.code, error.facts)[-1]
        chosen = both[language_of(request)]
        pointer = error.pointer if error.pointer.startswith("/") else f"/{error.pointer}"
        errors = [FieldError(pointer, error.code, chosen.rule)]
    return reply(request, error.code, error.facts, errors)


async def _on_identity_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, IdentityError)  # noqa: S101 - registered for this type
    both = {"en": error.english, "zh": error.chinese}
    chosen = both[language_of(request)]
    body: dict[str, Any] = {
        "type": f"urn:jingtan:problem:{error.code}",
        "title": chosen,
        "status": error.status,
        "code": error.code,
        "detail": error.detail or chosen,
        "messages": {name: {"rule": text, "fix": ""} for name, text in both.items()},
        "errors": [],
        "retryable": error.retryable,
        "rule_ref": "",
        "instance": request.url.path,
        "trace_id": request.scope.get("trace_id", ""),
    }
    headers = {}
    if error.retryable:
        body["retry_after_ms"] = error.retry_after_ms or 1_000
        headers["Retry-After"] = str(math.ceil(body["retry_after_ms"] / 1_000))
    return Response(msgspec.json.encode(body), error.status, headers, "application/problem+json")


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type
    found = error.errors()[:MAX_ERRORS]
    if any(fault["type"] == "json_invalid" for fault in found):
        return reply(request, "BODY_MALFORMED", {}, [])
    errors = [_field_error(fault) for fault in found]
    return reply(request, "INPUT_INVALID", {}, errors)


def _field_error(fault: dict[str, Any]) -> FieldError:
    where, *path = fault["loc"]
    pointer = "/" + "/".join(str(part) for part in path)
    if where != "body":
        pointer = f"/{where}{pointer}"
    code = "FIELD_UNKNOWN" if fault["type"] == "extra_forbidden" else fault["type"].upper()
    return FieldError(pointer, code, fault["msg"])


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type
    code = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 400: "BODY_MALFORMED"}
    response = reply(request, code.get(error.status_code, "INTERNAL"), {}, [])
    if error.headers:
        response.headers.update(error.headers)
    return response


async def _on_unavailable(request: Request, error: Exception) -> Response:
    assert isinstance(error, Unavailable)  # noqa: S101 - registered for this type
    return reply(request, "EXCHANGE_UNAVAILABLE", {}, [], error.retry_after_ms)


async def _on_outcome_unknown(request: Request, _error: Exception) -> Response:
    return reply(request, "OUTCOME_UNKNOWN", {}, [])


async def _on_database_error(request: Request, error: Exception) -> Response:
    log.warning("database_unreachable", error=str(error), path=request.url.path)
    return reply(request, "DATABASE_UNAVAILABLE", {}, [])


async def _on_failure(request: Request, error: Exception) -> Response:
    log.error("request_failed", path=request.url.path, exc_info=error)
    return reply(request, "INTERNAL", {}, [])


def new_trace_id() -> str:
    """An id that ties a reply to the server's logs."""
    return uuid4().hex
