"""The embedded registry: RegistryPort over schema `registry`, in the caller's transaction.

Each call locks the series it touches, plans in memory (blocks.py) and writes transfers, closed
and opened blocks in one statement, which the schema's triggers check for conservation.
"""

from collections.abc import Iterable, Sequence

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from settlement.ports import SeriesTotals, TransferAnswer, TransferRequest, UnitStatus
from settlement.registry.blocks import Block, Plan, Slot, needs, plan


class KeyReused(Exception):
    """An idempotency key came again with other contents."""


class Holding(msgspec.Struct, frozen=True):
    """Serials of a holder that follow each other: both ends inclusive, one serial one tonne."""

    series_id: str
    status: UnitStatus
    serial_from: int
    serial_to: int
    quantity: int


_KNOWN = text("""
    SELECT idempotency_key, transfer_id, kind, series_id, from_holder, to_holder, quantity, reason
      FROM registry.transfer WHERE idempotency_key = ANY(CAST(:keys AS text[]))
""")

_LOCK_SERIES = text("""
    SELECT series_id FROM registry.series
     WHERE series_id = ANY(CAST(:series AS text[])) ORDER BY series_id FOR UPDATE
""")

_OPEN_ACCOUNTS = text("""
    INSERT INTO registry.account (holder)
    SELECT h FROM unnest(CAST(:holders AS text[])) AS h
     WHERE NOT EXISTS (SELECT FROM registry.account a WHERE a.holder = h)
    ON CONFLICT DO NOTHING
""")

# Walks each slot's open blocks by index, lowest serial first, and stops when the need is met.
_STOCK = text("""
    WITH RECURSIVE need AS (
        SELECT * FROM unnest(CAST(:holders AS text[]), CAST(:series AS text[]),
            CAST(:statuses AS text[]), CAST(:tonnes AS bigint[]))
            AS n(holder, series_id, status, tonnes)
    ), walk AS (
        SELECT n.*, b.opened_by, b.line, b.serial_from, b.serial_to,
               b.serial_to - b.serial_from + 1 AS have
          FROM need n CROSS JOIN LATERAL (
            SELECT * FROM registry.unit_block u
             WHERE u.holder = n.holder AND u.series_id = n.series_id AND u.status = n.status
               AND u.closed_by IS NULL
             ORDER BY u.serial_from LIMIT 1) b
        UNION ALL
        SELECT w.holder, w.series_id, w.status, w.tonnes,
               b.opened_by, b.line, b.serial_from, b.serial_to,
               w.have + b.serial_to - b.serial_from + 1
          FROM walk w CROSS JOIN LATERAL (
            SELECT * FROM registry.unit_block u
             WHERE u.holder = w.holder AND u.series_id = w.series_id AND u.status = w.status
               AND u.closed_by IS NULL AND u.serial_from > w.serial_to
             ORDER BY u.serial_from LIMIT 1) b
         WHERE w.have < w.tonnes
    )
    SELECT holder, series_id, status, opened_by, line, serial_from, serial_to FROM walk
""")

_WRITE = text("""
    WITH written AS (
        INSERT INTO registry.transfer (idempotency_key, kind, series_id, from_holder, to_holder,
                                       quantity, status, reason)
        SELECT r.key, r.kind, r.series_id, r.from_holder, r.to_holder, r.quantity,
               CASE r.reason WHEN '' THEN 'posted' ELSE 'refused' END, r.reason
          FROM unnest(CAST(:keys AS text[]), CAST(:kinds AS text[]), CAST(:series AS text[]),
                      CAST(:givers AS text[]), CAST(:receivers AS text[]),
                      CAST(:quantities AS bigint[]), CAST(:reasons AS text[]))
               WITH ORDINALITY AS r(key, kind, series_id, from_holder, to_holder, quantity,
                                    reason, place)
         ORDER BY r.place
        RETURNING transfer_id, idempotency_key AS key
    ), closed AS (
        UPDATE registry.unit_block b SET closed_by = w.transfer_id
          FROM unnest(CAST(:closed_ids AS bigint[]), CAST(:closed_lines AS integer[]),
                      CAST(:closed_keys AS text[])) AS c(transfer_id, line, key)
          JOIN written w ON w.key = c.key
         WHERE b.opened_by = c.transfer_id AND b.line = c.line
    ), opened AS (
        INSERT INTO registry.unit_block (opened_by, line, series_id, serial_from, serial_to,
                                         holder, status, closed_by)
        SELECT w.transfer_id, o.line, o.series_id, o.serial_from, o.serial_to, o.holder,
               o.status, k.transfer_id
          FROM unnest(CAST(:opened_keys AS text[]), CAST(:opened_lines AS integer[]),
                      CAST(:opened_series AS text[]), CAST(:serials_from AS bigint[]),
                      CAST(:serials_to AS bigint[]), CAST(:holders AS text[]),
                      CAST(:statuses AS text[]), CAST(:closers AS text[]))
               AS o(key, line, series_id, serial_from, serial_to, holder, status, closer)
          JOIN written w ON w.key = o.key
          LEFT JOIN written k ON k.key = o.closer
    )
    SELECT key, transfer_id FROM written
""")

