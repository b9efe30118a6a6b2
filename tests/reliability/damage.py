"""Damage to a stored journal, planted as a superuser with the guards off (row B1).

A kind of damage changes the rows in memory and says which seqs it may be reported at: as a rule
one; two where a row was altered together with its own chain value.  `StoredJournal` puts rows,
snapshots and lease back as they were before each trial.
"""

import random
from collections.abc import Callable, Sequence
from typing import Any

import asyncpg

from exchange.chain import link
from exchange.faults import JournalBroken
from exchange.verifier import verify_database
from tests.exchange_driver import ExchangeDriver, running

Rows = list[dict[str, Any]]
Kind = Callable[[Rows, random.Random], set[int]]

GUARD_OFF = "ALTER TABLE exchange.journal DISABLE TRIGGER journal_is_append_only"
NO_KEY = "ALTER TABLE exchange.journal DROP CONSTRAINT IF EXISTS journal_pkey"
KEY = "ALTER TABLE exchange.journal ADD PRIMARY KEY (seq)"


async def build_journal(dsn: str, chance: random.Random) -> None:
    """Two trading days with several leaders, two snapshots, and a tail after them."""
    async with running(dsn) as driver:
        await driver.trade(chance, 60)
        await driver.take_snapshot()
        await driver.revive()
        await driver.trade(chance, 60)
        await driver.end_day()
        await driver.open_day()
        await driver.trade(chance, 30)
        await driver.take_snapshot()
        await driver.revive()
        await driver.trade(chance, 60)


# --- kinds ------------------------------------------------------------------------------------


def altered_command(rows: Rows, chance: random.Random) -> set[int]:
    return _alter_byte(rows, chance, "command")


def altered_events(rows: Rows, chance: random.Random) -> set[int]:
    return _alter_byte(rows, chance, "events")


def altered_chain(rows: Rows, chance: random.Random) -> set[int]:
    return _alter_byte(rows, chance, "chain")


def altered_epoch(rows: Rows, chance: random.Random) -> set[int]:
    return _alter_number(rows, chance, "epoch")


def altered_time(rows: Rows, chance: random.Random) -> set[int]:
    return _alter_number(rows, chance, "timestamp_ns")


def altered_trading_day(rows: Rows, chance: random.Random) -> set[int]:
    return _alter_number(rows, chance, "trading_day")


def altered_with_its_chain_value(rows: Rows, chance: random.Random) -> set[int]:
    index = chance.randrange(1, len(rows))
    row = rows[index]
    row["command"] = row["command"].replace(b'"request_id":"', b'"request_id":"z')
    previous = rows[index - 1]["chain"]
    row["chain"] = link(previous, row["seq"], row["epoch"], row["command"], row["events"])
    return {row["seq"], row["seq"] + 1}


def deleted(rows: Rows, chance: random.Random) -> set[int]:
    return {rows.pop(chance.randrange(len(rows)))["seq"]}


def deleted_run(rows: Rows, chance: random.Random) -> set[int]:
    index = chance.randrange(len(rows))
    seq = rows[index]["seq"]
    del rows[index : index + chance.randint(2, 20)]
    return {seq}


def deleted_end(rows: Rows, chance: random.Random) -> set[int]:
    del rows[-chance.randint(1, 5) :]
    return {len(rows) + 1}


def swapped(rows: Rows, chance: random.Random) -> set[int]:
    first, second = (rows[index] for index in sorted(chance.sample(range(len(rows)), 2)))
    seq = first["seq"]
    first["seq"], second["seq"] = second["seq"], first["seq"]
    return {seq}


def swapped_commands(rows: Rows, chance: random.Random) -> set[int]:
    first, second = (rows[index] for index in sorted(chance.sample(range(len(rows)), 2)))
    first["command"], second["command"] = second["command"], first["command"]
    return {first["seq"]}


def duplicated_in_between(rows: Rows, chance: random.Random) -> set[int]:
    index = chance.randrange(len(rows))
    rows.insert(index + 1, dict(rows[index]))
    for row in rows[index + 1 :]:
        row["seq"] += 1
    return {rows[index + 1]["seq"]}


def duplicated_over_the_next(rows: Rows, chance: random.Random) -> set[int]:
    index = chance.randrange(len(rows) - 1)
    seq = rows[index + 1]["seq"]
    rows[index + 1] = {**rows[index], "seq": seq}
    return {seq}


