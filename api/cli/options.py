"""Options that the commands share, and the settings that follow from them."""

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from api import logs
from api.settings import Settings

INVALID_SETTING = 1

Port = Annotated[int | None, typer.Option(help="TCP port (JINGTAN_PORT).")]
DataDir = Annotated[
    Path | None, typer.Option(help="Folder of the embedded PostgreSQL (JINGTAN_DATA_DIR).")
]


def configure_logging(settings: Settings) -> None:
    """Structured lines at the chosen level, on standard error."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    logs.configure(level, typer.get_text_stream("stderr"))


def settings_for(port: int | None, data_dir: Path | None, **more: object) -> Settings:
    """The process settings, with the command's arguments over environment and file."""
    given = {"port": port, "data_dir": data_dir, **more}
    chosen = {name: value for name, value in given.items() if value is not None}
    try:
        settings = Settings(**chosen)  # type: ignore[arg-type]
    except ValidationError as fault:
        first = fault.errors()[0]
        name = "_".join(str(part) for part in first["loc"])
        sys.stderr.write(f"jingtan: setting {name}: {first['msg']}; see docs/operations.md\n")
        raise typer.Exit(INVALID_SETTING) from fault
    configure_logging(settings)
    return settings
