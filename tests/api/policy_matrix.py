"""Who may call what, stated apart from the code: one line a route, one letter a role.

T trader, C compliance officer, O operator, E ecology department, D district, F finance supervisor,
Y treasury, R registry, A auditor; * everybody, logged in or not.
"""

LETTERS = {
    "T": "trader-a",
    "C": "compliance-a",
    "O": "op-1",
    "E": "eco-1",
    "D": "dis-1",
    "F": "fin-1",
    "Y": "tre-1",
    "R": "reg-1",
    "A": "aud-1",
}
"""Letter -> somebody who holds the role in the test market."""

_LINES = """
*         GET     /livez
*         GET     /readyz
*         GET     /v1/system/status
*         POST    /v1/sessions
TCOEDFYRA DELETE  /v1/sessions/current
*         POST    /v1/passwords
TCOEDFYRA GET     /v1/me
*         GET     /v1/instruments
*         GET     /v1/instruments/{instrument_id}
*         GET     /v1/instruments/{instrument_id}/book
*         GET     /v1/instruments/{instrument_id}/trades
*         GET     /v1/rules
*         GET     /v1/reasons
*         GET     /v1/calendar
T         POST    /v1/orders
TC        GET     /v1/orders
TC        GET     /v1/orders/{order_id}
TC        GET     /v1/orders/by-client-id/{client_order_id}
T         PATCH   /v1/orders/{order_id}
TC        DELETE  /v1/orders/{order_id}
TC        GET     /v1/fills
TC        GET     /v1/account
OEA       GET     /ops/v1/participants
O         POST    /ops/v1/participants
OFA       GET     /ops/v1/participants/{participant_id}/account
O         GET     /ops/v1/people
O         POST    /ops/v1/people
O         POST    /ops/v1/people/{person_id}/revocation
O         POST    /ops/v1/people/{person_id}/password
O         POST    /ops/v1/access-grants
O         POST    /ops/v1/insiders
O         POST    /ops/v1/keys
O         GET     /ops/v1/keys
O         POST    /ops/v1/keys/{key_id}/revocation
O         POST    /ops/v1/cash-credits
O         POST    /ops/v1/cash-withdrawals
O         POST    /ops/v1/unit-deposits
O         POST    /ops/v1/unit-withdrawals
O         POST    /ops/v1/rules
O         POST    /ops/v1/series
O         POST    /ops/v1/instruments
O         POST    /ops/v1/calendar
O         POST    /ops/v1/break-overrides
OE        GET     /ops/v1/acts
OE        POST    /ops/v1/acts/{act_id}/approval
OE        POST    /ops/v1/acts/{act_id}/rejection
O         POST    /ops/v1/market/opening
O         POST    /ops/v1/market/closing
O         POST    /ops/v1/market/halts
O         POST    /ops/v1/market/resumptions
OFA       GET     /ops/v1/settlement
O         POST    /ops/v1/settlement/runs
OFA       GET     /ops/v1/settlement/instructions
O         POST    /ops/v1/reconciliations
OFA       GET     /ops/v1/reconciliations
OFA       GET     /ops/v1/reconciliations/{report_seq}
OFA       GET     /ops/v1/journal
O         POST    /ops/v1/clock
EFA       GET     /regulator/v1/orders
EFA       GET     /regulator/v1/trades
E         POST    /regulator/v1/halts
E         POST    /regulator/v1/resumptions
EFA       GET     /regulator/v1/freezes
E         POST    /regulator/v1/freezes
E         POST    /regulator/v1/freezes/{freeze_id}/release
R         POST    /registry/v1/issuances
REA       GET     /registry/v1/holdings/{participant_id}
"""


def _row(line: str) -> tuple[tuple[str, str], str]:
    letters, method, path = line.split()
    return (method, path), letters


MATRIX: dict[tuple[str, str], str] = dict(map(_row, _LINES.strip().splitlines()))
"""(method, path template) -> letters."""

CHANNELS = {"book": "*", "trades": "*", "executions": "TC"}
