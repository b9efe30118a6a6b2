"""An order's life over REST: entered, matched, amended, cancelled, with the account following."""

import pytest

from tests.api.client import Json
from tests.api.market_api import BEA, MarketApi
from tests.api.orders import clear, enter, fen, levels, terms, timeless

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_order_that_meets_nobody_rests_in_the_book(shared_market: MarketApi) -> None:
    await clear(shared_market)
    trader = await shared_market.be("trader-a")
    order = terms("SELL", 7, "101.5")
    entered = await trader.post("/v1/orders", order)
    number = entered["order_id"]
    assert timeless(entered) == {
        "order_id": number,
        "client_order_id": order["client_order_id"],
        "instrument_id": BEA,
        "side": "SELL",
        "price": "101.50",
        "quantity": 7,
        "time_in_force": "DAY",
        "status": "NEW",
        "reason": None,
        "cumulative_quantity": 0,
        "leaves_quantity": 7,
        "trades": [],
        "duplicate": False,
    }
    assert timeless(await trader.get(f"/v1/orders/{number}")) == {
        "order_id": number,
        "participant_id": "A",
        "client_order_id": order["client_order_id"],
        "instrument_id": BEA,
        "side": "SELL",
        "price": "101.50",
        "quantity": 7,
        "time_in_force": "DAY",
        "status": "NEW",
        "reason": None,
        "leaves_quantity": 7,
        "cumulative_quantity": 0,
        "cumulative_value": "0.00",
        "fee": "0.00",
        "version": 1,
        "trading_day": "2024-05-06",
    }
    assert await levels(shared_market, "offers") == [("101.50", 7)]


async def test_an_incoming_order_trades_at_the_resting_prices(shared_market: MarketApi) -> None:
    await clear(shared_market)
    first = await enter(shared_market, "trader-a", "SELL", 4, "100.00")
    second = await enter(shared_market, "trader-a", "SELL", 6, "101.00")
    bought = await enter(shared_market, "trader-b", "BUY", 7, "102.00")

    trades = bought.pop("trades")
    numbers = [trade.pop("trade_id") for trade in trades]
    assert numbers == sorted(numbers)
    assert trades == [
        {"price": "100.00", "quantity": 4, "value": "400.00", "fee": "3.00"},
        {"price": "101.00", "quantity": 3, "value": "303.00", "fee": "2.27"},
    ]
    assert (bought["status"], bought["cumulative_quantity"]) == ("FILLED", 7)
    seller = await shared_market.be("trader-a")
    states = [await seller.get(f"/v1/orders/{order['order_id']}") for order in (first, second)]
    shown = [(s["status"], s["leaves_quantity"], s["cumulative_value"], s["fee"]) for s in states]
    assert shown == [("FILLED", 0, "400.00", "3.00"), ("PARTIALLY_FILLED", 3, "303.00", "2.27")]
    assert await levels(shared_market, "offers") == [("101.00", 3)]

    fills = (await (await shared_market.be("trader-b")).get("/v1/fills", limit=2))["fills"]
    assert [timeless(fill) for fill in fills] == [
        {
            "trade_id": number,
            "trade_type": "CONTINUOUS",
            "instrument_id": BEA,
            "price": price,
            "quantity": quantity,
            "value": value,
            "aggressor": "BUY",
            "trading_day": "2024-05-06",
            "side": "BUY",
            "order_id": bought["order_id"],
            "fee": fee,
        }
        for number, price, quantity, value, fee in (
            (numbers[1], "101.00", 3, "303.00", "2.27"),
            (numbers[0], "100.00", 4, "400.00", "3.00"),
        )
    ]
    tape = (await shared_market.stranger.get(f"/v1/instruments/{BEA}/trades", limit=2))["trades"]
    private = ("side", "order_id", "fee")
    assert tape == [{k: v for k, v in fill.items() if k not in private} for fill in fills]


async def test_the_rest_of_a_partly_filled_order_rests(shared_market: MarketApi) -> None:
    await clear(shared_market)
    await enter(shared_market, "trader-a", "SELL", 2, "100.00")
    bought = await enter(shared_market, "trader-b", "BUY", 5, "100.00")
    shown = ("PARTIALLY_FILLED", 2, 3)
    assert (bought["status"], bought["cumulative_quantity"], bought["leaves_quantity"]) == shown
    assert await levels(shared_market, "bids") == [("100.00", 3)]
    assert await levels(shared_market, "offers") == []


