"""One command being applied: its time, its actor, and the events it gives.

A handler first decides (raising Refused before anything has changed), then changes the market and
emits.  Accounts that a command touched are reported once, at its end, in their final state.
"""

from engine.codes import Role
from engine.commands import SYSTEM_ACTOR, AccessGrant
from engine.events import AnyEvent, CashChanged, UnitsChanged
from engine.faults import Refused
from engine.market import Market

_ID_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
MAX_ID_LENGTH = 36
MAX_TEXT_LENGTH = 200
MAX_CASH_FEN = 10**15
MAX_TONNES = 10**10


class Step:
    """The applying of one command to the market; last_ns is when the one before was applied."""

    __slots__ = ("_cash", "_units", "actor", "events", "last_ns", "market", "now_ns", "seq")

    def __init__(self, market: Market, seq: int, now_ns: int, actor: str) -> None:
        self.market = market
        self.seq = seq
        self.last_ns = market.clock_ns
        self.now_ns = now_ns
        self.actor = actor
        self.events: list[AnyEvent] = []
        self._cash: dict[str, None] = {}
        self._units: dict[tuple[str, str], None] = {}

    def emit(self, event: AnyEvent) -> None:
        """Add an event to the command's frame."""
        self.events.append(event)

    def touch_cash(self, participant_id: str) -> None:
        """Report this participant's cash at the end of the command."""
        self._cash[participant_id] = None

    def touch_units(self, participant_id: str, series_id: str) -> None:
        """Report this position at the end of the command."""
        self._units[participant_id, series_id] = None

    def finish(self) -> tuple[AnyEvent, ...]:
        """Report the touched accounts in the order of first touch; returns the whole frame."""
        market, day = self.market, self.market.day
        for participant_id in self._cash:
            cash = market.accounts[participant_id].cash
            withdrawable = cash.withdrawable_fen(day)
            self.emit(CashChanged(participant_id, cash.available_fen, cash.held_fen, withdrawable))
        for participant_id, series_id in self._units:
            held = market.accounts[participant_id].position(series_id)
            self.emit(
                UnitsChanged(
                    participant_id,
                    series_id,
                    held.available,
                    held.held,
                    held.frozen,
                    held.sellable(day),
                )
            )
        return tuple(self.events)

    def grant(self) -> AccessGrant:
        """The actor's role, or Refused(PERSON_HAS_NO_ROLE); the system has a role of its own."""
        if self.actor == SYSTEM_ACTOR:
            return AccessGrant(SYSTEM_ACTOR, Role.SYSTEM)
        return grant_of(self.market, self.actor)


def grant_of(market: Market, person_id: str) -> AccessGrant:
    """A person's role, or Refused(PERSON_HAS_NO_ROLE); the system is no person."""
    found = market.access.get(person_id)
    if found is None:
        raise Refused("PERSON_HAS_NO_ROLE", "actor", person=person_id)
    return found


def need_id(field: str, value: str) -> None:
    """Refuse an identifier that is empty, too long or has other than [A-Za-z0-9_-]."""
    if not 1 <= len(value) <= MAX_ID_LENGTH or not _ID_CHARACTERS.issuperset(value):
        raise Refused(
            "TEXT_INVALID",
            field,
            name=field,
            maximum=MAX_ID_LENGTH,
            allowed="[A-Za-z0-9_-]",
        )


def need_text(field: str, value: str) -> None:
    """Refuse a text that is blank or too long."""
    if not value.strip() or len(value) > MAX_TEXT_LENGTH:
        raise Refused(
            "TEXT_INVALID",
            field,
            name=field,
            maximum=MAX_TEXT_LENGTH,
            allowed="not blank",
        )


def need_range(field: str, value: int, minimum: int, maximum: int) -> None:
    """Refuse a number outside [minimum, maximum]."""
    if not minimum <= value <= maximum:
        raise Refused("AMOUNT_OUT_OF_RANGE", field, value=value, minimum=minimum, maximum=maximum)
