"""Reading the books, for the API: status, instructions, balances, statements, reconciliations.

Amounts are integers: fen for cash, tonnes for units.  Lists go by cursor: ask again with the last
id seen.  It never writes; any role that may SELECT in `settlement` and `registry` will do.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncEngine

from settlement.entries import series_of
from settlement.findings import Break
from settlement.instructions import InstructionState
from settlement.ports import SeriesTotals
from settlement.registry.embedded import EmbeddedRegistry, Holding

MOST_ROWS = 1_000


class Status(msgspec.Struct, frozen=True):
    """How far settlement is, and what stands open."""

    watermark: int
    trading_day: int
    instructions: dict[InstructionState, int]
    unposted: int
    owed_commands: int
    registry_transfers: int


class Instruction(msgspec.Struct, frozen=True):
    """A DvP instruction with its present state; ids are 0 while there is none."""

    trade_id: int
    seq: int
    trading_day: int
    timestamp_ns: int
    instrument_id: str
    series_id: str
    price_ticks: int
    quantity: int
    value_fen: int
    buyer_id: str
    seller_id: str
    buyer_fee_fen: int
    seller_fee_fen: int
    state: InstructionState
    reason: str
    posting_id: int
    registry_transfer_id: int


class Balance(msgspec.Struct, frozen=True):
    """A ledger balance; series_id is '' for cash."""

    owner: str
    series_id: str
    amount: int


class StatementEntry(msgspec.Struct, frozen=True):
    """One entry of a participant's account and the balance it left."""

    posting_id: int
    cause: str
    kind: str
    trading_day: int
    timestamp_ns: int
    series_id: str
    amount: int
    balance: int


class Reconciliation(msgspec.Struct, frozen=True):
    """One reconciliation and everything it found."""

    report_seq: int
    trading_day: int
    state_digest: str
    break_count: int
    breaks: tuple[Break, ...]


_STATUS = text("""
    SELECT w.seq AS watermark, w.trading_day, s.final, s.failed, s.reserved,
           (SELECT count(*) FROM settlement.instruction) AS instructions,
           (SELECT count(*) FROM settlement.unposted) AS unposted,
           (SELECT count(*) FROM settlement.outbox WHERE state = 'open') AS owed_commands,
           (SELECT count(*) FROM registry.transfer
             WHERE status = 'posted' AND kind = 'transfer') AS registry_transfers
      FROM settlement.watermark w, (
        SELECT count(*) FILTER (WHERE step = 3) AS final,
               count(*) FILTER (WHERE state = 'failed') AS failed,
               count(*) FILTER (WHERE state = 'reserved') AS reserved
          FROM (SELECT DISTINCT ON (trade_id) state, step FROM settlement.instruction_state
                 ORDER BY trade_id, step DESC) present) s
""")

_INSTRUCTIONS = text("""
    SELECT i.*, coalesce(s.state, 'due') AS state, coalesce(s.reason, '') AS reason,
           coalesce(s.posting_id, 0) AS posting_id,
           coalesce(s.registry_transfer_id, 0) AS registry_transfer_id
      FROM settlement.instruction i
      LEFT JOIN LATERAL (
        SELECT * FROM settlement.instruction_state t
         WHERE t.trade_id = i.trade_id ORDER BY t.step DESC LIMIT 1) s ON true
     WHERE i.trade_id > :after_trade_id
       AND (CAST(:participant_id AS text) = '' OR :participant_id IN (i.buyer_id, i.seller_id))
     ORDER BY i.trade_id LIMIT :limit
""")

_BALANCES = text("""
    SELECT a.owner, a.asset, b.amount
      FROM settlement.account a JOIN settlement.balance b USING (account_id)
     WHERE a.kind = :kind AND (CAST(:owner AS text) = '' OR a.owner = :owner)
     ORDER BY a.owner, a.asset
""")

