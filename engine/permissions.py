"""Which role may send which command; what is not listed is refused."""

from engine import commands as c
from engine.codes import PARTICIPANT_ROLES, Role

_SYSTEM = (Role.SYSTEM,)
_OPERATOR = (Role.OPERATOR,)
_STAFF = (Role.OPERATOR, Role.ECOLOGY)

PERMITTED: dict[type, tuple[Role, ...]] = {
    c.FoundMarket: _SYSTEM,
    c.LeaderStarted: _SYSTEM,
    c.AdvanceClock: _SYSTEM,
    c.RefuseRequest: _SYSTEM,
    c.ConfirmUnitDeposit: _SYSTEM,
    c.RecordReconciliation: _SYSTEM,
    c.ReportPositions: (Role.SYSTEM, Role.OPERATOR),
    c.OpenMarket: _OPERATOR,
    c.CloseMarket: _OPERATOR,
    c.HaltTrading: (Role.SYSTEM, Role.OPERATOR, Role.ECOLOGY),
    c.ResumeTrading: _STAFF,
    c.AdmitParticipant: _OPERATOR,
    c.DeclareInsider: _OPERATOR,
    c.RevokeAccess: _OPERATOR,
    c.RevokeKey: _OPERATOR,
    c.SetTradingDays: _OPERATOR,
    c.ProposeAct: _STAFF,
    c.ApproveAct: _STAFF,
    c.RejectAct: _STAFF,
    c.EnterOrder: (Role.TRADER,),
    c.AmendOrder: (Role.TRADER,),
    c.CancelOrder: PARTICIPANT_ROLES,
}
