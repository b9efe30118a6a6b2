"""One trial of A1: load, SIGKILL at a random moment, restart, and the comparison.

A trial counts if the kill met enough: the load had reached its stated minimum and, when it was
busy, requests were under way.
"""

import asyncio
import random
import time
from dataclasses import dataclass, field

from tests.reliability.comparison import Findings, compare
from tests.reliability.load import Load, Sent, Trader
from tests.reliability.market_state import State, read_market
from tests.reliability.markets import Market
from tests.reliability.streams import Listener
from tests.reliability.tally import Tally
from tests.reliability.wire import Answer, Connection

BUSY_CONNECTIONS = 96
QUIET_CONNECTIONS = 8
QUIET_PAUSE_S = 0.1
SHORTEST_S, LONGEST_S = 0.2, 1.3
RESENT_ACKNOWLEDGED = 20
OFFERED_RATE = 1_500
"""Commands a second that the load must offer; a closed loop offers what the server can take."""

MINIMUM_SHARE = 0.4
"""A busy trial below this share of the calibrated rate is invalid: the machine was elsewhere."""


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


async def kill_once(killed: KilledMarket, tally: Tally, *, is_busy: bool) -> Findings:
    """One kill with everything around it; the tally counts it as a trial if it met enough."""
    server = killed.market.server
    load = _load(killed, is_busy=is_busy)
    listeners = [Listener(server.port, trader) for trader in (*killed.market.traders, None)]
    for listener in listeners:
        await listener.start()
    load.start()
    await asyncio.sleep(killed.chance.uniform(SHORTEST_S, LONGEST_S))
    server.kill()
    await load.stop()
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
    is_valid = load.accepted > 0 and (not is_busy or _met_enough(killed, load, unknown))
    tally.take(findings)
    tally.recovery_s.append(round(recovery_s, 3))
    tally.acknowledged += load.accepted
    tally.resent_unknown += len(unknown)
    if is_valid:
        tally.trials += 1
        tally.fault("kill -9, busy" if is_busy else "kill -9, quiet")
        if is_busy:
            tally.rates.append(round(load.rate))
    return findings


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


def _met_enough(killed: KilledMarket, load: Load, unknown: list[Sent]) -> bool:
    return load.rate >= killed.minimum_rate and bool(unknown)
