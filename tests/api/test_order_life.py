"""An order's life over REST: entered, matched, amended, cancelled, found again, never doubled."""

import asyncio
import itertools
from typing import Any

import pytest

from tests.api.client import Caller, Json
from tests.api.market_api import BEA, MarketApi

pytestmark = pytest.mark.asyncio(loop_scope="module")

_names = itertools.count(1)


def timeless(found: Json) -> Json:
    """The payload without its instants, which are checked to be there."""
    instants = {name: value for name, value in found.items() if name.endswith("_at")}
    assert all(str(value).startswith("2024-05-06T01:30:") for value in instants.values())
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


# --- idempotency ---------------------------------------------------------------------------------


async def test_an_order_sent_again_gives_the_first_answer(shared_market: MarketApi) -> None:
    await clear(shared_market)
    trader = await shared_market.be("trader-b")
    order = terms("BUY", 5, "95.00")
    first = await trader.post("/v1/orders", order)
    await enter(shared_market, "trader-a", "SELL", 2, "95.00")
    again = await trader.post("/v1/orders", order)
    assert again == first | {"duplicate": True}
    assert len((await trader.get("/v1/orders", open=True))["orders"]) == 1


async def test_an_order_sent_many_times_at_once_is_entered_once(shared_market: MarketApi) -> None:
    await clear(shared_market)
    trader = await shared_market.be("trader-b")
    order = terms("BUY", 5, "95.00")
    answers = await asyncio.gather(*(trader.post("/v1/orders", order) for _ in range(8)))
    assert len({answer["order_id"] for answer in answers}) == 1
    assert sorted(answer["duplicate"] for answer in answers) == [False, *[True] * 7]
    assert await levels(shared_market, "bids") == [("95.00", 5)]


async def test_a_client_id_with_other_terms_is_refused(shared_market: MarketApi) -> None:
    trader = await shared_market.be("trader-b")
    order = terms("BUY", 5, "95.00")
    await trader.post("/v1/orders", order)
    said = await trader.refused("POST", "/v1/orders", order | {"quantity": 6})
    assert (said["status"], said["code"]) == (422, "IDEMPOTENCY_BODY_MISMATCH")
    assert said["errors"][0]["pointer"] == "/client_order_id"


async def test_client_ids_of_participants_do_not_meet(shared_market: MarketApi) -> None:
    await clear(shared_market)
    order = terms("BUY", 1, "85.00")
    one = await (await shared_market.be("trader-a")).post("/v1/orders", order)
    two = await (await shared_market.be("trader-b")).post("/v1/orders", order)
    assert one["order_id"] != two["order_id"]
    assert (one["duplicate"], two["duplicate"]) == (False, False)


async def test_a_refused_order_sent_again_is_refused_alike(shared_market: MarketApi) -> None:
    trader = await shared_market.be("trader-c")
    order = terms("BUY", 100, "100.00")
    first = await trader.refused("POST", "/v1/orders", order)
    await enter(shared_market, "trader-a", "BUY", 1, "85.00")
    again = await trader.refused("POST", "/v1/orders", order)
    assert first.pop("trace_id") != again.pop("trace_id")
    assert first == again
    assert first["code"] == "INSUFFICIENT_CASH"


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_a_change_sent_again_with_its_key_gives_the_first_answer(
    method: str, shared_market: MarketApi
) -> None:
    await clear(shared_market)
    trader = await shared_market.be("trader-b")
    number = (await enter(shared_market, "trader-b", "BUY", 5, "95.00"))["order_id"]

    async def send() -> Json:
        if method == "PATCH":
            return await trader.patch(f"/v1/orders/{number}", {"quantity": 3}, key=f"{method}-1")
        return await trader.delete(f"/v1/orders/{number}", key=f"{method}-1")

    first = await send()
    again = await send()
    assert again == first | {"duplicate": True}


async def test_one_key_for_two_changes_is_refused(shared_market: MarketApi) -> None:
    await clear(shared_market)
    trader = await shared_market.be("trader-b")
    one = await enter(shared_market, "trader-b", "BUY", 5, "95.00")
    two = await enter(shared_market, "trader-b", "BUY", 5, "94.00")
    await trader.delete(f"/v1/orders/{one['order_id']}", key="same-key")
    said = await trader.refused("DELETE", f"/v1/orders/{two['order_id']}", key="same-key")
    assert (said["status"], said["code"]) == (422, "IDEMPOTENCY_BODY_MISMATCH")
    assert said["errors"][0]["pointer"] == "/header/Idempotency-Key"


