"""F3: hostile numbers, texts, bodies, addresses and headers get a 4xx of ours, never a 5xx."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from api.problems import MAX_BODY_BYTES
from tests.api.client import Json, problem
from tests.api.market_api import BEA, MarketApi

pytestmark = pytest.mark.asyncio(loop_scope="module")

JSON = {"Content-Type": "application/json"}
LONG = "9" * 100_000
HOSTILE_NUMBERS = [
    "NaN", "Infinity", "-Infinity", "1e400", "-1e400", LONG, f"-{LONG}", "0", "-0", "-1", "1.0",
    "1e0", "10e-1", "0.5", "true", "false", "null", '"1"', '"٣"', '"NaN"', '" 1"', "[1]", "{}",
    "9223372036854775808", "18446744073709551616", "340282366920938463463374607431768211456",
    "10000000001", "01", "+1", "0x1", "1_0", "--1", "1,0",
]  # fmt: skip
"""As written in the body: no one of them is a quantity."""

HOSTILE_PRICES = [
    "100", "100.0", "true", "null", "NaN", "1e400", LONG, '""', '" 100.00"', '"100.00 "', '"1e2"',
    '"+100.00"', '"-100.00"', '"-0"', '"-0.00"', '"0.00"', '"00100.00"', '"100."', '".5"',
    '"100,00"', '"１００.００"', '"١٠٠.٠٠"', '"NaN"', '"Infinity"', '"0x64"', '"1_00.00"',
    '"100.00\\n"', '"100.00\\u0000"', '"100.001"', f'"{LONG}"', '"99999999999999.00"', '["100.00"]',
]  # fmt: skip
HOSTILE_TEXTS = ["\x00", "a\x00b", "\x1b[31m", "a\nb", "\x7f", "\x85", "", "x" * 201]
SURROGATES = ['"\\ud800"', '"\\udfff\\ud800"', '"a\\ud83d"']


def order_with(field: str, literal: str) -> str:
    """An order's body with one field's JSON written out by hand."""
    terms = {
        "client_order_id": '"hostile"',
        "instrument_id": f'"{BEA}"',
        "side": '"BUY"',
        "price": '"100.00"',
        "quantity": "1",
    }
    shown = ",".join(f'"{name}":{value}' for name, value in (terms | {field: literal}).items())
    return f"{{{shown}}}"


def short(text: str) -> str:
    return text if len(text) < 40 else f"{text[:12]}... ({len(text)})"


async def refuse(market: MarketApi, login: str, path: str, content: str | bytes) -> Json:
    """The problem, which is a client's error."""
    raw = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    caller = await market.be(login)
    said = await caller.refused("POST", path, content=raw, headers=JSON)
    assert 400 <= said["status"] < 500, said
    return said


@pytest.mark.parametrize("literal", HOSTILE_NUMBERS, ids=short)
async def test_no_hostile_number_is_a_quantity(literal: str, shared_market: MarketApi) -> None:
    said = await refuse(shared_market, "trader-a", "/v1/orders", order_with("quantity", literal))
    assert said["code"] in ("INPUT_INVALID", "BODY_MALFORMED"), said
    if said["code"] == "INPUT_INVALID":
        assert [error["pointer"] for error in said["errors"]] == ["/quantity"]


@pytest.mark.parametrize("literal", HOSTILE_PRICES, ids=short)
async def test_no_hostile_text_is_a_price(literal: str, shared_market: MarketApi) -> None:
    said = await refuse(shared_market, "trader-a", "/v1/orders", order_with("price", literal))
    assert said["code"] in ("AMOUNT_MALFORMED", "PRICE_OUTSIDE_LIMITS", "BODY_MALFORMED"), said


async def test_nothing_hostile_was_ever_entered(shared_market: MarketApi) -> None:
    trader = await shared_market.be("trader-a")
    assert (await trader.get("/v1/orders"))["orders"] == []