def duplicated_at_the_end(rows: Rows, chance: random.Random) -> set[int]:
    seq = rows[-1]["seq"] + 1
    rows.append({**chance.choice(rows), "seq": seq})
    return {seq}


def duplicated_in_place(rows: Rows, chance: random.Random) -> set[int]:
    index = chance.randrange(len(rows))
    rows.insert(index, dict(rows[index]))
    return {rows[index]["seq"] + 1}


def gap(rows: Rows, chance: random.Random) -> set[int]:
    index, width = chance.randrange(len(rows)), chance.choice((1, 2, 1_000))
    seq = rows[index]["seq"]
    for row in rows[index:]:
        row["seq"] += width
    return {seq}


KINDS: tuple[Kind, ...] = (
    altered_command,
    altered_events,
    altered_chain,
    altered_epoch,
    altered_time,
    altered_trading_day,
    altered_with_its_chain_value,
    deleted,
    deleted_run,
    deleted_end,
    swapped,
    swapped_commands,
    duplicated_in_between,
    duplicated_over_the_next,
    duplicated_at_the_end,
    duplicated_in_place,
    gap,
)


def _alter_byte(rows: Rows, chance: random.Random, column: str) -> set[int]:
    row = chance.choice(rows)
    content = bytearray(row[column])
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    row[column] = bytes(content)
    return {row["seq"]}


def _alter_number(rows: Rows, chance: random.Random, column: str) -> set[int]:
    row = chance.choice(rows)
    row[column] += chance.choice((-1, 1, 1_000))
    return {row["seq"]}


# --- trials -----------------------------------------------------------------------------------


class StoredJournal:
    """A journal at rest, damaged and mended at will."""

    def __init__(self, connection: asyncpg.Connection, dsn: str) -> None:
        self._connection = connection
        self._dsn = dsn
        self._rows: Rows = []
        self._snapshots: Rows = []
        self._lease: Rows = []

    async def remember(self) -> None:
        """Take what is stored now as the undamaged state."""
        self._rows = await self._read("journal ORDER BY seq")
        self._snapshots = await self._read("snapshot ORDER BY seq")
        self._lease = await self._read("lease")
        await self._connection.execute(GUARD_OFF)

    async def trial(self, kind: Kind, chance: random.Random) -> str:
        """Plant one damage; returns '' if both recovery and the verifier find it, else a line."""
        rows = [dict(row) for row in self._rows]
        seqs = kind(rows, chance)
        snapshots = self._snapshots[: chance.randint(0, len(self._snapshots))]
        await self._put(rows, snapshots)
        answers = {"recovery": await self._recover(), "verifier": await self._verify()}
        missed = {name: seq for name, seq in answers.items() if seq not in seqs}
        kept = [snapshot["seq"] for snapshot in snapshots]
        return f"{kind.__name__} at {seqs}, snapshots {kept}: {missed}" if missed else ""

    async def mend(self) -> None:
        """Put everything back."""
        await self._put(self._rows, self._snapshots)

    async def _put(self, rows: Rows, snapshots: Sequence[dict[str, Any]]) -> None:
        connection = self._connection
        await connection.execute(f"{NO_KEY}; DELETE FROM exchange.journal")
        await connection.execute("DELETE FROM exchange.snapshot; DELETE FROM exchange.lease")
        stored = {"journal": rows, "snapshot": snapshots, "lease": self._lease}
        for table, records in stored.items():
            if records:
                await connection.copy_records_to_table(
                    table,
                    schema_name="exchange",
                    columns=list(records[0]),
                    records=[tuple(record.values()) for record in records],
                )
        await connection.execute("UPDATE exchange.lease SET expires_at = '-infinity'")
        if len({row["seq"] for row in rows}) == len(rows):
            await connection.execute(KEY)

    async def _recover(self) -> int:
        """The seq at which a start is refused; 0 if the market opens."""
        driver = ExchangeDriver(self._dsn)
        try:
            await driver.start()
        except JournalBroken as broken:
            return broken.seq
        await driver.end()
        return 0

    async def _verify(self) -> int:
        return (await verify_database(self._dsn)).broken_seq or 0

    async def _read(self, what: str) -> Rows:
        return [dict(row) for row in await self._connection.fetch(f"SELECT * FROM exchange.{what}")]
