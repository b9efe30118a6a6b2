"""The account of a reliability trial: what was injected, what was checked, what came out.

Printed at the end of each test; with JINGTAN_TALLY set it is also added, as one line of JSON, to
the file of that name, which `python -m tests.reliability` turns into its report.
"""

import json
import os
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.reliability.comparison import Findings

ENVIRONMENT = "JINGTAN_TALLY"


@dataclass(slots=True)
class Tally:
    """Counts of one row of the reliability table; times in seconds."""

    row: str
    seed: int
    trials: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    acknowledged: int = 0
    checked: int = 0
    resent_unknown: int = 0
    lost: int = 0
    doubled: int = 0
    invented: int = 0
    unsound: int = 0
    rates: list[int] = field(default_factory=list)
    recovery_s: list[float] = field(default_factory=list)
    notes: dict[str, str | int | float] = field(default_factory=dict)

    def fault(self, kind: str) -> None:
        """Count a fault that was really injected."""
        self.faults[kind] = self.faults.get(kind, 0) + 1

    def take(self, findings: Findings) -> None:
        """Count a comparison's findings."""
        self.checked += findings.checked
        self.lost += len(findings.lost)
        self.doubled += len(findings.doubled)
        self.invented += len(findings.invented)
        self.unsound += len(findings.unsound)

    def recovery_percentile(self, percent: int) -> float:
        """A recovery time that `percent` of the trials did not exceed; 0 without any."""
        return percentile(self.recovery_s, percent)

    def publish(self) -> None:
        """Print the account, and add it to the report's file if there is one."""
        line = json.dumps(asdict(self))
        sys.stdout.write(f"\n{line}\n")
        name = os.environ.get(ENVIRONMENT)
        if name:
            with Path(name).open("a", encoding="utf-8") as report:
                report.write(f"{line}\n")


def percentile(values: list[float], percent: int) -> float:
    """Nearest-rank percentile; 0 of nothing."""
    if not values:
        return 0.0
    rank = -(-len(values) * percent // 100)
    return round(sorted(values)[max(rank, 1) - 1], 3)