# A page holds whole postings; the balance before it comes from all earlier entries.
_STATEMENT = text("""
    WITH mine AS (
        SELECT account_id, asset FROM settlement.account
         WHERE kind = 'participant' AND owner = :participant_id
    ), page AS (
        SELECT DISTINCT e.posting_id FROM mine JOIN settlement.entry e USING (account_id)
         WHERE e.posting_id > :after_posting_id ORDER BY e.posting_id LIMIT :limit
    ), before AS (
        SELECT account_id, sum(e.amount) AS amount
          FROM mine JOIN settlement.entry e USING (account_id)
         WHERE e.posting_id <= :after_posting_id GROUP BY account_id
    )
    SELECT posting_id, p.cause, p.kind, p.trading_day, p.timestamp_ns, m.asset, e.amount,
           CAST(coalesce(b.amount, 0) + sum(e.amount)
                OVER (PARTITION BY account_id ORDER BY posting_id) AS bigint) AS balance
      FROM page JOIN settlement.posting p USING (posting_id)
      JOIN settlement.entry e USING (posting_id)
      JOIN mine m USING (account_id)
      LEFT JOIN before b USING (account_id)
     ORDER BY posting_id, account_id
""")

_RECONCILIATION = text("""
    SELECT report_seq, trading_day, state_digest, break_count FROM settlement.reconciliation
     WHERE CAST(:report_seq AS bigint) = 0 OR report_seq = :report_seq
     ORDER BY report_seq DESC LIMIT 1
""")

_BREAKS = text("""
    SELECT kind, ids, expected, actual FROM settlement.break
     WHERE report_seq = :report_seq ORDER BY number
""")


class SettlementQueries:
    """Read side of settlement; each answer is one consistent look at the database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def status(self) -> Status:
        """Watermark, counts by state, and what stands open."""
        row = (await self._rows(_STATUS, {}))[0]
        counts = {
            InstructionState.DUE: row["instructions"] - row["final"] - row["reserved"],
            InstructionState.RESERVED: row["reserved"],
            InstructionState.POSTED: row["final"] - row["failed"],
            InstructionState.FAILED: row["failed"],
        }
        return Status(
            row["watermark"],
            row["trading_day"],
            counts,
            row["unposted"],
            row["owed_commands"],
            row["registry_transfers"],
        )

    async def instructions(
        self, after_trade_id: int = 0, limit: int = MOST_ROWS, participant_id: str = ""
    ) -> list[Instruction]:
        """Instructions by trade_id, of one participant or ('') of all."""
        values = {
            "after_trade_id": after_trade_id,
            "limit": min(limit, MOST_ROWS),
            "participant_id": participant_id,
        }
        return msgspec.convert(await self._rows(_INSTRUCTIONS, values), list[Instruction])

    async def balances(self, participant_id: str = "") -> list[Balance]:
        """Ledger balances of one participant or ('') of all."""
        return await self._balances("participant", participant_id)

    async def house_balances(self) -> list[Balance]:
        """Ledger balances of the venue's own accounts."""
        return await self._balances("house", "")

    async def statement(
        self, participant_id: str, after_posting_id: int = 0, limit: int = MOST_ROWS
    ) -> list[StatementEntry]:
        """The entries of a participant's next `limit` postings, each with the balance it left."""
        values = {
            "participant_id": participant_id,
            "after_posting_id": after_posting_id,
            "limit": min(limit, MOST_ROWS),
        }
        return msgspec.convert(await self._rows(_STATEMENT, values), list[StatementEntry])

    async def reconciliation(self, report_seq: int = 0) -> Reconciliation | None:
        """The reconciliation at report_seq, or (0) the latest; None when there is none."""
        found = await self._rows(_RECONCILIATION, {"report_seq": report_seq})
        if not found:
            return None
        breaks = await self._rows(_BREAKS, {"report_seq": found[0]["report_seq"]})
        return msgspec.convert({**found[0], "breaks": breaks}, Reconciliation)

    async def holdings(self, holder: str) -> list[Holding]:
        """A holder's unit blocks in the registry, with their serials."""
        async with self._engine.connect() as connection:
            return await EmbeddedRegistry(connection).holdings(holder)

    async def registry_totals(self) -> list[SeriesTotals]:
        """Each series in the registry: issued, and how it stands."""
        async with self._engine.connect() as connection:
            return await EmbeddedRegistry(connection).totals()

    async def _balances(self, kind: str, owner: str) -> list[Balance]:
        rows = await self._rows(_BALANCES, {"kind": kind, "owner": owner})
        return msgspec.convert(rows, list[Balance])

    async def _rows(self, query: TextClause, values: Mapping[str, object]) -> list[dict[str, Any]]:
        async with self._engine.connect() as connection:
            rows = (await connection.execute(query, values)).mappings()
            return [_named(dict(row)) for row in rows]


def _named(row: dict[str, Any]) -> dict[str, Any]:
    if "asset" in row:
        row["series_id"] = series_of(row.pop("asset"))
    return row
