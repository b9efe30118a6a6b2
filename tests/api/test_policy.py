"""J1: every role on every route and every stream channel, from one table; default deny."""

import re
from typing import Any

import pytest
from fastapi import APIRouter, Depends
from fastapi.responses import Response
from fastapi.routing import APIRoute

from api.access import authorise
from api.app import ROUTERS
from api.policy import CHANNELS, POLICY, Ownership
from engine.codes import Role
from tests.api.client import Caller, Json, Stream, problem
from tests.api.market_api import BEA, MarketApi
from tests.api.policy_matrix import CHANNELS as CHANNEL_MATRIX
from tests.api.policy_matrix import LETTERS, MATRIX

pytestmark = pytest.mark.asyncio(loop_scope="module")

Route = tuple[str, str]

KNOWN_IDS: dict[str, str] = {"instrument_id": BEA, "participant_id": "A", "report_seq": "1"}
"""Path parameters that name something which exists; the others get ids that do not."""
UNKNOWN_IDS = {
    "order_id": "999999",
    "act_id": "999999",
    "freeze_id": "999999",
    "client_order_id": "no-such-id",
    "person_id": "p-nobody",
    "key_id": "no-such-key",
}
EVERYBODY = [*LETTERS.values(), "nobody", "stranger"]
DOCUMENTATION = {"/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc"}


def address(path: str, ids: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: ids[found[1]], path)


def may(login: str, letters: str) -> bool:
    """What the matrix says."""
    return letters == "*" or any(LETTERS[letter] == login for letter in letters)


async def be(market: MarketApi, login: str) -> Caller:
    return market.stranger if login == "stranger" else await market.be(login)


async def attempt(market: MarketApi, login: str, route: Route) -> Json:
    """What comes of a request that nothing can come of, whoever sends it."""
    method, path = route
    caller = await be(market, login)
    if path == "/v1/sessions/current" and login in LETTERS.values():
        caller = await market.log_in(login)
    body: Any = {"no_such_field": 1} if method in ("POST", "PATCH") else None
    target = address(path, KNOWN_IDS | UNKNOWN_IDS)
    response = await caller.send(method, target, body)
    assert response.status_code < 500, f"{method} {target}: {response.text}"
    return problem(response) if response.is_error else {"code": ""}


async def test_every_route_has_a_row_and_every_row_a_route(shared_market: MarketApi) -> None:
    paths = shared_market.app.openapi()["paths"]
    routes = {(method.upper(), path) for path in paths for method in paths[path]}
    assert routes == set(POLICY) == set(MATRIX)


