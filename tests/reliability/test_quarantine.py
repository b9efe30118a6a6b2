"""A command that breaks the engine stops it once, and never again.

The process ends with its documented code and one line; nothing of the batch is acknowledged; the
command is quarantined; the next start, with or without the bug, refuses the request and halts its
instrument, while the others trade. A client that keeps sending it again causes no second stop.
"""

import asyncio
import sys

import asyncpg
import pytest

from api.demo.market import OPERATOR_1
from api.main import ExitCode
from tests.reliability.broken_engine import CORRUPT, PLANTED, POISON, RAISE
from tests.reliability.comparison import compare
from tests.reliability.kills import resend_unknown
from tests.reliability.load import Load, Sent, Trader
from tests.reliability.market_state import read_market
from tests.reliability.markets import Market
from tests.reliability.server_process import COMMAND, ServerProcess
from tests.reliability.tally import Tally
from tests.reliability.wire import Answer, Connection, ConnectionLost
from tests.seeded import FIRST_SEED, seeded

ROW = "planted breach"
BROKEN = (sys.executable, "-m", "tests.reliability.broken_engine", "run")
INSTRUMENT, OTHER = "BEA-2025", "PCER"
TERMS = {"quantity": 1, "time_in_force": "GTC"}
POISONED = (
    TERMS
    | {"instrument_id": INSTRUMENT, "client_order_id": POISON, "side": "SELL"}
    | {"price": "80.00"}
)
WORDS = {RAISE: "planted", CORRUPT: "hold covers every cutting into fills"}
"""What the last line says broke."""

RESENDS = 50


class StubbornClient:
    """Sends the poisoned order again and again, through every restart, until it is stopped."""

    def __init__(self, port: int, trader: Trader) -> None:
        self._port = port
        self._token = trader.token
        self.answers: list[Answer] = []

    async def run(self) -> None:
        async with Connection(self._port, self._token) as connection:
            while True:
                try:
                    self.answers.append(await connection.request("POST", "/v1/orders", POISONED))
                except ConnectionLost:
                    await asyncio.sleep(0.02)

    async def heard(self, count: int) -> list[str]:
        """The codes of the next `count` answers."""
        first = len(self.answers)
        async with asyncio.timeout(60):
            while len(self.answers) < first + count:
                await asyncio.sleep(0.02)
        return [answer.code for answer in self.answers[first : first + count]]


@pytest.mark.parametrize("bug", [RAISE, CORRUPT])
async def test_a_command_that_breaks_the_engine_stops_it_once(
    market: Market, tally: Tally, bug: str
) -> None:
    server, (*traders, poisoner) = market.server, market.traders
    server.command, server.environment[PLANTED] = BROKEN, bug
    server.start()
    await server.wait_ready()
    await _cancel_all(server.port, poisoner)
    start = await read_market(server.port, market.traders)
    load = Load(server.port, traders, seeded(FIRST_SEED), name="b", connections=16)
    load.start()
    while load.accepted < 100:
        await asyncio.sleep(0.01)
    client = StubbornClient(server.port, poisoner)
    resending = asyncio.create_task(client.run())
    assert await server.exit_code() == ExitCode.ENGINE_BROKEN
    await load.stop()
    tally.fault(f"planted bug: {bug}")
    assert len(server.last_words()) == 1, server.stderr()
    assert WORDS[bug] in server.last_words()[0]
    assert all(answer.status >= 500 for answer in client.answers), "a broken batch acknowledged"
    for command in (COMMAND, BROKEN):
        server.command = command
        server.start()
        tally.recovery_s.append(round(await server.wait_ready(), 3))
        assert await client.heard(RESENDS) == ["REQUEST_QUARANTINED"] * RESENDS
        load.sent += await _assert_halted_alone(server, poisoner)
        if command == COMMAND:
            server.kill()
    resending.cancel()
    await _resume(market)
    await resend_unknown(server.port, traders, load.unknown)
    now = await read_market(server.port, market.traders)
    findings = compare(start, load.sent, [], now)
    tally.trials, tally.acknowledged = 1, load.accepted
    tally.take(findings)
    findings.assert_none(f"JINGTAN_SEED={FIRST_SEED}")
    assert (await server.stop(), server.lives) == (ExitCode.OK, 3)


async def _cancel_all(port: int, trader: Trader) -> None:
    """The trader of the poisoned order shall meet nobody but others."""
    async with Connection(port, trader.token) as connection:
        for order in (await connection.get("/v1/orders?open=true"))["orders"]:
            answer = await connection.request("DELETE", f"/v1/orders/{order['order_id']}")
            assert answer.status == 200, answer


async def _assert_halted_alone(server: ServerProcess, trader: Trader) -> list[Sent]:
    """The poisoned instrument is halted for a technical cause, the others trade."""
    quarantined = await _quarantined(server.socket_dsn)
    assert quarantined == [(POISON, INSTRUMENT)]
    async with Connection(server.port, trader.token) as connection:
        halted = await connection.get(f"/v1/instruments/{INSTRUMENT}")
        assert (halted["phase"], halted["halt_cause"]) == ("HALTED", "TECHNICAL")
        other = await connection.get(f"/v1/instruments/{OTHER}")
        assert (other["phase"], other["halt_cause"]) == ("CONTINUOUS", None)
        name = f"{trader.participant_id}-{server.lives}"
        refused = await _buy(connection, trader, INSTRUMENT, "90.00", f"halted-{name}")
        entered = await _buy(connection, trader, OTHER, "50.00", f"entered-{name}")
    assert refused.answer is not None
    assert refused.answer.code == "MARKET_NOT_OPEN", refused
    assert entered.is_accepted, entered
    return [refused, entered]


async def _buy(
    connection: Connection, trader: Trader, instrument_id: str, price: str, name: str
) -> Sent:
    terms = {"instrument_id": instrument_id, "client_order_id": name, "side": "BUY"}
    body = TERMS | terms | {"price": price}
    answer = await connection.request("POST", "/v1/orders", body)
    return Sent(trader.participant_id, "POST", "/v1/orders", name, body, answer=answer)


async def _resume(market: Market) -> None:
    """The operator lifts the halt."""
    token = market.staff[OPERATOR_1.login]
    body = {"instrument_id": INSTRUMENT, "note": "the request is set aside"}
    async with Connection(market.server.port, token) as connection:
        answer = await connection.request("POST", "/ops/v1/market/resumptions", body)
        assert answer.status == 201, answer


async def _quarantined(dsn: str) -> list[tuple[str, str]]:
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("SELECT request_id, instrument_id FROM exchange.quarantine")
    finally:
        await connection.close()
    return [(row["request_id"], row["instrument_id"]) for row in rows]
