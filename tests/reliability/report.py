"""The report of a reliability run: one JSON document, and the same as a Markdown page."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.reliability.tally import percentile

JSON_NAME, MARKDOWN_NAME = "reliability.json", "reliability.md"
COUNTS = ("trials", "acknowledged", "checked", "resent_unknown")
WRONG = ("lost", "doubled", "invented", "unsound")
HEAD = (
    "row",
    "result",
    "size",
    "tests",
    *COUNTS,
    *WRONG,
    "recovery p50 s",
    "recovery p99 s",
    "took s",
)


@dataclass(slots=True)
class RowResult:
    """What one row came to; `tallies` are the accounts that its tests have kept."""

    row: str
    demand: str
    size: int
    tests: int
    failures: list[str]
    took_s: int
    tallies: list[dict[str, Any]] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return self.tests > 0 and not self.failures

    def total(self, name: str) -> int:
        """A count over all of the row's accounts."""
        return sum(tally[name] for tally in self.tallies)

    @property
    def recovery_s(self) -> list[float]:
        return [seconds for tally in self.tallies for seconds in tally["recovery_s"]]

    @property
    def faults(self) -> dict[str, int]:
        """Faults that were really injected, by kind."""
        found: dict[str, int] = {}
        for tally in self.tallies:
            for kind, count in tally["faults"].items():
                found[kind] = found.get(kind, 0) + count
        return found


@dataclass(slots=True)
class Report:
    """A whole run: which code, which seed, which machine, which rows."""

    commit: str
    seed: int
    machine: str
    started_at: str
    share: float
    rows: list[RowResult] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return bool(self.rows) and all(row.passed for row in self.rows)

    def write(self, directory: Path) -> None:
        """Put both documents into the directory."""
        directory.mkdir(parents=True, exist_ok=True)
        text = json.dumps(asdict(self) | {"passed": self.passed}, indent=1, ensure_ascii=False)
        (directory / JSON_NAME).write_text(f"{text}\n", encoding="utf-8")
        (directory / MARKDOWN_NAME).write_text(self.markdown(), encoding="utf-8")

    def markdown(self) -> str:
        """The page for people."""
        lines = [
            "# Reliability report",
            "",
            f"Commit {self.commit}, seed {self.seed}, {self.share:g} of the full size.",
            f"Started {self.started_at} on {self.machine}.",
            f"Result: {'every row passed' if self.passed else 'NOT PASSED'}.",
            "",
            _line(HEAD),
            _line(["---"] * len(HEAD)),
            *(_line(_cells(row)) for row in self.rows),
            "",
        ]
        for row in self.rows:
            lines += _details(row)
        return "\n".join(lines)


def _cells(row: RowResult) -> list[str]:
    times = [f"{percentile(row.recovery_s, p):.2f}" if row.recovery_s else "" for p in (50, 99)]
    counts = [str(row.total(name)) if row.tallies else "" for name in (*COUNTS, *WRONG)]
    result = "passed" if row.passed else "FAILED"
    return [row.row, result, str(row.size or ""), str(row.tests), *counts, *times, str(row.took_s)]


def _details(row: RowResult) -> list[str]:
    lines = [f"## {row.row}", "", f"{row.demand}.", ""]
    lines += [f"- fault injected: {kind}, {count} times" for kind, count in row.faults.items()]
    for tally in row.tallies:
        lines += [f"- {name}: {value}" for name, value in tally["notes"].items()]
    lines += [f"- failed: {name}" for name in row.failures]
    return [*lines, ""] if lines[-1] else lines


def _line(cells: "list[str] | tuple[str, ...]") -> str:
    return f"| {' | '.join(cells)} |"
