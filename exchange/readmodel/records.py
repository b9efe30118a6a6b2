"""Keeps the slow-moving part of the read model: days, rules, people, acts, products, freezes."""

from collections.abc import Callable
from typing import Any

from engine import events as e
from engine.codes import ActStatus
from engine.commands import AccessGrant
from engine.released import Released
from exchange.readmodel.views import (
    AccountView,
    ActView,
    CashView,
    FreezeView,
    InstrumentView,
    KeyView,
    ParticipantView,
    ReadRecord,
    ReconciliationView,
)


def apply(record: ReadRecord, event: e.AnyEvent, step: Released, access_lost: list[str]) -> None:
    """Take one event in; persons whose role changed or went are added to access_lost."""
    handler = _HANDLERS.get(type(event))
    if handler is not None:
        handler(record, event, step)
    if isinstance(event, e.AccessRevoked | e.AccessGranted):
        access_lost.append(event.person_id)


def _founded(record: ReadRecord, event: e.MarketFounded, _step: Released) -> None:
    record.rule_versions.append(event.rule_version)
    record.rule_version_id = event.rule_version.rule_version_id


def _rules_installed(record: ReadRecord, event: e.RulesInstalled, _step: Released) -> None:
    record.rule_versions.append(event.rule_version)


def _rules_took_effect(record: ReadRecord, event: e.RulesTookEffect, _step: Released) -> None:
    record.rule_version_id = event.rule_version_id


def _days_set(record: ReadRecord, event: e.TradingDaysSet, _step: Released) -> None:
    started = [day for day in record.days if day.day <= record.trading_day]
    record.days = started + list(event.days)


def _day_started(record: ReadRecord, event: e.DayStarted, _step: Released) -> None:
    record.trading_day = event.day
    record.is_day_open = True
    for view in record.instruments.values():
        view.open_ticks = view.high_ticks = view.low_ticks = view.last_ticks = 0
        view.volume_tonnes = view.turnover_fen = view.trade_count = 0


def _day_ended(record: ReadRecord, _event: e.DayEnded, _step: Released) -> None:
    record.is_day_open = False
    record.opening_block = ""


def _day_closed(record: ReadRecord, event: e.InstrumentDayClosed, _step: Released) -> None:
    record.day_closes.append(event)


def _reference(record: ReadRecord, event: e.ReferencePriceSet, _step: Released) -> None:
    view = record.instruments[event.instrument_id]
    view.reference_price_ticks = event.reference_price_ticks
    view.lower_limit_ticks = event.lower_limit_ticks
    view.upper_limit_ticks = event.upper_limit_ticks


def _phase(record: ReadRecord, event: e.PhaseChanged, _step: Released) -> None:
    view = record.instruments[event.instrument_id]
    view.phase, view.halt_cause = event.phase, event.cause


def _blocked(record: ReadRecord, event: e.OpeningBlocked, _step: Released) -> None:
    record.opening_block = event.reason


def _halted(record: ReadRecord, event: e.TradingHalted, _step: Released) -> None:
    record.halts[event.instrument_id] = event.cause


def _resumed(record: ReadRecord, event: e.TradingResumed, _step: Released) -> None:
    record.halts.pop(event.instrument_id, None)


def _admitted(record: ReadRecord, event: e.ParticipantAdmitted, _step: Released) -> None:
    record.participants[event.participant_id] = ParticipantView(
        event.participant_id,
        event.name,
        event.participant_class,
        event.group_id,
        event.annual_allowance_tonnes,
    )
    record.accounts[event.participant_id] = AccountView(CashView(), {})


def _granted(record: ReadRecord, event: e.AccessGranted, _step: Released) -> None:
    record.access[event.person_id] = AccessGrant(event.person_id, event.role, event.participant_id)


def _revoked(record: ReadRecord, event: e.AccessRevoked, _step: Released) -> None:
    record.access.pop(event.person_id, None)


def _key_issued(record: ReadRecord, event: e.KeyIssued, _step: Released) -> None:
    record.keys[event.key_id] = KeyView(
        event.key_id, event.person_id, event.public_key, event.label
    )


