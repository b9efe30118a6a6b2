"""What supervisors see and do: every order and trade, halts, freezes, insiders."""

import pytest

from tests.api.client import Json
from tests.api.market_api import BEA, MarketApi

HALTERS = [("op-1", "/ops/v1/market", "OPERATOR"), ("eco-1", "/regulator/v1", "REGULATOR")]


async def phase(market: MarketApi, instrument_id: str = BEA) -> tuple[str, str | None]:
    shown = await market.stranger.get(f"/v1/instruments/{instrument_id}")
    return shown["phase"], shown["halt_cause"]


async def state(market: MarketApi, login: str, order: Json) -> tuple[str, str | None]:
    shown = await (await market.be(login)).get(f"/v1/orders/{order['order_id']}")
    return shown["status"], shown["reason"]


async def test_the_regulator_sees_every_order_and_trade_with_names(market: MarketApi) -> None:
    sold = await market.enter("trader-a", "SELL", 5, "100.00")
    bought = await market.enter("trader-b", "BUY", 3, "100.00")
    resting = await market.enter("trader-c", "SELL", 1, "105.00")
    for login in ("eco-1", "fin-1", "aud-1"):
        supervisor = await market.be(login)
        orders = (await supervisor.get("/regulator/v1/orders"))["orders"]
        assert [(order["order_id"], order["participant_id"]) for order in orders] == [
            (resting["order_id"], "C"),
            (bought["order_id"], "B"),
            (sold["order_id"], "A"),
        ]
        trade = (await supervisor.get("/regulator/v1/trades"))["trades"][0]
        assert trade.pop("executed_at").startswith("2024-05-06T01:3")
        assert trade == {
            "trade_id": 1,
            "trade_type": "CONTINUOUS",
            "instrument_id": BEA,
            "price": "100.00",
            "quantity": 3,
            "value": "300.00",
            "aggressor": "BUY",
            "trading_day": "2024-05-06",
            "buy_order_id": bought["order_id"],
            "sell_order_id": sold["order_id"],
            "buyer_id": "B",
            "seller_id": "A",
            "buyer_fee": "2.25",
            "seller_fee": "2.25",
        }


async def test_the_regulators_lists_can_be_narrowed(market: MarketApi) -> None:
    await market.enter("trader-a", "SELL", 5, "100.00")
    await market.enter("trader-b", "BUY", 5, "100.00")
    await market.enter("trader-b", "SELL", 2, "60.00", instrument_id="PCER")
    supervisor = await market.be("eco-1")

    async def numbers(path: str, name: str, **query: object) -> list[int]:
        found = (await supervisor.get(f"/regulator/v1/{path}", **query))[path]
        return [row[name] for row in found]

    assert await numbers("orders", "order_id", participant_id="B") == [3, 2]
    assert await numbers("orders", "order_id", instrument_id="PCER") == [3]
    assert await numbers("orders", "order_id", open="true") == [3]
    assert await numbers("orders", "order_id", open="false", participant_id="A") == [1]
    assert await numbers("orders", "order_id", before_order_id=2) == [1]
    assert await numbers("trades", "trade_id", participant_id="A") == [1]
    assert await numbers("trades", "trade_id", participant_id="C") == []


@pytest.mark.parametrize(("login", "path", "cause"), HALTERS)
async def test_a_halt_stops_entering_and_amending_but_not_cancelling(
    login: str, path: str, cause: str, market: MarketApi
) -> None:
    resting = await market.enter("trader-a", "SELL", 5, "110.00")
    halter, trader = await market.be(login), await market.be("trader-a")
    halt = {"instrument_id": BEA, "cause": cause, "note": "news"}
    done = await halter.post(f"{path}/halts", halt)
    assert done["events"] == ["TradingHalted", "PhaseChanged"]
    assert await phase(market) == ("HALTED", cause)
    assert await phase(market, "PCER") == ("CONTINUOUS", None)
    assert (await market.stranger.get("/v1/system/status"))["halts"] == {BEA: cause}

    said = await trader.refused("POST", "/v1/orders", market.order("BUY", 1, "100.00"))
    assert (said["code"], said["messages"]["en"]["rule"]) == (
        "MARKET_NOT_OPEN",
        "BEA-2024 is in phase HALTED; orders need CONTINUOUS.",
    )
    said = await trader.refused("PATCH", f"/v1/orders/{resting['order_id']}", {"quantity": 1})
    assert (said["code"], said["errors"][0]["pointer"]) == ("MARKET_NOT_OPEN", "/path/order_id")
    await trader.delete(f"/v1/orders/{resting['order_id']}")

    said = await halter.refused("POST", f"{path}/halts", halt)
    assert (said["status"], said["code"]) == (409, "HALT_UNCHANGED")
    await halter.post(f"{path}/resumptions", {"instrument_id": BEA, "note": "over"})
    assert await phase(market) == ("CONTINUOUS", None)


