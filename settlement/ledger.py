"""Writes postings: all entries of a batch in one statement, checked by the database.

The schema's triggers (migration 0003) refuse what is unbalanced, overdrawn or incomplete, and
keep the balances; nothing here is trusted to do so.
"""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from settlement.entries import AccountKey, Posting

_ACCOUNTS = text("""
    WITH wanted AS (
        SELECT * FROM unnest(CAST(:kinds AS text[]), CAST(:owners AS text[]),
                             CAST(:assets AS text[])) AS w(kind, owner, asset)
    ), known AS (
        SELECT a.* FROM settlement.account a JOIN wanted USING (kind, owner, asset)
    ), opened AS (
        INSERT INTO settlement.account (kind, owner, asset)
        SELECT kind, owner, asset FROM wanted EXCEPT SELECT kind, owner, asset FROM known
        RETURNING account_id, kind, owner, asset
    )
    SELECT account_id, kind, owner, asset FROM known
    UNION ALL SELECT account_id, kind, owner, asset FROM opened
""")

_POST = text("""
    WITH posted AS (
        INSERT INTO settlement.posting (cause, kind, seq, trading_day, timestamp_ns, entry_count)
        SELECT p.cause, p.kind, p.seq, p.trading_day, p.timestamp_ns, p.entry_count
          FROM unnest(CAST(:causes AS text[]), CAST(:kinds AS text[]), CAST(:seqs AS bigint[]),
                      CAST(:days AS integer[]), CAST(:times AS bigint[]),
                      CAST(:counts AS integer[]))
               WITH ORDINALITY AS p(cause, kind, seq, trading_day, timestamp_ns, entry_count,
                                    place)
         ORDER BY p.place
        RETURNING posting_id, cause
    ), entered AS (
        INSERT INTO settlement.entry (posting_id, account_id, amount)
        SELECT p.posting_id, e.account_id, e.amount
          FROM unnest(CAST(:entry_causes AS text[]), CAST(:accounts AS bigint[]),
                      CAST(:amounts AS bigint[])) AS e(cause, account_id, amount)
          JOIN posted p ON p.cause = e.cause
    )
    SELECT cause, posting_id FROM posted
""")


async def post(connection: AsyncConnection, postings: Sequence[Posting]) -> dict[str, int]:
    """Write the postings in order; returns posting ids by cause.

    Raises DBAPIError when the database refuses one; then none is written.
    """
    if not postings:
        return {}
    ids = await _account_ids(connection, postings)
    entries = [
        (posting.cause, ids[account], amount)
        for posting in postings
        for account, amount in posting.entries
    ]
    values = {
        "causes": [posting.cause for posting in postings],
        "kinds": [posting.kind for posting in postings],
        "seqs": [posting.seq for posting in postings],
        "days": [posting.trading_day for posting in postings],
        "times": [posting.timestamp_ns for posting in postings],
        "counts": [len(posting.entries) for posting in postings],
        "entry_causes": [entry[0] for entry in entries],
        "accounts": [entry[1] for entry in entries],
        "amounts": [entry[2] for entry in entries],
    }
    rows = await connection.execute(_POST, values)
    return {cause: int(posting_id) for cause, posting_id in rows}


async def _account_ids(
    connection: AsyncConnection, postings: Sequence[Posting]
) -> dict[AccountKey, int]:
    keys = sorted({account for posting in postings for account, _ in posting.entries})
    values = {
        "kinds": [key.kind for key in keys],
        "owners": [key.owner for key in keys],
        "assets": [key.asset for key in keys],
    }
    rows = await connection.execute(_ACCOUNTS, values)
    return {AccountKey(kind, owner, asset): account_id for account_id, kind, owner, asset in rows}
