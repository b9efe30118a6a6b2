"""Small journals made by hand, as exported files, so that a test can be wrong in one thing only."""

import hashlib
import json
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TAG = b"jingtan-journal-1"
START_NS = 1_714_957_200_000_000_000
LED = {"epoch": 1, "type": "LeaderStarted"}
HALTED = {"cause": "TECHNICAL", "instrument_id": "*", "note": "a b", "type": "HaltTrading"}


def canonical(value: object) -> bytes:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def row(seq: int, body: object = None, **columns: Any) -> dict[str, Any]:
    """A row without its chain value; what is not given is as a journal would have it."""
    timestamp_ns = columns.get("timestamp_ns", START_NS + seq)
    envelope = {
        "actor": "system",
        "body": HALTED if body is None else body,
        "request_id": "",
        "timestamp_ns": timestamp_ns,
    }
    usual = {
        "seq": seq,
        "epoch": 1,
        "engine_version": "1",
        "schema_version": 1,
        "timestamp_ns": timestamp_ns,
        "trading_day": 0,
        "command": canonical(envelope),
        "events": b"[]",
    }
    return {**usual, **columns}


def day_started(*days: int) -> bytes:
    """The events of a row in which these days started."""
    return canonical([{"day": day, "type": "DayStarted"} for day in days])


def good_rows() -> list[dict[str, Any]]:
    """Five rows with nothing wrong: two epochs, a trading day, an escape, a Chinese name."""
    second = {"epoch": 2, "type": "LeaderStarted"}
    rest = {"epoch": 2, "engine_version": "2", "trading_day": 20240506}
    return [
        row(1, LED),
        row(2, {"name": '京碳 "x"\n\u0001', "type": "AdmitParticipant"}),
        row(3, trading_day=20240506, events=day_started(20240503, 20240506)),
        row(4, second, **rest),
        row(5, **rest),
    ]


def chained(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with their chain values, whatever else is wrong with them."""
    chain, linked = bytes(32), []
    for fields in rows:
        numbers = [fields["seq"].to_bytes(8, "big"), fields["epoch"].to_bytes(8, "big")]
        texts = [
            part
            for text in (fields["command"], fields["events"])
            for part in (len(text).to_bytes(4, "big"), text)
        ]
        chain = hashlib.sha256(b"".join([TAG, chain, *numbers, *texts])).digest()
        linked.append({**fields, "chain": chain})
    return linked


def lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The lines of an export of chained rows."""
    chain = rows[-1]["chain"] if rows else bytes(32)
    head = {"chain": chain.hex(), "format": TAG.decode(), "last_seq": len(rows)}
    return [json.dumps(head), *(json.dumps(written(fields)) for fields in rows)]


def written(fields: dict[str, Any]) -> dict[str, Any]:
    """A row as a line of the export has it."""
    return {
        **fields,
        "chain": fields["chain"].hex(),
        "command": b64encode(fields["command"]).decode(),
        "events": b64encode(fields["events"]).decode(),
    }


def export_file(directory: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """An export of chained rows."""
    return file_of(directory, lines(rows))


def file_of(directory: Path, written_lines: Sequence[str]) -> Path:
    path = directory / "journal.jsonl"
    path.write_text("".join(f"{line}\n" for line in written_lines))
    return path
