"""Who may call what: one table, role x route x ownership; a route without a row is refused.

Ownership says whose data a route touches: the caller's own participant's, anybody's, or nobody's.
OWN routes take the participant from the caller's grant, never from the request, so that another's
id looks like an unknown one.  Every row is tested in tests/api/test_policy.py.
"""

from enum import StrEnum
from typing import NamedTuple

from engine.codes import Role


class Ownership(StrEnum):
    """Whose data a route touches."""

    NONE = "NONE"
    OWN = "OWN"
    ANY = "ANY"


class Access(NamedTuple):
    """Roles that may call a route; None: everybody, logged in or not."""

    roles: tuple[Role, ...] | None
    ownership: Ownership = Ownership.NONE


_PUBLIC = Access(None)
_ANYONE = Access(tuple(role for role in Role if role is not Role.SYSTEM))
_TRADER = Access((Role.TRADER,), Ownership.OWN)
_PARTICIPANT = Access((Role.TRADER, Role.COMPLIANCE), Ownership.OWN)
_OPERATOR = Access((Role.OPERATOR,), Ownership.ANY)
_SIGNERS = Access((Role.OPERATOR, Role.ECOLOGY), Ownership.ANY)
_STAFF = Access((Role.OPERATOR, Role.ECOLOGY, Role.AUDITOR), Ownership.ANY)
_BOOKS = Access((Role.OPERATOR, Role.AUDITOR, Role.FINANCE_SUPERVISOR), Ownership.ANY)
_SUPERVISOR = Access((Role.ECOLOGY, Role.FINANCE_SUPERVISOR, Role.AUDITOR), Ownership.ANY)
_ECOLOGY = Access((Role.ECOLOGY,), Ownership.ANY)
_REGISTRY = Access((Role.REGISTRY,), Ownership.ANY)
_REGISTRY_READERS = Access((Role.REGISTRY, Role.AUDITOR, Role.ECOLOGY), Ownership.ANY)

POLICY: dict[tuple[str, str], Access] = {
    ("GET", "/livez"): _PUBLIC,
    ("GET", "/readyz"): _PUBLIC,
    ("GET", "/v1/system/status"): _PUBLIC,
    ("POST", "/v1/sessions"): _PUBLIC,
    ("DELETE", "/v1/sessions/current"): _ANYONE,
    ("POST", "/v1/passwords"): _PUBLIC,
    ("GET", "/v1/me"): _ANYONE,
    ("GET", "/v1/instruments"): _PUBLIC,
    ("GET", "/v1/instruments/{instrument_id}"): _PUBLIC,
    ("GET", "/v1/instruments/{instrument_id}/book"): _PUBLIC,
    ("GET", "/v1/instruments/{instrument_id}/trades"): _PUBLIC,
    ("GET", "/v1/rules"): _PUBLIC,
    ("GET", "/v1/reasons"): _PUBLIC,
    ("GET", "/v1/calendar"): _PUBLIC,
    ("POST", "/v1/orders"): _TRADER,
    ("GET", "/v1/orders"): _PARTICIPANT,
    ("GET", "/v1/orders/{order_id}"): _PARTICIPANT,
    ("GET", "/v1/orders/by-client-id/{client_order_id}"): _PARTICIPANT,
    ("PATCH", "/v1/orders/{order_id}"): _TRADER,
    ("DELETE", "/v1/orders/{order_id}"): _PARTICIPANT,
    ("GET", "/v1/fills"): _PARTICIPANT,
    ("GET", "/v1/account"): _PARTICIPANT,
    ("GET", "/ops/v1/participants"): _STAFF,
    ("POST", "/ops/v1/participants"): _OPERATOR,
    ("GET", "/ops/v1/participants/{participant_id}/account"): _BOOKS,
    ("GET", "/ops/v1/people"): _OPERATOR,
    ("POST", "/ops/v1/people"): _OPERATOR,
    ("POST", "/ops/v1/people/{person_id}/revocation"): _OPERATOR,
    ("POST", "/ops/v1/people/{person_id}/password"): _OPERATOR,
    ("POST", "/ops/v1/access-grants"): _OPERATOR,
    ("POST", "/ops/v1/insiders"): _OPERATOR,
    ("POST", "/ops/v1/keys"): _OPERATOR,
    ("GET", "/ops/v1/keys"): _OPERATOR,
    ("POST", "/ops/v1/keys/{key_id}/revocation"): _OPERATOR,
    ("POST", "/ops/v1/cash-credits"): _OPERATOR,
    ("POST", "/ops/v1/cash-withdrawals"): _OPERATOR,
    ("POST", "/ops/v1/unit-deposits"): _OPERATOR,
    ("POST", "/ops/v1/unit-withdrawals"): _OPERATOR,
    ("POST", "/ops/v1/rules"): _OPERATOR,
    ("POST", "/ops/v1/series"): _OPERATOR,
    ("POST", "/ops/v1/instruments"): _OPERATOR,
    ("POST", "/ops/v1/calendar"): _OPERATOR,
    ("POST", "/ops/v1/break-overrides"): _OPERATOR,
    ("GET", "/ops/v1/acts"): _SIGNERS,
    ("POST", "/ops/v1/acts/{act_id}/approval"): _SIGNERS,
    ("POST", "/ops/v1/acts/{act_id}/rejection"): _SIGNERS,
    ("POST", "/ops/v1/market/opening"): _OPERATOR,
    ("POST", "/ops/v1/market/closing"): _OPERATOR,
    ("POST", "/ops/v1/market/halts"): _OPERATOR,
    ("POST", "/ops/v1/market/resumptions"): _OPERATOR,
    ("GET", "/ops/v1/settlement"): _BOOKS,
    ("POST", "/ops/v1/settlement/runs"): _OPERATOR,
    ("GET", "/ops/v1/settlement/instructions"): _BOOKS,
    ("POST", "/ops/v1/reconciliations"): _OPERATOR,
    ("GET", "/ops/v1/reconciliations"): _BOOKS,
    ("GET", "/ops/v1/reconciliations/{report_seq}"): _BOOKS,
    ("GET", "/ops/v1/journal"): _BOOKS,
    ("POST", "/ops/v1/clock"): _OPERATOR,
    ("GET", "/regulator/v1/orders"): _SUPERVISOR,
    ("GET", "/regulator/v1/trades"): _SUPERVISOR,
    ("POST", "/regulator/v1/halts"): _ECOLOGY,
    ("POST", "/regulator/v1/resumptions"): _ECOLOGY,
    ("GET", "/regulator/v1/freezes"): _SUPERVISOR,
    ("POST", "/regulator/v1/freezes"): _ECOLOGY,
    ("POST", "/regulator/v1/freezes/{freeze_id}/release"): _ECOLOGY,
    ("POST", "/registry/v1/issuances"): _REGISTRY,
    ("GET", "/registry/v1/holdings/{participant_id}"): _REGISTRY_READERS,
}
"""(method, path template) -> who may call it."""

CHANNELS: dict[str, Access] = {
    "book": _PUBLIC,
    "trades": _PUBLIC,
    "executions": _PARTICIPANT,
}
"""Stream channel -> who may subscribe."""


def access_to(method: str, path: str) -> Access | None:
    """The row of a route, None if it has none."""
    return POLICY.get((method, path))
