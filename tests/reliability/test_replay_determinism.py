"""C1 and C2: the same commands give the same bytes in any process, and from any snapshot.

JINGTAN_REPLAY_COMMANDS and JINGTAN_SNAPSHOTS set the size; JINGTAN_SEED repeats a run.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from engine.canonical import decode_envelope, decode_events, encode
from engine.engine import Engine
from tests.market_driver import copy_of
from tests.reliability.random_market import RandomMarket
from tests.seeded import FIRST_SEED, seeded

COMMANDS = int(os.environ.get("JINGTAN_REPLAY_COMMANDS", "100000"))
SNAPSHOTS = int(os.environ.get("JINGTAN_SNAPSHOTS", "20"))
SNAPSHOT_LOG = 6_000
ROOT = Path(__file__).parents[2]
WORLDS = (
    (["-O"], {"PYTHONHASHSEED": "1", "TZ": "America/Los_Angeles", "LC_ALL": "tr_TR.UTF-8"}),
    (["-B"], {"PYTHONHASHSEED": "4294967295", "TZ": "Asia/Shanghai", "LANG": "C"}),
)


def start(log: Path, options: list[str], environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    """A fresh process that replays the log in a world of its own."""
    return subprocess.Popen(
        [sys.executable, *options, "-m", "tests.reliability.replay_worker", str(log)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
    )


def test_a_replay_in_other_processes_gives_the_same_bytes(tmp_path: Path) -> None:
    market = RandomMarket(FIRST_SEED, COMMANDS)
    log, events_hash = tmp_path / "commands.jsonl", hashlib.sha256()
    kinds: Counter[str] = Counter()
    with log.open("wb") as lines:
        for command, events in market.run(COMMANDS):
            lines.write(command + b"\n")
            events_hash.update(events + b"\n")
            kinds.update(type(event).__name__ for event in decode_events(events))
    expected = {
        "events": events_hash.hexdigest(),
        "state": market.driver.engine.state_digest().hex(),
        "seq": market.driver.market.seq,
    }
    workers = [start(log, *world) for world in WORLDS]
    actual = [json.loads(worker.communicate()[0]) for worker in workers]
    assert [expected, expected] == actual, f"JINGTAN_SEED={FIRST_SEED}"
    assert market.driver.market.seq >= COMMANDS
    needed = {"TradeExecuted", "OrderRejected", "CommandRefused", "ActApproved", "DayEnded",
              "OrderAmended", "OrderCanceled", "UnitsFrozen", "RulesTookEffect",
              "LeadershipTaken", "RequestRepeated"}  # fmt: skip
    assert needed <= kinds.keys(), f"JINGTAN_SEED={FIRST_SEED}"


def test_a_snapshot_and_the_commands_after_it_give_what_a_full_replay_gives() -> None:
    market = RandomMarket(FIRST_SEED + 1, SNAPSHOT_LOG)
    log = list(market.run(SNAPSHOT_LOG))
    digest = market.driver.engine.state_digest()
    chosen = set(seeded(FIRST_SEED).sample(range(1, len(log)), SNAPSHOTS))
    engine, restored = Engine(), []
    for seq, (command, events) in enumerate(log, 1):
        assert encode(engine.apply(seq, decode_envelope(command))) == events
        if seq in chosen:
            restored.append(Engine.from_record(copy_of(engine.to_record())))
    for twin in restored:
        first = twin.market.seq + 1
        for seq, (command, events) in enumerate(log[first - 1 :], first):
            told = encode(twin.apply(seq, decode_envelope(command)))
            assert told == events, f"JINGTAN_SEED={FIRST_SEED} after snapshot {first - 1}: {seq}"
        twin.check_invariants()
        assert twin.state_digest() == digest, f"JINGTAN_SEED={FIRST_SEED}"
