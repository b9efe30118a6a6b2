"""One valid request for every write of the API that takes an idempotency key.

A builder prepares what its request needs (an act to approve, a key to revoke) and gives the
request with a body that is like no earlier one. `NOT_BY_KEY` names the other writes and why.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from api.demo.market import ECOLOGY_1, ECOLOGY_2, MEMBERS, OPERATOR_1, OPERATOR_2, REGISTRY
from tests.reliability.markets import Market
from tests.reliability.wire import Connection

Body = dict[str, Any]
Route = tuple[str, str]
MEMBER = MEMBERS[0].participant_id
SERIES = "BEA-2024"
UNLISTED = "unlisted"
HALTED, REGULATED = "PCER", "BEA-2025"
"""Instruments that operators and the regulator halt and resume, turn by turn."""

NOT_BY_KEY: dict[Route, str] = {
    ("POST", "/v1/sessions"): "each login is a session of its own; its token is shown once",
    ("POST", "/v1/passwords"): "the old password is gone with the first; the second is refused",
    ("POST", "/ops/v1/people"): "the login is the key: a second one is refused as taken",
    ("POST", "/ops/v1/people/{person_id}/password"): "each call makes a password, shown once",
    ("POST", "/ops/v1/settlement/runs"): "changes nothing by itself: waits for settlement",
    ("POST", "/ops/v1/clock"): "demo market only: each call is a leap",
}


class Write(NamedTuple):
    """A request, who sends it, and the same key with another meaning."""

    route: Route
    token: str
    path: str
    body: Body | None
    other_path: str
    other_body: Body | None


@dataclass(slots=True)
class Catalogue:
    """Builds requests against a running market."""

    market: Market
    person_id: str = ""
    """Somebody without a role, to be given one and to lose it."""

    key_holder_id: str = ""
    """A trader, for machine keys."""

    freeze_ids: list[int] = field(default_factory=list)

    async def open(self) -> None:
        """Make what the requests are about: a person, and a series without an instrument."""
        new = {"login": "repeat.guo", "display_name": "Guo Yan 郭燕"}
        created = await self._send(OPERATOR_1.login, "/ops/v1/people", new)
        self.person_id = created["person_id"]
        token = self.market.traders[0].token
        async with Connection(self.market.server.port, token) as connection:
            self.key_holder_id = (await connection.get("/v1/me"))["person_id"]
        await self.carry_out("/ops/v1/series", _series(UNLISTED), by=OPERATORS)

    async def build(self, route: Route, name: str) -> Write:
        """The request of a route; `name` is used in it and is like no other."""
        return await BUILDERS[route](self, route, name)

    async def registered_units(self) -> int:
        """Tonnes of the series that the registry has for the member, locked ones included."""
        token = self.by(REGISTRY.login)
        async with Connection(self.market.server.port, token) as connection:
            held = await connection.get(f"/registry/v1/holdings/{MEMBER}")
        return sum(b["quantity"] for b in held["blocks"] if b["series_id"] == SERIES)

    def by(self, login: str) -> str:
        """The token of a member of staff."""
        return self.market.staff[login]

    async def _send(self, login: str, path: str, body: Body | None = None) -> Any:
        async with Connection(self.market.server.port, self.by(login)) as connection:
            answer = await connection.request("POST", path, body)
        assert answer.status < 300, (path, answer)
        return answer.json()

    async def propose(self, login: str, path: str, body: Body) -> int:
        """Give an act its first signature."""
        return int((await self._send(login, path, body))["act_id"])

    async def carry_out(self, path: str, body: Body, *, by: tuple[str, str]) -> None:
        """Both signatures."""
        act_id = await self.propose(by[0], path, body)
        await self._send(by[1], f"/ops/v1/acts/{act_id}/approval")


Builder = Callable[[Catalogue, Route, str], Awaitable[Write]]
OPERATORS = (OPERATOR_1.login, OPERATOR_2.login)
ECOLOGY = (ECOLOGY_1.login, ECOLOGY_2.login)


def _plain(login: str, body: Callable[[str], Body], changed: str) -> Builder:
    """A request that needs nothing prepared; `changed` is the field that the other body changes."""

    async def build(catalogue: Catalogue, route: Route, name: str) -> Write:
        mine = body(name)
        other = mine | {changed: _another(mine[changed])}
        return Write(route, catalogue.by(login), route[1], mine, route[1], other)

    return build


def _another(value: str | int) -> str | int:
    return value + 1 if isinstance(value, int) else f"{value} again"


def _cash(name: str) -> Body:
    return {"participant_id": MEMBER, "amount": "0.01", "reference": name, "reason": name}


def _units(name: str) -> Body:
    units = {"participant_id": MEMBER, "series_id": SERIES, "quantity": 1}
    return units | {"reference": name, "reason": name}


def _grant(catalogue: Catalogue, name: str) -> Body:
    role = {"person_id": catalogue.person_id, "role": "TRADER", "participant_id": MEMBER}
    return role | {"reason": name}


def _key(catalogue: Catalogue, name: str) -> Body:
    number = int(name.removeprefix("r"))
    return {
        "key_id": f"key-{name}",
        "person_id": catalogue.key_holder_id,
        "public_key": f"{number + 1:064x}",
        "label": name,
        "reason": name,
    }


async def _order(catalogue: Catalogue, route: Route, name: str) -> Write:
    trader = catalogue.market.traders[0]
    body = {
        "client_order_id": name,
        "instrument_id": SERIES,
        "side": "BUY",
        "price": "80.00",
        "quantity": 1,
        "time_in_force": "GTC",
    }
    return Write(route, trader.token, route[1], body, route[1], body | {"quantity": 2})


async def _grants(catalogue: Catalogue, route: Route, name: str) -> Write:
    body = _grant(catalogue, name)
    other = body | {"reason": "another"}
    return Write(route, catalogue.by(OPERATOR_1.login), route[1], body, route[1], other)


async def _person_revoked(catalogue: Catalogue, route: Route, name: str) -> Write:
    await catalogue.carry_out("/ops/v1/access-grants", _grant(catalogue, name), by=OPERATORS)
    path = route[1].format(person_id=catalogue.person_id)
    other = route[1].format(person_id="p-nobody")
    return Write(route, catalogue.by(OPERATOR_1.login), path, None, other, None)


async def _keys(catalogue: Catalogue, route: Route, name: str) -> Write:
    body = _key(catalogue, name)
    other = body | {"label": "another"}
    return Write(route, catalogue.by(OPERATOR_1.login), route[1], body, route[1], other)


async def _key_revoked(catalogue: Catalogue, route: Route, name: str) -> Write:
    await catalogue.carry_out("/ops/v1/keys", _key(catalogue, name), by=OPERATORS)
    path = route[1].format(key_id=f"key-{name}")
    other = route[1].format(key_id="key-of-nobody")
    return Write(route, catalogue.by(OPERATOR_1.login), path, None, other, None)


async def _approved(catalogue: Catalogue, route: Route, name: str) -> Write:
    ids = [
        await catalogue.propose(OPERATOR_1.login, "/ops/v1/cash-credits", _cash(f"{name}-{n}"))
        for n in range(2)
    ]
    path, other = (route[1].format(act_id=act_id) for act_id in ids)
    return Write(route, catalogue.by(OPERATOR_2.login), path, None, other, None)


async def _rejected(catalogue: Catalogue, route: Route, name: str) -> Write:
    act_id = await catalogue.propose(OPERATOR_1.login, "/ops/v1/cash-credits", _cash(name))
    path = route[1].format(act_id=act_id)
    body, other = {"reason": name}, {"reason": "another"}
    return Write(route, catalogue.by(OPERATOR_2.login), path, body, path, other)


async def _released(catalogue: Catalogue, route: Route, name: str) -> Write:
    if not catalogue.freeze_ids:
        await catalogue.carry_out("/regulator/v1/freezes", _freeze(name), by=ECOLOGY)
        catalogue.freeze_ids.append(1)
    path = route[1].format(freeze_id=catalogue.freeze_ids[0])
    body = {"document": name, "reason": name}
    other = body | {"reason": "another"}
    return Write(route, catalogue.by(ECOLOGY_1.login), path, body, path, other)


async def _unaddressed(catalogue: Catalogue, route: Route, _name: str) -> Write:
    """A request without a body, whose key means something else on another route only."""
    token = catalogue.by(OPERATOR_1.login)
    halt = {"instrument_id": HALTED, "cause": "OPERATOR", "note": "another"}
    return Write(route, token, route[1], None, "/ops/v1/market/halts", halt)


def _freeze(name: str) -> Body:
    frozen = {"participant_id": MEMBER, "series_id": SERIES, "quantity": 1}
    return frozen | {"freeze_reason": "COURT", "document": name, "reason": name}


def _participant(name: str) -> Body:
    return {"participant_id": f"M-{name}", "name": name, "participant_class": "EMITTER"}


def _series(name: str) -> Body:
    return {"series_id": f"S-{name}", "product": "BEA", "vintage": 2026, "reason": name}


def _instrument(name: str) -> Body:
    product = {"instrument_id": f"I-{name}", "series_id": f"S-{UNLISTED}"}
    return product | {"reference_price": "88.00", "reason": name}


def _rules(name: str) -> Body:
    version = {"rule_version_id": name, "effective_from": "2099-01-05", "title": name}
    return version | {"basis": "test", "changes": {"public_fee_ppm": 7_000}, "reason": name}


def _halt(instrument_id: str) -> Callable[[str], Body]:
    return lambda name: {"instrument_id": instrument_id, "cause": "OPERATOR", "note": name}


def _resumption(instrument_id: str) -> Callable[[str], Body]:
    return lambda name: {"instrument_id": instrument_id, "note": name}


def _issuance(name: str) -> Body:
    quantity = int(name.removeprefix("r")) + 1
    return {"series_id": SERIES, "participant_id": MEMBER, "quantity": quantity}


async def _calendar(catalogue: Catalogue, route: Route, name: str) -> Write:
    last = f"2026-12-{1 + int(name.removeprefix('r')) % 28:02d}"
    token = catalogue.by(OPERATOR_1.login)
    body, other = ({"first": "2026-11-30", "last": day} for day in (last, "2026-12-31"))
    return Write(route, token, route[1], body, route[1], other)


_OP, _ECO = OPERATOR_1.login, ECOLOGY_1.login
BUILDERS: dict[Route, Builder] = {
    ("POST", "/v1/orders"): _order,
    ("POST", "/ops/v1/participants"): _plain(_OP, _participant, "name"),
    ("POST", "/ops/v1/people/{person_id}/revocation"): _person_revoked,
    ("POST", "/ops/v1/access-grants"): _grants,
    ("POST", "/ops/v1/insiders"): _plain(
        _OP, lambda name: {"person_id": f"p-{name}", "body": name}, "body"
    ),
    ("POST", "/ops/v1/keys"): _keys,
    ("POST", "/ops/v1/keys/{key_id}/revocation"): _key_revoked,
    ("POST", "/ops/v1/cash-credits"): _plain(_OP, _cash, "reason"),
    ("POST", "/ops/v1/cash-withdrawals"): _plain(_OP, _cash, "reason"),
    ("POST", "/ops/v1/unit-deposits"): _plain(_OP, _units, "quantity"),
    ("POST", "/ops/v1/unit-withdrawals"): _plain(_OP, _units, "quantity"),
    ("POST", "/ops/v1/rules"): _plain(_OP, _rules, "title"),
    ("POST", "/ops/v1/series"): _plain(_OP, _series, "reason"),
    ("POST", "/ops/v1/instruments"): _plain(_OP, _instrument, "reason"),
    ("POST", "/ops/v1/calendar"): _calendar,
    ("POST", "/ops/v1/break-overrides"): _plain(_OP, lambda name: {"reason": name}, "reason"),
    ("POST", "/ops/v1/acts/{act_id}/approval"): _approved,
    ("POST", "/ops/v1/acts/{act_id}/rejection"): _rejected,
    ("POST", "/ops/v1/market/opening"): _unaddressed,
    ("POST", "/ops/v1/market/halts"): _plain(_OP, _halt(HALTED), "note"),
    ("POST", "/ops/v1/market/resumptions"): _plain(_OP, _resumption(HALTED), "note"),
    ("POST", "/ops/v1/reconciliations"): _unaddressed,
    ("POST", "/regulator/v1/halts"): _plain(_ECO, _halt(REGULATED), "note"),
    ("POST", "/regulator/v1/resumptions"): _plain(_ECO, _resumption(REGULATED), "note"),
    ("POST", "/regulator/v1/freezes"): _plain(_ECO, _freeze, "reason"),
    ("POST", "/regulator/v1/freezes/{freeze_id}/release"): _released,
    ("POST", "/registry/v1/issuances"): _plain(REGISTRY.login, _issuance, "quantity"),
    ("POST", "/ops/v1/market/closing"): _plain(_OP, lambda name: {"note": name}, "note"),
}
"""In this order, so that halts are lifted again; the closing is the last."""