async def test_less_at_the_same_price_keeps_priority(shared_market: MarketApi) -> None:
    await clear(shared_market)
    older = await enter(shared_market, "trader-a", "SELL", 5, "100.00")
    await enter(shared_market, "trader-c", "SELL", 5, "100.00")
    trader = await shared_market.be("trader-a")
    amended = await trader.patch(f"/v1/orders/{older['order_id']}", {"quantity": 3})
    assert timeless(amended) == {
        "order_id": older["order_id"],
        "price": "100.00",
        "quantity": 3,
        "version": 2,
        "priority_kept": True,
        "leaves_quantity": 3,
        "is_open": True,
        "reason": None,
        "trades": [],
        "duplicate": False,
    }
    await enter(shared_market, "trader-b", "BUY", 3, "100.00")
    assert (await trader.get(f"/v1/orders/{older['order_id']}"))["status"] == "FILLED"


@pytest.mark.parametrize("change", [{"quantity": 9}, {"price": "100.00", "quantity": 6}])
async def test_more_quantity_loses_priority(change: Json, shared_market: MarketApi) -> None:
    await clear(shared_market)
    older = await enter(shared_market, "trader-a", "SELL", 5, "100.00")
    younger = await enter(shared_market, "trader-c", "SELL", 5, "100.00")
    trader = await shared_market.be("trader-a")
    amended = await trader.patch(f"/v1/orders/{older['order_id']}", change)
    assert (amended["priority_kept"], amended["quantity"]) == (False, change["quantity"])
    await enter(shared_market, "trader-b", "BUY", 5, "100.00")
    rival = await shared_market.be("trader-c")
    assert (await rival.get(f"/v1/orders/{younger['order_id']}"))["status"] == "FILLED"
    assert (await trader.get(f"/v1/orders/{older['order_id']}"))["status"] == "NEW"


async def test_an_amended_price_may_trade_at_once(shared_market: MarketApi) -> None:
    await clear(shared_market)
    await enter(shared_market, "trader-a", "SELL", 5, "100.00")
    bid = await enter(shared_market, "trader-b", "BUY", 5, "99.00")
    trader = await shared_market.be("trader-b")
    amended = await trader.patch(f"/v1/orders/{bid['order_id']}", {"price": "100.00"})
    assert [trade["quantity"] for trade in amended["trades"]] == [5]
    assert (amended["is_open"], amended["leaves_quantity"]) == (False, 0)


async def test_amending_to_what_is_filled_ends_the_order(shared_market: MarketApi) -> None:
    await clear(shared_market)
    bid = await enter(shared_market, "trader-b", "BUY", 5, "100.00")
    await enter(shared_market, "trader-a", "SELL", 2, "100.00")
    trader = await shared_market.be("trader-b")
    amended = await trader.patch(f"/v1/orders/{bid['order_id']}", {"quantity": 2})
    assert timeless(amended) == {
        "order_id": bid["order_id"],
        "price": None,
        "quantity": None,
        "version": None,
        "priority_kept": False,
        "leaves_quantity": 0,
        "is_open": False,
        "reason": "AMENDED_TO_FILLED",
        "trades": [],
        "duplicate": False,
    }
    assert (await trader.get(f"/v1/orders/{bid['order_id']}"))["status"] == "CANCELED"


async def test_a_cancelled_order_gives_its_money_back(shared_market: MarketApi) -> None:
    await clear(shared_market)
    trader = await shared_market.be("trader-b")
    before = (await trader.get("/v1/account"))["cash"]
    order = await enter(shared_market, "trader-b", "BUY", 10, "90.00")
    during = (await trader.get("/v1/account"))["cash"]
    assert during["held"] == "906.75"
    assert during["total"] == before["total"]
    canceled = await trader.delete(f"/v1/orders/{order['order_id']}")
    assert timeless(canceled) == {
        "order_id": order["order_id"],
        "status": "CANCELED",
        "reason": "REQUESTED",
        "canceled_quantity": 10,
        "duplicate": False,
    }
    assert (await trader.get("/v1/account"))["cash"] == before
    said = await trader.refused("DELETE", f"/v1/orders/{order['order_id']}")
    assert (said["status"], said["code"]) == (409, "ORDER_NOT_OPEN")
    assert said["errors"][0]["pointer"] == "/path/order_id"


