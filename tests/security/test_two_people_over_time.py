"""J4 over time: neither lateness nor a restart makes one person two."""

from tests.api.client import Json
from tests.api.market_api import MarketApi

CASH: Json = {"participant_id": "C", "amount": "500.00", "reference": "bank-1"}


async def status(market: MarketApi, act_id: int) -> str:
    shown = (await (await market.be("op-1")).get("/ops/v1/acts"))["acts"]
    found: str = next(act["status"] for act in shown if act["act_id"] == act_id)
    return found


async def cash_of_c(market: MarketApi) -> str:
    shown: str = (await (await market.be("trader-c")).get("/v1/account"))["cash"]["total"]
    return shown


async def test_an_expired_act_cannot_be_approved(market: MarketApi) -> None:
    act_id = await market.propose("/ops/v1/cash-credits", CASH)
    await market.next_day()
    await market.leap()  # a day after the proposal
    assert await status(market, act_id) == "EXPIRED"
    said = await (await market.be("op-2")).refused("POST", f"/ops/v1/acts/{act_id}/approval")
    assert (said["status"], said["code"]) == (404, "ACT_UNKNOWN")
    assert await cash_of_c(market) == "1000.00"


async def test_a_pending_act_survives_a_restart_with_its_proposer(market: MarketApi) -> None:
    act_id = await market.propose("/ops/v1/cash-credits", CASH)
    await market.restart()
    path = f"/ops/v1/acts/{act_id}/approval"
    said = await (await market.be("op-1")).refused("POST", path)
    assert said["code"] == "SAME_PERSON"
    await (await market.be("op-2")).post(path)
    assert await cash_of_c(market) == "1500.00"
