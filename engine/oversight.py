"""Founding the market, and what lets others check it: position reports, reconciliation results."""

from engine.admission import check_grant, declare_staff
from engine.commands import FoundMarket, GrantAccess, RecordReconciliation
from engine.events import (
    AccessGranted,
    CashTotal,
    MarketFounded,
    PositionsReported,
    ReconciliationRecorded,
    UnitTotal,
)
from engine.faults import Refused
from engine.rules import find_fault
from engine.step import Step


def found_market(step: Step, command: FoundMarket) -> None:
    """The founding staff and the first rules; only once, before everything else."""
    market = step.market
    if market.rule_versions:
        raise Refused("MARKET_ALREADY_FOUNDED")
    version = command.rule_version
    fault = find_fault(version)
    if fault is not None:
        raise Refused(
            "RULES_INVALID",
            f"rule_version/{fault[0]}",
            version=version.rule_version_id,
            fault=f"{fault[0]}: {fault[1]}",
        )
    for grant in command.grants:
        check_grant(step, GrantAccess(grant))
    market.rule_versions.append(version)
    market.rule_version_id = version.rule_version_id
    market.refresh()
    step.emit(MarketFounded(version))
    for grant in command.grants:
        market.access[grant.person_id] = grant
        step.emit(AccessGranted(grant.person_id, grant.role, grant.participant_id))
        declare_staff(step, grant.person_id, grant.role)


def report_positions(step: Step) -> None:
    """State all totals at this seq, with the digest of the whole state."""
    market = step.market
    accounts = sorted(market.accounts.items())
    cash = [
        CashTotal(participant_id, account.cash.total_fen)
        for participant_id, account in accounts
        if account.cash.total_fen
    ]
    units = [
        UnitTotal(participant_id, series_id, position.total)
        for participant_id, account in accounts
        for series_id, position in sorted(account.positions.items())
        if position.total
    ]
    step.emit(
        PositionsReported(
            market.day,
            tuple(cash),
            tuple(units),
            market.fees_fen,
            tuple(sorted(market.deposits)),
            market.state_digest().hex(),
        )
    )


def record_reconciliation(step: Step, command: RecordReconciliation) -> None:
    """Unresolved breaks block the next opening."""
    step.market.break_count = command.break_count
    step.emit(ReconciliationRecorded(command.report_seq, command.break_count))