# --- finding orders again ------------------------------------------------------------------------


async def test_a_refused_order_is_found_by_its_client_id(shared_market: MarketApi) -> None:
    trader = await shared_market.be("trader-c")
    order = terms("BUY", 100, "100.00")
    await trader.refused("POST", "/v1/orders", order)
    found = await trader.get(f"/v1/orders/by-client-id/{order['client_order_id']}")
    assert timeless(found) == {
        "order_id": None,
        "participant_id": "C",
        "client_order_id": order["client_order_id"],
        "instrument_id": BEA,
        "status": "REJECTED",
        "reason": "INSUFFICIENT_CASH",
    }


async def test_a_client_id_keeps_its_first_outcome(shared_market: MarketApi) -> None:
    trader = await shared_market.be("trader-c")
    order = terms("BUY", 100, "100.00")
    await trader.refused("POST", "/v1/orders", order)
    said = await trader.refused("POST", "/v1/orders", order | {"quantity": 1})
    assert said["code"] == "IDEMPOTENCY_BODY_MISMATCH"
    found = await trader.get(f"/v1/orders/by-client-id/{order['client_order_id']}")
    assert found["reason"] == "INSUFFICIENT_CASH"


async def test_not_found_is_final_for_what_was_sent_before(shared_market: MarketApi) -> None:
    trader = await shared_market.be("trader-b")
    sequencer = shared_market.parts.exchange.sequencer
    before = sequencer.durable_seq
    said = await trader.refused("GET", "/v1/orders/by-client-id/never-sent")
    assert (said["status"], said["code"]) == (404, "ORDER_NOT_FOUND")
    assert sequencer.durable_seq > before  # the question has a place in the journal


async def test_an_answer_is_read_back_at_once(shared_market: MarketApi) -> None:
    await clear(shared_market)
    trader = await shared_market.be("trader-b")
    for quantity in range(1, 21):
        entered = await enter(shared_market, "trader-b", "BUY", quantity, "90.00")
        own, account, book = await asyncio.gather(
            trader.get(f"/v1/orders/{entered['order_id']}"),
            trader.get("/v1/account"),
            levels(shared_market, "bids"),
        )
        total = quantity * (quantity + 1) // 2
        assert own["leaves_quantity"] == quantity
        assert book == [("90.00", total)]
        assert account["cash"]["held"] != "0.00"


async def pages(caller: Caller, path: str, name: str, cursor: str, **query: Any) -> list[list[int]]:
    """The ids of every page, by following the cursors."""
    found: list[list[int]] = []
    after: Json = {}
    while True:
        page = await caller.get(path, **query, **after)
        found.append([row[f"{name[:-1].replace('fill', 'trade')}_id"] for row in page[name]])
        if page["next"] is None:
            return found
        after = {cursor: page["next"]}


async def test_orders_come_in_pages_newest_first(shared_market: MarketApi) -> None:
    await clear(shared_market)
    trader = await shared_market.be("trader-c")
    numbers = [
        (await enter(shared_market, "trader-c", "SELL", 1, "110.00"))["order_id"] for _ in range(5)
    ]
    found = await pages(trader, "/v1/orders", "orders", "before_order_id", limit=2, open=True)
    assert found == [numbers[:-3:-1], numbers[2:0:-1], numbers[:1]]
    by_instrument = await trader.get("/v1/orders", instrument_id="PCER", open=True)
    assert by_instrument == {"orders": [], "next": None}
    final = await trader.get("/v1/orders", open=False, limit=1_000)
    assert not {order["order_id"] for order in final["orders"]} & set(numbers)


async def test_fills_and_tape_come_in_pages_without_gaps(shared_market: MarketApi) -> None:
    await clear(shared_market)
    for _ in range(5):
        await enter(shared_market, "trader-a", "SELL", 1, "100.00")
        await enter(shared_market, "trader-b", "BUY", 1, "100.00")
    for caller, path, name in (
        (await shared_market.be("trader-b"), "/v1/fills", "fills"),
        (shared_market.stranger, f"/v1/instruments/{BEA}/trades", "trades"),
        (await shared_market.be("aud-1"), "/regulator/v1/trades", "trades"),
    ):
        whole = await pages(caller, path, name, "before_trade_id", limit=1_000)
        parts = await pages(caller, path, name, "before_trade_id", limit=2)
        assert list(itertools.chain(*parts)) == whole[0]
        assert len(whole[0]) >= 5
        assert whole[0] == sorted(whole[0], reverse=True)


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
