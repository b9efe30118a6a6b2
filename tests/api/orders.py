"""Orders as the tests of the edge enter and read them."""

import itertools
from typing import Any

from tests.api.client import Json
from tests.api.market_api import BEA, MarketApi

_names = itertools.count(1)


def timeless(found: Json) -> Json:
    """The payload without its instants, which are checked to be there."""
    instants = {name: value for name, value in found.items() if name.endswith("_at")}
    assert all(str(value).startswith("2024-05-06T01:3") for value in instants.values())
    return {name: value for name, value in found.items() if name not in instants}


def terms(side: str, quantity: int, price: str, **other: Any) -> Json:
    name = f"life-{next(_names)}"
    order = {"client_order_id": name, "instrument_id": BEA, "side": side}
    return {**order, "price": price, "quantity": quantity, **other}


def fen(amount: str) -> int:
    return int(amount.replace(".", ""))


async def enter(market: MarketApi, login: str, side: str, quantity: int, price: str) -> Json:
    trader = await market.be(login)
    return await trader.post("/v1/orders", terms(side, quantity, price))


async def levels(market: MarketApi, side: str) -> list[tuple[str, int]]:
    book = await market.stranger.get(f"/v1/instruments/{BEA}/book", depth=500)
    return [(level["price"], level["quantity"]) for level in book[side]]


async def clear(market: MarketApi) -> None:
    """Cancel whatever rests, so that a test begins with an empty book."""
    for login in ("trader-a", "trader-b", "trader-c"):
        trader = await market.be(login)
        for order in (await trader.get("/v1/orders", open=True))["orders"]:
            await trader.delete(f"/v1/orders/{order['order_id']}")
