"""Compares what members were told with what the exchange holds, and adds up the day."""

from collections.abc import Sequence

from api.demo.client import Client, Json
from api.demo.crowd import Crowd, Trader
from api.money import cny
from engine.rules import half_up

PAGE = 1_000


async def check_acknowledged(base_url: str, crowd: Crowd) -> int:
    """How many acknowledged acts the exchange does not hold; each one is printed."""
    lost = 0
    for trader in crowd.traders:
        async with Client(base_url) as client:
            await client.login(trader.member.trader.login, trader.member.trader.password)
            orders = await read_all(client, "/v1/orders", "orders", "order_id")
            fills = await read_all(client, "/v1/fills", "fills", "trade_id")
            lost += len(_missing(trader, orders, fills))
    return lost


async def day_figures(
    client: Client, crowds: Sequence[Crowd], settled: Json, report: Json, journal: Json
) -> Json:
    """The figures of the demo's last line, from the exchange's own answers."""
    instruments = (await client.get("/v1/instruments"))["instruments"]
    volume = sum(view["volume"] for view in instruments)
    turnover_fen = sum(int(view["turnover"].replace(".", "")) for view in instruments)
    return {
        "orders": sum(len(trader.orders) for crowd in crowds for trader in crowd.traders),
        "trades": sum(view["trade_count"] for view in instruments),
        "volume_t": volume,
        "turnover_cny": cny(turnover_fen),
        "vwap": cny(half_up(turnover_fen, volume)) if volume else None,
        "settled_trades": settled["instructions"]["posted"],
        "registry_transfers": settled["registry_transfers"],
        "breaks": report["break_count"],
        "journal_seq": journal["durable_seq"],
    }


async def read_all(client: Client, path: str, name: str, key: str) -> dict[int, Json]:
    """Every row of a paged list, by its id."""
    found: dict[int, Json] = {}
    cursor: int | None = None
    while True:
        query = {"limit": PAGE} | ({f"before_{key}": cursor} if cursor is not None else {})
        page = await client.get(path, **query)
        found |= {row[key]: row for row in page[name]}
        cursor = page["next"]
        if cursor is None:
            return found


def _missing(trader: Trader, orders: dict[int, Json], fills: dict[int, Json]) -> list[str]:
    """What this member was told and the exchange does not hold."""
    missing = []
    for name, told in trader.orders.items():
        held = orders.get(told["order_id"])
        if held is None or held["client_order_id"] != name:
            missing.append(f"order {name}")
        elif held["cumulative_quantity"] < told["cumulative_quantity"]:
            missing.append(f"fills of order {name}")
    told_trades = [
        trade["trade_id"]
        for told in (*trader.orders.values(), *trader.amended.values())
        for trade in told["trades"]
    ]
    missing += [f"trade {trade_id}" for trade_id in told_trades if trade_id not in fills]
    missing += [
        f"cancel of {order_id}"
        for order_id in trader.canceled
        if orders.get(order_id, {}).get("status") != "CANCELED"
    ]
    missing += [
        f"amendment of {order_id}"
        for order_id, told in trader.amended.items()
        if told["version"] is not None and orders[order_id]["version"] < told["version"]
    ]
    return missing