def _key_revoked(record: ReadRecord, event: e.KeyRevoked, _step: Released) -> None:
    record.keys.pop(event.key_id, None)


def _series(record: ReadRecord, event: e.SeriesListed, _step: Released) -> None:
    record.series[event.series_id] = (
        event.product,
        event.vintage,
        event.restriction,
        event.expires_day,
    )


def _instrument(record: ReadRecord, event: e.InstrumentListed, _step: Released) -> None:
    product, vintage, _, _ = record.series[event.series_id]
    record.instruments[event.instrument_id] = InstrumentView(
        event.instrument_id, event.series_id, event.price_tick_fen, product, vintage
    )


def _proposed(record: ReadRecord, event: e.ActProposed, step: Released) -> None:
    record.acts[event.act_id] = ActView(
        event.act_id,
        event.act,
        event.proposer,
        event.reason,
        step.envelope.timestamp_ns,
        event.expires_ns,
    )


def _decide(
    record: ReadRecord, act_id: int, step: Released, status: ActStatus, by: str, note: str
) -> None:
    view = record.acts[act_id]
    view.status, view.decided_by, view.note = status, by, note
    view.decided_ns = step.envelope.timestamp_ns


def _approved(record: ReadRecord, event: e.ActApproved, step: Released) -> None:
    _decide(record, event.act_id, step, ActStatus.APPROVED, event.approver, "")


def _failed(record: ReadRecord, event: e.ActFailed, step: Released) -> None:
    _decide(record, event.act_id, step, ActStatus.FAILED, event.approver, event.reason)


def _rejected(record: ReadRecord, event: e.ActRejected, step: Released) -> None:
    _decide(record, event.act_id, step, ActStatus.REJECTED, event.by, event.reason)


def _extended(record: ReadRecord, event: e.ActExtended, _step: Released) -> None:
    record.acts[event.act_id].expires_ns = event.expires_ns


def _expired(record: ReadRecord, event: e.ActExpired, step: Released) -> None:
    _decide(record, event.act_id, step, ActStatus.EXPIRED, "", "")


def _frozen(record: ReadRecord, event: e.UnitsFrozen, _step: Released) -> None:
    record.freezes[event.freeze_id] = FreezeView(
        event.freeze_id,
        event.participant_id,
        event.series_id,
        event.quantity,
        event.shortfall,
        event.reason,
        event.document,
    )


def _released(record: ReadRecord, event: e.UnitsReleased, _step: Released) -> None:
    record.freezes.pop(event.freeze_id, None)


def _positions(record: ReadRecord, _event: e.PositionsReported, step: Released) -> None:
    record.last_position_report_seq = step.seq


def _reconciled(record: ReadRecord, event: e.ReconciliationRecorded, step: Released) -> None:
    record.reconciliations.append(
        ReconciliationView(event.report_seq, event.break_count, step.envelope.timestamp_ns)
    )


_HANDLERS: dict[type, Callable[[ReadRecord, Any, Released], None]] = {
    e.MarketFounded: _founded,
    e.RulesInstalled: _rules_installed,
    e.RulesTookEffect: _rules_took_effect,
    e.TradingDaysSet: _days_set,
    e.DayStarted: _day_started,
    e.DayEnded: _day_ended,
    e.InstrumentDayClosed: _day_closed,
    e.ReferencePriceSet: _reference,
    e.PhaseChanged: _phase,
    e.OpeningBlocked: _blocked,
    e.TradingHalted: _halted,
    e.TradingResumed: _resumed,
    e.ParticipantAdmitted: _admitted,
    e.AccessGranted: _granted,
    e.AccessRevoked: _revoked,
    e.KeyIssued: _key_issued,
    e.KeyRevoked: _key_revoked,
    e.SeriesListed: _series,
    e.InstrumentListed: _instrument,
    e.ActProposed: _proposed,
    e.ActApproved: _approved,
    e.ActFailed: _failed,
    e.ActRejected: _rejected,
    e.ActExtended: _extended,
    e.ActExpired: _expired,
    e.UnitsFrozen: _frozen,
    e.UnitsReleased: _released,
    e.PositionsReported: _positions,
    e.ReconciliationRecorded: _reconciled,
}
