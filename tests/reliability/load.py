"""Members trading as fast as the exchange lets them, each keeping a record of every answer.

A trader is a session of one participant. Each of its connections enters orders around the
reference price (some cross, some rest), cancels and amends what it has open, one request at a time.
What was sent and what was answered is kept with all its facts; a request without an answer, or with
the answer that nobody knows (504), is kept as unknown. Connections end when the server does.
"""

import asyncio
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from api.demo.client import Client
from api.demo.market import MEMBERS, PRODUCTS, Member
from tests.reliability.wire import Answer, Connection, ConnectionLost

UNAVAILABLE, OUTCOME_UNKNOWN = 503, 504
BACK_OFF_S = 0.1
SPREAD_TICKS = 12
MAX_TONNES = 3
CANCEL_SHARE = 0.20
AMEND_SHARE = 0.05
REFERENCE_TICKS = {p.instrument_id: int(p.reference_price.replace(".", "")) for p in PRODUCTS}


class Entered(msgspec.Struct):
    """The part of an order entry's answer that the trader goes on with."""

    order_id: int
    instrument_id: str
    quantity: int
    leaves_quantity: int


@dataclass(slots=True)
class Sent:
    """One write as its sender knows it: `answer` is None while the outcome is unknown."""

    participant_id: str
    method: str
    path: str
    key: str
    body: dict[str, Any] | None
    order_id: int = 0
    answer: Answer | None = None

    @property
    def is_entry(self) -> bool:
        return self.method == "POST"

    @property
    def is_accepted(self) -> bool:
        return self.answer is not None and self.answer.status in (200, 201)


@dataclass(slots=True)
class Trader:
    """A member's session; what may be sold today is used up as sell orders are entered."""

    participant_id: str
    token: str
    sellable: dict[str, int] = field(default_factory=dict)


class Load:
    """All traders on all their connections, against one life of the server."""

    def __init__(
        self,
        port: int,
        traders: list[Trader],
        chance: random.Random,
        *,
        name: str,
        connections: int,
        pause_s: float = 0.0,
    ) -> None:
        self.sent: list[Sent] = []
        self.accepted = 0
        self._port = port
        self._traders = traders
        self._chance = chance
        self._name = name
        self._connections = connections
        self._pause_s = pause_s
        self._is_stopping = False
        self._tasks: list[asyncio.Task[None]] = []
        self._started_at = 0.0
        self._last_answer_at = 0.0

    def start(self) -> None:
        """Let everybody trade."""
        self._started_at = time.monotonic()
        for number in range(self._connections):
            trader = self._traders[number % len(self._traders)]
            self._tasks.append(asyncio.create_task(self._trade(trader, f"{self._name}-{number}")))

    async def stop(self) -> None:
        """Return when every request has been answered or its connection is gone."""
        self._is_stopping = True
        await asyncio.gather(*self._tasks)

    @property
    def unknown(self) -> list[Sent]:
        return [sent for sent in self.sent if sent.answer is None]

    @property
    def rate(self) -> float:
        """Commands accepted a second, from the start to the last answer."""
        return self.accepted / max(self._last_answer_at - self._started_at, 0.001)

    async def _trade(self, trader: Trader, prefix: str) -> None:
        chance = random.Random(self._chance.random())
        open_orders: list[Entered] = []
        async with Connection(self._port, trader.token) as connection:
            for number in self._turns():
                sent = self._next(trader, chance, open_orders, f"{prefix}-{number}")
                self.sent.append(sent)
                try:
                    answer = await connection.request(
                        sent.method, sent.path, sent.body, key="" if sent.is_entry else sent.key
                    )
                except ConnectionLost:
                    return
                if answer.status == OUTCOME_UNKNOWN:
                    continue
                sent.answer = answer
                self.accepted += sent.is_accepted
                if answer.status == UNAVAILABLE:
                    await asyncio.sleep(BACK_OFF_S)
                    continue
                self._last_answer_at = time.monotonic()
                if sent.is_entry and answer.status == 201:
                    entered = msgspec.json.decode(answer.body, type=Entered)
                    sent.order_id = entered.order_id
                    if entered.leaves_quantity:
                        open_orders.append(entered)
                if self._pause_s:
                    await asyncio.sleep(chance.expovariate(1 / self._pause_s))

    def _turns(self) -> Iterator[int]:
        number = 0
        while not self._is_stopping:
            yield number
            number += 1

    def _next(
        self, trader: Trader, chance: random.Random, open_orders: list[Entered], key: str
    ) -> Sent:
        draw = chance.random()
        if open_orders and draw < CANCEL_SHARE + AMEND_SHARE:
            at = chance.randrange(len(open_orders))
            if draw < CANCEL_SHARE:
                order = open_orders.pop(at)
                return self._change(trader, "DELETE", order, key, None)
            order = open_orders[at]
            terms = {"price": _near(chance, order.instrument_id)}
            return self._change(trader, "PATCH", order, key, terms)
        body = _order(trader, chance, key)
        return Sent(trader.participant_id, "POST", "/v1/orders", key, body)

    def _change(
        self, trader: Trader, method: str, order: Entered, key: str, body: dict[str, Any] | None
    ) -> Sent:
        path = f"/v1/orders/{order.order_id}"
        return Sent(trader.participant_id, method, path, key, body, order.order_id)


async def open_sessions(base_url: str, members: tuple[Member, ...] = MEMBERS) -> list[Trader]:
    """Log the members' traders in; sessions outlive the server's restarts."""
    traders = []
    for member in members:
        async with Client(base_url) as client:
            await client.login(member.trader.login, member.trader.password)
            account = await client.get("/v1/account")
            sellable = {units["series_id"]: units["sellable"] for units in account["units"]}
            traders.append(Trader(member.participant_id, client.token, sellable))
    return traders


def _order(trader: Trader, chance: random.Random, key: str) -> dict[str, Any]:
    instrument_id = chance.choice(tuple(REFERENCE_TICKS))
    quantity = chance.randint(1, MAX_TONNES)
    side = chance.choice(("BUY", "SELL"))
    if side == "SELL" and trader.sellable.get(instrument_id, 0) < quantity:
        side = "BUY"
    if side == "SELL":
        trader.sellable[instrument_id] -= quantity
    return {
        "client_order_id": key,
        "instrument_id": instrument_id,
        "side": side,
        "price": _near(chance, instrument_id),
        "quantity": quantity,
        "time_in_force": chance.choice(("DAY", "GTC")),
    }


def _near(chance: random.Random, instrument_id: str) -> str:
    ticks = REFERENCE_TICKS[instrument_id] + chance.randint(-SPREAD_TICKS, SPREAD_TICKS)
    return f"{ticks // 100}.{ticks % 100:02d}"