async def test_a_halt_sent_again_is_one_halt(market: MarketApi) -> None:
    operator = await market.be("op-1")
    halt = {"instrument_id": BEA, "cause": "OPERATOR", "note": "news"}
    first = await operator.post("/ops/v1/market/halts", halt, key="halt-1")
    again = await operator.post("/ops/v1/market/halts", halt, key="halt-1")
    assert (first["duplicate"], again) == (False, first | {"duplicate": True})
    other = halt | {"note": "other news"}
    said = await operator.refused("POST", "/ops/v1/market/halts", other, key="halt-1")
    assert (said["status"], said["code"]) == (422, "IDEMPOTENCY_BODY_MISMATCH")


async def test_a_halt_of_the_whole_market_ends_as_a_whole(market: MarketApi) -> None:
    regulator = await market.be("eco-1")
    halt = {"instrument_id": "*", "cause": "ABNORMAL_TRADING", "note": "x"}
    await regulator.post("/regulator/v1/halts", halt)
    assert await phase(market) == await phase(market, "PCER") == ("HALTED", "ABNORMAL_TRADING")
    one = {"instrument_id": BEA, "note": "x"}
    said = await regulator.refused("POST", "/regulator/v1/resumptions", one)
    assert said["code"] == "HALT_UNCHANGED"
    await regulator.post("/regulator/v1/resumptions", {"instrument_id": "*", "note": "x"})
    assert await phase(market) == ("CONTINUOUS", None)


async def test_a_freeze_cancels_sell_orders_and_records_what_is_short(market: MarketApi) -> None:
    sold = await market.enter("trader-a", "SELL", 9_000, "110.00")
    freeze = {
        "participant_id": "A",
        "series_id": BEA,
        "quantity": 60_000,
        "freeze_reason": "COURT",
        "document": "court order 7",
    }
    act_id = await market.act("/regulator/v1/freezes", freeze, ("eco-1", "eco-2"))
    assert await state(market, "trader-a", sold) == ("CANCELED", "UNITS_FROZEN")
    auditor = await market.be("aud-1")
    assert (await auditor.get("/regulator/v1/freezes"))["freezes"] == [
        {
            "freeze_id": 1,
            "participant_id": "A",
            "series_id": BEA,
            "quantity": 50_000,
            "shortfall": 10_000,
            "reason": "COURT",
            "document": "court order 7",
        }
    ]
    assert act_id > 0
    trader = await market.be("trader-a")
    units = (await trader.get("/v1/account"))["units"][0]
    assert (units["frozen"], units["available"], units["total"]) == (50_000, 0, 50_000)
    said = await trader.refused("POST", "/v1/orders", market.order("SELL", 1, "100.00"))
    assert said["code"] == "INSUFFICIENT_UNITS"

    release = {"document": "court order 8"}
    await market.act("/regulator/v1/freezes/1/release", release, ("eco-2", "eco-1"))
    assert (await auditor.get("/regulator/v1/freezes"))["freezes"] == []
    assert (await trader.get("/v1/account"))["units"][0]["available"] == 50_000


async def test_a_trader_declared_an_insider_cannot_trade_on(market: MarketApi) -> None:
    resting = await market.enter("trader-a", "SELL", 5, "110.00")
    insider = {"person_id": market.people["trader-a"], "body": "verifier"}
    await (await market.be("op-1")).post("/ops/v1/insiders", insider)
    trader = await market.be("trader-a")
    for method, path, body in (
        ("POST", "/v1/orders", market.order("BUY", 1, "100.00")),
        ("PATCH", f"/v1/orders/{resting['order_id']}", {"quantity": 2}),
    ):
        said = await trader.refused(method, path, body)
        assert (said["status"], said["code"]) == (403, "INSIDER_MAY_NOT_TRADE")
        assert said["rule_ref"] == "Order 775 Art 7, 20"
    await trader.delete(f"/v1/orders/{resting['order_id']}")


async def test_the_emitters_limit_counts_its_allowance(market: MarketApi) -> None:
    await market.act(
        "/ops/v1/cash-credits",
        {"participant_id": "C", "amount": "999999999.00", "reference": "bank-1"},
    )
    rules = {
        "rule_version_id": "small",
        "effective_from": "2024-05-07",
        "title": "Small limits",
        "basis": "test",
        "changes": {"position_limit_tonnes": 6_000},
    }
    await market.act("/ops/v1/rules", rules)
    await market.next_day()
    said = await (await market.be("trader-c")).refused(
        "POST", "/v1/orders", market.order("BUY", 1_001, "100.00")
    )
    assert (said["code"], said["messages"]["en"]["rule"]) == (
        "POSITION_LIMIT_EXCEEDED",
        "The group would hold 6001 t with its open buy orders; its limit is 6000 t.",
    )
    assert (await market.enter("trader-a", "BUY", 1_001, "90.00"))["status"] == "NEW"


async def test_the_journal_status_is_for_operators_and_auditors(market: MarketApi) -> None:
    before = await (await market.be("aud-1")).get("/ops/v1/journal")
    await market.enter("trader-a", "SELL", 5, "110.00")
    after = await (await market.be("op-1")).get("/ops/v1/journal")
    assert after["durable_seq"] > before["durable_seq"]
    assert after["chain"] != before["chain"]
    assert (after["pending"], after["stalled"], after["epoch"]) == (0, "", before["epoch"])
