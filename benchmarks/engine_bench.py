"""The engine alone: commands applied a second, replay, and the pauses in between."""

import gc
from time import perf_counter_ns

from benchmarks.flow import Flow, recorded
from engine.canonical import decode_envelope, encode
from engine.engine import Engine

NS = 1_000_000_000
COMMANDS = 50_000


def measure(resting: int) -> dict[str, int]:
    """Apply COMMANDS of the mix to a book with so many resting orders, collector frozen."""
    flow = Flow()
    flow.fill_book(resting)
    gc.collect()
    gc.freeze()
    times = []
    for _ in range(COMMANDS):
        envelope = flow.next_envelope()
        started = perf_counter_ns()
        flow.apply(envelope)
        times.append(perf_counter_ns() - started)
    gc.unfreeze()
    times.sort()
    return {
        "resting_orders": resting,
        "apply_ops_s": COMMANDS * NS // sum(times),
        "p50_ns": times[COMMANDS // 2],
        "p999_ns": times[COMMANDS * 999 // 1000],
        "max_ns": times[-1],
    }


def measure_replay() -> dict[str, int]:
    """Decode, apply, encode and compare as recovery does, against decoding alone."""
    flow = recorded(COMMANDS)
    rows = [(encode(envelope), encode(events)) for envelope, events in flow.log]
    started = perf_counter_ns()
    for command, _ in rows:
        decode_envelope(command)
    decoding_ns = perf_counter_ns() - started
    engine = Engine()
    started = perf_counter_ns()
    for seq, (command, events) in enumerate(rows, 1):
        if encode(engine.apply(seq, decode_envelope(command))) != events:
            raise RuntimeError(f"replay differs at seq {seq}")
    replay_ns = perf_counter_ns() - started
    if engine.state_digest() != flow.engine.state_digest():
        raise RuntimeError("replay ends in another state")
    return {
        "replay_ops_s": len(rows) * NS // replay_ns,
        "decode_ops_s": len(rows) * NS // decoding_ns,
    }
