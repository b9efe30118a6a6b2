"""The journal in an exported file: JSON Lines, as docs/journal-format.md describes.

The first line says where the journal ended when it was exported; each further line is one row,
payloads in base64, the chain value in hex.
"""

import json
from base64 import b64decode
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from exchange.verifier.checks import GENESIS, Anchor, Broken, Checker, End, Row
from exchange.verifier.result import NoJournal, Result

FORMAT = "jingtan-journal-1"
MAX_LINE_BYTES = 256 * 1024 * 1024
LARGEST = 2**63 - 1


def verify_file(path: Path, anchors: Sequence[Anchor] = ()) -> Result:
    """Verify an exported journal; raises NoJournal if it is none, and OSError."""
    checker = Checker(GENESIS, anchors)
    with path.open("rb") as file:
        end = _read_head(file)
        try:
            for row in _rows(file, checker):
                checker.check(row)
            checker.check_end(end)
        except Broken as broken:
            return checker.result(broken)
    return checker.result()


def _read_head(file: BinaryIO) -> End:
    try:
        head = json.loads(file.readline(MAX_LINE_BYTES))
        if head["format"] != FORMAT:
            raise NoJournal(f"this is no journal export of format {FORMAT}")
        return End(
            "the file's first line", _integer(head["last_seq"]), bytes.fromhex(head["chain"])
        )
    except (ValueError, KeyError, TypeError) as error:
        raise NoJournal(f"this is no journal export: {error}") from error


def _rows(file: BinaryIO, checker: Checker) -> Iterator[Row]:
    while line := file.readline(MAX_LINE_BYTES):
        try:
            yield _row(json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            said = f"its line in the file is no row: {type(error).__name__}: {error}"
            raise Broken(checker.previous.seq + 1, said) from error


def _row(fields: dict[str, Any]) -> Row:
    return Row(
        seq=_integer(fields["seq"]),
        epoch=_integer(fields["epoch"]),
        engine_version=str(fields["engine_version"]),
        schema_version=_integer(fields["schema_version"]),
        timestamp_ns=_integer(fields["timestamp_ns"]),
        trading_day=_integer(fields["trading_day"]),
        command=b64decode(fields["command"], validate=True),
        events=b64decode(fields["events"], validate=True),
        chain=bytes.fromhex(fields["chain"]),
    )


def _integer(value: object) -> int:
    if type(value) is not int or not -LARGEST <= value <= LARGEST:
        raise TypeError(f"{value!r} is no 64-bit integer")
    return value
