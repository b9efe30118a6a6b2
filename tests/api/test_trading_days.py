"""Trading days through the API: expiry, T+1, reference prices, new rules, settlement, breaks."""

from dataclasses import replace
from typing import Any

from exchange.clock import SystemClock
from tests.api.client import Json
from tests.api.market_api import BEA, MarketApi


async def order(market: MarketApi, login: str, entered: Json) -> Json:
    trader = await market.be(login)
    return await trader.get(f"/v1/orders/{entered['order_id']}")


async def instrument(market: MarketApi, instrument_id: str = BEA) -> Json:
    return await market.stranger.get(f"/v1/instruments/{instrument_id}")


async def rules(market: MarketApi, **changes: Any) -> int:
    """Propose rules for 2024-05-08; gives the act's id."""
    body = {
        "rule_version_id": "beijing-2",
        "effective_from": "2024-05-08",
        "title": "Second rules",
        "basis": "Order of the exchange no. 2",
        "changes": changes,
        "source_status": "sourced",
    }
    return await market.propose("/ops/v1/rules", body)


async def test_orders_are_refused_while_the_market_is_closed(closed_market: MarketApi) -> None:
    trader = await closed_market.be("trader-a")
    said = await trader.refused("POST", "/v1/orders", closed_market.order("BUY", 1, "100.00"))
    assert (said["status"], said["code"], said["rule_ref"]) == (409, "MARKET_NOT_OPEN", "R-PHASE-1")
    assert said["errors"] == [
        {
            "pointer": "/instrument_id",
            "code": "MARKET_NOT_OPEN",
            "detail": "BEA-2024 is in phase CLOSED; orders need CONTINUOUS.",
            "messages": {
                "en": "BEA-2024 is in phase CLOSED; orders need CONTINUOUS.",
                "zh": "BEA-2024 当前阶段为 CLOSED，仅连续竞价阶段接受申报。",
            },
        }
    ]


async def test_a_day_goes_through_its_phases(closed_market: MarketApi) -> None:
    seen = []
    for _ in range(6):
        status = await closed_market.stranger.get("/v1/system/status")
        seen.append((status["trading_day"], status["is_day_open"], status["phases"][BEA]))
        await closed_market.leap()
    assert seen == [
        (None, False, "CLOSED"),
        ("2024-05-06", True, "PRE_OPEN"),
        ("2024-05-06", True, "CONTINUOUS"),
        ("2024-05-06", True, "BREAK"),
        ("2024-05-06", True, "CONTINUOUS"),
        ("2024-05-06", False, "CLOSED"),
    ]


async def test_the_calendar_shows_sessions_in_utc(closed_market: MarketApi) -> None:
    calendar = await closed_market.stranger.get("/v1/calendar")
    assert (calendar["current"], calendar["is_day_open"]) == (None, False)
    assert calendar["days"][0] == {
        "trading_day": "2024-05-06",
        "pre_open_at": "2024-05-06T01:00:00.000000Z",
        "sessions": [
            {
                "opens_at": "2024-05-06T01:30:00.000000Z",
                "closes_at": "2024-05-06T03:30:00.000000Z",
            },
            {
                "opens_at": "2024-05-06T05:00:00.000000Z",
                "closes_at": "2024-05-06T07:00:00.000000Z",
            },
        ],
    }
    days = [day["trading_day"] for day in calendar["days"]]
    assert days == sorted(days)
    assert "2024-06-10" not in days  # Dragon Boat Festival
    assert "2024-05-11" not in days  # a Saturday on which offices work
    assert days[-1] == "2024-07-31"


async def test_day_orders_expire_and_gtc_orders_stay(market: MarketApi) -> None:
    day = await market.enter("trader-a", "SELL", 5, "110.00")
    gtc = await market.enter("trader-a", "SELL", 5, "111.00", time_in_force="GTC")
    await market.next_day()
    assert (await order(market, "trader-a", day))["status"] == "EXPIRED"
    kept = await order(market, "trader-a", gtc)
    assert (kept["status"], kept["leaves_quantity"], kept["trading_day"]) == (
        "NEW",
        5,
        "2024-05-06",
    )
    book = await market.stranger.get(f"/v1/instruments/{BEA}/book")
    assert book["offers"] == [{"price": "111.00", "quantity": 5}]
    units = (await (await market.be("trader-a")).get("/v1/account"))["units"][0]
    assert (units["held"], units["available"]) == (5, 49_995)


async def test_what_was_bought_is_sold_the_next_day(market: MarketApi) -> None:
    await market.enter("trader-a", "SELL", 10, "100.00")
    await market.enter("trader-b", "BUY", 10, "100.00")
    buyer, seller = await market.be("trader-b"), await market.be("trader-a")
    today = await buyer.refused("POST", "/v1/orders", market.order("SELL", 10, "100.00"))
    assert today["code"] == "UNITS_NOT_YET_SELLABLE"
    assert (await seller.get("/v1/account"))["cash"]["withdrawable"] == "10000000.00"
    await market.next_day()
    assert (await seller.get("/v1/account"))["cash"]["withdrawable"] == "10000992.50"
    sold = await market.enter("trader-b", "SELL", 10, "100.00")
    assert sold["status"] == "NEW"


