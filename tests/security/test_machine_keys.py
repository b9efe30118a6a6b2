"""Machine keys end to end: issued by two people, signing every byte, refused if any is off."""

import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest

from api.identity.signatures import (
    KEY_HEADER,
    NONCE_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    SignatureVerifier,
)
from tests.api.client import Json, problem
from tests.api.machine import Headers, Machine, deliver, machine_of
from tests.api.market_api import BEA, MarketApi, now_ms

pytestmark = pytest.mark.asyncio(loop_scope="module")

_names = itertools.count(1)


def order() -> Json:
    name = f"bot-order-{next(_names)}"
    terms = {"client_order_id": name, "instrument_id": BEA, "side": "BUY"}
    return {**terms, "price": "90.00", "quantity": 5}


@pytest.fixture(scope="module")
def market(shared_market: MarketApi) -> MarketApi:
    """One market for all tests here."""
    return shared_market


async def open_orders(market: MarketApi, login: str = "trader-a") -> int:
    trader = await market.be(login)
    return len((await trader.get("/v1/orders", open=True))["orders"])


async def test_a_key_issued_by_two_people_trades_for_its_person(market: MarketApi) -> None:
    machine = await machine_of(market, "trader-a")
    keys = (await (await market.be("op-1")).get("/ops/v1/keys"))["keys"]
    assert {
        "key_id": machine.key_id,
        "person_id": market.people["trader-a"],
        "public_key": machine.public_key,
        "label": "bot of trader-a",
    } in keys
    assert await machine.ok("GET", "/v1/me") == {
        "person_id": market.people["trader-a"],
        "role": "TRADER",
        "participant_id": "A",
    }
    entered = await machine.ok("POST", "/v1/orders", order())
    number = entered["order_id"]
    found = await machine.ok("GET", "/v1/orders?limit=1&open=true")
    assert [order["order_id"] for order in found["orders"]] == [number]
    amended = await machine.ok("PATCH", f"/v1/orders/{number}", {"quantity": 4})
    assert amended["priority_kept"]
    canceled = await machine.ok("DELETE", f"/v1/orders/{number}")
    assert canceled["canceled_quantity"] == 4


async def test_a_key_has_its_persons_rights_and_no_more(market: MarketApi) -> None:
    trader = await machine_of(market, "trader-a")
    for method, path in (("GET", "/ops/v1/journal"), ("GET", "/regulator/v1/orders")):
        assert (await trader.refused(method, path))["code"] == "NOT_PERMITTED"
    auditor = await machine_of(market, "aud-1")
    await auditor.ok("GET", "/regulator/v1/trades")
    assert (await auditor.refused("POST", "/v1/orders", order()))["code"] == "NOT_PERMITTED"


async def test_a_key_and_a_session_are_one_person_for_two_signatures(
    market: MarketApi,
) -> None:
    machine = await machine_of(market, "op-1")
    body = {"participant_id": "C", "amount": "1.00", "reference": "bank", "reason": "x"}
    by_session = await market.propose("/ops/v1/cash-credits", body)
    said = await machine.refused("POST", f"/ops/v1/acts/{by_session}/approval")
    assert (said["status"], said["code"]) == (403, "SAME_PERSON")
    by_key = (await machine.ok("POST", "/ops/v1/cash-credits", body))["act_id"]
    said = await (await market.be("op-1")).refused("POST", f"/ops/v1/acts/{by_key}/approval")
    assert said["code"] == "SAME_PERSON"
    second_key = await machine_of(market, "op-1")
    said = await second_key.refused("POST", f"/ops/v1/acts/{by_key}/approval")
    assert said["code"] == "SAME_PERSON"


async def test_a_key_and_a_session_share_client_ids(market: MarketApi) -> None:
    machine = await machine_of(market, "trader-a")
    terms = order()
    first = await machine.ok("POST", "/v1/orders", terms)
    again = await (await market.be("trader-a")).post("/v1/orders", terms)
    assert again == first | {"duplicate": True}


