"""Failures of ours: one form, a trace id, nothing of the inside, and the truth about retrying."""

from collections.abc import Callable

import asyncpg
import httpx
import pytest
from asyncpg.exceptions._base import DataError as ClientSideDataError
from fastapi import HTTPException
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from api import payloads
from api.identity.errors import LoginThrottled
from exchange.faults import OutcomeUnknown, Unavailable
from tests.api.client import Json, problem
from tests.api.market_api import MarketApi

pytestmark = pytest.mark.asyncio(loop_scope="module")


def postgres(sqlstate: str) -> asyncpg.PostgresError:
    return asyncpg.PostgresError.new({"C": sqlstate, "M": "something secret"})


def lost(cause: Exception) -> DBAPIError:
    return InterfaceError("SELECT secret", {}, cause, connection_invalidated=True)


def wrong(cause: Exception) -> DBAPIError:
    return DBAPIError("SELECT secret", {}, cause)


FAILURES: dict[str, tuple[Exception, int, str]] = {
    "a bug": (RuntimeError("something secret"), 500, "INTERNAL"),
    "a statement that is wrong": (wrong(postgres("42601")), 500, "INTERNAL"),
    "a value that fits no column": (wrong(postgres("22021")), 500, "INTERNAL"),
    "an argument asyncpg refuses": (ClientSideDataError("something secret"), 500, "INTERNAL"),
    "a router's failure": (HTTPException(502), 500, "INTERNAL"),
    "a router's refusal": (HTTPException(418), 400, "REQUEST_REFUSED"),
    "a lost connection": (lost(postgres("08006")), 503, "DATABASE_UNAVAILABLE"),
    "a closed connection": (
        asyncpg.InterfaceError("connection is closed"), 503, "DATABASE_UNAVAILABLE",
    ),
    "a database shutting down": (postgres("57P01"), 503, "DATABASE_UNAVAILABLE"),
    "too many connections": (wrong(postgres("53300")), 503, "DATABASE_UNAVAILABLE"),
    "a socket that fails": (ConnectionRefusedError(), 503, "DATABASE_UNAVAILABLE"),
    "a pool that is empty": (PoolTimeoutError(), 503, "DATABASE_UNAVAILABLE"),
    "an exchange that stops": (Unavailable("x", 2_500), 503, "EXCHANGE_UNAVAILABLE"),
    "an outcome nobody knows": (OutcomeUnknown("x"), 504, "OUTCOME_UNKNOWN"),
    "a throttled login": (LoginThrottled(retry_after_ms=1_500), 429, "LOGIN_THROTTLED"),
}  # fmt: skip


async def failing(
    market: MarketApi, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> httpx.Response:
    def fail(*_: object) -> Json:
        raise failure

    monkeypatch.setattr(payloads, "instrument", fail)
    return await market.stranger.send("GET", "/v1/instruments")


@pytest.mark.parametrize("case", FAILURES)
async def test_each_failure_is_told_in_the_one_form(
    case: str, shared_market: MarketApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    failure, status, code = FAILURES[case]
    response = await failing(shared_market, monkeypatch, failure)
    said = problem(response)
    assert (said["status"], said["code"]) == (status, code)
    assert "secret" not in response.text
    assert "Error" not in response.text
    assert said["retryable"] is (status in (429, 503, 504))


@pytest.mark.parametrize(
    ("failure", "milliseconds", "seconds"),
    [
        (Unavailable("x", 2_500), 2_500, "3"),
        (LoginThrottled(retry_after_ms=1_500), 1_500, "2"),
        (OutcomeUnknown("x"), 1_000, "1"),
    ],
)
async def test_a_retryable_failure_says_when(
    failure: Exception,
    milliseconds: int,
    seconds: str,
    shared_market: MarketApi,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    response = await failing(shared_market, monkeypatch, failure)
    assert problem(response)["retry_after_ms"] == milliseconds
    assert response.headers["retry-after"] == seconds


async def test_a_401_says_how_to_authenticate(shared_market: MarketApi) -> None:
    response = await shared_market.stranger.send("GET", "/v1/me")
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("in_chinese", [False, True])
async def test_what_is_particular_is_told_in_the_chosen_language(
    in_chinese: bool,  # noqa: FBT001 - a row of the table
    shared_market: MarketApi,
) -> None:
    change = {
        "login": "nobody",
        "current_password": "quiet-pine-hill-63",
        "new_password": "nobody-knows-it-1",
    }
    headers = {"Accept-Language": "zh" if in_chinese else "en"}
    said = await shared_market.stranger.refused("POST", "/v1/passwords", change, headers=headers)
    particular: Callable[[str], bool] = said["detail"].startswith
    expected = "密码不得包含登录名。" if in_chinese else "A password does not contain the login."
    assert particular(expected)
    assert said["code"] == "PASSWORD_TOO_WEAK"
