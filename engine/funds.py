"""Money and units in and out of the trading accounts, and freezes (Art 16).

Units count when the registry has confirmed its lock: DepositUnits -> UnitDepositRequested ->
(settlement locks at the registry) -> ConfirmUnitDeposit -> UnitsDeposited.
Conservation: credited - withdrawn = all participants' cash + fees; per series deposited -
withdrawn = all positions.
"""

from engine.codes import CancelReason, Side
from engine.commands import (
    ConfirmUnitDeposit,
    CreditCash,
    DepositUnits,
    FreezeUnits,
    ReleaseUnits,
    WithdrawCash,
    WithdrawUnits,
)
from engine.events import (
    CashCredited,
    CashWithdrawn,
    UnitDepositRefused,
    UnitDepositRequested,
    UnitsDeposited,
    UnitsFrozen,
    UnitsReleased,
    UnitsWithdrawn,
)
from engine.faults import Refused
from engine.market import Freeze, PendingDeposit
from engine.order import Order
from engine.step import MAX_CASH_FEN, MAX_TONNES, Step, need_range, need_text
from engine.trading import close_order


def check_credit(step: Step, act: CreditCash) -> None:
    """A known participant and an amount in range."""
    step.market.participant(act.participant_id)
    need_range("cash_fen", act.cash_fen, 1, MAX_CASH_FEN)
    need_text("reference", act.reference)


def credit_cash(step: Step, act: CreditCash, act_id: int) -> None:
    """Money arrived: usable and withdrawable at once."""
    step.market.accounts[act.participant_id].cash.available_fen += act.cash_fen
    step.market.net_credited_fen += act.cash_fen
    step.emit(CashCredited(act_id, act.participant_id, act.cash_fen, act.reference))
    step.touch_cash(act.participant_id)


def check_cash_out(step: Step, act: WithdrawCash) -> None:
    """Only available money, without the proceeds that are not withdrawable yet."""
    step.market.participant(act.participant_id)
    need_range("cash_fen", act.cash_fen, 1, MAX_CASH_FEN)
    need_text("reference", act.reference)
    cash = step.market.accounts[act.participant_id].cash
    withdrawable = cash.withdrawable_fen(step.market.day)
    if act.cash_fen > withdrawable:
        raise Refused("CASH_NOT_WITHDRAWABLE", "cash", withdrawable_fen=withdrawable)


def withdraw_cash(step: Step, act: WithdrawCash, act_id: int) -> None:
    """Money leaves."""
    step.market.accounts[act.participant_id].cash.available_fen -= act.cash_fen
    step.market.net_credited_fen -= act.cash_fen
    step.emit(CashWithdrawn(act_id, act.participant_id, act.cash_fen, act.reference))
    step.touch_cash(act.participant_id)


def check_deposit(step: Step, act: DepositUnits) -> None:
    """A known participant and series, and a quantity in range."""
    step.market.participant(act.participant_id)
    step.market.known_series(act.series_id)
    need_range("quantity", act.quantity, 1, MAX_TONNES)
    need_text("reference", act.reference)


def request_deposit(step: Step, act: DepositUnits, act_id: int) -> None:
    """Ask the registry for its lock."""
    pending = PendingDeposit(act.participant_id, act.series_id, act.quantity)
    step.market.deposits[act_id] = pending
    step.emit(
        UnitDepositRequested(act_id, act.participant_id, act.series_id, act.quantity, act.reference)
    )


def confirm_deposit(step: Step, command: ConfirmUnitDeposit) -> None:
    """The registry's answer; locked units are sellable at once."""
    market = step.market
    pending = market.deposits.pop(command.deposit_id, None)
    if pending is None:
        raise Refused("DEPOSIT_UNKNOWN", "deposit_id", deposit=command.deposit_id)
    if not command.is_locked:
        step.emit(UnitDepositRefused(command.deposit_id, command.refusal))
        return
    name, series_id = pending.participant_id, pending.series_id
    market.accounts[name].receive(series_id, pending.quantity, market.day)
    market.net_deposited[series_id] = market.net_deposited.get(series_id, 0) + pending.quantity
    step.emit(UnitsDeposited(command.deposit_id, name, series_id, pending.quantity))
    step.touch_units(name, series_id)