_KNOW_SERIES = text("""
    INSERT INTO registry.series (series_id) VALUES (:series_id) ON CONFLICT DO NOTHING
""")

_ISSUE = text("""
    WITH written AS (
        INSERT INTO registry.transfer (idempotency_key, kind, series_id, from_holder, to_holder,
                                       quantity, status)
        VALUES (:key, 'issue', :series_id, '', :holder, CAST(:quantity AS bigint), 'posted')
        RETURNING transfer_id
    ), counted AS (
        UPDATE registry.series
           SET last_serial = last_serial + CAST(:quantity AS bigint), last_issue = transfer_id
          FROM written WHERE series_id = :series_id
        RETURNING last_serial
    ), opened AS (
        INSERT INTO registry.unit_block (opened_by, line, series_id, serial_from, serial_to,
                                         holder, status)
        SELECT transfer_id, 1, :series_id, last_serial - CAST(:quantity AS bigint) + 1,
               last_serial, :holder, 'held'
          FROM written, counted
    )
    SELECT transfer_id FROM written
""")

_LOCKED = text("""
    SELECT holder, series_id, CAST(sum(serial_to - serial_from + 1) AS bigint)
      FROM registry.unit_block WHERE closed_by IS NULL AND status = 'locked'
     GROUP BY holder, series_id ORDER BY holder, series_id
""")

_TOTALS = text("""
    SELECT s.series_id, s.last_serial, b.status,
           CAST(sum(b.serial_to - b.serial_from + 1) AS bigint)
      FROM registry.series s
      LEFT JOIN registry.unit_block b ON b.series_id = s.series_id AND b.closed_by IS NULL
     GROUP BY s.series_id, s.last_serial, b.status ORDER BY s.series_id, b.status
""")

# range_agg joins blocks whose serials touch.
_HOLDINGS = text("""
    SELECT series_id, status, lower(serials), upper(serials) - 1
      FROM (SELECT series_id, status,
                   unnest(range_agg(int8range(serial_from, serial_to, '[]'))) AS serials
              FROM registry.unit_block WHERE holder = :holder AND closed_by IS NULL
             GROUP BY series_id, status) AS held
     ORDER BY series_id, status, serials
""")


