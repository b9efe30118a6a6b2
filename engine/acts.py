"""Two people for every sensitive act: one proposes, another of the right role approves.

    ProposeAct -> PENDING_APPROVAL -ApproveAct-> APPROVED (its events follow) or FAILED
                                   -RejectAct--> REJECTED
                                   -deadline---> EXPIRED

An act is checked when proposed and again when approved.  The two are different persons, whatever
keys they use, and both hold their roles at the moment of approval.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from engine import admission, funds, products
from engine.codes import AUTHORITY_ROLES, Role
from engine.commands import (
    Act,
    ApproveAct,
    CreditCash,
    DepositUnits,
    FreezeUnits,
    GrantAccess,
    InstallRules,
    IssueKey,
    ListInstrument,
    ListSeries,
    OverrideBreaks,
    ProposeAct,
    RejectAct,
    ReleaseUnits,
    WithdrawCash,
    WithdrawUnits,
)
from engine.events import (
    ActApproved,
    ActExpired,
    ActExtended,
    ActFailed,
    ActProposed,
    ActRejected,
    BreaksOverridden,
)
from engine.faults import Refused
from engine.market import Market, PendingAct
from engine.step import Step, grant_of, need_text

NS_PER_SECOND = 1_000_000_000


class ActKind(NamedTuple):
    """Who signs an act, and how it is checked and carried out."""

    proposers: tuple[Role, ...]
    approvers: tuple[Role, ...]
    check: Callable[[Step, Any], None]
    carry_out: Callable[[Step, Any, int], None]


def propose_act(step: Step, command: ProposeAct) -> None:
    """First signature."""
    market = step.market
    kind = KINDS[type(command.act)]
    _need_role(step.grant().role, kind.proposers, command.act)
    need_text("reason", command.reason)
    kind.check(step, command.act)
    market.last_act_id += 1
    act_id = market.last_act_id
    expires_ns = step.now_ns + market.rules_now().act_expiry_seconds * NS_PER_SECOND
    market.acts[act_id] = PendingAct(act_id, command.act, step.actor, expires_ns)
    market.refresh()
    step.emit(ActProposed(act_id, command.act, step.actor, command.reason, expires_ns))


def approve_act(step: Step, command: ApproveAct) -> None:
    """Second signature; an act that is no longer possible fails and is over."""
    market = step.market
    pending = _pending(market, command.act_id)
    kind = KINDS[type(pending.act)]
    _need_role(step.grant().role, approvers_of(pending.act), pending.act)
    if step.actor == pending.proposer:
        raise Refused("SAME_PERSON", "act_id")
    _need_role(grant_of(market, pending.proposer).role, kind.proposers, pending.act)
    try:
        kind.check(step, pending.act)
    except Refused as refusal:
        _close(market, pending.act_id)
        step.emit(
            ActFailed(pending.act_id, step.actor, refusal.reason, refusal.field, refusal.facts)
        )
        return
    _close(market, pending.act_id)
    step.emit(ActApproved(pending.act_id, step.actor))
    kind.carry_out(step, pending.act, pending.act_id)


def reject_act(step: Step, command: RejectAct) -> None:
    """Refuse an act one might have approved, or take one's own proposal back."""
    market = step.market
    pending = _pending(market, command.act_id)
    need_text("reason", command.reason)
    if step.actor != pending.proposer:
        _need_role(step.grant().role, approvers_of(pending.act), pending.act)
    _close(market, command.act_id)
    step.emit(ActRejected(command.act_id, step.actor, command.reason))


def approvers_of(act: Act) -> tuple[Role, ...]:
    """Roles that may give the second signature; an authority's roles are the ecology's to give."""
    if isinstance(act, GrantAccess) and act.grant.role in AUTHORITY_ROLES:
        return (Role.ECOLOGY,)
    return KINDS[type(act)].approvers


def expire_acts(step: Step, now_ns: int) -> None:
    """End the acts that nobody signed in time."""
    market = step.market
    due = [act_id for act_id, act in market.acts.items() if act.expires_ns <= now_ns]
    for act_id in sorted(due):
        _close(market, act_id)
        step.emit(ActExpired(act_id))


def extend_acts(step: Step, by_ns: int) -> None:
    """Give every pending act the time of an outage back."""
    market = step.market
    for act_id in sorted(market.acts):
        act = market.acts[act_id]
        expires_ns = act.expires_ns + by_ns
        market.acts[act_id] = PendingAct(act_id, act.act, act.proposer, expires_ns)
        step.emit(ActExtended(act_id, expires_ns))
    market.refresh()


def _pending(market: Market, act_id: int) -> PendingAct:
    found = market.acts.get(act_id)
    if found is None:
        raise Refused("ACT_UNKNOWN", "act_id", act=act_id)
    return found


def _close(market: Market, act_id: int) -> None:
    del market.acts[act_id]
    market.refresh()


def _need_role(role: Role, allowed: tuple[Role, ...], act: Act) -> None:
    if role not in allowed:
        raise Refused("ROLE_NOT_PERMITTED", "actor", role=role, command=type(act).__name__)


def _check_override(_step: Step, act: OverrideBreaks) -> None:
    need_text("reason", act.reason)


def _override_breaks(step: Step, act: OverrideBreaks, _act_id: int) -> None:
    step.market.break_count = 0
    step.emit(BreaksOverridden(act.reason))


_OPERATOR = (Role.OPERATOR,)
_ECOLOGY = (Role.ECOLOGY,)
_EITHER = (Role.OPERATOR, Role.ECOLOGY)

KINDS: dict[type, ActKind] = {
    GrantAccess: ActKind(_OPERATOR, _OPERATOR, admission.check_grant, admission.grant_access),
    IssueKey: ActKind(_OPERATOR, _OPERATOR, admission.check_key, admission.issue_key),
    InstallRules: ActKind(_OPERATOR, _EITHER, products.check_rules, products.install_rules),
    ListSeries: ActKind(_OPERATOR, _OPERATOR, products.check_series, products.list_series),
    ListInstrument: ActKind(
        _OPERATOR, _OPERATOR, products.check_instrument, products.list_instrument
    ),
    CreditCash: ActKind(_OPERATOR, _OPERATOR, funds.check_credit, funds.credit_cash),
    WithdrawCash: ActKind(_OPERATOR, _OPERATOR, funds.check_cash_out, funds.withdraw_cash),
    DepositUnits: ActKind(_OPERATOR, _OPERATOR, funds.check_deposit, funds.request_deposit),
    WithdrawUnits: ActKind(_OPERATOR, _OPERATOR, funds.check_units_out, funds.withdraw_units),
    FreezeUnits: ActKind(_ECOLOGY, _ECOLOGY, funds.check_freeze, funds.freeze_units),
    ReleaseUnits: ActKind(_ECOLOGY, _ECOLOGY, funds.check_release, funds.release_units),
    OverrideBreaks: ActKind(_OPERATOR, _EITHER, _check_override, _override_breaks),
}