def check_units_out(step: Step, act: WithdrawUnits) -> None:
    """Only units that could be sold today: no hold, no freeze, no resale interval on them."""
    market = step.market
    market.participant(act.participant_id)
    market.known_series(act.series_id)
    need_range("quantity", act.quantity, 1, MAX_TONNES)
    need_text("reference", act.reference)
    sellable = market.accounts[act.participant_id].position(act.series_id).sellable(market.day)
    if act.quantity > sellable:
        raise Refused(
            "INSUFFICIENT_UNITS",
            "quantity",
            series=act.series_id,
            needed=act.quantity,
            available=sellable,
        )


def withdraw_units(step: Step, act: WithdrawUnits, act_id: int) -> None:
    """Units go back to the participant's own registry account."""
    market = step.market
    market.accounts[act.participant_id].position(act.series_id).take(act.quantity)
    market.net_deposited[act.series_id] -= act.quantity
    step.emit(
        UnitsWithdrawn(act_id, act.participant_id, act.series_id, act.quantity, act.reference)
    )
    step.touch_units(act.participant_id, act.series_id)


def check_freeze(step: Step, act: FreezeUnits) -> None:
    """A known participant and series, a quantity, and the legal document."""
    step.market.participant(act.participant_id)
    step.market.known_series(act.series_id)
    need_range("quantity", act.quantity, 1, MAX_TONNES)
    need_text("document", act.document)


def freeze_units(step: Step, act: FreezeUnits, _act_id: int) -> None:
    """Freeze available units first, then cancel sell orders, newest first; record a shortfall."""
    market = step.market
    position = market.accounts[act.participant_id].position(act.series_id)
    for order in _sell_orders(step, act.participant_id, act.series_id):
        if position.available >= act.quantity:
            break
        close_order(step, order, CancelReason.UNITS_FROZEN)
    quantity = min(position.available, act.quantity)
    position.frozen += quantity
    market.last_freeze_id += 1
    freeze_id = market.last_freeze_id
    market.freezes[freeze_id] = Freeze(act.participant_id, act.series_id, quantity)
    shortfall = act.quantity - quantity
    step.emit(
        UnitsFrozen(
            freeze_id,
            act.participant_id,
            act.series_id,
            quantity,
            shortfall,
            act.reason,
            act.document,
        )
    )
    step.touch_units(act.participant_id, act.series_id)


def check_release(step: Step, act: ReleaseUnits) -> None:
    """A freeze in force, and the document that ends it."""
    need_text("document", act.document)
    if act.freeze_id not in step.market.freezes:
        raise Refused("FREEZE_UNKNOWN", "freeze_id", freeze=act.freeze_id)


def release_units(step: Step, act: ReleaseUnits, _act_id: int) -> None:
    """Give the use of the units back."""
    market = step.market
    freeze = market.freezes.pop(act.freeze_id)
    market.accounts[freeze.participant_id].position(freeze.series_id).frozen -= freeze.quantity
    step.emit(
        UnitsReleased(
            act.freeze_id,
            freeze.participant_id,
            freeze.series_id,
            freeze.quantity,
            act.document,
        )
    )
    step.touch_units(freeze.participant_id, freeze.series_id)


def _sell_orders(step: Step, participant_id: str, series_id: str) -> list[Order]:
    """A participant's sell orders that hold units of a series, newest first."""
    found = [
        order
        for name, book in step.market.books.items()
        if step.market.instruments[name].series_id == series_id
        for order in book.orders.values()
        if order.participant_id == participant_id and order.side is Side.SELL
    ]
    return sorted(found, key=lambda order: -order.order_id)
