"""`jingtan demo`: a whole trading day, end to end, ending in one line of JSON."""

import asyncio
import json
from typing import Annotated

import typer

from api.cli.options import configure_logging
from api.demo.day import run_day
from api.settings import Settings

LOST = 1


def demo(
    orders_each: Annotated[int, typer.Option(help="Orders of each of the members.")] = 400,
) -> None:
    """Trade, crash, recover, settle and reconcile a day against a real server process."""
    configure_logging(Settings(log_level="error"))
    figures = asyncio.run(run_day(orders_each))
    print(json.dumps(figures))
    is_good = figures["chain_verified"] and not figures["breaks"]
    raise typer.Exit(0 if is_good and not figures["lost_acknowledged"] else LOST)