REGISTERED: Json = {"participant_id": "A", "series_id": BEA}
UNITS: Json = REGISTERED | {"reference": "x", "reason": "x"}
FREEZE: Json = REGISTERED | {"freeze_reason": "COURT", "document": "x", "reason": "x"}
OTHER_NUMBERS: list[tuple[str, str, Json, str]] = [
    ("op-1", "/ops/v1/unit-deposits", UNITS, "quantity"),
    ("op-1", "/ops/v1/unit-withdrawals", UNITS, "quantity"),
    ("reg-1", "/registry/v1/issuances", REGISTERED, "quantity"),
    ("eco-1", "/regulator/v1/freezes", FREEZE, "quantity"),
    ("op-1", "/ops/v1/series", {"series_id": "S", "product": "BEA", "reason": "x"}, "vintage"),
]
"""(login, path, body, field) of every other whole number that a body can bring."""


@pytest.mark.parametrize(
    ("login", "path", "body", "field"), OTHER_NUMBERS, ids=lambda value: str(value)[:24]
)
async def test_no_hostile_number_passes_anywhere(
    login: str, path: str, body: Json, field: str, shared_market: MarketApi
) -> None:
    for literal in HOSTILE_NUMBERS:
        rest = json.dumps(body)[:-1]
        said = await refuse(shared_market, login, path, f'{rest}, "{field}": {literal}}}')
        assert said["code"] in ("INPUT_INVALID", "BODY_MALFORMED"), (literal, said)


@pytest.mark.parametrize("literal", [n for n in HOSTILE_NUMBERS if n not in ("0", "-0")], ids=short)
async def test_no_hostile_number_is_an_allowance(literal: str, shared_market: MarketApi) -> None:
    applicant = '"participant_id":"N","name":"N","participant_class":"EMITTER"'
    body = f'{{{applicant},"annual_allowance":{literal}}}'
    said = await refuse(shared_market, "op-1", "/ops/v1/participants", body)
    assert said["code"] in ("INPUT_INVALID", "BODY_MALFORMED")


@pytest.mark.parametrize("literal", [n for n in HOSTILE_PRICES if n != '"0.00"'], ids=short)
async def test_no_hostile_text_is_money(literal: str, shared_market: MarketApi) -> None:
    body = f'{{"participant_id":"A","reference":"x","reason":"x","amount":{literal}}}'
    said = await refuse(shared_market, "op-1", "/ops/v1/cash-credits", body)
    assert said["code"] in ("AMOUNT_MALFORMED", "BODY_MALFORMED")


@pytest.mark.parametrize("literal", HOSTILE_NUMBERS, ids=short)
async def test_no_hostile_number_is_a_rule(literal: str, shared_market: MarketApi) -> None:
    body = (
        '{"rule_version_id":"r2","effective_from":"2024-06-03","title":"t","basis":"b",'
        f'"reason":"x","changes":{{"lot_tonnes":{literal}}}}}'
    )
    said = await refuse(shared_market, "op-1", "/ops/v1/rules", body)
    expected = ("INPUT_INVALID", "BODY_MALFORMED", "PARAMETER_TYPE_INVALID", "RULES_INVALID")
    assert said["code"] in expected


