"""Commands that settlement owes the market: kept from commit until the market answers.

Written in the transaction that makes them true, sent after its commit, sent again after a crash,
closed by the answer in the feed.  The market takes a repeated request id as one request.
"""

from collections.abc import Sequence

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from engine import canonical
from engine.commands import ConfirmUnitDeposit, RecordReconciliation
from settlement.movements import REQUEST_PREFIX, Answer

OwedCommand = ConfirmUnitDeposit | RecordReconciliation

_decoder = msgspec.json.Decoder(OwedCommand)

_ADD = text("""
    INSERT INTO settlement.outbox (request_id, seq, body)
    SELECT * FROM unnest(CAST(:request_ids AS text[]), CAST(:seqs AS bigint[]),
                         CAST(:bodies AS text[]))
""")

_CLOSE = text("""
    UPDATE settlement.outbox o
       SET state = CASE a.refusal WHEN '' THEN 'answered' ELSE 'refused' END,
           reason = a.refusal, closed_seq = a.seq
      FROM unnest(CAST(:request_ids AS text[]), CAST(:seqs AS bigint[]),
                  CAST(:refusals AS text[])) AS a(request_id, seq, refusal)
     WHERE o.request_id = a.request_id AND o.state = 'open'
""")

_OPEN = text("SELECT request_id, body FROM settlement.outbox WHERE state = 'open' ORDER BY seq")


class Owed(msgspec.Struct, frozen=True):
    """A command with its request id and the seq it follows from."""

    request_id: str
    seq: int
    body: OwedCommand


def confirmation(seq: int, deposit_id: int, refusal: str) -> Owed:
    """The registry's answer to a deposit; refusal is '' when the units are locked."""
    state = "refused" if refusal else "locked"
    body = ConfirmUnitDeposit(deposit_id, not refusal, refusal)
    return Owed(f"{REQUEST_PREFIX}deposit-{deposit_id}:{state}", seq, body)


def reconciliation_done(report_seq: int, break_count: int) -> Owed:
    """The outcome of a reconciliation."""
    body = RecordReconciliation(report_seq, break_count)
    return Owed(f"{REQUEST_PREFIX}reconciliation-{report_seq}:done", report_seq, body)


async def owe(connection: AsyncConnection, commands: Sequence[Owed]) -> None:
    """Keep the commands until they are answered."""
    if not commands:
        return
    values = {
        "request_ids": [command.request_id for command in commands],
        "seqs": [command.seq for command in commands],
        "bodies": [canonical.encode(command.body).decode() for command in commands],
    }
    await connection.execute(_ADD, values)


async def close(connection: AsyncConnection, answers: Sequence[Answer]) -> None:
    """Close what was answered; the first answer stands, answers to nothing are ignored."""
    if not answers:
        return
    first = {answer.request_id: answer for answer in reversed(answers)}
    values = {
        "request_ids": list(first),
        "seqs": [answer.seq for answer in first.values()],
        "refusals": [answer.refusal for answer in first.values()],
    }
    await connection.execute(_CLOSE, values)


async def read_open(connection: AsyncConnection) -> list[tuple[str, OwedCommand]]:
    """What is not answered yet, oldest first."""
    rows = await connection.execute(_OPEN)
    return [(request_id, _decoder.decode(body)) for request_id, body in rows]