async def test_no_route_is_hidden_from_the_documentation(shared_market: MarketApi) -> None:
    served = {
        (method, route.path)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    assert served == set(POLICY)
    others = {getattr(route, "path", "") for route in shared_market.app.routes} - {""}
    assert {path for path in others if not path.startswith("/static")} <= {
        "/v1/stream",
        *DOCUMENTATION,
    }


async def test_the_policy_says_what_the_matrix_says() -> None:
    roles = dict(zip(LETTERS, Role, strict=False))
    expected = {
        route: None if letters == "*" else {roles[letter] for letter in letters}
        for route, letters in MATRIX.items()
    }
    actual = {
        route: None if access.roles is None else set(access.roles)
        for route, access in POLICY.items()
    }
    assert actual == expected


@pytest.mark.parametrize("login", EVERYBODY)
async def test_each_role_reaches_exactly_its_routes(login: str, shared_market: MarketApi) -> None:
    wrong = []
    for route, letters in MATRIX.items():
        code = (await attempt(shared_market, login, route))["code"]
        if may(login, letters):
            is_right = code not in ("NOT_PERMITTED", "NOT_AUTHENTICATED", "ROLE_NOT_PERMITTED")
        else:
            is_right = code == ("NOT_AUTHENTICATED" if login == "stranger" else "NOT_PERMITTED")
        if not is_right:
            wrong.append((route, code))
    assert wrong == []


@pytest.mark.parametrize("login", EVERYBODY)
async def test_each_role_hears_exactly_its_channels(login: str, shared_market: MarketApi) -> None:
    assert set(CHANNEL_MATRIX) == set(CHANNELS)
    for channel, letters in CHANNEL_MATRIX.items():
        async with Stream(shared_market.app) as stream:
            if login != "stranger":
                await stream.log_in(await shared_market.be(login))
            said = await stream.subscribe(channel, BEA)
        if may(login, letters):
            assert said["type"] == "snapshot", (login, channel)
        else:
            expected = "NOT_AUTHENTICATED" if login == "stranger" else "NOT_PERMITTED"
            assert said["code"] == expected, (login, channel)


@pytest.mark.parametrize("token", ["", "x", "a" * 43, "é" * 43, "Bearer", "\x00"])
async def test_a_token_that_was_never_issued_opens_nothing(
    token: str, shared_market: MarketApi
) -> None:
    header = {"Authorization": f"Bearer {token}".encode()}
    refusal = await shared_market.stranger.refused("GET", "/v1/me", headers=header)
    assert (refusal["status"], refusal["code"]) == (401, "NOT_AUTHENTICATED")


@pytest.mark.parametrize("scheme", ["Basic", "Token", "bearer2", ""])
async def test_only_bearer_tokens_are_read(scheme: str, shared_market: MarketApi) -> None:
    token = (await shared_market.be("op-1")).token
    header = {"Authorization": f"{scheme} {token}"}
    refusal = await shared_market.stranger.refused("GET", "/v1/me", headers=header)
    assert refusal["code"] == "NOT_AUTHENTICATED"


async def test_a_route_without_a_row_is_refused_to_everybody(shared_market: MarketApi) -> None:
    router = APIRouter()

    @router.get("/v1/forgotten")
    async def forgotten() -> Response:
        return Response("secret")

    shared_market.app.include_router(router, dependencies=[Depends(authorise)])
    for login in EVERYBODY:
        caller = await be(shared_market, login)
        refusal = await caller.refused("GET", "/v1/forgotten")
        assert (refusal["status"], refusal["code"]) == (403, "NOT_PERMITTED")


# --- own, another's, none, malformed -------------------------------------------------------------

OWNED = [
    ("GET", "/v1/orders/{order_id}", None),
    ("PATCH", "/v1/orders/{order_id}", {"quantity": 1}),
    ("DELETE", "/v1/orders/{order_id}", None),
    ("GET", "/v1/orders/by-client-id/{client_order_id}", None),
]
OWN_ROUTES = {route for route, access in POLICY.items() if access.ownership is Ownership.OWN}


async def test_owned_routes_with_an_id_are_all_tried() -> None:
    named = {(method, path) for method, path, _ in OWNED}
    assert {route for route in OWN_ROUTES if "{" in route[1]} == named


@pytest.mark.parametrize(("method", "path", "body"), OWNED)
async def test_anothers_order_looks_like_an_unknown_one(
    method: str, path: str, body: Json | None, shared_market: MarketApi
) -> None:
    theirs = await shared_market.enter("trader-b", "BUY", 2, "90.00")
    stranger_ids = {
        "order_id": str(theirs["order_id"]),
        "client_order_id": theirs["client_order_id"],
    }
    caller = await shared_market.be("trader-a")
    another = await caller.refused(method, address(path, stranger_ids), body)
    unknown = await caller.refused(method, address(path, UNKNOWN_IDS), body)
    for said in (another, unknown):
        assert said["status"] == 404
        assert said.pop("trace_id")
        said.pop("instance")
    assert another == unknown
    own = (await (await shared_market.be("trader-b")).get("/v1/orders", open=True))["orders"]
    assert theirs["order_id"] in [order["order_id"] for order in own]


async def test_own_orders_are_reached_by_number_and_by_client_id(
    shared_market: MarketApi,
) -> None:
    trader = await shared_market.be("trader-b")
    entered = await shared_market.enter("trader-b", "BUY", 2, "90.00")
    by_number = await trader.get(f"/v1/orders/{entered['order_id']}")
    by_name = await trader.get(f"/v1/orders/by-client-id/{entered['client_order_id']}")
    assert by_number == by_name
    assert by_number["participant_id"] == "B"


@pytest.mark.parametrize("path", ["/v1/orders", "/v1/fills", "/v1/account"])
async def test_the_participant_is_never_taken_from_the_request(
    path: str, shared_market: MarketApi
) -> None:
    trader = await shared_market.be("trader-a")
    response = await trader.send("GET", path, params={"participant_id": "B"})
    refusal = problem(response)
    assert (refusal["status"], refusal["code"]) == (422, "FIELD_UNKNOWN")
    assert refusal["errors"][0]["pointer"] == "/query/participant_id"


MALFORMED_NUMBERS = ["0", "-1", "1.0", "1e3", "+1", "01", "1_0", "%201", "x", "%00", "٣", "9" * 19]
MALFORMED_NAMES = ["%00", "a%20b", "a" * 37, "é", "%2e%2e", "%ff", "a;b", "'--", "%E7%A2%B3"]


def malformed(name: str) -> list[str]:
    numbers = ("order_id", "act_id", "freeze_id", "report_seq")
    return MALFORMED_NUMBERS if name in numbers else MALFORMED_NAMES


@pytest.mark.parametrize("route", [route for route in MATRIX if "{" in route[1]], ids=" ".join)
async def test_a_malformed_id_is_refused_by_its_name(
    route: Route, shared_market: MarketApi
) -> None:
    method, path = route
    name = re.findall(r"\{(\w+)\}", path)[-1]
    letters = MATRIX[route]
    caller = await be(shared_market, "stranger" if letters == "*" else LETTERS[letters[0]])
    for value in malformed(name):
        body = {"reason": "x", "document": "x", "quantity": 1} if method != "GET" else None
        refusal = await caller.refused(method, address(path, {name: value}), body)
        pointers = [error["pointer"] for error in refusal["errors"]]
        assert (refusal["status"], refusal["code"]) == (422, "INPUT_INVALID"), value
        assert f"/path/{name}" in pointers, value
