"""Runs the rows of the reliability table at full size and writes the report.

    python -m tests.reliability [--rows A1,F1] [--share 0.1] [--seed 7] [--report DIRECTORY]

Each row runs by itself, in a process of its own; a row that fails does not stop the others. The
exit code is 0 if every row passed.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.reliability.report import JSON_NAME, MARKDOWN_NAME, Report, RowResult
from tests.reliability.rows import ROWS, Row
from tests.reliability.tally import ENVIRONMENT
from tests.seeded import FIRST_SEED

ROOT = Path(__file__).resolve().parents[2]
DIRECTORY = ROOT / "build" / "reliability"


def main() -> int:
    """Run what the command line asks for."""
    asked = _arguments()
    report = Report(
        _commit(),
        asked.seed,
        f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        datetime.now(UTC).isoformat(timespec="seconds"),
        asked.share,
    )
    chosen = set(asked.rows.split(",")) if asked.rows else {row.id for row in ROWS}
    unknown = chosen - {row.id for row in ROWS}
    if unknown:
        sys.stderr.write(f"no such row: {', '.join(sorted(unknown))}\n")
        return 2
    for row in ROWS:
        if row.id in chosen:
            report.rows.append(_run(row, asked.seed, row.size(asked.share)))
            report.write(asked.report)
    sys.stdout.write(report.markdown())
    sys.stdout.write(f"\n{asked.report / MARKDOWN_NAME}\n{asked.report / JSON_NAME}\n")
    return 0 if report.passed else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.reliability", description=__doc__)
    parser.add_argument("--rows", default="", help="ids, separated by commas; all by default")
    parser.add_argument("--share", type=float, default=1.0, help="share of the full size")
    parser.add_argument("--seed", type=int, default=FIRST_SEED, help="seed of the random choices")
    parser.add_argument("--report", type=Path, default=DIRECTORY, help="directory of the report")
    return parser.parse_args()


def _run(row: Row, seed: int, size: int) -> RowResult:
    """One row in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="jingtan-report-") as directory:
        outcome, tallies = Path(directory) / "outcome.xml", Path(directory) / "tallies.jsonl"
        environment = {**os.environ, ENVIRONMENT: str(tallies), "JINGTAN_SEED": str(seed)}
        if row.size_variable:
            environment[row.size_variable] = str(size)
        started_at = time.monotonic()
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={outcome}", *row.tests]
        subprocess.run(command, cwd=ROOT, env=environment, check=False)
        took_s = round(time.monotonic() - started_at)
        tests, failures = _read(outcome)
        kept = tallies.read_text(encoding="utf-8").splitlines() if tallies.exists() else []
        accounts = [json.loads(line) for line in kept]
    return RowResult(row.id, row.demand, size, tests, failures, took_s, accounts)


def _read(outcome: Path) -> tuple[int, list[str]]:
    """How many tests ran, and the names of those that failed."""
    if not outcome.exists():
        return 0, ["pytest wrote no result"]
    cases = list(ET.parse(outcome).iter("testcase"))  # noqa: S314 - written by pytest
    failed = [
        str(case.get("name"))
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    ]
    return len(cases), failed


def _commit() -> str:
    """The commit, with a word if the files are not those of the commit."""
    git = ("git", "-C", str(ROOT))
    named = subprocess.run((*git, "rev-parse", "HEAD"), check=False, capture_output=True, text=True)
    changed = subprocess.run(
        (*git, "status", "--porcelain"), check=False, capture_output=True, text=True
    )
    if named.returncode != 0:
        return "unknown"
    return named.stdout.strip() + (" with changes" if changed.stdout else "")


if __name__ == "__main__":
    sys.exit(main())