TEXT_FIELDS: list[tuple[str, str, Json, str]] = [
    ("op-1", "/ops/v1/participants", {"participant_id": "N", "participant_class": "EMITTER"},
     "name"),
    ("op-1", "/ops/v1/cash-credits", {"participant_id": "A", "amount": "1.00", "reason": "x"},
     "reference"),
    ("op-1", "/ops/v1/break-overrides", {}, "reason"),
    ("op-1", "/ops/v1/market/closing", {}, "note"),
    ("op-1", "/ops/v1/insiders", {"person_id": "p-x"}, "body"),
    ("eco-1", "/regulator/v1/halts", {"instrument_id": BEA, "cause": "REGULATOR"}, "note"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("login", "path", "body", "field"), TEXT_FIELDS, ids=lambda value: str(value)[:24]
)
async def test_no_text_holds_what_a_database_or_a_screen_cannot(
    login: str, path: str, body: Json, field: str, shared_market: MarketApi
) -> None:
    literals = [json.dumps(text) for text in HOSTILE_TEXTS] + SURROGATES
    for literal in literals:
        rest = json.dumps(body)[:-1] + ("," if body else "")
        said = await refuse(shared_market, login, path, f'{rest} "{field}": {literal}}}')
        assert said["code"] == "INPUT_INVALID", literal
        assert {error["pointer"] for error in said["errors"]} == {f"/{field}"}


async def test_a_blank_text_is_refused(shared_market: MarketApi) -> None:
    operator = await shared_market.be("op-1")
    said = await operator.refused("POST", "/ops/v1/market/closing", {"note": "   "})
    assert (said["status"], said["code"]) == (422, "TEXT_INVALID")


# --- bodies --------------------------------------------------------------------------------------

BODIES: dict[str, tuple[bytes, int, str]] = {
    "an object cut short": (b'{"side":', 400, "BODY_MALFORMED"),
    "nothing but a bracket": (b"[", 400, "BODY_MALFORMED"),
    "100,000 open lists": (b"[" * 100_000, 400, "BODY_MALFORMED"),
    "100,000 open objects": (b'{"a":' * 40_000, 400, "BODY_MALFORMED"),
    "a list": (b"[]", 422, "INPUT_INVALID"),
    "a string": (b'"order"', 422, "INPUT_INVALID"),
    "null": (b"null", 422, "INPUT_INVALID"),
    "a number": (b"1", 422, "INPUT_INVALID"),
    "a field twice": (b'{"side":"BUY","side":"SELL"}', 400, "BODY_MALFORMED"),
    "a field twice, deep inside": (b'{"x":[{"a":1,"a":1}]}', 400, "BODY_MALFORMED"),
    "bytes that are not UTF-8": (b'{"side":"\xff"}', 400, "BODY_MALFORMED"),
    "UTF-16": ('{"side":"BUY"}'.encode("utf-16"), 400, "BODY_MALFORMED"),
    "a byte order mark": (b"\xef\xbb\xbf{}", 400, "BODY_MALFORMED"),
    "a comment": (b"{} // nothing", 400, "BODY_MALFORMED"),
    "a NUL byte": (b'{"side":"\x00"}', 400, "BODY_MALFORMED"),
    "a field named by a surrogate": (b'{"\\ud800":1}', 422, "INPUT_INVALID"),
    "20,000 unknown fields": (
        json.dumps({f"f{number}": 1 for number in range(20_000)}).encode(), 422, "INPUT_INVALID",
    ),
    "300 KiB": (b'{"a":"' + b"x" * 300 * 1024 + b'"}', 413, "BODY_TOO_LARGE"),
    "nothing": (b"", 422, "INPUT_INVALID"),
}  # fmt: skip


@pytest.mark.parametrize("case", BODIES)
async def test_a_hostile_body_is_refused(case: str, shared_market: MarketApi) -> None:
    content, status, code = BODIES[case]
    said = await refuse(shared_market, "trader-a", "/v1/orders", content)
    assert (said["status"], said["code"]) == (status, code)
    assert len(said["errors"]) <= 20


async def test_a_body_of_the_greatest_size_is_still_read(shared_market: MarketApi) -> None:
    padding = b" " * (MAX_BODY_BYTES - 2)
    said = await refuse(shared_market, "trader-a", "/v1/orders", b"{" + padding + b"}")
    assert said["code"] == "INPUT_INVALID"
    said = await refuse(shared_market, "trader-a", "/v1/orders", b"{" + padding + b" }")
    assert said["code"] == "BODY_TOO_LARGE"
    assert said["messages"]["en"]["rule"] == "A body has at most 262144 bytes."


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "json", "a/b;"],
)
async def test_a_body_of_another_type_is_refused(
    content_type: str, shared_market: MarketApi
) -> None:
    trader = await shared_market.be("trader-a")
    header = {"Content-Type": content_type}
    said = await trader.refused("POST", "/v1/orders", content=b"{}", headers=header)
    assert (said["status"], said["code"]) == (415, "BODY_NOT_JSON")


