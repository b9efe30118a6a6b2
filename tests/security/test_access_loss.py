"""J3: who loses access is refused at the next request, and open streams end within a second."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

import pytest

from tests.api.client import Caller, Cut, Stream
from tests.api.machine import machine_of
from tests.api.market_api import BEA, PASSWORD, MarketApi

pytestmark = pytest.mark.asyncio(loop_scope="module")

TRIALS = 4
NEW_PASSWORD = "bright-lotus-moon-74"
_logins = iter(range(1, 1_000))


@pytest.fixture(scope="module")
def market(shared_market: MarketApi) -> MarketApi:
    """One market for all tests here."""
    return shared_market


async def new_trader(market: MarketApi, participant_id: str = "A") -> Caller:
    """Somebody who trades for a participant, just logged in."""
    login = f"passing-{next(_logins)}"
    grant = {"person_id": await market.register(login), "role": "TRADER"}
    await market.act("/ops/v1/access-grants", grant | {"participant_id": participant_id})
    return await market.be(login)


def login_of(market: MarketApi, caller: Caller) -> str:
    return next(login for login, person in market.people.items() if person == caller.person_id)


async def role_revoked(market: MarketApi, caller: Caller) -> None:
    path = f"/ops/v1/people/{caller.person_id}/revocation"
    await (await market.be("op-1")).post(path)


async def role_changed(market: MarketApi, caller: Caller) -> None:
    grant = {"person_id": caller.person_id, "role": "TRADER", "participant_id": "B"}
    await market.act("/ops/v1/access-grants", grant)


async def logged_out(_market: MarketApi, caller: Caller) -> None:
    await caller.delete("/v1/sessions/current")


async def password_reset(market: MarketApi, caller: Caller) -> None:
    await (await market.be("op-1")).post(f"/ops/v1/people/{caller.person_id}/password")


async def password_changed(market: MarketApi, caller: Caller) -> None:
    change = {
        "login": login_of(market, caller),
        "current_password": PASSWORD,
        "new_password": NEW_PASSWORD,
    }
    await market.stranger.post("/v1/passwords", change)


async def disabled(market: MarketApi, caller: Caller) -> None:
    await market.parts.people.disable(caller.person_id, actor="system", reason="left")


Loss = Callable[[MarketApi, Caller], Awaitable[None]]
LOSSES: dict[Loss, tuple[str, int]] = {
    role_revoked: ("NOT_PERMITTED", 4003),
    role_changed: ("", 4003),
    logged_out: ("NOT_AUTHENTICATED", 4001),
    password_reset: ("NOT_AUTHENTICATED", 4001),
    password_changed: ("NOT_AUTHENTICATED", 4001),
    disabled: ("NOT_AUTHENTICATED", 4001),
}
"""How access is lost -> what the next request meets ('': it goes on elsewhere), how streams end."""


def called(value: Any) -> str:
    return str(getattr(value, "__name__", value))


async def open_stream(market: MarketApi, caller: Caller) -> Stream:
    """A stream on which the caller has heard a public and its private channel."""
    stream = await market.stream().__aenter__()
    await stream.log_in(caller)
    assert (await stream.subscribe("book", BEA))["type"] == "snapshot"
    assert (await stream.subscribe("executions"))["type"] == "snapshot"
    return stream


@pytest.mark.parametrize("loss", LOSSES, ids=called)
async def test_the_next_request_is_refused_and_streams_end(loss: Loss, market: MarketApi) -> None:
    code, close_code = LOSSES[loss]
    for _ in range(TRIALS):
        caller = await new_trader(market)
        assert (await caller.get("/v1/me"))["participant_id"] == "A"
        streams = [await open_stream(market, caller) for _ in range(2)]

        await loss(market, caller)
        lost_at = monotonic()
        reply = await caller.send("GET", "/v1/me")
        if code:
            assert reply.json()["code"] == code
            said = await caller.refused("POST", "/v1/orders", market.order("BUY", 1, "90.00"))
            assert said["code"] == code
        else:
            assert reply.json()["participant_id"] == "B"
        for cut in await asyncio.gather(*(stream.until_cut() for stream in streams)):
            assert (cut.code, monotonic() - lost_at <= 1) == (close_code, True)
        for stream in streams:
            await stream.__aexit__()


@pytest.mark.parametrize("loss", LOSSES, ids=called)
async def test_others_are_not_touched(loss: Loss, market: MarketApi) -> None:
    caller, bystander = await new_trader(market), await new_trader(market)
    async with market.stream() as stream:
        await stream.log_in(bystander)
        await loss(market, caller)
        assert (await bystander.get("/v1/me"))["participant_id"] == "A"
        market.hub.end_lost_sessions()
        assert await stream.ask({"op": "ping"}) == {"op": "pong"}


async def test_a_revoked_key_is_refused_at_the_next_request(market: MarketApi) -> None:
    for _ in range(TRIALS):
        machine = await machine_of(market, "trader-a")
        await machine.ok("GET", "/v1/me")
        await (await market.be("op-1")).post(f"/ops/v1/keys/{machine.key_id}/revocation")
        said = await machine.refused("GET", "/v1/me")
        assert (said["status"], said["code"]) == (401, "KEY_NOT_IN_FORCE")
        keys = (await (await market.be("op-1")).get("/ops/v1/keys"))["keys"]
        assert machine.key_id not in [key["key_id"] for key in keys]


async def test_a_key_loses_its_rights_with_its_person(market: MarketApi) -> None:
    caller = await new_trader(market)
    machine = await machine_of(market, login_of(market, caller))
    await machine.ok("GET", "/v1/account")
    await role_revoked(market, caller)
    said = await machine.refused("GET", "/v1/account")
    assert (said["status"], said["code"]) == (403, "NOT_PERMITTED")


async def test_a_lost_person_cannot_open_a_new_stream_channel(market: MarketApi) -> None:
    caller = await new_trader(market)
    await role_revoked(market, caller)
    async with market.stream() as stream:
        await stream.log_in(caller)
        assert (await stream.subscribe("executions"))["code"] == "NOT_PERMITTED"
    await logged_out_by_table(market, caller)
    async with market.stream() as stream:
        stream.say({"op": "auth", "token": caller.token})
        cut = await stream.until_cut()
        assert (cut.code, cut.reason) == (4001, "NOT_AUTHENTICATED")


async def logged_out_by_table(market: MarketApi, caller: Caller) -> None:
    assert await market.parts.sessions.revoke(caller.token)


async def test_logging_out_ends_this_session_only(market: MarketApi) -> None:
    one = await new_trader(market)
    two = await market.log_in(login_of(market, one))
    await one.delete("/v1/sessions/current")
    assert (await one.refused("GET", "/v1/me"))["code"] == "NOT_AUTHENTICATED"
    assert (await two.get("/v1/me"))["person_id"] == one.person_id
    assert (await one.refused("DELETE", "/v1/sessions/current"))["code"] == "NOT_AUTHENTICATED"


async def test_a_stream_belongs_to_one_person(market: MarketApi) -> None:
    one, two = await market.be("trader-a"), await market.be("trader-b")
    async with market.stream() as stream:
        await stream.log_in(one)
        stream.say({"op": "auth", "token": two.token})
        with pytest.raises(Cut) as cut:
            await stream.next()
        assert cut.value.code == 4003


async def test_a_reset_password_opens_nothing_until_it_is_changed(market: MarketApi) -> None:
    caller = await new_trader(market)
    login = login_of(market, caller)
    operator = await market.be("op-1")
    reset = await operator.post(f"/ops/v1/people/{caller.person_id}/password")
    once = reset["one_time_password"]

    async def attempt(password: str) -> str:
        credentials = {"login": login, "password": password}
        reply = await market.stranger.send("POST", "/v1/sessions", credentials)
        return "" if reply.is_success else str(reply.json()["code"])

    assert await attempt(PASSWORD) == "LOGIN_REFUSED"
    assert await attempt(once) == "PASSWORD_CHANGE_REQUIRED"
    weak = {"login": login, "current_password": once, "new_password": "password1234"}
    said = await market.stranger.refused("POST", "/v1/passwords", weak)
    assert (said["code"], said["errors"][0]["pointer"]) == ("PASSWORD_TOO_WEAK", "/new_password")
    await market.stranger.post("/v1/passwords", weak | {"new_password": NEW_PASSWORD})
    assert await attempt(once) == "LOGIN_REFUSED"
    assert await attempt(NEW_PASSWORD) == ""


async def test_guessing_is_slowed_down_without_locking_out(market: MarketApi) -> None:
    caller = await new_trader(market)
    login = login_of(market, caller)
    body = {"login": login, "password": "not-the-password-1"}
    codes = [
        (await market.stranger.refused("POST", "/v1/sessions", body))["code"] for _ in range(8)
    ]
    assert codes[0] == "LOGIN_REFUSED"
    assert codes[-1] == "LOGIN_THROTTLED"
    said = await market.stranger.refused("POST", "/v1/sessions", body)
    assert (said["status"], said["retryable"]) == (429, True)
    assert 0 < said["retry_after_ms"] <= 60_000
    assert (await caller.get("/v1/me"))["person_id"] == caller.person_id
