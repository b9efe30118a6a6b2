"""Faults inside the books: queries that find rows contradicting each other, by kind.

Each query gives ids (jsonb), expected and actual.  In sound books all are empty; the schema's
triggers and grants should make every one impossible, so each hit is damage from outside.
They read the embedded registry's tables; they cost time in proportion to the history.
"""

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

FOUND_AT_MOST = 1_000
"""Of one kind in one reconciliation; more would bury the reader."""


class Break(msgspec.Struct, frozen=True):
    """One difference: its kind, the ids to look for it, and two amounts (fen or tonnes)."""

    kind: str
    ids: dict[str, str]
    expected: int
    actual: int


_LEDGER = {
    "posting_unbalanced": """
        SELECT jsonb_build_object('posting_id', e.posting_id::text, 'asset', a.asset),
               0, sum(e.amount)
          FROM settlement.entry e LEFT JOIN settlement.account a USING (account_id)
         GROUP BY e.posting_id, a.asset HAVING sum(e.amount) <> 0
    """,
    "posting_incomplete": """
        SELECT jsonb_build_object('posting_id', posting_id::text, 'cause', p.cause),
               coalesce(p.entry_count, 0), coalesce(e.entry_count, 0)
          FROM settlement.posting p
          FULL JOIN (SELECT posting_id, count(*) AS entry_count
                       FROM settlement.entry GROUP BY posting_id) e USING (posting_id)
         WHERE p.entry_count IS DISTINCT FROM e.entry_count
    """,
    "balance_differs": """
        SELECT jsonb_build_object('account_id', account_id::text, 'owner', a.owner,
                                  'asset', a.asset),
               coalesce(e.amount, 0), coalesce(b.amount, 0)
          FROM settlement.balance b
          FULL JOIN (SELECT account_id, sum(amount) AS amount
                       FROM settlement.entry GROUP BY account_id) e USING (account_id)
          LEFT JOIN settlement.account a USING (account_id)
         WHERE coalesce(e.amount, 0) <> coalesce(b.amount, 0)
    """,
    "balance_beyond_zero": """
        SELECT jsonb_build_object('account_id', account_id::text, 'owner', a.owner,
                                  'asset', a.asset),
               0, b.amount
          FROM settlement.balance b JOIN settlement.account a USING (account_id)
         WHERE CASE a.kind WHEN 'external' THEN b.amount > 0 ELSE b.amount < 0 END
    """,
    "movement_not_posted": """
        SELECT jsonb_build_object('cause', cause, 'reason', reason), 1, 0
          FROM settlement.unposted WHERE seq <= :seq
    """,
}

_INSTRUCTIONS = {
    "instruction_not_posted": """
        SELECT jsonb_build_object('trade_id', i.trade_id::text,
                                  'state', coalesce(s.state, 'due'),
                                  'reason', coalesce(s.reason, '')),
               1, 0
          FROM settlement.instruction i
          LEFT JOIN settlement.instruction_state s ON s.trade_id = i.trade_id AND s.step = 3
         WHERE i.seq <= :seq AND s.state IS DISTINCT FROM 'posted'
    """,
    "instruction_missing": """
        SELECT jsonb_build_object('posting_id', p.posting_id::text, 'cause', p.cause), 1, 0
          FROM settlement.posting p
          LEFT JOIN settlement.instruction_state s ON s.posting_id = p.posting_id
          LEFT JOIN settlement.instruction i ON i.trade_id = s.trade_id
         WHERE p.kind = 'trade' AND 'trade:' || i.trade_id IS DISTINCT FROM p.cause
    """,
    "deposit_missing": """
        SELECT jsonb_build_object('posting_id', p.posting_id::text, 'cause', p.cause), 1, 0
          FROM settlement.posting p
          LEFT JOIN settlement.deposit d ON d.posting_id = p.posting_id
         WHERE p.kind = 'units_in' AND 'deposit:' || d.deposit_id IS DISTINCT FROM p.cause
    """,
    "legs_differ": """
        WITH due AS (
            SELECT s.posting_id, l.kind, l.owner, l.asset, l.amount
              FROM settlement.instruction i
              JOIN settlement.instruction_state s USING (trade_id)
              CROSS JOIN LATERAL (VALUES
                ('participant', i.buyer_id, 'cash', -(i.value_fen + i.buyer_fee_fen)),
                ('participant', i.seller_id, 'cash', i.value_fen - i.seller_fee_fen),
                ('house', 'fees:public', 'cash', i.buyer_fee_fen + i.seller_fee_fen),
                ('participant', i.seller_id, 'units:' || i.series_id, -i.quantity),
                ('participant', i.buyer_id, 'units:' || i.series_id, i.quantity)
              ) AS l(kind, owner, asset, amount)
             WHERE s.state = 'posted' AND l.amount <> 0
            UNION ALL
            SELECT d.posting_id, l.kind, l.owner, 'units:' || d.series_id, l.amount
              FROM settlement.deposit d
              CROSS JOIN LATERAL (VALUES
                ('external', 'registry:' || d.series_id, -d.quantity),
                ('participant', d.participant_id, d.quantity)
              ) AS l(kind, owner, amount)
             WHERE d.is_locked
        ), entered AS (
            SELECT e.posting_id, a.kind, a.owner, a.asset, e.amount
              FROM settlement.entry e
              JOIN settlement.posting p USING (posting_id)
              JOIN settlement.account a USING (account_id)
             WHERE p.kind IN ('trade', 'units_in')
        )
        SELECT jsonb_build_object('posting_id', posting_id::text, 'owner', owner,
                                  'asset', asset),
               coalesce(d.amount, 0), coalesce(e.amount, 0)
          FROM due d FULL JOIN entered e USING (posting_id, kind, owner, asset)
         WHERE coalesce(d.amount, 0) <> coalesce(e.amount, 0)
    """,
}

