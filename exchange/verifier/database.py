"""The journal in a database, read by a read-only session and checked, in several processes.

A long journal is cut into spans, one a process; each starts from the row before its own, which the
span before it checks.  The rows of one process come through a server-side cursor, so that memory
does not grow with the journal.  It may run beside a working exchange: rows appended meanwhile are
left for the next time.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from multiprocessing import get_context
from typing import NamedTuple

import asyncpg

from exchange.verifier.checks import GENESIS, Anchor, Broken, Checker, End, Row
from exchange.verifier.result import NoJournal, Result

PAGE_ROWS = 5_000
ROWS_WORTH_A_PROCESS = 50_000
CONNECT_TIMEOUT_S = 10.0

_COLUMNS = ", ".join(Row._fields)
_SPAN = f"SELECT {_COLUMNS} FROM exchange.journal"  # noqa: S608 - constant
_END = """
SELECT (SELECT min(seq) FROM exchange.journal) AS first,
       (SELECT max(seq) FROM exchange.journal) AS last, last_seq, last_chain
  FROM exchange.lease WHERE id = 1
"""


class _Span(NamedTuple):
    """Rows first..last, or from first on if last is None."""

    first: int
    last: int


class _Found(NamedTuple):
    """What a process found in its span: the last good row, and what is wrong after it."""

    last: Row
    seq: int | None = None
    why: str = ""


async def verify_database(dsn: str, anchors: Sequence[Anchor] = (), processes: int = 1) -> Result:
    """Verify the journal of the database at `dsn`, with up to that many processes.

    Raises NoJournal, asyncpg.PostgresError or OSError.
    """
    try:
        return await _verify(dsn, anchors, processes)
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError) as error:
        raise NoJournal("there is no journal in this database") from error


async def _verify(dsn: str, anchors: Sequence[Anchor], processes: int) -> Result:
    async with _connect(dsn) as connection:
        ends = await connection.fetchrow(_END)
    if ends is None:
        return Checker().result(Broken(1, "the lease row is missing"))
    first, last = ends["first"] or 1, ends["last"] or 0
    if first < 1:
        return Checker().result(Broken(first, "seqs start from 1"))
    checker = Checker(GENESIS, anchors)
    for found in await _check_spans(dsn, _cut(last, processes), anchors):
        checker.previous = found.last
        if found.seq is not None:
            return checker.result(Broken(found.seq, found.why))
    try:
        checker.check_end(End("the lease row", ends["last_seq"], ends["last_chain"]))
    except Broken as broken:
        return checker.result(broken)
    return checker.result()


def _cut(last: int, processes: int) -> list[_Span]:
    count = max(1, min(processes, last // ROWS_WORTH_A_PROCESS))
    bounds = [last * number // count for number in range(count + 1)]
    return [_Span(bounds[n] + 1, bounds[n + 1]) for n in range(count)]


async def _check_spans(dsn: str, spans: Sequence[_Span], anchors: Sequence[Anchor]) -> list[_Found]:
    if len(spans) == 1:
        return [await _check_span(dsn, spans[0], anchors)]
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(len(spans), mp_context=get_context("spawn")) as pool:
        checks = [
            loop.run_in_executor(pool, _check_span_here, dsn, span, anchors) for span in spans
        ]
        return await asyncio.gather(*checks)


def _check_span_here(dsn: str, span: _Span, anchors: Sequence[Anchor]) -> _Found:
    return asyncio.run(_check_span(dsn, span, anchors))


async def _check_span(dsn: str, span: _Span, anchors: Sequence[Anchor]) -> _Found:
    checker = Checker(anchors=anchors)
    async with _connect(dsn) as connection:
        if span.first > 1:
            before = await connection.fetchrow(f"{_SPAN} WHERE seq = $1", span.first - 1)
            if before is None:
                return _Found(GENESIS, span.first - 1, "row missing")
            checker.previous = Row(*before)
        try:
            async for row in _rows(connection, span):
                checker.check(row)
        except Broken as broken:
            return _Found(checker.previous, broken.seq, broken.why)
    return _Found(checker.previous)


async def _rows(connection: asyncpg.Connection, span: _Span) -> AsyncIterator[Row]:
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        query = f"{_SPAN} WHERE seq BETWEEN $1 AND $2 ORDER BY seq"
        cursor = await connection.cursor(query, span.first, span.last)
        while page := await cursor.fetch(PAGE_ROWS):
            for record in page:
                yield Row(*record)


@asynccontextmanager
async def _connect(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(
        dsn,
        timeout=CONNECT_TIMEOUT_S,
        server_settings={
            "application_name": "jingtan-verifier",
            "default_transaction_read_only": "on",
        },
    )
    try:
        yield connection
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT_S)
