"""One trial of F1: a request sent several times at once, and again after a restart."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import msgspec

from engine.canonical import decode_envelope, decode_events
from engine.events import CommandRefused, OrderRejected, RequestRepeated
from tests.reliability.tally import Tally
from tests.reliability.wire import Answer, Connection
from tests.reliability.write_catalogue import Route, Write

MOST_COPIES = 5
PER_REQUEST = ("trace_id", "duplicate")
"""Fields of an answer that may differ between a request and its repetition."""

REFUSALS = (CommandRefused, OrderRejected)
ISSUANCE = ("POST", "/registry/v1/issuances")
"""Its effect is in the registry's tables, not in the journal."""


@dataclass(slots=True)
class Trial:
    """A request under its key, and the one answer that it has."""

    write: Write
    key: str
    answer: Answer
    copies: int


@dataclass(slots=True)
class Repeater:
    """Sends each request over several connections of the same person at once."""

    port: int
    chance: random.Random
    trials: list[Trial] = field(default_factory=list)
    _connections: dict[tuple[str, int], Connection] = field(default_factory=dict)

    async def send_at_once(self, write: Write, key: str, tally: Tally) -> Trial:
        """One to five copies in parallel: one answer, at most one of them not a repetition."""
        copies = self.chance.randint(1, MOST_COPIES)
        answers = await asyncio.gather(*(self._send(write, key, n) for n in range(copies)))
        trial = Trial(write, key, answers[0], copies)
        for answer in answers:
            assert_same_answer(trial, answer)
        firsts = [a for a in answers if a.status < 300 and a.json().get("duplicate") is False]
        repeated = [a for a in answers if a.status < 300 and a.json().get("duplicate") is True]
        if firsts or repeated:
            assert (len(firsts), len(repeated)) == (1, copies - 1), (write, answers)
        tally.trials += 1
        tally.acknowledged += copies
        tally.fault(f"{copies} at once")
        self.trials.append(trial)
        return trial

    async def repeat(self, trial: Trial, tally: Tally) -> None:
        """The same key and body: the first answer. The same key, another body: 422."""
        again = await self._send(trial.write, trial.key, 0)
        assert_same_answer(trial, again)
        if again.status < 300:
            assert again.json().get("duplicate", True) is True, (trial, again)
        write = trial.write
        other = Write(write.route, write.token, write.other_path, write.other_body, "", None)
        mismatch = await self._send(other, trial.key, 1)
        assert (mismatch.status, mismatch.code) == (422, "IDEMPOTENCY_BODY_MISMATCH"), (
            trial,
            mismatch,
        )
        tally.checked += 1

    def close(self) -> None:
        """End every connection."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    async def _send(self, write: Write, key: str, number: int) -> Answer:
        place = (write.token, number)
        if place not in self._connections:
            self._connections[place] = Connection(self.port, write.token)
        is_keyed = "client_order_id" not in (write.body or {})
        return await self._connections[place].request(
            write.route[0], write.path, write.body, key=key if is_keyed else ""
        )


def assert_same_answer(trial: Trial, answer: Answer) -> None:
    """The status and every field but those that tell requests apart."""
    assert answer.status < 500, (trial, answer)
    expected = (trial.answer.status, _without(trial.answer.json()))
    assert (answer.status, _without(answer.json())) == expected, (trial, answer)


async def effects_by_key(dsn: str) -> Counter[str]:
    """How often each request id took effect, read from the journal itself."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("SELECT command, events FROM exchange.journal ORDER BY seq")
    finally:
        await connection.close()
    found: Counter[str] = Counter()
    for row in rows:
        events = decode_events(row["events"])
        if not isinstance(events[0], (*REFUSALS, RequestRepeated)):
            found[decode_envelope(row["command"]).request_id] += 1
    return found


def expected_effects(trials: list[Trial]) -> dict[str, int]:
    """One for each request that was accepted, none for one that was refused."""
    return {
        trial.key: int(trial.answer.status < 300)
        for trial in trials
        if trial.write.route != ISSUANCE
    }


def units_issued(trial: Trial) -> int:
    """Tonnes that the request has the registry issue."""
    body = trial.write.body or {}
    return int(body["quantity"]) if trial.write.route == ISSUANCE else 0


def routes_of(trials: list[Trial]) -> set[Route]:
    """Routes that had a trial which was accepted."""
    return {trial.write.route for trial in trials if trial.answer.status < 300}


def _without(content: Any) -> bytes:
    kept = {name: value for name, value in content.items() if name not in PER_REQUEST}
    return msgspec.json.encode(kept, order="deterministic")
