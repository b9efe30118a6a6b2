"""The real application on a real database, founded, staffed and funded: for tests of the edge.

It is composed as the server composes itself (api.main.open_parts) but for cheap password hashes
and no snapshots.  Market time begins on 2024-05-06, a Monday, at 08:50 in Shanghai; trading days
are known to the end of July.

    staff      op-1 op-2 OPERATOR, eco-1 eco-2 ECOLOGY, reg-1 REGISTRY, aud-1 AUDITOR,
               fin-1 FINANCE_SUPERVISOR, dis-1 DISTRICT, tre-1 TREASURY, nobody without a role
    members    A emitter (trader-a, compliance-a), B institution (trader-b), C institution, poor
               (trader-c)
    products   BEA-2024 at 100.00, PCER at 60.00, OLD at 50.00 whose series has expired
"""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from time import time_ns
from typing import Any, NamedTuple

import asyncpg
import httpx
from fastapi import FastAPI

from api.app import create_app
from api.components import Components
from api.founding import Founder, found_market
from api.identity.assembly import Identity
from api.identity.passwords import Passwords
from api.identity.signatures import SignatureVerifier
from api.main import open_parts
from api.stream import Hub
from engine.codes import Role
from exchange.clock import DemoClock
from tests.api.client import Caller, Json, Stream
from tests.api.identity_world import cheap_hasher

START_NS = 1_714_956_600 * 10**9
"""2024-05-06 08:50 in Shanghai."""

PASSWORD = "quiet-pine-hill-63"
HOME = ("203.0.113.7", 40_000)
STAFF = {
    "op-1": Role.OPERATOR,
    "op-2": Role.OPERATOR,
    "eco-1": Role.ECOLOGY,
    "eco-2": Role.ECOLOGY,
    "reg-1": Role.REGISTRY,
    "aud-1": Role.AUDITOR,
    "fin-1": Role.FINANCE_SUPERVISOR,
    "dis-1": Role.DISTRICT,
    "tre-1": Role.TREASURY,
}
MEMBERS = {
    "A": ("EMITTER", {"trader-a": Role.TRADER, "compliance-a": Role.COMPLIANCE}),
    "B": ("VOLUNTARY_INSTITUTION", {"trader-b": Role.TRADER}),
    "C": ("VOLUNTARY_INSTITUTION", {"trader-c": Role.TRADER}),
}
CASH = {"A": "10000000.00", "B": "10000000.00", "C": "1000.00"}
UNITS = {"A": {"BEA-2024": 50_000, "OLD": 100}, "B": {"PCER": 20_000}, "C": {"BEA-2024": 5_000}}
PRODUCTS = (("BEA-2024", "BEA", 2024, "100.00"), ("PCER", "PCER", 2024, "60.00"))
OLD = ("OLD", "PCER", 2020, "50.00")
OLD_EXPIRED_ON = "2024-05-01"
BEA = "BEA-2024"


class Founding(NamedTuple):
    """A founded market at rest: the database to copy, who is in it, and their tokens."""

    database: str
    people: dict[str, str]
    tokens: dict[str, str]


class MarketApi:
    """The application and its people; `restart` is the process restarted."""

    def __init__(self, dsn: str, clock: DemoClock, founding: Founding | None = None) -> None:
        self.dsn = dsn
        self.clock = clock
        self.people = dict(founding.people) if founding else {}
        self._tokens = dict(founding.tokens) if founding else {}
        self._callers: dict[str, Caller] = {}
        self._orders = itertools.count(1)
        self._stack = AsyncExitStack()
        self.parts: Components
        self.identity: Identity
        self.hub: Hub
        self.app: FastAPI
        self.stranger: Caller

    async def start(self) -> None:
        opening = open_parts(self.dsn, self.clock, _no_snapshot, Passwords(cheap_hasher()))
        parts, self.identity, self.hub = await self._stack.enter_async_context(opening)
        self.parts = replace(parts, signatures=SignatureVerifier(now_ms, now_ms() - 60_000))
        self.app = create_app(self.parts, self.hub)
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False, client=HOME)
        http = httpx.AsyncClient(transport=transport, base_url="http://exchange")
        self.stranger = Caller(await self._stack.enter_async_context(http))
        for caller in self._callers.values():
            caller.http = http

    async def stop(self) -> None:
        await self._stack.aclose()

    async def restart(self) -> None:
        """The same database and the same time under a new process; tokens are kept."""
        await self.stop()
        self._stack = AsyncExitStack()
        self.clock = DemoClock(self.clock.now_ns())
        await self.start()

    async def be(self, login: str) -> Caller:
        """The person's first session."""
        if login in self._tokens and login not in self._callers:
            token, person_id = self._tokens[login], self.people[login]
            self._callers[login] = Caller(self.stranger.http, token, person_id)
        elif login not in self._callers:
            self._callers[login] = await self.log_in(login)
        return self._callers[login]

    async def log_in(self, login: str, password: str = PASSWORD) -> Caller:
        """A further session of the person."""
        session = await self.stranger.post("/v1/sessions", {"login": login, "password": password})
        return Caller(self.stranger.http, session["token"], session["person_id"])

    def stream(self) -> Stream:
        return Stream(self.app)

    async def register(self, login: str) -> str:
        """A person without a role; gives the id."""
        person = await self.parts.people.create_person(login, login, PASSWORD, actor="system")
        self.people[login] = person.person_id
        return person.person_id

    async def propose(self, path: str, body: Json, proposer: str = "op-1") -> int:
        """First signature; gives the act's id."""
        said = await (await self.be(proposer)).post(path, {"reason": "test", **body})
        act_id: int = said["act_id"]
        return act_id

    async def act(self, path: str, body: Json, signers: tuple[str, str] = ("op-1", "op-2")) -> int:
        """Both signatures; gives the act's id."""
        act_id = await self.propose(path, body, signers[0])
        await (await self.be(signers[1])).post(f"/ops/v1/acts/{act_id}/approval")
        return act_id

    async def leap(self) -> None:
        """Let time pass to the next deadline."""
        operator = await self.be("op-1")
        await operator.post("/ops/v1/clock", {"leap": "NEXT_DEADLINE"})

    async def open_session(self) -> None:
        """Let time pass until a session is open."""
        while self.parts.exchange.read.instruments[BEA].phase != "CONTINUOUS":
            await self.leap()

    async def end_day(self) -> None:
        """Let time pass until the trading day is over."""
        while self.parts.exchange.read.is_day_open:
            await self.leap()
        await self.settle()

    async def next_day(self) -> None:
        await self.end_day()
        await self.open_session()

    async def settle(self) -> None:
        """Return when everything that is durable now is settled and answered."""
        settlement, exchange = self.parts.settlement, self.parts.exchange
        while settlement.watermark() < exchange.sequencer.durable_seq:
            await settlement.catch_up(exchange.sequencer.durable_seq)

    def order(self, side: str, quantity: int, price: str, **other: Any) -> Json:
        """The body of an order for BEA-2024 with a fresh client id."""
        terms = {
            "client_order_id": f"o-{next(self._orders)}",
            "instrument_id": BEA,
            "side": side,
            "price": price,
            "quantity": quantity,
        }
        return terms | other

    async def enter(self, login: str, side: str, quantity: int, price: str, **other: Any) -> Json:
        """The answer to a new order."""
        trader = await self.be(login)
        return await trader.post("/v1/orders", self.order(side, quantity, price, **other))


