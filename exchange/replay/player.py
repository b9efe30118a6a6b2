"""Plays recorded rows through the engine and compares its book with the recorded one after each.

For each step (one message, or a run of executions that one incoming order explains):
1. adopt what the step's rows show for the first time (exchange/replay/adoption.py),
2. do in the engine what the messages say,
3. compare every row; within a run, with the book as the engine's trades leave it one by one.

A halt may let the book cross until its auction.  From the row that crosses it to the first sound
row after trading has resumed, rows are counted, not played; that last one is adopted whole.
"""

from collections.abc import Iterator

from engine.codes import Side
from exchange.replay.adoption import Adoption
from exchange.replay.comparison import EXTRA_LEVELS, Comparison, Shown, agrees, shown
from exchange.replay.executions import Checked, Taker
from exchange.replay.lobster import ADD, DELETE, EXECUTE, HALT, REDUCE, Message, Row
from exchange.replay.queues import Queues
from exchange.replay.report import Contradiction, Disagreement, Kind, ReplayReport
from exchange.replay.scale import PriceScale, Survey
from exchange.replay.sight import SIDES, is_crossed
from exchange.replay.venue import CommandFailed, Venue, replay_rules

HALT_STATES = {-1: "trading halted", 0: "quoting resumed", 1: "trading resumed"}
"""What the price of a halt message means."""
TRADING_RESUMED = 1


