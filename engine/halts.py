"""Which phase an instrument is in: the schedule's, unless a halt or a block says otherwise.

    in a session (scheduled CONTINUOUS): HALTED while a halt covers the instrument or the market,
    PRE_OPEN while the opening is blocked, else CONTINUOUS; outside sessions the scheduled phase.

A halt stops entering and amending; resting orders stay and may be cancelled (Art 18: handling of
abnormal situations).
"""

from engine.codes import HaltCause, Phase, Role
from engine.commands import ALL_INSTRUMENTS, HaltTrading, ResumeTrading
from engine.events import PhaseChanged, TradingHalted, TradingResumed
from engine.faults import Refused
from engine.market import Market
from engine.step import Step, need_text


def halt_trading(step: Step, command: HaltTrading) -> None:
    """Halt an instrument or the whole market; resting orders stay and may be cancelled."""
    market = step.market
    need_text("note", command.note)
    if command.instrument_id != ALL_INSTRUMENTS:
        market.instrument(command.instrument_id)
    _need_authority_over(step, command.cause)
    if command.instrument_id in market.halts:
        raise Refused("HALT_UNCHANGED", instrument=command.instrument_id, state="halted")
    halt(step, command.instrument_id, command.cause, command.note)


def resume_trading(step: Step, command: ResumeTrading) -> None:
    """Lift a halt of exactly this scope; the regulator's own is the regulator's to lift."""
    need_text("note", command.note)
    cause = step.market.halts.get(command.instrument_id)
    if cause is None:
        raise Refused("HALT_UNCHANGED", instrument=command.instrument_id, state="not halted")
    _need_authority_over(step, cause)
    del step.market.halts[command.instrument_id]
    step.emit(TradingResumed(command.instrument_id, command.note))
    settle_phases(step)


def phase_of(market: Market, instrument_id: str) -> tuple[Phase, HaltCause | None]:
    """The phase an instrument is in by schedule, halts and blocks, with the halt's cause."""
    scheduled = market.scheduled_phase
    if scheduled is not Phase.CONTINUOUS:
        return scheduled, None
    cause = market.halts.get(ALL_INSTRUMENTS) or market.halts.get(instrument_id)
    if cause is not None:
        return Phase.HALTED, cause
    return (Phase.PRE_OPEN if market.opening_block else Phase.CONTINUOUS), None


def halt(step: Step, scope: str, cause: HaltCause, note: str) -> None:
    """Put a halt on an instrument or on ALL_INSTRUMENTS; one in force stays with its cause."""
    if scope in step.market.halts:
        return
    step.market.halts[scope] = cause
    step.emit(TradingHalted(scope, cause, note))
    settle_phases(step)


def settle_phases(step: Step) -> None:
    """Bring every instrument to the phase that now holds, saying so where it changes."""
    market = step.market
    for instrument_id in sorted(market.instruments):
        instrument = market.instruments[instrument_id]
        phase, cause = phase_of(market, instrument_id)
        if phase is not instrument.phase:
            instrument.phase = phase
            step.emit(PhaseChanged(instrument_id, phase, cause))


def _need_authority_over(step: Step, cause: HaltCause) -> None:
    """Only the ecology department halts in the regulator's name, or lifts such a halt."""
    role = step.grant().role
    if cause is HaltCause.REGULATOR and role is not Role.ECOLOGY:
        raise Refused("ROLE_NOT_PERMITTED", "actor", role=role, command="REGULATOR halt")
