"""While the database is away: reads answer, writes say so at once, and afterwards all goes on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from tests.api.client import Caller
from tests.api.market_api import BEA, PASSWORD, MarketApi


@asynccontextmanager
async def database_away(market: MarketApi, admin_dsn: str) -> AsyncIterator[None]:
    """The market's database refuses connections, and those that were open are cut."""
    name = market.dsn.partition("?")[0].rpartition("/")[2]
    connection = await asyncpg.connect(admin_dsn)
    switch = f"ALTER DATABASE {name} ALLOW_CONNECTIONS "
    try:
        await connection.execute(f"{switch} false")
        query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1"
        await connection.execute(query, name)
        yield
    finally:
        await connection.execute(f"{switch} true")
        await connection.close()


async def is_ready(market: MarketApi) -> bool:
    return (await market.stranger.send("GET", "/readyz")).status_code == 200


async def until_ready(market: MarketApi, *, ready: bool) -> None:
    async with asyncio.timeout(10):
        while await is_ready(market) is not ready:
            await asyncio.sleep(0.01)


async def code_of(caller: Caller, method: str, path: str, body: object = None) -> tuple[int, str]:
    said = await caller.refused(method, path, body)
    assert said["retryable"] is True
    assert said["retry_after_ms"] > 0
    return said["status"], said["code"]


async def test_reads_go_on_and_writes_are_refused_while_it_is_away(
    market: MarketApi, shared_server: str
) -> None:
    trader, operator = await market.be("trader-a"), await market.be("op-1")
    resting = await market.enter("trader-a", "SELL", 5, "110.00")
    await market.settle()
    async with database_away(market, shared_server):
        caught = asyncio.ensure_future(
            trader.send("POST", "/v1/orders", market.order("SELL", 1, "111.00"))
        )
        await until_ready(market, ready=False)
        reply = await market.stranger.send("GET", "/readyz")
        assert reply.json() == {"status": "unavailable", "reason": reply.json()["reason"]}
        assert reply.json()["reason"]

        order = market.order("SELL", 1, "112.00")
        assert await code_of(trader, "POST", "/v1/orders", order) == (503, "EXCHANGE_UNAVAILABLE")
        book = await market.stranger.get(f"/v1/instruments/{BEA}/book")
        assert book["offers"] == [{"price": "110.00", "quantity": 5}]
        assert (await trader.get(f"/v1/orders/{resting['order_id']}"))["status"] == "NEW"
        away = (503, "DATABASE_UNAVAILABLE")
        login = {"login": "trader-a", "password": PASSWORD}
        assert await code_of(market.stranger, "POST", "/v1/sessions", login) == away
        assert await code_of(operator, "GET", "/ops/v1/people") == away
        assert await code_of(operator, "GET", "/ops/v1/settlement") == away
        assert await code_of(await market.be("reg-1"), "GET", "/registry/v1/holdings/A") == away

    await until_ready(market, ready=True)
    assert (await asyncio.wait_for(caught, 10)).status_code == 201
    entered = await trader.post("/v1/orders", order)
    assert entered["duplicate"] is False
    assert (await market.log_in("trader-a")).person_id == trader.person_id
    found = await operator.post("/ops/v1/reconciliations")
    assert found["break_count"] == 0
