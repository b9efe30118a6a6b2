"""The journal as a file for outsiders: JSON Lines, described in docs/journal-format.md.

    {"chain": "<hex>", "format": "jingtan-journal-1", "last_seq": n}     where the journal ends
    {"chain": "<hex>", "command": "<base64>", "engine_version": ...}     one row, n times

One read-only transaction reads all of it, so that the first line and the rows agree while the
exchange runs.  Nothing is checked here: that is the verifier's work.
"""

import json
from base64 import b64encode
from pathlib import Path
from typing import IO

import asyncpg

from exchange.atomic_file import written_atomically
from exchange.database import CONNECT_TIMEOUT_S, normalise_dsn

FORMAT = "jingtan-journal-1"
PAGE_ROWS = 5_000
_COLUMNS = (
    "chain",
    "command",
    "engine_version",
    "epoch",
    "events",
    "schema_version",
    "seq",
    "timestamp_ns",
    "trading_day",
)
_ROWS = f"SELECT {', '.join(_COLUMNS)} FROM exchange.journal ORDER BY seq"  # noqa: S608 - constant
_END = "SELECT last_chain, last_seq FROM exchange.lease WHERE id = 1"


async def export_journal(dsn: str, path: Path) -> int:
    """Write every row to `path`; returns the last seq.

    Raises asyncpg.PostgresError or OSError; `path` is untouched then.
    """
    connection = await asyncpg.connect(
        normalise_dsn(dsn),
        timeout=CONNECT_TIMEOUT_S,
        server_settings={"role": "jingtan_reader", "application_name": "jingtan-export"},
    )
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            with written_atomically(path) as file:
                return await _write(connection, file)
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT_S)


async def _write(connection: asyncpg.Connection, file: IO[bytes]) -> int:
    end = await connection.fetchrow(_END)
    chain, last_seq = end if end is not None else (bytes(32), 0)
    file.write(_line({"chain": chain.hex(), "format": FORMAT, "last_seq": last_seq}))
    cursor = await connection.cursor(_ROWS)
    while page := await cursor.fetch(PAGE_ROWS):
        file.write(b"".join([_row_line(record) for record in page]))
    return int(last_seq)


def _row_line(record: asyncpg.Record) -> bytes:
    fields = dict(record)
    fields["chain"] = record["chain"].hex()
    fields["command"] = b64encode(record["command"]).decode("ascii")
    fields["events"] = b64encode(record["events"]).decode("ascii")
    return _line(fields)


def _line(fields: dict[str, int | str]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"
