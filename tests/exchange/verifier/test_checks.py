"""Each thing that a row must satisfy, broken alone: the verifier names the row and the reason."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exchange.verifier import Anchor, NoJournal, verify_file
from tests.exchange.verifier.handmade import (
    HALTED,
    LED,
    canonical,
    chained,
    day_started,
    export_file,
    file_of,
    good_rows,
    lines,
    row,
)

Rows = list[dict[str, Any]]


def test_a_good_journal_is_verified(tmp_path: Path) -> None:
    rows = chained(good_rows())
    found = verify_file(export_file(tmp_path, rows))
    assert (found.verified, found.rows, found.first_seq, found.last_seq) == (True, 5, 1, 5)
    assert found.chain == rows[-1]["chain"].hex()
    assert found.line() == f"journal verified: 5 rows, seq 5, chain {found.chain}"


def test_an_empty_journal_is_verified(tmp_path: Path) -> None:
    found = verify_file(export_file(tmp_path, []))
    assert (found.verified, found.rows, found.first_seq, found.last_seq) == (True, 0, 0, 0)


def no_envelope(rows: Rows) -> None:
    rows[3]["command"] = canonical({"actor": "", "body": HALTED, "timestamp_ns": 1})


def a_new_leadership_of_another_epoch(rows: Rows) -> None:
    rows[3:] = [row(4, {"epoch": 3, "type": "LeaderStarted"}, epoch=2, trading_day=20240506)]


WRONG_THOUGH_CHAINED: dict[str, tuple[int, str, Callable[[Rows], Any]]] = {
    "gap": (4, "row missing, the next one is 5", lambda rows: rows.pop(3)),
    "first row missing": (1, "row missing, the next one is 2", lambda rows: rows.pop(0)),
    "row twice": (4, "row 3 stands in its place", lambda rows: rows.insert(3, rows[2])),
    "rows swapped": (2, "row missing", lambda rows: rows.insert(1, rows.pop(2))),
    "epoch back": (5, "epoch 1 follows epoch 2", lambda rows: rows[4].update(epoch=1)),
    "epoch without its leader": (2, "epoch 2 does not start", lambda rows: rows[1].update(epoch=2)),
    "leader of another epoch": (4, "epoch 2 does not start", a_new_leadership_of_another_epoch),
    "first row of no epoch": (1, "epoch 1 does not start", lambda rows: rows.insert(0, row(1))),
    "time stands still": (
        3,
        "follows",
        lambda rows: rows[2].update(row(3, timestamp_ns=rows[1]["timestamp_ns"])),
    ),
    "other time in the column": (3, "timestamp_ns", lambda rows: rows[2].update(timestamp_ns=7)),
    "other day in the column": (
        5,
        "trading_day",
        lambda rows: rows[4].update(trading_day=20240507),
    ),
    "day too early": (2, "trading_day", lambda rows: rows[1].update(trading_day=20240506)),
    "day goes back": (
        5,
        "20240505 follows 20240506",
        lambda rows: rows[4].update(trading_day=20240505, events=day_started(20240505)),
    ),
    "engine version in mid-epoch": (2, "engine", lambda rows: rows[1].update(engine_version="2")),
    "unknown schema": (2, "schema version 2", lambda rows: rows[1].update(schema_version=2)),
    "no envelope": (4, "no envelope", no_envelope),
    "command is text": (2, "no envelope", lambda rows: rows[1].update(command=b'"x"')),
    "body without a type": (2, "no type", lambda rows: rows[1].update(row(2, {"x": 1}))),
    "events are an object": (2, "no list", lambda rows: rows[1].update(events=b"{}")),
    "event is a number": (2, "no type", lambda rows: rows[1].update(events=b"[1]")),
    "command with a float": (2, "canonical", lambda rows: rows[1].update(command=b"[1.5]")),
    "events with spaces": (2, "canonical", lambda rows: rows[1].update(events=b"[ ]")),
}


@pytest.mark.parametrize(
    ("seq", "why", "damage"), WRONG_THOUGH_CHAINED.values(), ids=WRONG_THOUGH_CHAINED.keys()
)
def test_found_even_if_the_chain_was_computed_anew(
    seq: int, why: str, damage: Callable[[Rows], Any], tmp_path: Path
) -> None:
    rows = good_rows()
    damage(rows)
    found = verify_file(export_file(tmp_path, chained(rows)))
    assert (found.verified, found.broken_seq, found.rows) == (False, seq, seq - 1)
    assert why in found.why


@pytest.mark.parametrize("column", ["epoch", "command", "events", "chain"])
def test_the_chain_covers(column: str, tmp_path: Path) -> None:
    rows = chained(good_rows())
    before = rows[1]["chain"].hex()
    other = {
        "epoch": 2,
        "command": canonical({"actor": "x", "body": LED, "request_id": "", "timestamp_ns": 1}),
        "events": b'[{"type":"X"}]',
        "chain": bytes(32),
    }
    rows[2][column] = other[column]
    found = verify_file(export_file(tmp_path, rows))
    assert found.line() == ("journal broken at seq 3: its content does not match the hash chain")
    assert (found.last_seq, found.chain) == (2, before)


def test_a_rewritten_history_is_found_by_an_anchor_alone(tmp_path: Path) -> None:
    original = chained(good_rows())
    anchors = [Anchor(fields["seq"], fields["chain"]) for fields in original]
    rewritten = good_rows()
    rewritten[1].update(row(2, {"name": "other", "type": "AdmitParticipant"}))
    path = export_file(tmp_path, chained(rewritten))
    assert verify_file(path).verified
    assert verify_file(path, anchors[:1]).verified
    for anchor in anchors[1:]:
        assert verify_file(path, [anchor]).broken_seq == anchor.seq
    assert verify_file(path, anchors).broken_seq == 2


def test_a_journal_that_ends_before_an_anchor_is_broken(tmp_path: Path) -> None:
    rows = chained(good_rows())
    path = export_file(tmp_path, rows[:4])
    found = verify_file(path, [Anchor(5, rows[4]["chain"])])
    assert (found.broken_seq, found.why) == (5, "the journal ends at 4, an anchor is at 5")


def test_a_cut_file_is_broken_where_it_ends(tmp_path: Path) -> None:
    whole = lines(chained(good_rows()))
    found = verify_file(file_of(tmp_path, whole[:4]))
    why = "the journal ends at 3, the file's first line says 5"
    assert (found.verified, found.broken_seq, found.why) == (False, 4, why)
    found = verify_file(file_of(tmp_path, [*whole[:4], whole[4][:40]]))
    assert (found.verified, found.broken_seq) == (False, 4)
    assert "is no row" in found.why


def test_rows_after_the_end_are_broken(tmp_path: Path) -> None:
    rows = chained(good_rows())
    path = file_of(tmp_path, [lines(rows[:4])[0], *lines(rows)[1:]])
    assert verify_file(path).broken_seq == 5


def test_another_chain_value_in_the_first_line_is_broken(tmp_path: Path) -> None:
    rows = chained(good_rows())
    head = {**json.loads(lines(rows)[0]), "chain": "00" * 32}
    found = verify_file(file_of(tmp_path, [json.dumps(head), *lines(rows)[1:]]))
    assert (found.verified, found.broken_seq) == (False, 5)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("seq", "3"),
        ("seq", 3.0),
        ("epoch", 2**64),
        ("chain", "xx"),
        ("command", "?"),
        ("events", 1),
    ],
)
def test_a_line_with_a_value_of_another_kind_is_broken(
    column: str, value: object, tmp_path: Path
) -> None:
    written = lines(chained(good_rows()))
    written[3] = json.dumps({**json.loads(written[3]), column: value})
    found = verify_file(file_of(tmp_path, written))
    assert (found.verified, found.broken_seq) == (False, 3)


@pytest.mark.parametrize(
    "text", ["", "hello", "[]", '{"format":"x"}', '{"format":"jingtan-journal-1"}']
)
def test_what_is_no_export_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(NoJournal):
        verify_file(file_of(tmp_path, [text]))
