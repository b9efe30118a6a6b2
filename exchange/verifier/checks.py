"""What each journal row must satisfy, given the row before it.

1. seq is one more than before, from 1;
2. epochs never go back, and a new one starts with its LeaderStarted record;
3. chain = SHA-256(tag | chain before | u64 seq | u64 epoch | u32 length | command
                                                            | u32 length | events);
4. command and events are canonical JSON (form.py);
5. the columns that repeat what the payload says agree with it: timestamp_ns with the envelope,
   trading_day with the last DayStarted event;
6. time grows, trading days do not go back;
7. the engine version changes only together with the epoch.
"""

import hashlib
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

from exchange.verifier.form import NotCanonical, parse
from exchange.verifier.result import Result

TAG = b"jingtan-journal-1"
SCHEMA_VERSION = 1
ENVELOPE_KEYS = ["actor", "body", "request_id", "timestamp_ns"]
_NUMBERS = struct.Struct(">QQI")
_LENGTH = struct.Struct(">I")


class Row(NamedTuple):
    """A journal row; the order is that of the table's columns."""

    seq: int
    epoch: int
    engine_version: str
    schema_version: int
    timestamp_ns: int
    trading_day: int
    command: bytes
    events: bytes
    chain: bytes


GENESIS = Row(0, 0, "", SCHEMA_VERSION, 0, 0, b"", b"", bytes(32))
"""What stands before the first row."""


class End(NamedTuple):
    """Where the journal says that it ends, and who says so."""

    said_by: str
    seq: int
    chain: bytes


class Anchor(NamedTuple):
    """A chain value known from elsewhere: published, or noted at a backup."""

    seq: int
    chain: bytes


class Broken(Exception):
    """The journal cannot be trusted from `seq` on."""

    def __init__(self, seq: int, why: str) -> None:
        super().__init__(f"seq {seq}: {why}")
        self.seq = seq
        self.why = why


class Checker:
    """Takes rows in order, from any row on whose predecessor is given."""

    def __init__(self, previous: Row = GENESIS, anchors: Sequence[Anchor] = ()) -> None:
        self.previous = previous
        self._anchors = anchors
        self._anchored: dict[int, set[bytes]] = {}
        for anchor in anchors:
            self._anchored.setdefault(anchor.seq, set()).add(anchor.chain)

    def check(self, row: Row) -> None:
        """Raise Broken unless the row follows the previous one."""
        before = self.previous
        seq = row.seq
        if seq != before.seq + 1:
            _refuse_number(before.seq, seq)
        if row.epoch < before.epoch:
            raise Broken(seq, f"epoch {row.epoch} follows epoch {before.epoch}")
        if row.chain != _link(before.chain, row):
            raise Broken(seq, "its content does not match the hash chain")
        if row.schema_version != SCHEMA_VERSION:
            raise Broken(seq, f"schema version {row.schema_version}, {SCHEMA_VERSION} is known")
        body_type, body = _check_command(row)
        _check_leadership(before, row, body_type, body)
        if row.timestamp_ns <= before.timestamp_ns:
            raise Broken(seq, f"time {row.timestamp_ns} follows {before.timestamp_ns}")
        _check_day(before.trading_day, row, _events(row))
        if seq in self._anchored and self._anchored[seq] != {row.chain}:
            raise Broken(seq, f"its chain value is {row.chain.hex()}, not that of the anchor")
        self.previous = row

    def check_end(self, end: End) -> None:
        """Raise Broken unless the last row is the end, and no anchor lies beyond it."""
        last = self.previous
        if last.seq != end.seq:
            said = f"the journal ends at {last.seq}, {end.said_by} says {end.seq}"
            raise Broken(min(last.seq, end.seq) + 1, said)
        if last.chain != end.chain:
            raise Broken(last.seq, f"{end.said_by} has another chain value for the last row")
        for anchor in self._anchors:
            if anchor.seq > last.seq:
                said = f"the journal ends at {last.seq}, an anchor is at {anchor.seq}"
                raise Broken(last.seq + 1, said)

    def result(self, broken: Broken | None = None) -> Result:
        """The verdict after the last row, or after the one that was refused."""
        last = self.previous
        return Result(
            verified=broken is None,
            rows=last.seq,
            first_seq=min(last.seq, 1),
            last_seq=last.seq,
            chain=last.chain.hex(),
            broken_seq=broken.seq if broken is not None else None,
            why=broken.why if broken is not None else "",
        )


def _link(before: bytes, row: Row) -> bytes:
    command, events = row.command, row.events
    numbers = _NUMBERS.pack(row.seq, row.epoch, len(command))
    length = _LENGTH.pack(len(events))
    return hashlib.sha256(b"".join((TAG, before, numbers, command, length, events))).digest()


def _refuse_number(before: int, seq: int) -> None:
    if seq <= before:
        raise Broken(before + 1, f"row {seq} stands in its place, a second time")
    raise Broken(before + 1, f"row missing, the next one is {seq}")


def _check_command(row: Row) -> tuple[str, dict[str, Any]]:
    envelope = _parse(row.seq, "command", row.command)
    if not isinstance(envelope, dict) or list(envelope) != ENVELOPE_KEYS:
        raise Broken(row.seq, f"its command is no envelope of {', '.join(ENVELOPE_KEYS)}")
    if envelope["timestamp_ns"] != row.timestamp_ns:
        said = f"timestamp_ns is {row.timestamp_ns}, its command says {envelope['timestamp_ns']}"
        raise Broken(row.seq, said)
    return _type(row.seq, envelope["body"]), envelope["body"]


def _events(row: Row) -> list[dict[str, Any]]:
    events = _parse(row.seq, "event list", row.events)
    if not isinstance(events, list):
        raise Broken(row.seq, "its events are no list")
    return events


def _check_leadership(before: Row, row: Row, body_type: str, body: dict[str, Any]) -> None:
    if row.epoch == before.epoch:
        if row.engine_version != before.engine_version:
            raise Broken(row.seq, f"engine version {row.engine_version} in mid-leadership")
    elif body_type != "LeaderStarted" or body.get("epoch") != row.epoch:
        raise Broken(row.seq, f"epoch {row.epoch} does not start with its LeaderStarted record")


def _check_day(day: int, row: Row, events: list[dict[str, Any]]) -> None:
    started = day
    for event in events:
        if _type(row.seq, event) == "DayStarted":
            started = event.get("day", 0)
    if row.trading_day != started:
        raise Broken(row.seq, f"trading_day is {row.trading_day}, its events say {started}")
    if started < day:
        raise Broken(row.seq, f"trading day {started} follows {day}")


def _type(seq: int, record: object) -> str:
    kind = record.get("type") if isinstance(record, dict) else None
    if not isinstance(kind, str):
        raise Broken(seq, "a command or event has no type")
    return kind


def _parse(seq: int, what: str, payload: bytes) -> Any:
    try:
        return parse(payload)
    except NotCanonical as flaw:
        raise Broken(seq, f"its {what} is not canonical JSON: {flaw}") from flaw
