"""`jingtan replay`: recorded order flow through the engine, compared after each message."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from exchange import replay as recorded


def replay(
    messages: Annotated[Path, typer.Argument(help="Message csv, plain or gzip.")],
    orderbook: Annotated[Path, typer.Argument(help="Orderbook csv of the same rows.")],
) -> None:
    """Feed a recorded day (LOBSTER format) and compare the book with the recorded one."""
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("replaying", total=None)

        def progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total or None)

        report = recorded.run(messages, orderbook, progress=progress)
    for line in report.render():
        print(line)
    raise typer.Exit(report.exit_code)