async def test_own_orders_do_not_trade_with_each_other(shared_market: MarketApi) -> None:
    await clear(shared_market)
    await enter(shared_market, "trader-a", "SELL", 5, "100.00")
    bought = await enter(shared_market, "trader-a", "BUY", 5, "100.00")
    assert (bought["status"], bought["reason"], bought["trades"]) == (
        "CANCELED",
        "SELF_TRADE_PREVENTED",
        [],
    )


async def test_compliance_sees_and_cancels_but_does_not_trade(shared_market: MarketApi) -> None:
    await clear(shared_market)
    officer = await shared_market.be("compliance-a")
    order = await enter(shared_market, "trader-a", "SELL", 5, "110.00")
    assert (await officer.get(f"/v1/orders/{order['order_id']}"))["status"] == "NEW"
    said = await officer.refused("POST", "/v1/orders", terms("BUY", 1, "90.00"))
    assert said["code"] == "NOT_PERMITTED"
    said = await officer.refused("PATCH", f"/v1/orders/{order['order_id']}", {"quantity": 1})
    assert said["code"] == "NOT_PERMITTED"
    await officer.delete(f"/v1/orders/{order['order_id']}")
    assert await levels(shared_market, "offers") == []


async def test_account_numbers_follow_every_trade(shared_market: MarketApi) -> None:
    await clear(shared_market)
    buyer, seller = await shared_market.be("trader-b"), await shared_market.be("trader-c")
    before = {name: await who.get("/v1/account") for name, who in (("b", buyer), ("c", seller))}
    await enter(shared_market, "trader-c", "SELL", 40, "100.00")
    await enter(shared_market, "trader-b", "BUY", 40, "100.00")
    after = {name: await who.get("/v1/account") for name, who in (("b", buyer), ("c", seller))}

    def change(name: str, kind: str) -> int:
        return fen(after[name]["cash"][kind]) - fen(before[name]["cash"][kind])

    assert (change("b", "available"), change("b", "held")) == (-4030_00, 0)
    assert (change("c", "available"), change("c", "held")) == (3970_00, 0)
    assert change("c", "withdrawable") == 0  # proceeds are withdrawable the next trading day
    units = {row["series_id"]: row for row in after["b"]["units"]}[BEA]
    assert units["sellable"] == 0
    assert units["available"] == units["total"] >= 40


async def test_each_side_sees_its_own_fee(shared_market: MarketApi) -> None:
    """Fees are rounded over the whole order, so that the sides of a trade may differ by a fen."""
    await clear(shared_market)
    for _ in range(2):
        await enter(shared_market, "trader-a", "SELL", 1, "100.34")
    bought = await enter(shared_market, "trader-b", "BUY", 2, "100.34")
    assert [trade["fee"] for trade in bought["trades"]] == ["0.75", "0.76"]
    fees = {}
    for login in ("trader-a", "trader-b"):
        fills = (await (await shared_market.be(login)).get("/v1/fills", limit=2))["fills"]
        fees[login] = [(fill["side"], fill["fee"]) for fill in fills]
    assert fees == {
        "trader-a": [("SELL", "0.75"), ("SELL", "0.75")],
        "trader-b": [("BUY", "0.76"), ("BUY", "0.75")],
    }
    trade = (await (await shared_market.be("aud-1")).get("/regulator/v1/trades", limit=1))["trades"]
    assert (trade[0]["buyer_fee"], trade[0]["seller_fee"]) == ("0.76", "0.75")


async def test_an_amendment_sent_again_after_another_one_gives_its_first_answer(
    shared_market: MarketApi,
) -> None:
    await clear(shared_market)
    bid = await enter(shared_market, "trader-b", "BUY", 5, "99.00")
    trader = await shared_market.be("trader-b")
    path = f"/v1/orders/{bid['order_id']}"
    first = await trader.patch(path, {"price": "98.00"}, key="amend-1")
    await trader.patch(path, {"quantity": 4}, key="amend-2")
    again = await trader.patch(path, {"price": "98.00"}, key="amend-1")
    assert again == first | {"duplicate": True}