class EmbeddedRegistry:
    """RegistryPort within one transaction of the caller, plus issue and holdings."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def issue(self, key: str, series_id: str, holder: str, quantity: int) -> int:
        """Create `quantity` tonnes with fresh serials for the holder; returns the transfer id.

        The same key again returns the first transfer.  Raises KeyReused.
        """
        await self._connection.execute(_KNOW_SERIES, {"series_id": series_id})
        await self._connection.execute(_LOCK_SERIES, {"series": [series_id]})
        contents = ("issue", series_id, "", holder, quantity)
        known = (await self._find_known({key: contents})).get(key)
        if known is not None:
            return known.transfer_id
        await self._connection.execute(_OPEN_ACCOUNTS, {"holders": [holder]})
        values = {"key": key, "series_id": series_id, "holder": holder, "quantity": quantity}
        written = await self._connection.execute(_ISSUE, values)
        return int(written.scalar_one())

    async def carry_out(self, requests: Sequence[TransferRequest]) -> list[TransferAnswer]:
        """See RegistryPort; a key that is known gives its first answer.  Raises KeyReused."""
        if not requests:
            return []
        series = sorted({request.series_id for request in requests})
        await self._connection.execute(_LOCK_SERIES, {"series": series})
        answers = await self._find_known({r.key: _contents(r) for r in requests})
        fresh = [request for request in requests if request.key not in answers]
        if fresh:
            planned = plan(fresh, await self._load_stock(fresh))
            holders = sorted({request.to_holder for request in fresh})
            await self._connection.execute(_OPEN_ACCOUNTS, {"holders": holders})
            written = await self._connection.execute(_WRITE, _columns(fresh, planned))
            for key, transfer_id in written:
                answers[key] = TransferAnswer(key, transfer_id, planned.refusals.get(key, ""))
        return [answers[request.key] for request in requests]

    async def locked(self) -> dict[tuple[str, str], int]:
        """See RegistryPort."""
        rows = await self._connection.execute(_LOCKED)
        return {(holder, series_id): tonnes for holder, series_id, tonnes in rows}

    async def totals(self) -> list[SeriesTotals]:
        """See RegistryPort."""
        totals: dict[str, SeriesTotals] = {}
        for series_id, issued, status, tonnes in await self._connection.execute(_TOTALS):
            total = totals.setdefault(series_id, SeriesTotals(series_id, issued, {}))
            if status is not None:
                total.by_status[UnitStatus(status)] = tonnes
        return list(totals.values())

    async def holdings(self, holder: str) -> list[Holding]:
        """A holder's serials as ranges that do not touch, lowest first."""
        rows = await self._connection.execute(_HOLDINGS, {"holder": holder})
        return [
            Holding(series_id, UnitStatus(status), first, last, last - first + 1)
            for series_id, status, first, last in rows
        ]

    async def _find_known(
        self, wanted: dict[str, tuple[str, str, str, str, int]]
    ) -> dict[str, TransferAnswer]:
        found = {}
        for row in await self._connection.execute(_KNOWN, {"keys": list(wanted)}):
            key, transfer_id, *contents, reason = row
            if tuple(contents) != wanted[key]:
                raise KeyReused(key)
            found[key] = TransferAnswer(key, transfer_id, reason)
        return found

    async def _load_stock(self, requests: Iterable[TransferRequest]) -> list[Block]:
        need = needs(requests)
        values = {
            "holders": [slot.holder for slot in need],
            "series": [slot.series_id for slot in need],
            "statuses": [slot.status for slot in need],
            "tonnes": list(need.values()),
        }
        return [
            Block(Slot(holder, series_id, UnitStatus(status)), first, last, line, opened_by)
            for holder, series_id, status, opened_by, line, first, last in (
                await self._connection.execute(_STOCK, values)
            )
        ]


def _contents(request: TransferRequest) -> tuple[str, str, str, str, int]:
    return (
        request.kind.value,
        request.series_id,
        request.from_holder,
        request.to_holder,
        request.quantity,
    )


def _columns(requests: Sequence[TransferRequest], planned: Plan) -> dict[str, list[object]]:
    return {
        "keys": [request.key for request in requests],
        "kinds": [request.kind.value for request in requests],
        "series": [request.series_id for request in requests],
        "givers": [request.from_holder for request in requests],
        "receivers": [request.to_holder for request in requests],
        "quantities": [request.quantity for request in requests],
        "reasons": [planned.refusals.get(request.key, "") for request in requests],
        "closed_ids": [block.transfer_id for block in planned.closed],
        "closed_lines": [block.line for block in planned.closed],
        "closed_keys": [block.closed_by for block in planned.closed],
        "opened_keys": [block.key for block in planned.opened],
        "opened_lines": [block.line for block in planned.opened],
        "opened_series": [block.slot.series_id for block in planned.opened],
        "serials_from": [block.serial_from for block in planned.opened],
        "serials_to": [block.serial_to for block in planned.opened],
        "holders": [block.slot.holder for block in planned.opened],
        "statuses": [block.slot.status.value for block in planned.opened],
        "closers": [block.closed_by or None for block in planned.opened],
    }
