"""A long random day-by-day command log: orders, cancels, amends, refusals, acts, outages.

Deterministic in its seed.  Used where a test needs a great many commands that a market has really
accepted or refused, such as replay.
"""

from collections.abc import Callable, Iterator
from itertools import count
from random import Random

from engine import commands as c
from engine.calendar import NEVER_NS
from engine.canonical import encode
from engine.codes import FreezeReason, HaltCause, Phase, Side, TimeInForce
from tests.market_driver import (
    ECOLOGY,
    MINUTE,
    SECOND,
    admit,
    found,
    list_instrument,
    rule_version,
)
from tests.seeded import seeded

PARTICIPANTS = tuple(f"P{number}" for number in range(10))
INSTRUMENTS = ("BEA-2024", "BEA-2025", "PCER-1")
DAYS = 38


class RandomMarket:
    """Sends random commands to a market; `lines` are the log's commands and events, encoded."""

    def __init__(self, seed: int, commands: int) -> None:
        self.rng: Random = seeded(seed)
        self.driver = found(days=DAYS, public_fee_ppm=7_501)
        self._step_ns = 4 * 60 * MINUTE * DAYS // (commands + 1)
        self._numbers = count()
        self._set_up()
        self._actions: tuple[tuple[int, Callable[[], object]], ...] = (
            (700, self._enter),
            (120, self._cancel),
            (120, self._amend),
            (20, self._repeat),
            (20, self._move_money),
            (10, self._move_units),
            (4, self._freeze),
            (4, self._sign),
            (2, self._halt),
            (1, self._crash),
            (1, self._rules),
        )
        self._weights = [weight for weight, _ in self._actions]

    def run(self, commands: int) -> Iterator[tuple[bytes, bytes]]:
        """Send at least `commands` commands; gives each as (envelope, events), encoded."""
        sent = 0
        while sent < commands:
            ((_, action),) = self.rng.choices(self._actions, self._weights)
            action()
            self.driver.now_ns += self.rng.randrange(2 * self._step_ns)
            self._skip_idle_time()
            for envelope, events in self.driver.log:
                yield encode(envelope), encode(events)
            sent += len(self.driver.log)
            self.driver.log.clear()

    def _set_up(self) -> None:
        for name in INSTRUMENTS:
            list_instrument(self.driver, name)
        for number, name in enumerate(PARTICIPANTS):
            admit(self.driver, name, group=f"G{number // 2}", allowance=1_000 * number)
            cash_fen, units = (50_000_000_00, 20_000) if number else (1_000_000, 50)  # P0 is poor
            self.driver.fund(name, cash_fen)
            for series in INSTRUMENTS:
                self.driver.fund(name, units=units, series=series)

    def _skip_idle_time(self) -> None:
        """Nights and most of the breaks pass without commands."""
        market = self.driver.market
        closed = market.scheduled_phase is not Phase.CONTINUOUS
        if closed and self.rng.random() < 0.2 and market.calendar.next_ns() != NEVER_NS:
            self.driver.next_boundary()

    # --- actions ----------------------------------------------------------------------------------

    def _enter(self) -> None:
        rng = self.rng
        instrument = rng.choice(INSTRUMENTS)
        listed = self.driver.market.instruments[instrument]
        width = max(listed.reference_price_ticks // 200, 1)
        price = listed.reference_price_ticks + rng.randint(-width, width)
        if rng.random() < 0.01:
            price = rng.choice((0, listed.upper_limit_ticks, listed.upper_limit_ticks + 1))
        self.driver.order(
            rng.choice(PARTICIPANTS),
            rng.choice(tuple(Side)),
            rng.choice((1, 5, 10, 50, 10_000)) if rng.random() < 0.1 else rng.randint(1, 40),
            price,
            time_in_force=TimeInForce.GTC if rng.random() < 0.02 else TimeInForce.DAY,
            instrument=instrument,
        )

    def _some_order(self) -> tuple[str, int, int, int]:
        book = self.driver.market.books[self.rng.choice(INSTRUMENTS)]
        if not book.orders:
            return PARTICIPANTS[0], 1, 1, 10_000
        last = self.driver.market.last_order_id
        wanted = self.rng.randint(max(last - 300, 1), last)
        order = book.orders.get(wanted) or next(iter(book.orders.values()))
        return order.participant_id, order.order_id, order.quantity, order.price_ticks

    def _cancel(self) -> None:
        owner, order_id, _, _ = self._some_order()
        self.driver.cancel(owner if self.rng.random() < 0.95 else PARTICIPANTS[0], order_id)

    def _amend(self) -> None:
        owner, order_id, quantity, price = self._some_order()
        more, higher = self.rng.randint(-10, 10), self.rng.randint(-20, 20)
        self.driver.amend(owner, order_id, quantity + more, price + higher)

    def _repeat(self) -> None:
        name = f"r{next(self._numbers) // 3}"
        self.driver.buy("P0", self.rng.randint(1, 2), 9_900, client_order_id=name)

    def _move_money(self) -> None:
        who, cash_fen = self.rng.choice(PARTICIPANTS), self.rng.randint(1, 10**7)
        kind = self.rng.choice((c.CreditCash, c.WithdrawCash))
        self._act(kind(who, cash_fen, f"bank-{next(self._numbers)}"))

    def _move_units(self) -> None:
        who, series = self.rng.choice(PARTICIPANTS), self.rng.choice(INSTRUMENTS)
        quantity = self.rng.randint(1, 500)
        if self.rng.random() < 0.5:
            self._act(c.WithdrawUnits(who, series, quantity, "reg"))
            return
        self._act(c.DepositUnits(who, series, quantity, "reg"))
        for deposit_id in sorted(self.driver.market.deposits):
            is_locked = self.rng.random() < 0.9
            answer = c.ConfirmUnitDeposit(deposit_id, is_locked=is_locked, refusal="no")
            self.driver.send(c.SYSTEM_ACTOR, answer, f"settle:{deposit_id}:{is_locked}")

    def _freeze(self) -> None:
        freezes = sorted(self.driver.market.freezes)
        if freezes and self.rng.random() < 0.6:
            self._act(c.ReleaseUnits(self.rng.choice(freezes), "document"), ECOLOGY)
        else:
            who, series = self.rng.choice(PARTICIPANTS), self.rng.choice(INSTRUMENTS)
            quantity = self.rng.randint(1, 2_000)
            act = c.FreezeUnits(who, series, quantity, FreezeReason.COURT, "document")
            self._act(act, ECOLOGY)

    def _sign(self) -> None:
        """Sign some pending act, often wrongly."""
        pending = sorted(self.driver.market.acts) or [1]
        body = self.rng.choice((c.ApproveAct(pending[0]), c.RejectAct(pending[-1], "no")))
        self.driver.send(self.rng.choice(("op-1", "op-2", "eco-1", "trader-P1")), body)

    def _halt(self) -> None:
        scope = self.rng.choice((*INSTRUMENTS, c.ALL_INSTRUMENTS))
        self.driver.send("eco-1", c.HaltTrading(scope, HaltCause.REGULATOR, "note"))
        self.driver.now_ns += self.rng.randint(1, 60) * SECOND
        self._resume()

    def _crash(self) -> None:
        self.driver.crash(self.rng.choice((SECOND, MINUTE, 6 * MINUTE)))
        self._resume()

    def _resume(self) -> None:
        self.driver.advance_to(self.driver.now_ns)
        for scope in sorted(self.driver.market.halts):
            self.driver.send("op-1", c.ResumeTrading(scope, "note"))

    def _rules(self) -> None:
        number = next(self._numbers)
        fee = self.rng.randint(1, 20_000)
        version = rule_version(f"v{number}", self.driver.market.day + 1, public_fee_ppm=fee)
        self._act(c.InstallRules(version))

    def _act(self, act: c.Act, signers: tuple[str, str] = ("op-1", "op-2")) -> None:
        """Propose; mostly approved at once, sometimes left to be signed or to expire."""
        self.driver.send(signers[0], c.ProposeAct(act, "reason"), f"a{next(self._numbers)}")
        if self.rng.random() < 0.9:
            self.driver.send(signers[1], c.ApproveAct(self.driver.market.last_act_id))
