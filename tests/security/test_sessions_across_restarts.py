"""Sessions and losses of access are as durable as everything else."""

from tests.api.machine import machine_of
from tests.api.market_api import MarketApi


async def test_sessions_and_their_ends_survive_a_restart(market: MarketApi) -> None:
    staying = await market.log_in("trader-a")
    leaving = await market.log_in("trader-a")
    revoked = await market.log_in("trader-b")
    machine = await machine_of(market, "trader-a")
    dead_key = await machine_of(market, "trader-c")
    operator = await market.be("op-1")
    await leaving.delete("/v1/sessions/current")
    await operator.post(f"/ops/v1/people/{market.people['trader-b']}/revocation")
    await operator.post(f"/ops/v1/keys/{dead_key.key_id}/revocation")

    await market.restart()
    for caller in (staying, leaving, revoked, machine, dead_key):
        caller.http = market.stranger.http
    assert (await staying.get("/v1/me"))["participant_id"] == "A"
    assert (await leaving.refused("GET", "/v1/me"))["code"] == "NOT_AUTHENTICATED"
    assert (await revoked.refused("GET", "/v1/me"))["code"] == "NOT_PERMITTED"
    assert (await machine.ok("GET", "/v1/me"))["participant_id"] == "A"
    assert (await dead_key.refused("GET", "/v1/me"))["code"] == "KEY_NOT_IN_FORCE"


async def test_orders_and_answers_survive_a_restart(market: MarketApi) -> None:
    trader = await market.be("trader-a")
    order = market.order("SELL", 5, "110.00", time_in_force="GTC")
    first = await trader.post("/v1/orders", order)
    before = await trader.get(f"/v1/orders/{first['order_id']}")
    book = await market.stranger.get("/v1/instruments/BEA-2024/book")
    account = await trader.get("/v1/account")
    await market.restart()
    assert await trader.get(f"/v1/orders/{first['order_id']}") == before
    assert await market.stranger.get("/v1/instruments/BEA-2024/book") == book
    assert await trader.get("/v1/account") == account
    assert await trader.post("/v1/orders", order) == first | {"duplicate": True}
