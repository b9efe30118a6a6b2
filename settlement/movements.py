"""What the released records ask of the books: movements in seq order, answers, one report.

A batch ends with the first record that reports positions, so that the reconciliation sees
exactly what happened up to its seq.
"""

from collections.abc import Sequence

import msgspec

from engine.commands import SYSTEM_ACTOR
from engine.events import (
    AnyEvent,
    CashCredited,
    CashWithdrawn,
    CommandRefused,
    DayStarted,
    PositionsReported,
    RequestQuarantined,
    TradeExecuted,
    UnitDepositRequested,
    UnitsWithdrawn,
)
from engine.released import Released
from settlement.ports import TransferKind, TransferRequest

REQUEST_PREFIX = "settle:"
QUARANTINED = "REQUEST_QUARANTINED"

MovementEvent = TradeExecuted | CashCredited | CashWithdrawn | UnitDepositRequested | UnitsWithdrawn


class FeedBroken(Exception):
    """The feed skipped, repeated or reordered a record: nothing may be posted from it."""


class Movement(msgspec.Struct, frozen=True):
    """One event that moves money or units, with when it happened.

    `cause` is its one name in the ledger and the registry: at most one posting bears it.
    """

    cause: str
    seq: int
    timestamp_ns: int
    trading_day: int
    event: MovementEvent


class Answer(msgspec.Struct, frozen=True):
    """The market's answer to a request of the outbox; refusal is '' when it was carried out."""

    request_id: str
    seq: int
    refusal: str


class Batch(msgspec.Struct, frozen=True):
    """Some records, read up to last_seq."""

    last_seq: int
    trading_day: int
    movements: tuple[Movement, ...]
    answers: tuple[Answer, ...]
    report: PositionsReported | None


def read_batch(records: Sequence[Released], after_seq: int, trading_day: int) -> Batch:
    """Read records that follow after_seq, up to the first report of positions.

    trading_day is the day at after_seq.  Raises FeedBroken.
    """
    movements: list[Movement] = []
    answers: list[Answer] = []
    report = None
    seq = after_seq
    for record in records:
        if record.seq != seq + 1:
            raise FeedBroken(f"seq {record.seq} after {seq}")
        seq = record.seq
        answers += _answers(record)
        for event in record.events:
            match event:
                case DayStarted():
                    trading_day = event.day
                case PositionsReported():
                    report = event
                case _ if isinstance(event, MovementEvent):
                    at_ns = record.envelope.timestamp_ns
                    movements.append(Movement(_cause(event), seq, at_ns, trading_day, event))
        if report is not None:
            break
    return Batch(seq, trading_day, tuple(movements), tuple(answers), report)


def transfer_request(movement: Movement) -> TransferRequest | None:
    """What a movement asks of the registry; None for money alone."""
    event = movement.event
    match event:
        case TradeExecuted():
            kind, giver, receiver = TransferKind.TRANSFER, event.seller_id, event.buyer_id
        case UnitDepositRequested():
            kind, giver, receiver = TransferKind.LOCK, event.participant_id, event.participant_id
        case UnitsWithdrawn():
            kind, giver, receiver = TransferKind.RELEASE, event.participant_id, event.participant_id
        case _:
            return None
    return TransferRequest(movement.cause, kind, event.series_id, giver, receiver, event.quantity)


def _cause(event: MovementEvent) -> str:
    match event:
        case TradeExecuted():
            return f"trade:{event.trade_id}"
        case UnitDepositRequested():
            return f"deposit:{event.deposit_id}"
        case UnitsWithdrawn():
            return f"withdrawal:{event.act_id}"
        case _:
            return f"cash:{event.act_id}"


def _answers(record: Released) -> list[Answer]:
    answers = [
        Answer(event.request_id, record.seq, QUARANTINED)
        for event in record.events
        if isinstance(event, RequestQuarantined) and _is_ours(event.scope, event.request_id)
    ]
    envelope = record.envelope
    if _is_ours(envelope.actor, envelope.request_id):
        answers.append(Answer(envelope.request_id, record.seq, _refusal(record.events)))
    return answers


def _is_ours(scope: str, request_id: str) -> bool:
    return scope == SYSTEM_ACTOR and request_id.startswith(REQUEST_PREFIX)


def _refusal(events: Sequence[AnyEvent]) -> str:
    return next((event.reason for event in events if isinstance(event, CommandRefused)), "")
