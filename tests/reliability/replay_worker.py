"""Replays a command log in a process of its own and prints what came out, as one JSON object.

    python -m tests.reliability.replay_worker LOG

LOG holds one canonical command a line.  The hash covers the canonical bytes of all events.
"""

import hashlib
import json
import sys
from pathlib import Path

from engine.canonical import decode_envelope, encode
from engine.engine import Engine


def replay(log: Path) -> dict[str, object]:
    """Hash of all events, digest of the state, and the seq reached."""
    engine, events_hash = Engine(), hashlib.sha256()
    with log.open("rb") as lines:
        for seq, line in enumerate(lines, 1):
            events_hash.update(encode(engine.apply(seq, decode_envelope(line))) + b"\n")
    return {
        "events": events_hash.hexdigest(),
        "state": engine.state_digest().hex(),
        "seq": engine.market.seq,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(replay(Path(sys.argv[1]))))