async def test_a_bad_body_does_not_tell_a_stranger_what_is_wrong(
    shared_market: MarketApi,
) -> None:
    said = await shared_market.stranger.refused("POST", "/v1/orders", {"colour": 1})
    assert (said["status"], said["code"], said["errors"]) == (401, "NOT_AUTHENTICATED", [])


# --- addresses, queries and headers ---------------------------------------------------------------

ADDRESSES = [
    "/v1/orders/" + "9" * 5_000,
    "/v1/orders/" + "x" * 50_000,
    "/v1/instruments/" + "%F0%9F%92%A3" * 1_000,
    "/v1/orders/9223372036854775808",
    "/v1/orders/-9223372036854775809",
    "/v1/orders/%00",
    "/v1/orders/1%2F..%2F2",
    "/v1/orders/..%5C",
    "/v1/nothing/%ff%fe",
    "/v1/nothing%3Fa=b",
    "//v1/orders",
    "/v1//orders",
    "/v1/orders/",
    "/V1/orders",
]


@pytest.mark.parametrize("path", ADDRESSES, ids=short)
async def test_a_hostile_address_is_refused(path: str, shared_market: MarketApi) -> None:
    trader = await shared_market.be("trader-a")
    said = await trader.refused("GET", path)
    assert said["status"] in (404, 422)
    assert said["code"] in ("NOT_FOUND", "INPUT_INVALID")


QUERIES = [
    "limit=0", "limit=-1", "limit=1001", "limit=1.0", "limit=1e2", "limit=", "limit=%00", "limit=x",
    f"limit={'9' * 5_000}", "limit=9223372036854775808", "limit=1_0", "limit=%201", "limit=+1",
    "before_order_id=0", "before_order_id=-1", "before_order_id=9223372036854775808",
    "before_order_id=%D9%A3", "open=maybe", "open=", "open=2", "instrument_id=a%00", "unknown=1",
    "instrument_id=" + "x" * 37, "LIMIT=1", "limit[]=1", "%ff=1", "%00=1",
]  # fmt: skip


@pytest.mark.parametrize("query", QUERIES, ids=short)
async def test_a_hostile_query_is_refused(query: str, shared_market: MarketApi) -> None:
    trader = await shared_market.be("trader-a")
    said = await trader.refused("GET", f"/v1/orders?{query}")
    assert (said["status"], said["code"]) in ((422, "INPUT_INVALID"), (422, "FIELD_UNKNOWN"))
    assert said["errors"][0]["pointer"].startswith("/query/")


@pytest.mark.parametrize(
    ("login", "path"),
    [
        ("op-1", "/ops/v1/people?after_login=%00"),
        ("op-1", "/ops/v1/settlement/instructions?after_trade_id=9223372036854775808"),
        ("op-1", "/ops/v1/settlement/instructions?after_trade_id=-1"),
        ("op-1", "/ops/v1/settlement/instructions?participant_id=%00"),
        ("op-1", "/ops/v1/reconciliations/9223372036854775808"),
        ("op-1", "/ops/v1/acts?status=DONE"),
        ("reg-1", "/registry/v1/holdings/%00"),
        ("op-1", "/ops/v1/participants/%00/account"),
    ],
)
async def test_nothing_hostile_reaches_the_database(
    login: str, path: str, shared_market: MarketApi
) -> None:
    said = await (await shared_market.be(login)).refused("GET", path)
    assert (said["status"], said["code"]) == (422, "INPUT_INVALID")


