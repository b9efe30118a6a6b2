"""A participant's money and units: what is there, what is held, what may be used when.

Cash:   total = available + held.  Sale proceeds are reusable at once and withdrawable from the
        next trading day (parameters: withdrawal_interval_days).
Units:  total = available + held + frozen, kept in lots that become sellable on their day
        (resale_interval_days).  Holds and freezes count against the sellable lots first.

Invariants: nothing is negative; total is the sum of the lots; held never exceeds what is sellable.
Days are dates of the trading calendar: nothing is flipped overnight, a lot is sellable because
today's date says so.
"""

import msgspec

from engine.faults import require


class Proceeds(msgspec.Struct):
    """Sale proceeds that may not be withdrawn before their day."""

    withdrawable_from_day: int
    cash_fen: int


class Cash(msgspec.Struct):
    """Money of one participant, in fen."""

    available_fen: int = 0
    held_fen: int = 0
    proceeds: list[Proceeds] = []

    @property
    def total_fen(self) -> int:
        """All of the participant's money."""
        return self.available_fen + self.held_fen

    def withdrawable_fen(self, day: int) -> int:
        """What may be paid out on the given day."""
        locked = sum(p.cash_fen for p in self.proceeds if p.withdrawable_from_day > day)
        return max(self.available_fen - locked, 0)

    def hold(self, cash_fen: int) -> None:
        """Move money from available to held; a negative amount moves it back."""
        self.available_fen -= cash_fen
        self.held_fen += cash_fen

    def add_proceeds(self, cash_fen: int, withdrawable_from_day: int) -> None:
        """Credit the net proceeds of a sale."""
        self.available_fen += cash_fen
        if self.proceeds and self.proceeds[-1].withdrawable_from_day == withdrawable_from_day:
            self.proceeds[-1].cash_fen += cash_fen
        else:
            self.proceeds.append(Proceeds(withdrawable_from_day, cash_fen))

    def mature(self, day: int) -> bool:
        """Forget proceeds that are withdrawable by now; True if there were any."""
        kept = [p for p in self.proceeds if p.withdrawable_from_day > day]
        changed = len(kept) < len(self.proceeds)
        self.proceeds = kept
        return changed

    def check_invariants(self) -> None:
        """Raise InvariantBroken if the money contradicts itself."""
        require(self.available_fen >= 0, "available cash is not negative")
        require(self.held_fen >= 0, "held cash is not negative")


class Lot(msgspec.Struct):
    """Units that become sellable together."""

    sellable_from_day: int
    quantity: int


class Position(msgspec.Struct):
    """Units of one series, in tonnes; lots ascend by day."""

    lots: list[Lot] = []
    total: int = 0
    held: int = 0
    frozen: int = 0

    @property
    def available(self) -> int:
        """Neither held by orders nor frozen."""
        return self.total - self.held - self.frozen

    def sellable(self, day: int) -> int:
        """What a new sell order may offer on the given day."""
        return max(self.matured(day) - self.held - self.frozen, 0)

    def matured(self, day: int) -> int:
        """Units whose resale interval is over, held and frozen ones included."""
        return sum(lot.quantity for lot in self.lots if lot.sellable_from_day <= day)

    def add(self, quantity: int, sellable_from_day: int) -> None:
        """Receive units."""
        self.total += quantity
        for number, lot in enumerate(self.lots):
            if lot.sellable_from_day == sellable_from_day:
                lot.quantity += quantity
                return
            if lot.sellable_from_day > sellable_from_day:
                self.lots.insert(number, Lot(sellable_from_day, quantity))
                return
        self.lots.append(Lot(sellable_from_day, quantity))

    def take(self, quantity: int) -> None:
        """Give units away, the longest sellable first."""
        self.total -= quantity
        while quantity:
            lot = self.lots[0]
            taken = min(quantity, lot.quantity)
            lot.quantity -= taken
            quantity -= taken
            if lot.quantity == 0:
                del self.lots[0]

    def mature(self, day_before: int, day: int) -> bool:
        """Merge the lots that are sellable by now; True if one was not on the trading day before.

        A lot's own day may have been taken out of the calendar since: the next one counts.
        """
        ripe = [lot for lot in self.lots if lot.sellable_from_day <= day]
        changed = any(lot.sellable_from_day > day_before for lot in ripe)
        if len(ripe) > 1:
            merged = Lot(ripe[0].sellable_from_day, sum(lot.quantity for lot in ripe))
            self.lots = [merged, *self.lots[len(ripe) :]]
        return changed

    def check_invariants(self, day: int) -> None:
        """Raise InvariantBroken if the position contradicts itself."""
        require(
            self.total == sum(lot.quantity for lot in self.lots),
            "lots sum to the total",
        )
        require(all(lot.quantity > 0 for lot in self.lots), "no lot is empty")
        days = [lot.sellable_from_day for lot in self.lots]
        require(days == sorted(set(days)), "lots ascend by day")
        require(self.held >= 0 and self.frozen >= 0, "holds and freezes are not negative")
        require(self.available >= 0, "holds and freezes are covered by units")
        require(self.held <= self.matured(day), "only sellable units are held by orders")


class Account(msgspec.Struct):
    """One participant's trading account."""

    cash: Cash
    positions: dict[str, Position]
    open_buys: dict[str, int]

    def position(self, series_id: str) -> Position:
        """The position in a series, an empty one if there is none; asking changes nothing."""
        found = self.positions.get(series_id)
        return found if found is not None else Position(lots=[])

    def receive(self, series_id: str, quantity: int, sellable_from_day: int) -> None:
        """Add units to the position in a series, made on first use."""
        found = self.positions.get(series_id)
        if found is None:
            found = self.positions[series_id] = Position(lots=[])
        found.add(quantity, sellable_from_day)

    def count_open_buy(self, product: str, quantity: int) -> None:
        """Count tonnes of open buy orders, for the position limit; negative to take off."""
        self.open_buys[product] = self.open_buys.get(product, 0) + quantity


def new_account() -> Account:
    """An empty account."""
    return Account(cash=Cash(proceeds=[]), positions={}, open_buys={})
