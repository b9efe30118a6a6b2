"""One trial of A2: load, a lost database, what is seen meanwhile, and the comparison afterwards."""

import asyncio
import contextlib
import random
import time
from dataclasses import dataclass, field

from tests.reliability.comparison import compare
from tests.reliability.database_faults import Fault, injected
from tests.reliability.kills import resend_unknown
from tests.reliability.load import Load, Sent, Trader
from tests.reliability.market_state import State, read_market
from tests.reliability.server_process import ServerProcess
from tests.reliability.streams import Listener
from tests.reliability.tally import Tally
from tests.reliability.wire import Connection, ConnectionLost

CONNECTIONS = 32
READS = ("/livez", "/v1/instruments/BEA-2024/book", "/v1/orders?limit=10", "/v1/account")
RESTING = {
    "instrument_id": "BEA-2024",
    "side": "BUY",
    "price": "75.00",
    "quantity": 1,
    "time_in_force": "GTC",
}
PATIENCE_S = 0.3
LONGEST_READ_S = 2.0
RESUMES_WITHIN_S = 30.0
AFTERWARDS = 200
"""Commands that must be accepted after the fault before the trial ends."""

EXPECTED = frozenset({200, 201, 404, 409, 422, 503})
"""Statuses that a load may meet while the database is away: no 500, no 504 kept as an answer."""


@dataclass(slots=True)
class Witness:
    """A monitor that looks all the time, and a trader that does not wait long for an answer."""

    port: int
    trader: Trader
    name: str
    sent: list[Sent] = field(default_factory=list)
    not_ready: list[str] = field(default_factory=list)
    """Reasons that /readyz gave."""
    slowest_read_s: float = 0.0
    reads: int = 0

    async def watch(self) -> None:
        """Until cancelled; anything but a 200 to a read fails."""
        async with Connection(self.port, self.trader.token) as connection:
            while True:
                for path in READS:
                    asked_at = time.monotonic()
                    await connection.get(path)
                    self.slowest_read_s = max(self.slowest_read_s, time.monotonic() - asked_at)
                    self.reads += 1
                answer = await connection.request("GET", "/readyz")
                if answer.status == 503:
                    self.not_ready.append(answer.json()["reason"])
                await asyncio.sleep(0.01)

    async def trade(self) -> None:
        """Until cancelled: enter an order, give up soon, enter the next one."""
        async with Connection(self.port, self.trader.token) as connection:
            while True:
                key = f"{self.name}-{len(self.sent)}"
                body = {**RESTING, "client_order_id": key}
                item = Sent(self.trader.participant_id, "POST", "/v1/orders", key, body)
                self.sent.append(item)
                with contextlib.suppress(ConnectionLost):
                    item.answer = await connection.request(
                        "POST", "/v1/orders", body, timeout_s=PATIENCE_S
                    )
                await asyncio.sleep(0.02)


@dataclass(slots=True)
class Endurance:
    """A served market that goes through fault after fault, with its clients' whole record."""

    server: ServerProcess
    traders: list[Trader]
    start: State
    chance: random.Random
    sent: list[Sent] = field(default_factory=list)
    trials: int = 0

    async def endure(self, fault: Fault, tally: Tally) -> None:
        """One fault under load: seen, got over without help, nothing lost."""
        self.trials += 1
        pid = self.server.pid
        load = Load(
            self.server.port,
            self.traders,
            self.chance,
            name=f"f{self.trials}",
            connections=CONNECTIONS,
        )
        listeners = [Listener(self.server.port, trader) for trader in (*self.traders, None)]
        for listener in listeners:
            await listener.start()
        witness = Witness(self.server.port, self.traders[0], f"w{self.trials}")
        watching = [asyncio.create_task(way) for way in (witness.watch(), witness.trade())]
        load.start()
        await _accepted_beyond(self.server, load, self.chance.randint(50, 300))
        async with injected(fault, tally.fault):
            await asyncio.sleep(fault.hold_s)
        tally.recovery_s.append(await _resumes(self.server, load))
        await load.stop()
        load.sent += witness.sent
        for task in watching:
            task.cancel()
        await asyncio.wait(watching)
        for listener in listeners:
            await listener.stop()
        about = f"{fault.name}, trial {self.trials}, JINGTAN_SEED={tally.seed}"
        for task in watching:
            assert task.cancelled(), f"{about}: {task.exception()}"
        self._judge(load, witness, fault, about)
        assert (self.server.pid, self.server.is_running) == (pid, True), about
        await self._compare(load, listeners, tally, about)

    def _judge(self, load: Load, witness: Witness, fault: Fault, about: str) -> None:
        odd = [s for s in load.sent if s.answer is not None and s.answer.status not in EXPECTED]
        assert not odd, f"{about}: {odd[:3]}"
        assert witness.slowest_read_s < LONGEST_READ_S, f"{about}: a read took that long"
        if fault.is_noticed:
            refused = [s for s in load.sent if s.answer is not None and s.answer.status == 503]
            assert refused, f"{about}: no command was refused"
            assert witness.not_ready, f"{about}: /readyz never said 503"
        assert all(witness.not_ready), f"{about}: /readyz gave no reason"

    async def _compare(
        self, load: Load, listeners: list[Listener], tally: Tally, about: str
    ) -> None:
        unknown = load.unknown
        self.sent += load.sent
        await resend_unknown(self.server.port, self.traders, unknown)
        now = await read_market(self.server.port, self.traders)
        findings = compare(self.start, self.sent, listeners, now)
        tally.trials += 1
        tally.acknowledged += load.accepted
        tally.resent_unknown += len(unknown)
        tally.take(findings)
        findings.assert_none(about)


async def _accepted_beyond(server: ServerProcess, load: Load, count: int) -> None:
    deadline = time.monotonic() + RESUMES_WITHIN_S
    goal = load.accepted + count
    while load.accepted < goal:
        assert time.monotonic() < deadline, f"{load.accepted} of {goal} accepted\n{server.stderr()}"
        await asyncio.sleep(0.005)


async def _resumes(server: ServerProcess, load: Load) -> float:
    """Seconds until commands are accepted again, and go on being accepted."""
    lifted_at = time.monotonic()
    await _accepted_beyond(server, load, 1)
    recovery_s = time.monotonic() - lifted_at
    await _accepted_beyond(server, load, AFTERWARDS)
    return round(recovery_s, 3)
