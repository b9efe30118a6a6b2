"""Settlement, reconciliation and the registry through the API; breaks that block an opening."""

import asyncpg
import pytest

from tests.api.client import Json
from tests.api.market_api import BEA, MarketApi


async def instrument(market: MarketApi, instrument_id: str = BEA) -> Json:
    return await market.stranger.get(f"/v1/instruments/{instrument_id}")


async def trade(market: MarketApi, times: int) -> None:
    for _ in range(times):
        await market.enter("trader-a", "SELL", 2, "100.00")
        await market.enter("trader-b", "BUY", 2, "100.00")


async def test_trades_are_settled_and_the_books_agree(market: MarketApi) -> None:
    await trade(market, 3)
    operator = await market.be("op-1")
    status = await operator.post("/ops/v1/settlement/runs")
    assert {name: status[name] for name in ("instructions", "unposted", "registry_transfers")} == {
        "instructions": {"due": 0, "reserved": 0, "posted": 3, "failed": 0},
        "unposted": 0,
        "registry_transfers": 3,
    }
    assert status["watermark"] >= market.parts.exchange.read.trades[3].trade_id
    fees = [row for row in status["house_balances"] if row["series_id"] is None]
    assert [row["cash"] for row in fees] == ["9.00"]
    found = await operator.post("/ops/v1/reconciliations")
    assert (found["break_count"], found["breaks"]) == (0, [])
    assert found["trading_day"] == "2024-05-06"
    again = await operator.get(f"/ops/v1/reconciliations/{found['report_seq']}")
    assert again == found
    await market.settle()
    newest = (await operator.get("/ops/v1/reconciliations"))["reconciliations"][0]
    assert (newest["report_seq"], newest["breaks"]) == (found["report_seq"], 0)


async def test_each_trade_has_its_instruction(market: MarketApi) -> None:
    await trade(market, 3)
    operator = await market.be("op-1")
    await operator.post("/ops/v1/settlement/runs")
    page = await operator.get("/ops/v1/settlement/instructions", limit=2)
    first = page["instructions"][0]
    assert first.pop("posting_id") > 0
    assert first.pop("registry_transfer_id") > 0
    assert first == {
        "trade_id": 1,
        "trading_day": "2024-05-06",
        "instrument_id": BEA,
        "series_id": BEA,
        "quantity": 2,
        "value": "200.00",
        "buyer_id": "B",
        "seller_id": "A",
        "buyer_fee": "1.50",
        "seller_fee": "1.50",
        "state": "posted",
        "reason": "",
    }
    rest = await operator.get("/ops/v1/settlement/instructions", after_trade_id=page["next"])
    assert [row["trade_id"] for row in rest["instructions"]] == [3]
    assert rest["next"] is None
    nobody = await operator.get("/ops/v1/settlement/instructions", participant_id="C")
    assert nobody == {"instructions": [], "next": None}


async def test_the_registry_shows_what_was_delivered(market: MarketApi) -> None:
    registry = await market.be("reg-1")

    async def tonnes(participant_id: str) -> int:
        shown = await registry.get(f"/registry/v1/holdings/{participant_id}")
        blocks = [block for block in shown["blocks"] if block["series_id"] == BEA]
        for block in blocks:
            assert block["quantity"] == block["serial_to"] - block["serial_from"] + 1
        return sum(block["quantity"] for block in blocks)

    assert (await tonnes("A"), await tonnes("B")) == (50_000, 0)
    await trade(market, 3)
    await (await market.be("op-1")).post("/ops/v1/settlement/runs")
    assert (await tonnes("A"), await tonnes("B")) == (49_994, 6)


async def test_an_issuance_sent_again_issues_once(market: MarketApi) -> None:
    registry = await market.be("reg-1")
    body = {"series_id": BEA, "participant_id": "B", "quantity": 10}
    first = await registry.post("/registry/v1/issuances", body, key="issue-1")
    assert await registry.post("/registry/v1/issuances", body, key="issue-1") == first
    other = body | {"quantity": 11}
    said = await registry.refused("POST", "/registry/v1/issuances", other, key="issue-1")
    assert (said["status"], said["code"]) == (422, "IDEMPOTENCY_BODY_MISMATCH")


async def test_units_the_registry_does_not_have_are_not_deposited(market: MarketApi) -> None:
    deposit = {"participant_id": "B", "series_id": BEA, "quantity": 5, "reference": "none"}
    await market.act("/ops/v1/unit-deposits", deposit)
    await market.settle()
    units = (await (await market.be("trader-b")).get("/v1/account"))["units"]
    assert [row["series_id"] for row in units if row["total"]] == ["PCER"]


@pytest.fixture
async def broken_market(market: MarketApi) -> MarketApi:
    """A market whose day has ended with a break in the books."""
    await market.end_day()
    await _damage(market)
    await (await market.be("op-1")).post("/ops/v1/reconciliations")
    await market.settle()
    while not market.parts.exchange.read.opening_block:
        await market.leap()
    return market


async def _damage(market: MarketApi) -> None:
    """Take a tonne from the ledger, as somebody with full rights could."""
    connection = await asyncpg.connect(market.dsn)
    try:
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(
            "UPDATE settlement.balance SET amount = amount - 1 WHERE account_id ="
            " (SELECT account_id FROM settlement.account WHERE owner = 'A' LIMIT 1)"
        )
    finally:
        await connection.close()


async def test_breaks_block_the_opening_until_two_people_override(
    broken_market: MarketApi,
) -> None:
    market = broken_market
    status = await market.stranger.get("/v1/system/status")
    assert (status["opening_block"], status["phases"][BEA]) == ("BREAKS_UNRESOLVED", "PRE_OPEN")
    operator = await market.be("op-1")
    newest = (await operator.get("/ops/v1/reconciliations"))["reconciliations"][0]
    found = await operator.get(f"/ops/v1/reconciliations/{newest['report_seq']}")
    assert found["break_count"] == len(found["breaks"]) > 0
    assert all(row["ids"] for row in found["breaks"])

    said = await operator.refused("POST", "/ops/v1/market/opening")
    assert (said["status"], said["code"]) == (409, "BREAKS_UNRESOLVED")
    act_id = await market.propose("/ops/v1/break-overrides", {"reason": "cause is known"})
    alone = await operator.refused("POST", f"/ops/v1/acts/{act_id}/approval")
    assert alone["code"] == "SAME_PERSON"
    await (await market.be("eco-1")).post(f"/ops/v1/acts/{act_id}/approval")
    await operator.post("/ops/v1/market/opening")
    shown = await instrument(market)
    assert shown["phase"] == "CONTINUOUS"
    assert (await market.enter("trader-b", "BUY", 1, "100.00"))["status"] == "NEW"
