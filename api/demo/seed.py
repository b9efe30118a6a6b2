"""Fills a founded market through its API: calendar, products, members, money, units, quotes.

Each step has a fixed idempotency key, so that a seed which a crash interrupted goes on where it
stopped when it is run again.
"""

import asyncio
from datetime import date, datetime, timedelta

from api.demo.client import POLL_SECONDS, Client, Refusal, TwoPeople
from api.demo.market import (
    MEMBERS,
    OPERATOR_1,
    OPERATOR_2,
    PRODUCTS,
    REGISTRY,
    Member,
    Person,
    Product,
)
from api.founding import Founder, find_or_create
from api.identity.people import People
from engine.codes import Role
from exchange.trading_days import SHANGHAI

CALENDAR_DAYS = 120
QUOTE_STEPS = (5, 12, 20, 35, 60)
"""Distances of the resting orders from the reference price, in ticks of 0.01 CNY."""


async def seed_market(base_url: str, traders: dict[str, str]) -> None:
    """Set up the demo market; `traders` gives each trader's person id by login."""
    async with Client(base_url) as one, Client(base_url) as two, Client(base_url) as registrar:
        await one.login(OPERATOR_1.login, OPERATOR_1.password)
        await two.login(OPERATOR_2.login, OPERATOR_2.password)
        await registrar.login(REGISTRY.login, REGISTRY.password)
        pair = TwoPeople(one, two)
        await set_calendar(one, "seed-days")
        for product in PRODUCTS:
            await list_product(pair, product, "seed")
        for member in MEMBERS:
            await admit(pair, member, traders[member.trader.login], "seed")
            await fund(pair, registrar, member, "seed")
        await wait_for_units(one, MEMBERS)
    await wait_until_open(base_url)
    for member in MEMBERS:
        await quote(base_url, member)


async def is_seeded(base_url: str) -> bool:
    """Whether an earlier run has set the market up."""
    async with Client(base_url) as client:
        await client.login(OPERATOR_1.login, OPERATOR_1.password)
        try:
            last = MEMBERS[-1].participant_id
            account = await client.get(f"/ops/v1/participants/{last}/account")
        except Refusal:
            return False
        return bool(account["units"])


async def register_traders(people: People) -> dict[str, str]:
    """Person ids of the members' traders by login; registers those that are missing."""
    found = {}
    for member in MEMBERS:
        trader = member.trader
        founder = Founder(trader.login, trader.display_name, Role.TRADER, trader.password)
        found[trader.login] = (await find_or_create(people, founder)).person_id
    return found


async def set_calendar(operator: Client, key: str) -> None:
    """Trading days from the first one that has not started by market time."""
    status = await operator.get("/v1/system/status")
    now = datetime.fromisoformat(status["market_time"]).astimezone(SHANGHAI)
    first: date = now.date()
    if (now.hour, now.minute) >= (8, 59):
        first += timedelta(days=1)
    last = first + timedelta(days=CALENDAR_DAYS)
    span = {"first": first.isoformat(), "last": last.isoformat()}
    await operator.post("/ops/v1/calendar", span, key)


async def list_product(pair: TwoPeople, product: Product, key: str) -> None:
    """List a series and its instrument."""
    name = product.instrument_id
    series = {"series_id": name, "product": product.product, "vintage": product.vintage}
    await pair.act("/ops/v1/series", series, f"{key}-s-{name}")
    terms = {
        "instrument_id": name,
        "series_id": name,
        "reference_price": product.reference_price,
    }
    await pair.act("/ops/v1/instruments", terms, f"{key}-i-{name}")


async def admit(pair: TwoPeople, member: Member, trader_id: str, key: str) -> None:
    """Admit a member and give its trader the role."""
    name = member.participant_id
    applicant = {
        "participant_id": name,
        "name": member.name,
        "participant_class": member.participant_class,
        "annual_allowance": member.annual_allowance,
    }
    await pair.proposer.post("/ops/v1/participants", applicant, f"{key}-m-{name}")
    grant = {"person_id": trader_id, "role": Role.TRADER, "participant_id": name}
    await pair.act("/ops/v1/access-grants", grant, f"{key}-g-{name}")


async def fund(pair: TwoPeople, registrar: Client, member: Member, key: str) -> None:
    """Credit a member's money; issue its units at the registry and deposit them."""
    name = member.participant_id
    cash = {"participant_id": name, "amount": member.cash, "reference": f"bank-{name}"}
    await pair.act("/ops/v1/cash-credits", cash, f"{key}-c-{name}")
    for series_id, quantity in member.units.items():
        units = {"series_id": series_id, "participant_id": name, "quantity": quantity}
        tag = f"{name}-{series_id}"
        await registrar.post("/registry/v1/issuances", units, f"{key}-r-{tag}")
        deposit = units | {"reference": f"registry-{name}"}
        await pair.act("/ops/v1/unit-deposits", deposit, f"{key}-d-{tag}")


async def wait_for_units(operator: Client, members: tuple[Member, ...]) -> None:
    """Return once the registry has locked every deposit and the market counts it."""
    for member in members:
        path = f"/ops/v1/participants/{member.participant_id}/account"
        while len((await operator.get(path))["units"]) < len(member.units):
            await asyncio.sleep(POLL_SECONDS)


async def wait_until_open(base_url: str) -> None:
    """Return once a session is open."""
    async with Client(base_url) as client:
        while True:
            phases = (await client.get("/v1/system/status"))["phases"]
            if "CONTINUOUS" in phases.values():
                return
            await asyncio.sleep(POLL_SECONDS)


async def quote(base_url: str, member: Member) -> None:
    """Rest orders of a member around each reference price: buys below, sells above."""
    async with Client(base_url) as client:
        await _login(client, member.trader)
        for product in PRODUCTS:
            reference_fen = int(product.reference_price.replace(".", ""))
            for number, step in enumerate(QUOTE_STEPS):
                await _rest(client, member, product, "BUY", reference_fen - step, number)
                if product.instrument_id in member.units:
                    await _rest(client, member, product, "SELL", reference_fen + step, number)


async def _rest(
    client: Client, member: Member, product: Product, side: str, fen: int, number: int
) -> None:
    order = {
        "client_order_id": f"seed-{product.instrument_id}-{side}-{number}",
        "instrument_id": product.instrument_id,
        "side": side,
        "price": f"{fen // 100}.{fen % 100:02d}",
        "quantity": 100 + 50 * number + 10 * MEMBERS.index(member),
        "time_in_force": "GTC",
    }
    await client.post("/v1/orders", order)


async def _login(client: Client, person: Person) -> None:
    await client.login(person.login, person.password)
