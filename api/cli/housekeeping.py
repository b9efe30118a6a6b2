"""`jingtan clean-data`: starting a demo market over."""

import asyncio
from typing import Annotated

import typer

from api.cli.options import DataDir, settings_for
from api.settings import Settings
from exchange.embedded import EmbeddedPostgres


def clean_data(
    data_dir: DataDir = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete the embedded PostgreSQL and everything in it; a running exchange keeps its own."""
    settings = settings_for(None, data_dir)
    if not yes:
        typer.confirm(f"Delete the market in {settings.data_dir} for good?", abort=True)
    asyncio.run(_destroy(settings))


async def _destroy(settings: Settings) -> None:
    embedded = EmbeddedPostgres(settings.data_dir)
    await embedded.start()
    await embedded.destroy()