async def test_the_next_reference_price_is_the_days_vwap(market: MarketApi) -> None:
    for quantity, price in ((10, "100.00"), (30, "104.00")):
        await market.enter("trader-a", "SELL", quantity, price)
        await market.enter("trader-b", "BUY", quantity, price)
    shown = await instrument(market)
    assert {name: shown[name] for name in ("open", "high", "low", "last", "volume")} == {
        "open": "100.00",
        "high": "104.00",
        "low": "100.00",
        "last": "104.00",
        "volume": 40,
    }
    assert (shown["turnover"], shown["trade_count"]) == ("4120.00", 2)
    await market.next_day()
    assert await instrument(market) == {
        "instrument_id": BEA,
        "series_id": BEA,
        "product": "BEA",
        "vintage": 2024,
        "currency": "CNY",
        "price_tick": "0.01",
        "phase": "CONTINUOUS",
        "halt_cause": None,
        "reference_price": "103.00",
        "lower_limit": "82.40",
        "upper_limit": "123.60",
        "open": None,
        "high": None,
        "low": None,
        "last": None,
        "volume": 0,
        "turnover": "0.00",
        "trade_count": 0,
    }
    unchanged = await instrument(market, "PCER")
    assert unchanged["reference_price"] == "60.00"


async def test_new_limits_cancel_orders_beyond_them(market: MarketApi) -> None:
    high = await market.enter("trader-a", "SELL", 1, "120.00", time_in_force="GTC")
    await market.enter("trader-a", "SELL", 1, "81.00")
    await market.enter("trader-b", "BUY", 1, "81.00")
    await market.next_day()
    shown = await order(market, "trader-a", high)
    assert (shown["status"], shown["reason"]) == ("CANCELED", "OUTSIDE_PRICE_LIMITS")


async def test_rules_take_effect_on_their_day_and_stay_in_the_history(market: MarketApi) -> None:
    act_id = await rules(market, public_fee_ppm=5_000, price_tick_fen=5)
    await (await market.be("eco-1")).post(f"/ops/v1/acts/{act_id}/approval")

    async def versions() -> list[tuple[str, str, bool]]:
        shown = (await market.stranger.get("/v1/rules"))["rule_versions"]
        return [(v["rule_version_id"], v["effective_from"], v["in_effect"]) for v in shown]

    first, second = ("beijing-1", "2024-05-06"), ("beijing-2", "2024-05-08")
    assert await versions() == [(*first, True), (*second, False)]
    await market.next_day()
    assert await versions() == [(*first, True), (*second, False)]
    await market.next_day()
    assert await versions() == [(*first, False), (*second, True)]
    shown = (await market.stranger.get("/v1/rules"))["rule_versions"][1]
    parameters = {row["name"]: row for row in shown["parameters"]}
    assert parameters["public_fee_ppm"] == {
        "name": "public_fee_ppm",
        "value": 5_000,
        "status": "sourced",
        "basis": "Order of the exchange no. 2",
    }
    assert parameters["lot_tonnes"]["basis"] != "Order of the exchange no. 2"
    await market.enter("trader-a", "SELL", 10, "100.00")
    bought = await market.enter("trader-b", "BUY", 10, "100.00")
    assert bought["trades"][0]["fee"] == "5.00"


async def test_a_price_between_ticks_is_refused(market: MarketApi) -> None:
    act_id = await rules(market, price_tick_fen=5)
    await (await market.be("op-2")).post(f"/ops/v1/acts/{act_id}/approval")
    await market.next_day()
    await market.next_day()
    series = {"series_id": "BEA-2025", "product": "BEA", "vintage": 2025}
    await market.act("/ops/v1/series", series)
    listing = {"instrument_id": "BEA-2025", "series_id": "BEA-2025", "reference_price": "90.00"}
    said = await (await market.be("op-1")).refused(
        "POST", "/ops/v1/instruments", listing | {"reference_price": "90.01", "reason": "x"}
    )
    assert (said["code"], said["errors"][0]["pointer"]) == ("PRICE_OFF_TICK", "/reference_price")
    await market.act("/ops/v1/instruments", listing)
    trader = await market.be("trader-a")
    bad = market.order("BUY", 1, "90.02", instrument_id="BEA-2025")
    said = await trader.refused("POST", "/v1/orders", bad)
    assert (said["status"], said["code"]) == (422, "PRICE_OFF_TICK")
    assert said["errors"] == [
        {
            "pointer": "/price",
            "code": "PRICE_OFF_TICK",
            "detail": "Prices are whole multiples of 0.05 CNY.",
            "messages": {
                "en": "Prices are whole multiples of 0.05 CNY.",
                "zh": "价格须为 0.05 元的整数倍。",
            },
        }
    ]
    good = await trader.post("/v1/orders", bad | {"price": "90.05", "client_order_id": "on-tick"})
    assert good["price"] == "90.05"
    with_old_tick = await market.enter("trader-a", "SELL", 1, "100.01")
    assert with_old_tick["price"] == "100.01"


async def test_closing_early_ends_the_day(market: MarketApi) -> None:
    resting = await market.enter("trader-a", "SELL", 1, "110.00")
    operator = await market.be("op-1")
    done = await operator.post("/ops/v1/market/closing", {"note": "typhoon"})
    assert {"OrderExpired", "InstrumentDayClosed", "DayEnded"} <= set(done["events"])
    status = await market.stranger.get("/v1/system/status")
    assert (status["is_day_open"], status["phases"][BEA]) == (False, "CLOSED")
    assert (await order(market, "trader-a", resting))["status"] == "EXPIRED"
    again = await operator.refused("POST", "/ops/v1/market/closing", {"note": "typhoon"})
    assert again["code"] == "OUTSIDE_TRADING_HOURS"
    await market.open_session()
    assert (await market.stranger.get("/v1/system/status"))["trading_day"] == "2024-05-07"


async def test_a_clock_of_real_time_cannot_leap(market: MarketApi) -> None:
    market.app.state.components = replace(market.parts, clock=SystemClock())
    said = await (await market.be("op-1")).refused("POST", "/ops/v1/clock", {})
    assert (said["status"], said["code"]) == (409, "CLOCK_NOT_ADJUSTABLE")
