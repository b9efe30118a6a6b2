"""What a replay found: each row's verdict, each disagreement and why, what was adopted."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from exchange.replay.lobster import HIDDEN

MAX_LISTED = 200
"""Disagreements and notes kept word for word; beyond that they are only counted."""

AGREES, DISAGREES, MALFORMED = 0, 1, 2


class Kind(StrEnum):
    """What a disagreement is about."""

    BOOK = "BOOK"
    PRICE = "PRICE"
    PRIORITY = "PRIORITY"
    QUANTITY = "QUANTITY"
    ORDER = "ORDER"
    REFUSED = "REFUSED"
    STOPPED = "STOPPED"


@dataclass(frozen=True)
class Contradiction:
    """What a message says that cannot be so, or how the engine's trade for it differs."""

    kind: Kind
    recorded: str
    engine: str
    why: str


@dataclass(frozen=True)
class Disagreement:
    """One way in which a recorded row and the engine differ, and why."""

    row: int
    kind: Kind
    place: str
    recorded: str
    engine: str
    why: str

    def __str__(self) -> str:
        return (
            f"row {self.row} {self.kind} {self.place}: "
            f"recorded {self.recorded}, engine {self.engine}; {self.why}"
        )


@dataclass
class AdoptionCounts:
    """Quantity taken over from the recording because it rested where nothing was known before."""

    first_levels: int = 0
    new_levels: int = 0
    returned_levels: int = 0
    changed_levels: int = 0
    """Of the returned ones: changed or gone while out of sight."""
    rows: int = 0


@dataclass
class ExecutionCounts:
    """Recorded executions of visible orders and how the engine's trades compare."""

    recorded: int = 0
    at_best_price: int = 0
    by_known_oldest: int = 0
    by_adopted_oldest: int = 0
    in_halt: int = 0


@dataclass
class ReplayReport:
    """Outcome of a replay; `fault` is set when an input file was malformed."""

    messages: str
    orderbook: str
    fault: str = ""
    levels: int = 0
    rows: int = 0
    rows_compared: int = 0
    rows_disagreeing: int = 0
    rows_in_halt: int = 0
    rows_by_type: Counter[int] = field(default_factory=Counter)
    adoption: AdoptionCounts = field(default_factory=AdoptionCounts)
    executions: ExecutionCounts = field(default_factory=ExecutionCounts)
    late_joiners: int = 0
    out_of_sight: int = 0
    disagreement_count: int = 0
    disagreements: list[Disagreement] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    tick: int = 1
    commands: int = 0
    trades: int = 0
    seconds: float = 0.0
    _last_row: int = 0

    @property
    def exit_code(self) -> int:
        """0 if every compared row agrees, 1 if not, 2 if an input file is malformed."""
        if self.fault:
            return MALFORMED
        return DISAGREES if self.disagreement_count else AGREES

    @property
    def rows_agreeing(self) -> int:
        """Rows on which book, trades and orders all agree."""
        return self.rows_compared - self.rows_disagreeing

    def disagree(self, found: Disagreement) -> None:
        """Record a disagreement; rows come in ascending order."""
        self.disagreement_count += 1
        if found.row != self._last_row:
            self._last_row = found.row
            self.rows_disagreeing += 1
        if len(self.disagreements) < MAX_LISTED:
            self.disagreements.append(found)

    def note(self, text: str) -> None:
        """Keep a remark on the recording."""
        if len(self.notes) < MAX_LISTED:
            self.notes.append(text)

    def render(self) -> list[str]:
        """The report as lines of text."""
        if self.fault:
            return [f"malformed input: {self.fault}"]
        lines = [*self._listing(), ""] if self.disagreements else []
        lines += [f"{name:<14}{text}" for name, text in self._summary()]
        return lines

    def _listing(self) -> list[str]:
        lines = [str(found) for found in self.disagreements]
        unlisted = self.disagreement_count - len(lines)
        return [*lines, f"... and {unlisted} more"] if unlisted else lines

    def _summary(self) -> list[tuple[str, str]]:
        adopted, done = self.adoption, self.executions
        lines = [
            ("messages", self.messages),
            ("order book", f"{self.orderbook} ({self.levels} levels)"),
            (
                "rows",
                f"{self.rows_agreeing} of {self.rows_compared} compared rows agree"
                f" ({_percent(self.rows_agreeing, self.rows_compared)}),"
                f" {self.rows_disagreeing} disagree",
            ),
            (
                "adopted",
                f"{adopted.first_levels} levels that rested before the first row;"
                f" in {adopted.rows} later rows {adopted.new_levels} levels that came into sight,"
                f" {adopted.returned_levels} that came back"
                f" ({adopted.changed_levels} of them changed meanwhile)",
            ),
            (
                "executions",
                f"{done.recorded} of visible orders: {done.at_best_price} at the best price,"
                f" {done.by_known_oldest + done.by_adopted_oldest} of the oldest order there"
                f" ({done.by_known_oldest} known, {done.by_adopted_oldest} adopted);"
                f" {self.rows_by_type[HIDDEN]} of hidden ones left the book as it was",
            ),
            ("priority", f"{self.late_joiners} orders joined with the priority of an older id"),
        ]
        if self.rows_in_halt:
            lines.append(
                (
                    "halts",
                    f"{self.rows_in_halt} rows of halts that crossed the book not compared,"
                    f" {done.in_halt} executions in them not checked",
                )
            )
        if self.out_of_sight:
            lines.append(("out of sight", f"{self.out_of_sight} messages on unseen levels ignored"))
        lines += [("note", text) for text in self.notes]
        lines.append(
            (
                "engine",
                f"{self.commands} commands, {self.trades} trades,"
                f" 1 tick = {self.tick}/10000 dollar",
            )
        )
        rate = int(self.rows / self.seconds) if self.seconds else 0
        lines.append(("time", f"{self.seconds:.2f} s, {rate} rows/s"))
        lines.append(("verdict", self._verdict()))
        return lines

    def _verdict(self) -> str:
        if self.disagreement_count:
            return f"{self.disagreement_count} disagreements in {self.rows_disagreeing} rows"
        return "the engine agrees with the recording on every row that the data determines"


def _percent(part: int, whole: int) -> str:
    """Rounded down, so that 100.00 % means all."""
    hundredths = part * 10_000 // whole if whole else 0
    return f"{hundredths // 100}.{hundredths % 100:02} %"