class Player:
    """One replay; findings go to the report."""

    def __init__(self, survey: Survey, report: ReplayReport) -> None:
        self._scale = PriceScale(survey.prices, replay_rules())
        self._report = report
        self._levels = survey.levels
        self._venue = Venue(self._scale.reference_ticks)
        self._queues = Queues(self._venue, survey.first_id)
        self._adoption = Adoption(self._venue, self._queues, self._scale, report.adoption)
        self._taker = Taker(self._venue, self._queues, self._scale, report.executions)
        self._comparison = Comparison()
        self._is_halted = False
        self._is_suspended = False
        report.levels, report.tick = survey.levels, self._scale.tick

    def play(self, step: list[Row]) -> None:
        """Play one step and compare each of its rows."""
        for row in step:
            self._report.rows += 1
            self._report.rows_by_type[row.message.type] += 1
        message = step[0].message
        if message.type == HALT:
            self._note_halt(message)
        self._venue.set_time(message.time_ns)
        self._is_suspended |= self._is_halted and any(is_crossed(row.book) for row in step)
        if self._is_suspended:
            self._sit_out(step)
            return
        self._adopt(step)
        if message.type == EXECUTE:
            for part in self._parts(step):
                self._execute(part)
        else:
            self._follow(message)
            self._compare_with_engine(step[0])

    def finish(self) -> None:
        """Check the engine once more and complete the report."""
        self.check_engine()
        self._report.late_joiners = self._queues.late_joiners
        self._report.commands = self._venue.commands
        self._report.trades = self._taker.trades

    def check_engine(self) -> None:
        """Raise InvariantBroken if the engine contradicts itself; O(state)."""
        self._venue.engine.check_invariants()

    # --- halts -----------------------------------------------------------------------------------

    def _note_halt(self, message: Message) -> None:
        self._is_halted = message.price != TRADING_RESUMED
        state = HALT_STATES.get(message.price, f"unknown halt state {message.price}")
        self._report.note(f"row {message.row}: {state}")

    def _sit_out(self, step: list[Row]) -> None:
        """Count a step of a crossed halt; adopt the book of the first row that is sound again."""
        self._report.rows_in_halt += len(step)
        for row in step:
            self._report.executions.in_halt += row.message.type == EXECUTE
            self._queues.see(row.message)
        message, book = step[-1]
        self._is_suspended = self._is_halted or is_crossed(book)
        if not self._is_suspended:
            self._adoption.forget()
            self._adopt([Row(message._replace(type=HALT), book)])
            self._comparison.accept(book)

    # --- messages --------------------------------------------------------------------------------

    def _adopt(self, step: list[Row]) -> None:
        try:
            self._adoption.adopt(step)
        except CommandFailed as failure:
            self._refused(step[0].message, failure)

    def _follow(self, message: Message) -> None:
        """Do what a message says of an order; hidden executions, crosses and halts change none."""
        if message.type not in (ADD, REDUCE, DELETE):
            return
        try:
            self._change(message)
        except CommandFailed as failure:
            self._refused(message, failure)
        self._contradicted(message, self._queues.contradictions)
        self._queues.contradictions.clear()

    def _change(self, message: Message) -> None:
        ticks = self._scale.ticks_of[message.price]
        if message.type == ADD:
            self._queues.join(message, ticks)
        elif self._queues.engine_id(message.order_id) is None and self._adoption.is_out_of_sight(
            message
        ):
            self._report.out_of_sight += 1
        elif message.type == REDUCE:
            self._queues.reduce(message, ticks)
        else:
            self._queues.delete(message, ticks)

    def _parts(self, step: list[Row]) -> Iterator[list[Row]]:
        """A run, cut around executions for which Queues.reveal must first see to the level."""
        part: list[Row] = []
        is_mixed = False
        for row in step:
            message = row.message
            if message.type == EXECUTE:
                was_mixed = is_mixed
                ticks = self._scale.ticks_of[message.price]
                is_mixed = self._queues.is_mixed((message.side, ticks))
                if part and (is_mixed or was_mixed):
                    yield part
                    part = []
            part.append(row)
        yield part

    def _execute(self, part: list[Row]) -> None:
        """Trade a run, then compare each of its rows with the book as the trades go."""
        message = part[0].message
        sides = self._shown(self._levels + len(part) + EXTRA_LEVELS) if len(part) > 1 else {}
        try:
            checked = self._taker.execute([r.message for r in part if r.message.type == EXECUTE])
        except CommandFailed as failure:
            self._refused(message, failure)
            checked = []
        by_row = {one.message.row: one for one in checked}
        for row in part:
            one = by_row.get(row.message.row)
            if one is not None:
                self._contradicted(row.message, one.contradictions)
                if sides:
                    self._apply_trades(sides[message.side], one)
            if row is not part[-1] and not self._agrees(row, sides):
                self._differ(row, sides)
        self._compare_with_engine(part[-1])

    def _apply_trades(self, side_shown: Shown, one: Checked) -> None:
        prices, sizes = side_shown
        for portion in one.portions:
            index = prices.index(self._scale.price_of[portion.ticks])
            sizes[index] -= portion.quantity
            if sizes[index] == 0:
                del prices[index], sizes[index]

    # --- findings --------------------------------------------------------------------------------

    def _shown(self, depth: int) -> dict[Side, Shown]:
        price_of = self._scale.price_of
        return {side: shown(self._venue.book, side, depth, price_of) for side in SIDES}

    def _compare_with_engine(self, row: Row) -> None:
        """Compare with the engine's book as it now is, and take lasting differences over."""
        if self._agrees(row, self._shown(self._levels)):
            return
        lasting = self._differ(row, self._shown(2 * self._levels + EXTRA_LEVELS))
        for size, side, price in sorted(lasting):
            try:
                self._queues.take_over((side, self._scale.ticks_of[price]), size)
            except CommandFailed as failure:
                self._refused(row.message, failure)

    def _agrees(self, row: Row, sides: dict[Side, Shown]) -> bool:
        self._report.rows_compared += 1
        for side in SIDES:
            if not agrees(row.book, side, sides[side]):
                return False
        self._comparison.accept(row.book)
        return True

    def _differ(self, row: Row, sides: dict[Side, Shown]) -> list[tuple[int, Side, int]]:
        """Report how a row differs; returns the lasting differences (size, side, price)."""
        found = self._comparison.differences(row.message, row.book, sides)
        for one in found:
            place = _place(one.side, one.price)
            self._disagree(row, Kind.BOOK, place, str(one.recorded), str(one.engine), one.why)
        if not found:
            why = "the recorded levels are not in the order of their prices"
            self._disagree(row, Kind.BOOK, "levels", "unsorted", "sorted", why)
        return [(one.recorded, one.side, one.price) for one in found if one.is_lasting]

    def _disagree(
        self, row: Row, kind: Kind, place: str, recorded: str, engine: str, why: str
    ) -> None:
        self._report.disagree(Disagreement(row.message.row, kind, place, recorded, engine, why))

    def _contradicted(self, message: Message, contradictions: list[Contradiction]) -> None:
        place = f"{_place(message.side, message.price)} order {message.order_id}"
        for one in contradictions:
            self._report.disagree(
                Disagreement(message.row, one.kind, place, one.recorded, one.engine, one.why)
            )

    def _refused(self, message: Message, failure: CommandFailed) -> None:
        place = f"{_place(message.side, message.price)} order {message.order_id}"
        self._report.disagree(
            Disagreement(message.row, Kind.REFUSED, place, "carried out", "refused", str(failure))
        )


def _place(side: Side, price: int) -> str:
    return f"{'buy' if side is Side.BUY else 'sell'} {price}"
