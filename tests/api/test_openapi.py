"""The documented interface is valid, complete, and survives whatever is generated from it."""

import asyncio
import contextlib
import copy
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.openapi import from_dict
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
)

from api.outputs.problem import ProblemOutput
from api.policy import POLICY
from engine.codes import Role
from tests.api.client import Json
from tests.api.market_api import MarketApi
from tests.api.server import served

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXAMPLES = 10
CALLERS: dict[str, Role | None] = {"": None, "trader-a": Role.TRADER, "op-1": Role.OPERATOR}
ENDS_THE_SESSION = "/v1/sessions/current"
CHECKS: Any = [not_a_server_error, content_type_conformance, response_schema_conformance]


def operations(schema: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


async def test_the_schema_is_valid_openapi_3_1(shared_market: MarketApi) -> None:
    schema = shared_market.app.openapi()
    assert schema["openapi"].startswith("3.1")
    from_dict(schema).validate()


async def test_the_schema_and_its_page_are_served_without_other_hosts(
    shared_market: MarketApi,
) -> None:
    assert await shared_market.stranger.get("/openapi.json") == shared_market.app.openapi()
    for page in ("/docs", "/redoc"):
        html = (await shared_market.stranger.send("GET", page)).text
        assert "https://" not in html.replace("https://fonts.googleapis.com", "")


async def test_every_operation_says_what_it_answers_and_who_may_call(
    shared_market: MarketApi,
) -> None:
    problem = {"$ref": f"#/components/schemas/{ProblemOutput.__name__}"}
    for method, path, operation in operations(copy.deepcopy(shared_market.app.openapi())):
        where = f"{method} {path}"
        assert operation["summary"], where
        assert operation["description"], where
        responses = operation["responses"]
        wrong = responses.pop("default")["content"]
        assert wrong == {"application/problem+json": {"schema": problem}}, where
        (status, right), *others = responses.items()
        assert others == [], where
        if status != "204":
            schema = right["content"]["application/json"]["schema"]
            assert "$ref" in schema or "anyOf" in schema, where
        roles = POLICY[method, path].roles
        assert operation.get("x-roles") == (None if roles is None else [str(r) for r in roles])
        assert ("security" in operation) is (roles is not None), where


async def test_the_system_role_is_in_no_list_of_callers(shared_market: MarketApi) -> None:
    for _, _, operation in operations(shared_market.app.openapi()):
        assert Role.SYSTEM not in operation.get("x-roles", [])


async def test_bodies_forbid_unknown_fields(shared_market: MarketApi) -> None:
    schemas = shared_market.app.openapi()["components"]["schemas"]
    objects = {name: shape for name, shape in schemas.items() if shape["type"] == "object"}
    assert [name for name in objects if objects[name].get("additionalProperties", True)] == []


def reached(role: Role | None) -> set[tuple[str, str]]:
    """The routes that a role's requests get into; a stranger tries those of traders too."""
    roles = {role, Role.TRADER} if role is None else {role}
    return {route for route, access in POLICY.items() if roles & {*(access.roles or roles)}}


@pytest.mark.parametrize("login", CALLERS)
async def test_generated_requests_meet_no_server_error(
    login: str, shared_market: MarketApi
) -> None:
    schema = from_dict(shared_market.app.openapi())
    token = (await shared_market.log_in(login)).token if login else ""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with served(shared_market) as server:
        schema.config.update(base_url=server.base_url)
        routes = reached(CALLERS[login]) - {("DELETE", ENDS_THE_SESSION)}
        count = await asyncio.to_thread(attack, schema, routes, headers)
    assert count >= len(routes) * EXAMPLES // 2


def attack(
    schema: schemathesis.schemas.BaseSchema,
    routes: set[tuple[str, str]],
    headers: dict[str, str],
) -> int:
    """Call the routes with generated requests, right ones and wrong ones; gives how many."""
    count = 0
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        if (operation.method.upper(), operation.path) not in routes:
            continue
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @given(case=operation.as_strategy(generation_mode=mode))
            @settings(
                max_examples=EXAMPLES // 2,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            def send(case: Case[Any]) -> None:
                nonlocal count
                count += 1
                case.call_and_validate(headers=headers, checks=CHECKS)

            with contextlib.suppress(Unsatisfiable):  # nothing can be wrong where nothing is sent
                send()
    return count
