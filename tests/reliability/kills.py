"""One trial of A1: load, SIGKILL at a random moment, restart, and the comparison.

A trial counts if the kill met enough: a busy market at its stated minimum rate with requests under
way, a quiet one that had accepted something, or a market on its way over the trading day's end.
"""

import asyncio
import random
import time
from dataclasses import dataclass, field
from enum import StrEnum

from api.demo.market import OPERATOR_1
from tests.reliability.comparison import Findings, compare
from tests.reliability.load import Load, Sent, Trader
from tests.reliability.market_state import State, read_market
from tests.reliability.markets import Market
from tests.reliability.streams import Listener
from tests.reliability.tally import Tally
from tests.reliability.wire import Answer, Connection, ConnectionLost

BUSY_CONNECTIONS = 96
QUIET_CONNECTIONS = 8
QUIET_PAUSE_S = 0.1
SHORTEST_S, LONGEST_S = 0.2, 1.3
RESENT_ACKNOWLEDGED = 20
OPEN_TIMEOUT_S = 60.0
OFFERED_RATE = 1_500
"""Commands a second that the load must offer; a closed loop offers what the server can take."""

MINIMUM_SHARE = 0.25
"""A busy trial below this share of the calibrated rate is invalid: the machine was elsewhere."""

LEAPS_OVER_A_DAY = 2
"""From a session to the break, and to the day's end; the server leaps over breaks and nights."""


class Kind(StrEnum):
    """What the market is doing when it is killed."""

    BUSY = "kill -9, busy"
    QUIET = "kill -9, quiet"
    ROLLING = "kill -9, over the day's end"


@dataclass(slots=True)
class KilledMarket:
    """A market over many lives, with the record that its clients keep over all of them."""

    market: Market
    chance: random.Random
    start: State
    calibrated_rate: float = 0.0
    sent: list[Sent] = field(default_factory=list)
    lives: int = 0

    @property
    def minimum_rate(self) -> float:
        """Accepted commands a second below which a busy trial does not count."""
        return min(OFFERED_RATE, MINIMUM_SHARE * self.calibrated_rate)


async def open_market(market: Market, chance: random.Random) -> KilledMarket:
    """Start the server, note what is there, and measure the rate that it reaches here and now."""
    market.server.start()
    await market.server.wait_ready()
    killed = KilledMarket(market, chance, await read_market(market.server.port, market.traders))
    load = _load(killed, is_busy=True)
    load.start()
    await asyncio.sleep(2.0)
    await load.stop()
    killed.sent += load.sent
    killed.calibrated_rate = load.rate
    return killed


async def kill_once(killed: KilledMarket, tally: Tally, kind: Kind) -> Findings:
    """One kill with everything around it; the tally counts it as a trial if it met enough."""
    server = killed.market.server
    await _wait_until_open(server.port)
    load = _load(killed, is_busy=kind is not Kind.QUIET)
    listeners = [Listener(server.port, trader) for trader in (*killed.market.traders, None)]
    for listener in listeners:
        await listener.start()
    load.start()
    leaping = asyncio.create_task(_leap(killed, LEAPS_OVER_A_DAY if kind is Kind.ROLLING else 0))
    await asyncio.sleep(killed.chance.uniform(SHORTEST_S, LONGEST_S))
    server.kill()
    await load.stop()
    leaps = await leaping
    for listener in listeners:
        await listener.stop()
    unknown = load.unknown
    server.start()
    recovery_s = await server.wait_ready()
    killed.sent += load.sent
    await resend_unknown(server.port, killed.market.traders, unknown)
    findings = await repeat_acknowledged(killed, load.sent)
    now = await read_market(server.port, killed.market.traders)
    findings.add(compare(killed.start, killed.sent, listeners, now))
    tally.take(findings)
    tally.recovery_s.append(round(recovery_s, 3))
    tally.acknowledged += load.accepted
    tally.resent_unknown += len(unknown)
    is_full = load.rate >= killed.minimum_rate and bool(unknown)
    met_enough = {Kind.BUSY: is_full, Kind.QUIET: load.accepted > 0, Kind.ROLLING: leaps > 0}
    if met_enough[kind]:
        tally.trials += 1
        tally.fault(kind)
        tally.rates += [round(load.rate)] if kind is Kind.BUSY else []
    return findings


async def _wait_until_open(port: int) -> None:
    """Return once every instrument trades: a kill may have left the market between two days."""
    async with Connection(port) as connection, asyncio.timeout(OPEN_TIMEOUT_S):
        while set((await connection.get("/v1/system/status"))["phases"].values()) != {"CONTINUOUS"}:
            await asyncio.sleep(0.02)


async def _leap(killed: KilledMarket, count: int) -> int:
    """Leap from deadline to deadline until the server is gone; how many it has confirmed."""
    token = killed.market.staff[OPERATOR_1.login]
    async with Connection(killed.market.server.port, token) as connection:
        for number in range(count):
            await asyncio.sleep(killed.chance.uniform(0.0, SHORTEST_S))
            try:
                answer = await connection.request("POST", "/ops/v1/clock", {})
            except ConnectionLost:
                return number
            assert answer.status == 200, answer
    return count


async def resend_unknown(port: int, traders: list[Trader], unknown: list[Sent]) -> None:
    """Send again at once, under the same ids, what had no answer: each gets one final outcome."""
    tokens = {trader.participant_id: trader.token for trader in traders}
    answers = await asyncio.gather(*(_again(port, tokens, item) for item in unknown))
    for item, answer in zip(unknown, answers, strict=True):
        item.answer = answer
        assert answer.status < 500, item


async def repeat_acknowledged(killed: KilledMarket, sent: list[Sent]) -> Findings:
    """Send some acknowledged requests again: the first answer comes back, marked as repeated."""
    found = Findings()
    accepted = [item for item in sent if item.is_accepted]
    chosen = killed.chance.sample(accepted, min(RESENT_ACKNOWLEDGED, len(accepted)))
    port = killed.market.server.port
    tokens = {trader.participant_id: trader.token for trader in killed.market.traders}
    answers = await asyncio.gather(*(_again(port, tokens, item) for item in chosen))
    for item, again in zip(chosen, answers, strict=True):
        assert item.answer is not None
        found.checked += 1
        if again.json() != item.answer.json() | {"duplicate": True}:
            found.lost.append(f"the answer to {item.key}: {item.answer}, now {again}")
    return found


async def _again(port: int, tokens: dict[str, str], item: Sent) -> Answer:
    async with Connection(port, tokens[item.participant_id]) as connection:
        return await connection.request(
            item.method, item.path, item.body, key="" if item.is_entry else item.key
        )


def _load(killed: KilledMarket, *, is_busy: bool) -> Load:
    killed.lives += 1
    return Load(
        killed.market.server.port,
        killed.market.traders,
        killed.chance,
        name=f"k{killed.lives}-{time.monotonic_ns() % 1_000_000}",
        connections=BUSY_CONNECTIONS if is_busy else QUIET_CONNECTIONS,
        pause_s=0.0 if is_busy else QUIET_PAUSE_S,
    )