@pytest.mark.parametrize("path", ["/ops/v1/acts/{}/approval", "/ops/v1/acts/{}/rejection"])
async def test_a_number_beyond_64_bits_never_becomes_a_command(
    path: str, shared_market: MarketApi
) -> None:
    before = shared_market.parts.exchange.sequencer.sequenced_seq
    operator = await shared_market.be("op-1")
    for number in (2**63, 2**64, 10**30, int("9" * 4_000)):
        said = await operator.refused("POST", path.format(number), {"reason": "x"})
        assert said["code"] == "INPUT_INVALID"
    assert shared_market.parts.exchange.sequencer.sequenced_seq == before


@pytest.mark.parametrize("key", ["", " ", "a b", "é", "x" * 37, "a\x00", "a/b", "💣", "a\tb"])
async def test_a_malformed_idempotency_key_is_refused(key: str, shared_market: MarketApi) -> None:
    operator = await shared_market.be("op-1")
    header = {"Idempotency-Key": key.encode()}
    body = {"instrument_id": BEA, "cause": "OPERATOR", "note": "x"}
    said = await operator.refused("POST", "/ops/v1/market/halts", body, headers=header)
    assert (said["status"], said["code"]) == (422, "IDEMPOTENCY_KEY_MALFORMED")
    assert said["errors"][0]["pointer"] == "/header/Idempotency-Key"


@pytest.mark.parametrize("host", ["[", "a b", "x:99999999", "\xff", "exchange:port", ""])
async def test_a_malformed_host_breaks_no_reply(host: str, shared_market: MarketApi) -> None:
    headers = {"Host": host.encode("latin-1")}
    said = await shared_market.stranger.refused("GET", "/v1/me", headers=headers)
    assert said["code"] == "NOT_AUTHENTICATED"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "NOT_FOUND"),
        ("GET", "/v2/orders", 404, "NOT_FOUND"),
        ("PUT", "/v1/orders", 405, "METHOD_NOT_ALLOWED"),
        ("POST", "/v1/orders/1", 405, "METHOD_NOT_ALLOWED"),
        ("BREW", "/v1/orders", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/v1/stream", 404, "NOT_FOUND"),
    ],
)
async def test_the_routers_own_refusals_have_our_form(
    method: str, path: str, status: int, code: str, shared_market: MarketApi
) -> None:
    trader = await shared_market.be("trader-a")
    said = await trader.refused(method, path)
    assert (said["status"], said["code"]) == (status, code)


async def test_a_refused_method_names_those_that_work(shared_market: MarketApi) -> None:
    response = await shared_market.stranger.send("PUT", "/v1/instruments")
    assert problem(response)["code"] == "METHOD_NOT_ALLOWED"
    assert response.headers["allow"] == "GET"


async def test_every_reply_has_a_trace_id_of_its_own(shared_market: MarketApi) -> None:
    found = [
        (await shared_market.stranger.send("GET", path)).headers["x-request-id"]
        for path in ("/livez", "/livez", "/v1/nothing", "/v1/me")
    ]
    assert len(set(found)) == 4
    assert all(len(trace_id) == 32 for trace_id in found)


CREDENTIALS: list[Any] = [
    None,
    1,
    True,
    [],
    {},
    "x" * 65,
    "x" * 257,
    "\ud800",
    "\x00",
    "",
    "' OR 1=1",
]


@pytest.mark.parametrize("value", CREDENTIALS, ids=repr)
async def test_hostile_credentials_are_refused(value: Any, shared_market: MarketApi) -> None:
    make: Callable[[Json], bytes] = lambda body: json.dumps(body).encode()  # noqa: E731
    for body in ({"login": value, "password": "x"}, {"login": "op-1", "password": value}):
        response = await shared_market.stranger.send(
            "POST", "/v1/sessions", content=make(body), headers=JSON
        )
        assert problem(response)["code"] in ("INPUT_INVALID", "LOGIN_REFUSED", "LOGIN_THROTTLED")