async def test_a_proposed_key_does_not_work_yet(market: MarketApi) -> None:
    machine = Machine(market.stranger.http, "bot-proposed")
    key = {
        "key_id": machine.key_id,
        "person_id": market.people["trader-a"],
        "public_key": machine.public_key,
        "label": "bot",
    }
    await market.propose("/ops/v1/keys", key)
    said = await machine.refused("GET", "/v1/me")
    assert (said["status"], said["code"]) == (401, "KEY_NOT_IN_FORCE")


@pytest.mark.parametrize(
    ("age_ms", "window_ms", "code"),
    [
        (4_000, None, ""),
        (5_500, None, "TIMESTAMP_OUTSIDE_WINDOW"),
        (5_500, 20_000, ""),
        (1_500, 1_000, "TIMESTAMP_OUTSIDE_WINDOW"),
        (-500, None, ""),
        (-1_500, None, "TIMESTAMP_OUTSIDE_WINDOW"),
        (86_400_000, 60_000, "TIMESTAMP_OUTSIDE_WINDOW"),
    ],
)
async def test_a_request_is_fresh_or_refused(
    age_ms: int, window_ms: int | None, code: str, market: MarketApi
) -> None:
    machine = await machine_of(market, "trader-a")
    reply = await machine.send("GET", "/v1/me", age_ms=age_ms, window_ms=window_ms)
    assert (problem(reply)["code"] if reply.is_error else "") == code


async def test_a_replayed_request_is_refused(market: MarketApi) -> None:
    machine = await machine_of(market, "trader-a")
    number = (await machine.ok("POST", "/v1/orders", order()))["order_id"]
    path = f"/v1/orders/{number}"
    headers = machine.signed("DELETE", path, b"")
    http = market.stranger.http
    assert (await deliver(http, "DELETE", path, b"", headers)).is_success
    for _ in range(3):
        said = problem(await deliver(http, "DELETE", path, b"", headers))
        assert (said["status"], said["code"]) == (401, "NONCE_REPLAYED")


async def test_a_request_from_before_a_restart_is_refused(market: MarketApi) -> None:
    machine = await machine_of(market, "trader-a")
    headers = machine.signed("GET", "/v1/me", b"")
    restarted = replace(market.parts, signatures=SignatureVerifier(now_ms, now_ms()))
    market.app.state.components = restarted
    reply = await deliver(market.stranger.http, "GET", "/v1/me", b"", headers)
    market.app.state.components = market.parts
    said = problem(reply)
    assert (said["status"], said["code"], said["retryable"]) == (503, "SIGNED_BEFORE_START", True)
    assert 0 < said["retry_after_ms"] <= 1_100


TARGET = "/v1/orders"
CONTENT = (
    b'{"client_order_id":"bot-order-1","instrument_id":"BEA-2024","side":"BUY",'
    b'"price":"90.00","quantity":5}'
)
Change = Callable[[Headers], Headers]


def changed(header: str, value: str) -> Change:
    return lambda headers: headers | {header: value}


def later(headers: Headers) -> Headers:
    """Signed a millisecond later, if one believed the header."""
    return headers | {TIMESTAMP_HEADER: str(int(headers[TIMESTAMP_HEADER]) + 1)}


def without(header: str) -> Change:
    return lambda headers: {name: text for name, text in headers.items() if name != header}


