"""The closed lists of the market's vocabulary: sides, phases, roles, causes.

Each value is its own wire name, so that journal, API and documents spell it alike.
"""

from enum import StrEnum


class Side(StrEnum):
    """Side of an order (买入 / 卖出)."""

    BUY = "BUY"
    SELL = "SELL"


class TimeInForce(StrEnum):
    """How long an order rests: until the trading day's end, or until cancelled."""

    DAY = "DAY"
    GTC = "GTC"


class Phase(StrEnum):
    """What an instrument's market does now (交易阶段)."""

    PRE_OPEN = "PRE_OPEN"
    CONTINUOUS = "CONTINUOUS"
    BREAK = "BREAK"
    HALTED = "HALTED"
    CLOSED = "CLOSED"


class HaltCause(StrEnum):
    """Why trading is halted (停牌原因)."""

    TECHNICAL = "TECHNICAL"
    OPERATOR = "OPERATOR"
    REGULATOR = "REGULATOR"
    ABNORMAL_TRADING = "ABNORMAL_TRADING"


class OrderStatus(StrEnum):
    """State of an order; the last four are final."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"


class CancelReason(StrEnum):
    """Why an order, or the rest of it, left the book without trading."""

    REQUESTED = "REQUESTED"
    AMENDED_TO_FILLED = "AMENDED_TO_FILLED"
    SELF_TRADE_PREVENTED = "SELF_TRADE_PREVENTED"
    OUTSIDE_PRICE_LIMITS = "OUTSIDE_PRICE_LIMITS"
    UNITS_FROZEN = "UNITS_FROZEN"
    SERIES_EXPIRED = "SERIES_EXPIRED"
    DAY_ENDED = "DAY_ENDED"


class Product(StrEnum):
    """Art 17: what may be listed; the national products follow national rules (Art 2)."""

    BEA = "BEA"
    PCER = "PCER"


class ParticipantClass(StrEnum):
    """Kind of applicant; the rule version says which kinds are admitted (Art 17)."""

    EMITTER = "EMITTER"
    REPORTING_UNIT = "REPORTING_UNIT"
    VOLUNTARY_INSTITUTION = "VOLUNTARY_INSTITUTION"
    NATURAL_PERSON = "NATURAL_PERSON"
    STAFF = "STAFF"


class Role(StrEnum):
    """What a person may do; granted by two people, journaled, one role a person."""

    TRADER = "TRADER"
    COMPLIANCE = "COMPLIANCE"
    OPERATOR = "OPERATOR"
    ECOLOGY = "ECOLOGY"
    DISTRICT = "DISTRICT"
    FINANCE_SUPERVISOR = "FINANCE_SUPERVISOR"
    TREASURY = "TREASURY"
    REGISTRY = "REGISTRY"
    AUDITOR = "AUDITOR"
    SYSTEM = "SYSTEM"


PARTICIPANT_ROLES = (Role.TRADER, Role.COMPLIANCE)
AUTHORITY_ROLES = (
    Role.ECOLOGY,
    Role.DISTRICT,
    Role.FINANCE_SUPERVISOR,
    Role.TREASURY,
    Role.REGISTRY,
    Role.AUDITOR,
)


class FreezeReason(StrEnum):
    """Art 16: grounds on which the use of units is suspended (暂停配额使用)."""

    COURT = "COURT"
    SURRENDER_RISK = "SURRENDER_RISK"
    OTHER = "OTHER"


class ActStatus(StrEnum):
    """State of an act that needs two people; all but the first are final."""

    PENDING_APPROVAL = "PENDING_APPROVAL"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    FAILED = "FAILED"


class TradeType(StrEnum):
    """How a trade came about; one tape carries them all."""

    CONTINUOUS = "CONTINUOUS"


class SourceStatus(StrEnum):
    """Whether a parameter was read in a text in force or is assumed until confirmed."""

    SOURCED = "sourced"
    ASSUMED = "assumed"
