"""Answers that can be trusted: sent again they are the same, and every order is found again."""

import asyncio
import itertools
from typing import Any

import pytest

from tests.api.client import Caller, Json
from tests.api.market_api import BEA, MarketApi
from tests.api.orders import clear, enter, levels, terms, timeless

pytestmark = pytest.mark.asyncio(loop_scope="module")


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
