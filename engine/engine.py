"""apply(command) -> events: the deterministic heart of the exchange.

The same commands in the same order give the same events, byte for byte, and the same state digest
on every machine.  The engine never reads a clock, a file, a socket or chance.

Invariants checked at every command: seq is contiguous, time grows, no deadline is overdue.  A
refusal leaves no trace but its event.  Any other exception means the engine is broken: the caller
discards it.
"""

from collections.abc import Callable
from typing import Any

from engine import acts, admission, funds, halts, oversight, phases, products, trading
from engine import commands as c
from engine.canonical import body_hash
from engine.events import AnyEvent, CommandRefused, OrderRejected, RequestRepeated
from engine.faults import Refused, require
from engine.invariants import check_market
from engine.market import (
    Market,
    MarketRecord,
    RequestRecord,
    participant_scope,
    request_key,
    restore,
)
from engine.permissions import PERMITTED
from engine.step import Step

Handler = Callable[[Step, Any], None]


class Engine:
    """The market state and the one way to change it."""

    __slots__ = ("market",)

    def __init__(self, market: Market | None = None) -> None:
        self.market = market if market is not None else Market()

    def apply(self, seq: int, envelope: c.Envelope) -> tuple[AnyEvent, ...]:
        """Apply one sequenced command; raises InvariantBroken if the engine contradicts itself."""
        market = self.market
        body, now_ns = envelope.body, envelope.timestamp_ns
        require(seq == market.seq + 1, f"seq {seq} follows {market.seq}")
        require(now_ns > market.clock_ns, f"time grows: {now_ns} after {market.clock_ns}")
        if not isinstance(body, c.LeaderStarted):
            is_clock = isinstance(body, c.AdvanceClock)
            deadline_ns = market.next_deadline()
            require(now_ns < deadline_ns or (is_clock and now_ns == deadline_ns), "overdue")
        if isinstance(body, c.EnterOrder):
            require(
                envelope.request_id == body.client_order_id,
                "orders go by their client id",
            )
        step = Step(market, seq, now_ns, envelope.actor)
        market.seq, market.clock_ns = seq, now_ns
        try:
            if envelope.request_id:
                self._apply_once(step, envelope)
            else:
                _carry_out(step, body)
        except Refused as refusal:
            require(not step.events, "a refused command has changed nothing")
            step.emit(_refusal_event(body, refusal))
        return step.finish()

    def next_deadline(self) -> int:
        """When AdvanceClock is due next (UTC ns); 2^63 - 1 if never."""
        return self.market.next_deadline()

    def state_digest(self) -> bytes:
        """SHA-256 over the canonical state."""
        return self.market.state_digest()

    def check_invariants(self) -> None:
        """Raise InvariantBroken if any invariant of the market does not hold; O(state)."""
        check_market(self.market)

    def to_record(self) -> MarketRecord:
        """The state as saved in snapshots."""
        return self.market.to_record()

    @classmethod
    def from_record(cls, record: MarketRecord) -> "Engine":
        """An engine that goes on from a saved state."""
        return cls(restore(record))

    def _apply_once(self, step: Step, envelope: c.Envelope) -> None:
        """Carry a command out unless its request id was used: then the first outcome stands."""
        market, body = self.market, envelope.body
        key = request_key(scope_of(market, envelope), envelope.request_id)
        hashed = body_hash(body)
        earlier = market.requests.get(key)
        if earlier is None:
            record = RequestRecord(hashed, step.seq, market.day_number)
            record.is_open_order = isinstance(body, c.EnterOrder)
            market.requests[key] = record
            try:
                _carry_out(step, body)
            except Refused:
                record.is_open_order = False
                raise
        elif earlier.body_hash == hashed:
            step.emit(RequestRepeated(earlier.seq))
        else:
            code = "IDEMPOTENCY_BODY_MISMATCH" if earlier.body_hash else "REQUEST_QUARANTINED"
            raise Refused(code, "request_id", request=envelope.request_id)


def scope_of(market: Market, envelope: c.Envelope) -> str:
    """In whose name a request id is unique: the actor's participant for orders, else the person."""
    grant = market.access.get(envelope.actor)
    if grant is not None and grant.participant_id and isinstance(envelope.body, c.EnterOrder):
        return participant_scope(grant.participant_id)
    return envelope.actor


def instrument_of(market: Market, body: c.AnyCommand) -> str:
    """The instrument a command acts on, '' if none."""
    if isinstance(body, c.AmendOrder | c.CancelOrder):
        for instrument_id, book in market.books.items():
            if body.order_id in book.orders:
                return instrument_id
    return getattr(body, "instrument_id", "")


def _carry_out(step: Step, body: c.AnyCommand) -> None:
    role = step.grant().role
    if role not in PERMITTED[type(body)]:
        raise Refused("ROLE_NOT_PERMITTED", "actor", role=role, command=type(body).__name__)
    _HANDLERS[type(body)](step, body)


def _advance_clock(step: Step, _command: c.AdvanceClock) -> None:
    phases.advance(step, step.now_ns)


def _report_positions(step: Step, _command: c.ReportPositions) -> None:
    oversight.report_positions(step)


def _refusal_event(body: c.AnyCommand, refusal: Refused) -> AnyEvent:
    if isinstance(body, c.EnterOrder):
        return OrderRejected(
            body.participant_id,
            body.client_order_id,
            body.instrument_id,
            refusal.reason,
            refusal.field,
            refusal.facts,
        )
    return CommandRefused(refusal.reason, refusal.field, refusal.facts)


_HANDLERS: dict[type, Handler] = {
    c.FoundMarket: oversight.found_market,
    c.LeaderStarted: phases.start_leader,
    c.AdvanceClock: _advance_clock,
    c.RefuseRequest: phases.quarantine_request,
    c.OpenMarket: phases.open_market,
    c.CloseMarket: phases.close_market,
    c.HaltTrading: halts.halt_trading,
    c.ResumeTrading: halts.resume_trading,
    c.AdmitParticipant: admission.admit_participant,
    c.DeclareInsider: admission.declare_insider,
    c.RevokeAccess: admission.revoke_access,
    c.RevokeKey: admission.revoke_key,
    c.SetTradingDays: products.set_trading_days,
    c.ProposeAct: acts.propose_act,
    c.ApproveAct: acts.approve_act,
    c.RejectAct: acts.reject_act,
    c.EnterOrder: trading.enter_order,
    c.AmendOrder: trading.amend_order,
    c.CancelOrder: trading.cancel_order,
    c.ConfirmUnitDeposit: funds.confirm_deposit,
    c.ReportPositions: _report_positions,
    c.RecordReconciliation: oversight.record_reconciliation,
}