_REGISTRY = {
    "transfer_missing": """
        SELECT jsonb_build_object('posting_id', p.posting_id::text, 'cause', p.cause), 1, 0
          FROM settlement.posting p
         WHERE p.kind IN ('trade', 'units_in', 'units_out') AND NOT EXISTS (
            SELECT FROM registry.transfer t
             WHERE t.idempotency_key = p.cause AND t.status = 'posted')
    """,
    "transfer_unexplained": """
        SELECT jsonb_build_object('transfer_id', t.transfer_id::text,
                                  'idempotency_key', t.idempotency_key),
               0, t.quantity
          FROM registry.transfer t
         WHERE t.kind <> 'issue' AND t.status = 'posted' AND NOT EXISTS (
            SELECT FROM settlement.posting p WHERE p.cause = t.idempotency_key)
    """,
    "transfer_differs": """
        SELECT jsonb_build_object('trade_id', i.trade_id::text,
                                  'transfer_id', s.registry_transfer_id::text),
               i.quantity, coalesce(t.quantity, 0)
          FROM settlement.instruction i
          JOIN settlement.instruction_state s USING (trade_id)
          LEFT JOIN registry.transfer t ON t.transfer_id = s.registry_transfer_id
         WHERE s.state = 'posted' AND
            ('trade:' || i.trade_id, i.series_id, i.seller_id, i.buyer_id, i.quantity, 'posted')
            IS DISTINCT FROM (t.idempotency_key, t.series_id, t.from_holder, t.to_holder,
                              t.quantity, t.status)
    """,
    "serials_not_conserved": """
        SELECT jsonb_build_object('transfer_id', t.transfer_id::text,
                                  'idempotency_key', t.idempotency_key),
               coalesce(c.tonnes, 0), coalesce(o.tonnes, 0)
          FROM registry.transfer t
          LEFT JOIN (SELECT opened_by AS transfer_id,
                            range_agg(int8range(serial_from, serial_to, '[]')) AS serials,
                            sum(serial_to - serial_from + 1) AS tonnes
                       FROM registry.unit_block GROUP BY opened_by) o USING (transfer_id)
          LEFT JOIN (SELECT closed_by AS transfer_id,
                            range_agg(int8range(serial_from, serial_to, '[]')) AS serials,
                            sum(serial_to - serial_from + 1) AS tonnes
                       FROM registry.unit_block WHERE closed_by IS NOT NULL
                      GROUP BY closed_by) c USING (transfer_id)
         WHERE t.kind <> 'issue' AND t.status = 'posted' AND
            (o.serials IS NULL OR (o.serials, o.tonnes) IS DISTINCT FROM (c.serials, c.tonnes))
    """,
    "serials_overlap": """
        SELECT jsonb_build_object('series_id', series_id, 'serial_from', serial_from::text,
                                  'serial_to', serial_to::text, 'holder', holder),
               reached + 1, serial_from
          FROM (SELECT b.*, max(serial_to) OVER (PARTITION BY series_id
                    ORDER BY serial_from, serial_to
                    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached
                  FROM registry.unit_block b WHERE closed_by IS NULL) o
         WHERE serial_from <= reached
    """,
    "serials_missing": """
        SELECT jsonb_build_object('series_id', s.series_id, 'serial_from', lower(gap)::text,
                                  'serial_to', (upper(gap) - 1)::text),
               upper(gap) - lower(gap), 0
          FROM registry.series s
          LEFT JOIN (SELECT series_id,
                            range_agg(int8range(serial_from, serial_to, '[]')) AS serials
                       FROM registry.unit_block WHERE closed_by IS NULL
                      GROUP BY series_id) b USING (series_id)
          CROSS JOIN LATERAL unnest(int8multirange(int8range(1, s.last_serial, '[]'))
                                    - coalesce(b.serials, '{}')) AS gap
         WHERE s.last_serial > 0
    """,
    "serials_never_issued": """
        SELECT jsonb_build_object('series_id', b.series_id, 'serial_from', b.serial_from::text,
                                  'serial_to', b.serial_to::text, 'holder', b.holder),
               coalesce(s.last_serial, 0), b.serial_to
          FROM registry.unit_block b LEFT JOIN registry.series s USING (series_id)
         WHERE b.closed_by IS NULL AND b.serial_to > coalesce(s.last_serial, 0)
    """,
}

_FINDINGS = {
    kind: text(
        "SELECT f.ids, CAST(f.expected AS bigint), CAST(f.actual AS bigint)"  # noqa: S608 - ours
        f" FROM ({query}) AS f(ids, expected, actual) ORDER BY f.ids LIMIT {FOUND_AT_MOST}"
    )
    for kind, query in {**_LEDGER, **_INSTRUCTIONS, **_REGISTRY}.items()
}

KINDS = tuple(_FINDINGS)
"""Kinds of breaks that find_faults can give."""


async def find_faults(connection: AsyncConnection, seq: int) -> list[Break]:
    """Everything up to seq that contradicts itself, by kind and ids."""
    breaks: list[Break] = []
    for kind, query in _FINDINGS.items():
        values = {"seq": seq} if ":seq" in query.text else {}
        for ids, expected, actual in await connection.execute(query, values):
            breaks.append(Break(kind, ids, expected, actual))
    return breaks
