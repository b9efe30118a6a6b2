"""`make bench`: runs every measurement RUNS times, prints medians and ratios, writes JSON."""

import asyncio
import json
import platform
from pathlib import Path
from statistics import median_low

from rich.console import Console
from rich.table import Table

from benchmarks import engine_bench, journal_bench, settlement_bench

RUNS = 5
RESULTS = Path(__file__).parent / "results" / "latest.json"
BOOK_SIZES = (1_000, 100_000)

console = Console()


def main() -> None:
    """Measure, show, store."""
    figures: dict[str, int] = {}
    for size in BOOK_SIZES:
        runs = [engine_bench.measure(size) for _ in range(RUNS)]
        for name in ("apply_ops_s", "p50_ns", "p999_ns", "max_ns"):
            figures[f"engine_{name}_at_{size}"] = _median(runs, name)
    figures |= _medians([engine_bench.measure_replay() for _ in range(RUNS)])
    figures |= _medians([asyncio.run(journal_bench.measure()) for _ in range(RUNS)])
    figures |= _medians([asyncio.run(settlement_bench.measure()) for _ in range(RUNS)])
    ratios = {
        "apply at 100,000 resting / at 1,000": (
            figures["engine_apply_ops_s_at_100000"],
            figures["engine_apply_ops_s_at_1000"],
        ),
        "replay with comparison / decoding alone": (
            figures["replay_ops_s"],
            figures["decode_ops_s"],
        ),
        "durable commands / bare insert of the same rows": (
            figures["durable_ops_s"],
            figures["bare_insert_rows_s"],
        ),
        "settled trades / bare COPY of the same rows": (
            figures["settled_trades_s"],
            figures["copied_trades_s"],
        ),
    }
    _show(figures, ratios)
    RESULTS.parent.mkdir(exist_ok=True)
    stored = {"python": platform.python_version(), "runs": RUNS} | figures
    RESULTS.write_text(json.dumps(stored, indent=2) + "\n", encoding="utf-8")


def _medians(runs: list[dict[str, int]]) -> dict[str, int]:
    return {name: _median(runs, name) for name in runs[0]}


def _median(runs: list[dict[str, int]], name: str) -> int:
    return median_low([run[name] for run in runs])


def _show(figures: dict[str, int], ratios: dict[str, tuple[int, int]]) -> None:
    table = Table("measurement", "median", title=f"medians of {RUNS} runs")
    for name, value in figures.items():
        table.add_row(name, f"{value:,}")
    console.print(table)
    shown = Table("ratio in one run", "value")
    for name, (upper, lower) in ratios.items():
        shown.add_row(name, f"{upper * 100 // lower} %")
    console.print(shown)


if __name__ == "__main__":
    main()
