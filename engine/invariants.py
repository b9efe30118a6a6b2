"""What must always hold in the market, checked whole: for tests, follower and recovery.

Book never crossed, levels total their orders, holds cover exactly what open orders can need, no
negative balance, conservation of money and units, frozen units covered, limits and phases as the
rules give them.
"""

from engine.faults import require
from engine.halts import phase_of
from engine.market import Market, order_key
from engine.rules import fee_on
from engine.trading import check_funded


def check_market(market: Market) -> None:
    """Raise InvariantBroken naming the first invariant that does not hold; O(state)."""
    for book in market.books.values():
        book.check_invariants()
    for account in market.accounts.values():
        account.cash.check_invariants()
        for position in account.positions.values():
            position.check_invariants(market.day)
    check_funded(market)
    _check_conservation(market)
    _check_freezes(market)
    _check_orders(market)
    _check_requests(market)
    require(market.clock_ns < market.next_deadline(), "no deadline is overdue")


def _check_conservation(market: Market) -> None:
    cash = sum(account.cash.total_fen for account in market.accounts.values())
    require(cash + market.fees_fen == market.net_credited_fen, "money is conserved")
    units: dict[str, int] = dict.fromkeys(market.net_deposited, 0)
    for account in market.accounts.values():
        for series_id, position in account.positions.items():
            units[series_id] = units.get(series_id, 0) + position.total
    for series_id, total in units.items():
        require(total == market.net_deposited.get(series_id, 0), f"{series_id} is conserved")


def _check_freezes(market: Market) -> None:
    frozen: dict[tuple[str, str], int] = {}
    for freeze in market.freezes.values():
        key = (freeze.participant_id, freeze.series_id)
        frozen[key] = frozen.get(key, 0) + freeze.quantity
    for participant_id, account in market.accounts.items():
        for series_id, position in account.positions.items():
            expected = frozen.pop((participant_id, series_id), 0)
            require(position.frozen == expected, "frozen units are those of the freezes in force")
    require(not any(frozen.values()), "freezes in force are on positions")


def _check_orders(market: Market) -> None:
    for instrument_id, book in market.books.items():
        instrument = market.instruments[instrument_id]
        lower, upper = instrument.lower_limit_ticks, instrument.upper_limit_ticks
        phase, _ = phase_of(market, instrument_id)
        require(instrument.phase is phase, "phases follow the rule")
        for order in book.orders.values():
            require(lower <= order.price_ticks <= upper, "orders rest inside the limits")
            require(0 < order.order_id <= market.last_order_id, "order ids were given here")
            require(order.cumulative_quantity >= 0, "an order never trades backwards")
            fee = fee_on(order.cumulative_value_fen, order.fee_ppm)
            require(order.charged_fee_fen == fee, "an order is charged the fee on its value")


def _check_requests(market: Market) -> None:
    open_keys = set()
    for book in market.books.values():
        for order in book.orders.values():
            open_keys.add(order_key(order.participant_id, order.client_order_id))
    for key, record in market.requests.items():
        is_quarantined = not record.body_hash
        is_kept = is_quarantined or key in open_keys
        require(record.is_open_order == is_kept, "ids are kept for open orders and quarantine")
    require(open_keys <= market.requests.keys(), "an open order keeps its client_order_id")
