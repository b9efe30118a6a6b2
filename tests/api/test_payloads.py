"""Every answer has exactly the documented form: each route is asked once, each field is seen."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from api.app import ROUTERS
from api.outputs.base import Output
from api.outputs.problem import ProblemOutput
from tests.api.client import Caller, Json
from tests.api.machine import machine_of
from tests.api.market_api import BEA, MarketApi

Route = tuple[str, str]

NEVER_SEEN = {
    "Readiness.reason",  # only of an exchange that is not ready
    "HouseUnits.account",  # the house holds no units yet
    "HouseUnits.series_id",
    "HouseUnits.units",
    "Break.kind",  # tests/api/test_trading_days.py
    "Break.ids",
    "Break.expected",
    "Break.actual",
    "HouseCash.series_id",  # always null: that is what tells it from units
    "RejectedOrder.order_id",  # always null: it has none
}
"""Fields without a value in this test, and why."""

ROUTES: dict[Route, APIRoute] = {
    (method, route.path): route
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute)
    for method in route.methods or ()
}


class Witness:
    """Holds every answer against its route's model, and remembers what it has seen."""

    def __init__(self) -> None:
        self.answered: set[Route] = set()
        self.fields: set[str] = set()
        self._forms = [
            (method, re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), (method, path))
            for method, path in sorted(ROUTES, key=lambda route: "{" in route[1])
        ]

    async def see(self, response: httpx.Response) -> None:
        await response.aread()
        if response.is_error:
            TypeAdapter(ProblemOutput).validate_json(response.content, strict=True)
            return
        found = self._route(response.request.method, response.request.url.path)
        if found is None:
            return
        self.answered.add(found)
        model = ROUTES[found].response_model
        if model is None:
            assert response.status_code == 204, found
            assert response.content == b"", found
            return
        shown = TypeAdapter(model).validate_json(response.content, strict=True)
        assert response.status_code == (ROUTES[found].status_code or 200), found
        self.fields.update(filled_fields(shown))

    def _route(self, method: str, path: str) -> Route | None:
        for its_method, form, route in self._forms:
            if its_method == method and form.fullmatch(path):
                return route
        return None


def filled_fields(shown: Any) -> Iterator[str]:
    """Model and name of every field that has a value, at any depth."""
    if isinstance(shown, Output):
        for name in type(shown).model_fields:
            value = getattr(shown, name)
            if value is not None:
                owner = next(c for c in reversed(type(shown).__mro__) if name in fields_of(c))
                yield f"{owner.__name__}.{name}"
            yield from filled_fields(value)
    elif isinstance(shown, list | tuple):
        for entry in shown:
            yield from filled_fields(entry)
    elif isinstance(shown, dict):
        for entry in shown.values():
            yield from filled_fields(entry)


def fields_of(model: type) -> dict[str, Any]:
    return model.model_fields if issubclass(model, Output) else {}


def documented_fields() -> set[str]:
    """Every field of every answer's model, by the model that first declares it."""
    found = set()
    waiting = list(Output.__subclasses__())
    while waiting:
        model = waiting.pop()
        waiting += model.__subclasses__()
        inherited = {name for base in model.__bases__ for name in fields_of(base)}
        found |= {
            f"{model.__name__}.{name}" for name in model.model_fields if name not in inherited
        }
    return found


@pytest.fixture
def witness(market: MarketApi) -> Witness:
    seeing = Witness()
    market.stranger.http.event_hooks["response"].append(seeing.see)
    return seeing


async def test_every_route_answers_in_its_documented_form(
    market: MarketApi, witness: Witness
) -> None:
    operator, regulator = await market.be("op-1"), await market.be("eco-1")
    await trading(market)
    await people(market, operator)
    await funds_and_products(market)
    await market_control(market, operator, regulator)
    await books(market, operator)
    await reading(market, operator, regulator)
    missing = set(ROUTES) - witness.answered
    assert missing == set()
    unseen = {
        name
        for name in documented_fields() - witness.fields
        if not name.startswith(("ProblemOutput", "FieldProblem", "Both"))
    }
    assert unseen == NEVER_SEEN


async def trading(market: MarketApi) -> None:
    seller, buyer = await market.be("trader-a"), await market.be("trader-b")
    sold = await market.enter("trader-a", "SELL", 5, "100.00")
    await market.enter("trader-b", "BUY", 3, "100.00")
    await market.enter("trader-a", "BUY", 1, "100.00")  # self-trade prevented: with a reason
    path = f"/v1/orders/{sold['order_id']}"
    await seller.patch(path, {"quantity": 4})
    await seller.get(path)
    await seller.delete(path)
    ended = await market.enter("trader-a", "SELL", 5, "100.00")
    await market.enter("trader-b", "BUY", 3, "100.00")
    await seller.patch(f"/v1/orders/{ended['order_id']}", {"quantity": 3})
    bid = await market.enter("trader-b", "BUY", 2, "95.00")
    await market.enter("trader-a", "SELL", 1, "96.00")
    await buyer.patch(f"/v1/orders/{bid['order_id']}", {"price": "96.00"})
    await buyer.get(f"/v1/orders/by-client-id/{bid['client_order_id']}")
    refused = market.order("BUY", 9_999, "100.00")
    poor = await market.be("trader-c")
    await poor.refused("POST", "/v1/orders", refused)
    await poor.get(f"/v1/orders/by-client-id/{refused['client_order_id']}")
    await seller.get("/v1/orders", limit=1)
    await seller.get("/v1/orders")
    await buyer.get("/v1/fills", limit=1)
    await seller.get("/v1/account")


