"""One batch, one transaction: both legs, registry, states, answers, watermark.  Finality.

The whole batch is posted together, set-based.  If the ledger or the registry refuses any part,
everything of the batch is undone to a savepoint and the movements are posted one by one, each
with a savepoint of its own: what cannot post becomes failed with its reason, both legs or none,
and the others go through.
"""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.events import UnitDepositRequested
from settlement import ledger, outbox
from settlement.entries import posting_of
from settlement.instructions import Outcome, conclude, instruct
from settlement.movements import Batch, Movement, transfer_request
from settlement.ports import RegistryPort

_REFUSALS = {
    "JT001": "LEDGER_UNBALANCED",
    "JT002": "LEDGER_OVERDRAWN",
    "JT003": "LEDGER_INCOMPLETE",
    "JT005": "LEDGER_UNKNOWN_ACCOUNT",
    "JT007": "REGISTRY_NOT_CONSERVED",
}
_REFUSING_CLASSES = ("22", "23", "JT")

# A generic plan, made for arrays of unknown length, may walk whole tables.
_LOCK = text("""
    SELECT seq, trading_day, set_config('plan_cache_mode', 'force_custom_plan', true)
      FROM settlement.watermark FOR UPDATE
""")

_READ = text("SELECT seq FROM settlement.watermark")

_ADVANCE = text("UPDATE settlement.watermark SET seq = :seq, trading_day = :trading_day")


async def read_watermark(connection: AsyncConnection) -> int:
    """The last posted seq."""
    return int((await connection.execute(_READ)).scalar_one())


async def lock_watermark(connection: AsyncConnection) -> tuple[int, int]:
    """The last posted seq and its trading day; other consumers wait until the commit."""
    row = (await connection.execute(_LOCK)).one()
    return row.seq, row.trading_day


async def settle(connection: AsyncConnection, registry: RegistryPort, batch: Batch) -> None:
    """Post a batch that follows the locked watermark, and move the watermark to its end."""
    movements = batch.movements
    if movements:
        await instruct(connection, movements)
        outcomes = await _post_together(connection, registry, movements)
        if outcomes is None:
            outcomes = [await _post_alone(connection, registry, m) for m in movements]
        await conclude(connection, outcomes)
        await outbox.owe(connection, _confirmations(outcomes))
    await outbox.close(connection, batch.answers)
    position = {"seq": batch.last_seq, "trading_day": batch.trading_day}
    await connection.execute(_ADVANCE, position)


async def _post_together(
    connection: AsyncConnection, registry: RegistryPort, movements: Sequence[Movement]
) -> list[Outcome] | None:
    savepoint = await connection.begin_nested()
    try:
        outcomes = await _post(connection, registry, movements)
    except DBAPIError as error:
        if not _refusal(error):
            raise
        outcomes = None
    if outcomes is None or any(o.refusal and not _is_deposit(o) for o in outcomes):
        await savepoint.rollback()
        return None
    await savepoint.commit()
    return outcomes


async def _post_alone(
    connection: AsyncConnection, registry: RegistryPort, movement: Movement
) -> Outcome:
    try:
        async with connection.begin_nested():
            return (await _post(connection, registry, [movement]))[0]
    except DBAPIError as error:
        refusal = _refusal(error)
        if not refusal:
            raise
        return Outcome(movement, refusal=refusal)


async def _post(
    connection: AsyncConnection, registry: RegistryPort, movements: Sequence[Movement]
) -> list[Outcome]:
    requests = [r for r in map(transfer_request, movements) if r is not None]
    answers = {answer.key: answer for answer in await registry.carry_out(requests)}
    refusals = {key: answer.refusal for key, answer in answers.items() if answer.refusal}
    accepted = [posting_of(m) for m in movements if m.cause not in refusals]
    postings = await ledger.post(connection, accepted)
    return [
        Outcome(
            movement,
            postings.get(movement.cause),
            answers[movement.cause].transfer_id if movement.cause in answers else None,
            refusals.get(movement.cause, ""),
        )
        for movement in movements
    ]


def _is_deposit(outcome: Outcome) -> bool:
    return isinstance(outcome.movement.event, UnitDepositRequested)


def _confirmations(outcomes: Sequence[Outcome]) -> list[outbox.Owed]:
    found = [(outcome, outcome.movement.event) for outcome in outcomes]
    return [
        outbox.confirmation(outcome.movement.seq, request.deposit_id, outcome.refusal)
        for outcome, request in found
        if isinstance(request, UnitDepositRequested)
    ]


def _refusal(error: DBAPIError) -> str:
    sqlstate = getattr(error.orig, "sqlstate", None) or ""
    if not sqlstate.startswith(_REFUSING_CLASSES):
        return ""
    return _REFUSALS.get(sqlstate, f"DATABASE_REFUSED_{sqlstate}")
