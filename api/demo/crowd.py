"""The members of the demo: several programs that trade at once and survive a crash.

Each keeps its own record of what was acknowledged.  A request without an answer is sent again with
the same client_order_id, so that it takes effect once.
"""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx

from api.demo import market
from api.demo.client import RETRY_SECONDS, Client, Json, Refusal

CONCURRENCY = 4
CANCEL_SHARE = 0.15
AMEND_SHARE = 0.10
SPREAD_FEN = 60
RETRYABLE_STATUS = 500


@dataclass
class Trader:
    """One member's program and its record."""

    member: market.Member
    client: Client
    chance: random.Random
    orders: dict[str, Json] = field(default_factory=dict)
    amended: dict[int, Json] = field(default_factory=dict)
    canceled: dict[int, Json] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


class Crowd:
    """All members, trading at once."""

    def __init__(
        self, base_url: str, members: list[market.Member], orders_each: int, name: str = "am"
    ) -> None:
        self._base_url = base_url
        self._orders_each = orders_each
        self._name = name
        self.traders = [
            Trader(member, Client(base_url), random.Random(number))  # noqa: S311 - a demo's mix
            for number, member in enumerate(members)
        ]

    @property
    def order_count(self) -> int:
        """Orders that will be sent."""
        return len(self.traders) * self._orders_each

    @property
    def acknowledged_count(self) -> int:
        """Acts that have been acknowledged so far."""
        return sum(len(t.orders) + len(t.amended) + len(t.canceled) for t in self.traders)

    async def trade(self) -> None:
        """Send everything; returns when each request has its answer."""
        async with asyncio.TaskGroup() as tasks:
            for trader in self.traders:
                tasks.create_task(self._trade(trader))

    async def wait_until_acknowledged(self, count: int) -> None:
        """Return once so many acts are acknowledged."""
        while self.acknowledged_count < count:
            await asyncio.sleep(0.01)

    async def _trade(self, trader: Trader) -> None:
        person = trader.member.trader
        await trader.client.login(person.login, person.password)
        numbers = iter(range(self._orders_each))
        async with asyncio.TaskGroup() as lanes:
            for _ in range(CONCURRENCY):
                lanes.create_task(self._lane(trader, numbers))
        await trader.client.__aexit__()

    async def _lane(self, trader: Trader, numbers: Iterator[int]) -> None:
        for number in numbers:
            await self._enter(trader, number)
            await self._change_one(trader)

    async def _enter(self, trader: Trader, number: int) -> None:
        chance = trader.chance
        product = chance.choice(market.PRODUCTS)
        fen = int(product.reference_price.replace(".", "")) + chance.randint(
            -SPREAD_FEN, SPREAD_FEN
        )
        order = {
            "client_order_id": f"{self._name}-{number}",
            "instrument_id": product.instrument_id,
            "side": chance.choice(("BUY", "SELL")),
            "price": f"{fen // 100}.{fen % 100:02d}",
            "quantity": chance.randint(1, 40),
            "time_in_force": chance.choice(("DAY", "DAY", "GTC")),
        }
        name = str(order["client_order_id"])
        try:
            trader.orders[name] = await _persist(trader.client, "POST", "/v1/orders", order)
        except Refusal as refusal:
            trader.refused[name] = refusal.code

    async def _change_one(self, trader: Trader) -> None:
        """Now and then cancel or amend an order that still had leaves when it was entered."""
        draw = trader.chance.random()
        if draw >= CANCEL_SHARE + AMEND_SHARE or not trader.orders:
            return
        order = trader.chance.choice(list(trader.orders.values()))
        order_id, leaves = order["order_id"], order["leaves_quantity"]
        if leaves == 0 or order_id in trader.canceled or order_id in trader.amended:
            return
        path = f"/v1/orders/{order_id}"
        try:
            if draw < CANCEL_SHARE:
                trader.canceled[order_id] = await _persist(trader.client, "DELETE", path, None)
            else:
                change = {"quantity": order["quantity"] + 1}
                trader.amended[order_id] = await _persist(trader.client, "PATCH", path, change)
        except Refusal as refusal:
            trader.refused[f"{order_id}"] = refusal.code


async def _persist(client: Client, method: str, path: str, body: Json | None) -> Json:
    """Send until there is an answer, with one idempotency key."""
    send = client.keyed(method, path, body)
    while True:
        try:
            return await send()
        except httpx.TransportError:
            await asyncio.sleep(RETRY_SECONDS)
        except Refusal as refusal:
            if refusal.status < RETRYABLE_STATUS:
                raise
            await asyncio.sleep(RETRY_SECONDS)