async def found_template(admin_dsn: str) -> Founding:
    """Found, staff and fund a market once; every world starts from a copy of its database."""
    name = f"founded_{next(_numbers)}"
    await _execute(admin_dsn, f"CREATE DATABASE {name} TEMPLATE migrated STRATEGY FILE_COPY")
    market = MarketApi(_of(admin_dsn, name), DemoClock(START_NS))
    await market.start()
    try:
        await _found(market)
        tokens = {login: (await market.be(login)).token for login in market.people}
    finally:
        await market.stop()
    return Founding(name, market.people, tokens)


@asynccontextmanager
async def market_api(
    admin_dsn: str, founding: Founding, *, session: bool
) -> AsyncIterator[MarketApi]:
    """The founded market on a database of its own; `session` opens its first session."""
    database = f"market_{next(_numbers)}"
    copying = f"CREATE DATABASE {database} TEMPLATE {founding.database} STRATEGY FILE_COPY"
    await _execute(admin_dsn, copying)
    market = MarketApi(_of(admin_dsn, database), DemoClock(START_NS), founding)
    await market.start()
    try:
        if session:
            await market.open_session()
        yield market
    finally:
        await market.stop()
        await _execute(admin_dsn, f"DROP DATABASE {database} WITH (FORCE)")


def now_ms() -> int:
    return time_ns() // 1_000_000


_numbers = itertools.count(1)


async def _no_snapshot() -> None:
    """Nothing to take: a restart replays the journal."""


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _of(dsn: str, database: str) -> str:
    head, _, query = dsn.partition("?")
    return f"{head.rpartition('/')[0]}/{database}?{query}"


async def _found(market: MarketApi) -> None:
    founders = [Founder(login, login, role, PASSWORD) for login, role in STAFF.items()]
    people = market.parts.people
    founded = await found_market(market.parts.exchange, people, founders, 2024_05_06)
    market.people |= {person.login: person.person_id for person in founded}
    await market.register("nobody")
    operator = await market.be("op-1")
    await operator.post("/ops/v1/calendar", {"first": "2024-05-06", "last": "2024-07-31"})
    for product in (*PRODUCTS, OLD):
        await _list(market, *product)
    await asyncio.gather(*(_admit(market, name) for name in MEMBERS))
    await market.settle()


async def _list(market: MarketApi, name: str, product: str, vintage: int, price: str) -> None:
    series: Json = {"series_id": name, "product": product, "vintage": vintage}
    if name == OLD[0]:
        series["expires_on"] = OLD_EXPIRED_ON
    await market.act("/ops/v1/series", series)
    instrument = {"instrument_id": name, "series_id": name, "reference_price": price}
    await market.act("/ops/v1/instruments", instrument)


async def _admit(market: MarketApi, name: str) -> None:
    operator, registry = await market.be("op-1"), await market.be("reg-1")
    participant_class, people = MEMBERS[name]
    applicant = {
        "participant_id": name,
        "name": f"Company {name}",
        "participant_class": participant_class,
        "annual_allowance": 320_000 if participant_class == "EMITTER" else 0,
    }
    await operator.post("/ops/v1/participants", applicant)
    for login, role in people.items():
        grant = {"person_id": await market.register(login), "role": role, "participant_id": name}
        await market.act("/ops/v1/access-grants", grant)
    cash = {"participant_id": name, "amount": CASH[name], "reference": f"bank-{name}"}
    await market.act("/ops/v1/cash-credits", cash)
    for series_id, quantity in UNITS[name].items():
        units = {"participant_id": name, "series_id": series_id, "quantity": quantity}
        await registry.post("/registry/v1/issuances", units)
        await market.act("/ops/v1/unit-deposits", units | {"reference": f"registry-{name}"})