FORGERIES: dict[str, tuple[Change, str]] = {
    "another timestamp": (later, "SIGNATURE_INVALID"),
    "another nonce": (changed(NONCE_HEADER, "another-nonce"), "SIGNATURE_INVALID"),
    "a longer window": (changed("X-Jingtan-Recv-Window", "60000"), "SIGNATURE_INVALID"),
    "another signature": (changed(SIGNATURE_HEADER, "A" * 86), "SIGNATURE_INVALID"),
    "a signature cut short": (changed(SIGNATURE_HEADER, "A" * 85), "SIGNATURE_HEADER_MALFORMED"),
    "an unknown key": (changed(KEY_HEADER, "bot-of-nobody"), "KEY_NOT_IN_FORCE"),
    "a malformed key id": (changed(KEY_HEADER, "bot 1"), "SIGNATURE_HEADER_MALFORMED"),
    "no timestamp": (without(TIMESTAMP_HEADER), "SIGNATURE_HEADER_MISSING"),
    "no nonce": (without(NONCE_HEADER), "SIGNATURE_HEADER_MISSING"),
    "no signature": (without(SIGNATURE_HEADER), "SIGNATURE_HEADER_MISSING"),
    "no key": (without(KEY_HEADER), "NOT_AUTHENTICATED"),
    "a timestamp in seconds": (
        changed(TIMESTAMP_HEADER, str(now_ms() // 1_000)), "TIMESTAMP_OUTSIDE_WINDOW",
    ),
}  # fmt: skip


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_a_forged_header_is_refused(forgery: str, market: MarketApi) -> None:
    machine = await machine_of(market, "trader-a")
    before = await open_orders(market)
    change, code = FORGERIES[forgery]
    headers = change(machine.signed("POST", TARGET, CONTENT))
    said = problem(await deliver(market.stranger.http, "POST", TARGET, CONTENT, headers))
    assert (said["status"], said["code"]) == (401, code)
    assert await open_orders(market) == before


async def test_no_byte_of_what_was_signed_can_change(market: MarketApi) -> None:
    machine = await machine_of(market, "trader-a")
    before = await open_orders(market)
    other_price = CONTENT.replace(b"90.00", b"99.00")
    for method, target, content in (
        ("POST", TARGET, other_price),
        ("POST", TARGET, CONTENT + b" "),
        ("POST", TARGET, b""),
        ("POST", f"{TARGET}?a=1", CONTENT),
        ("POST", "/ops/v1/cash-credits", CONTENT),
        ("PATCH", f"{TARGET}/1", CONTENT),
    ):
        headers = machine.signed("POST", TARGET, CONTENT)
        said = problem(await deliver(market.stranger.http, method, target, content, headers))
        assert (said["status"], said["code"]) == (401, "SIGNATURE_INVALID"), target
    assert await open_orders(market) == before


async def test_another_persons_key_signs_for_that_person_only(market: MarketApi) -> None:
    machine_a = await machine_of(market, "trader-a")
    machine_b = await machine_of(market, "trader-b")
    machine_b.key_id = machine_a.key_id
    said = await machine_b.refused("GET", "/v1/account")
    assert said["code"] == "SIGNATURE_INVALID"
    assert (await machine_a.ok("GET", "/v1/account"))["participant_id"] == "A"


async def test_a_key_beats_a_session_that_comes_with_it(market: MarketApi) -> None:
    """Two proofs of two persons in one request: the key speaks, and must be right."""
    machine = await machine_of(market, "trader-a")
    token = (await market.be("op-1")).token
    headers = machine.signed("GET", "/v1/me", b"") | {"Authorization": f"Bearer {token}"}
    reply = await deliver(market.stranger.http, "GET", "/v1/me", b"", headers)
    assert reply.json()["person_id"] == market.people["trader-a"]
    headers[SIGNATURE_HEADER] = "A" * 86
    said = problem(await deliver(market.stranger.http, "GET", "/v1/me", b"", headers))
    assert said["code"] in ("SIGNATURE_INVALID", "NONCE_REPLAYED")


async def test_a_key_id_or_key_is_not_given_out_twice(market: MarketApi) -> None:
    machine = await machine_of(market, "trader-a")
    body = {
        "key_id": machine.key_id,
        "person_id": market.people["trader-b"],
        "public_key": machine.public_key,
        "label": "x",
        "reason": "x",
    }
    said = await (await market.be("op-1")).refused("POST", "/ops/v1/keys", body)
    assert (said["code"], said["errors"][0]["pointer"]) == ("KEY_INVALID", "/key_id")