async def people(market: MarketApi, operator: Caller) -> None:
    created = await operator.post("/ops/v1/people", {"login": "newcomer", "display_name": "New 新"})
    once, chosen = created["one_time_password"], "bright-lotus-moon-74"
    change = {"login": "newcomer", "current_password": once, "new_password": chosen}
    await market.stranger.post("/v1/passwords", change)
    await operator.post(f"/ops/v1/people/{created['person_id']}/password")
    session = await market.log_in("compliance-a")
    await session.get("/v1/me")
    await session.delete("/v1/sessions/current")
    member = {"participant_id": "D", "name": "Company D", "participant_class": "REPORTING_UNIT"}
    await operator.post("/ops/v1/participants", member)
    auditor = {"person_id": created["person_id"], "role": "AUDITOR"}
    await market.act("/ops/v1/access-grants", auditor, ("op-1", "eco-1"))
    await operator.post("/ops/v1/insiders", {"person_id": created["person_id"], "body": "verifier"})
    await operator.post(f"/ops/v1/people/{created['person_id']}/revocation")
    machine = await machine_of(market, "trader-a")
    await operator.get("/ops/v1/keys")
    await operator.post(f"/ops/v1/keys/{machine.key_id}/revocation")
    for path in ("people", "participants", "participants/A/account"):
        await operator.get(f"/ops/v1/{path}")


async def funds_and_products(market: MarketApi) -> None:
    cash: Json = {"participant_id": "A", "amount": "5.00", "reference": "bank-2"}
    units: Json = {"participant_id": "A", "series_id": BEA, "quantity": 5, "reference": "reg-2"}
    await market.act("/ops/v1/cash-credits", cash)
    await market.act("/ops/v1/cash-withdrawals", cash)
    await (await market.be("reg-1")).post(
        "/registry/v1/issuances", {"participant_id": "A", "series_id": BEA, "quantity": 5}
    )
    await market.act("/ops/v1/unit-deposits", units)
    await market.act("/ops/v1/unit-withdrawals", units)
    await market.act("/ops/v1/series", {"series_id": "S", "product": "PCER", "vintage": 2023})
    listing = {"instrument_id": "S", "series_id": "S", "reference_price": "50.00"}
    await market.act("/ops/v1/instruments", listing)
    version = {
        "rule_version_id": "beijing-2",
        "effective_from": "2024-06-03",
        "title": "New",
        "basis": "test",
        "changes": {},
    }
    await market.act("/ops/v1/rules", version)
    await market.act("/ops/v1/break-overrides", {"reason": "none there"})
    rejected = await market.propose("/ops/v1/cash-credits", cash)
    body = {"reason": "mistake"}
    await (await market.be("op-2")).post(f"/ops/v1/acts/{rejected}/rejection", body)
    freeze = {"participant_id": "A", "series_id": BEA, "quantity": 5, "freeze_reason": "OTHER",
              "document": "d"}  # fmt: skip
    for _ in range(2):
        await market.act("/regulator/v1/freezes", freeze, ("eco-1", "eco-2"))
    await market.act("/regulator/v1/freezes/1/release", {"document": "d"}, ("eco-1", "eco-2"))


async def market_control(market: MarketApi, operator: Caller, regulator: Caller) -> None:
    for caller, path in ((operator, "/ops/v1/market"), (regulator, "/regulator/v1")):
        halt = {"instrument_id": BEA, "cause": "TECHNICAL", "note": "x"}
        await caller.post(f"{path}/halts", halt)
        await market.stranger.get("/v1/instruments")
        await market.stranger.get("/v1/system/status")
        await caller.post(f"{path}/resumptions", {"instrument_id": BEA, "note": "x"})
    await market.stranger.get(f"/v1/instruments/{BEA}")
    await market.stranger.get(f"/v1/instruments/{BEA}/trades", limit=1)


async def books(market: MarketApi, operator: Caller) -> None:
    await operator.post("/ops/v1/settlement/runs")
    found = await operator.post("/ops/v1/reconciliations")
    await operator.get("/ops/v1/settlement")
    await operator.get("/ops/v1/settlement/instructions", limit=1)
    await operator.get(f"/ops/v1/reconciliations/{found['report_seq']}")
    await market.settle()
    await operator.get("/ops/v1/reconciliations")
    await operator.get("/ops/v1/journal")
    await (await market.be("reg-1")).get("/registry/v1/holdings/A")


async def reading(market: MarketApi, operator: Caller, regulator: Caller) -> None:
    await regulator.get("/regulator/v1/orders", limit=1)
    await regulator.get("/regulator/v1/trades", limit=1)
    await regulator.get("/regulator/v1/freezes")
    await operator.get("/ops/v1/acts")
    await operator.get("/ops/v1/acts", limit=1)
    await market.enter("trader-c", "SELL", 1, "110.00")
    for path in ("/livez", "/readyz", "/v1/rules", "/v1/reasons", "/v1/calendar",
                 f"/v1/instruments/{BEA}/book"):  # fmt: skip
        await market.stranger.get(path)
    await operator.post("/ops/v1/market/closing", {"note": "early"})
    await operator.post("/ops/v1/calendar", {"first": "2024-05-07", "last": "2024-06-28"})
    await blocked_opening(market, operator)


async def blocked_opening(market: MarketApi, operator: Caller) -> None:
    """A session that the end of the calendar blocks, opened by hand once days are added."""
    short = {"first": "2024-05-07", "last": "2024-05-07"}
    await operator.post("/ops/v1/calendar", short)
    while not market.parts.exchange.read.opening_block:
        await market.leap()
    await market.stranger.get("/v1/system/status")
    await operator.post("/ops/v1/calendar", {"first": "2024-05-08", "last": "2024-06-28"})
    await operator.post("/ops/v1/market/opening")
