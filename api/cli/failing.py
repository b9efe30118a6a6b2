"""What the commands on a market's data share: whose data, and how they fail."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import asyncpg
import typer
from sqlalchemy.exc import SQLAlchemyError

from api.cli.serving import configure_logging
from api.main import CannotServe, ExitCode
from api.settings import Settings
from exchange.backup import BackupRefused

DataDir = Annotated[
    Path | None, typer.Option(help="Folder of the embedded PostgreSQL (JINGTAN_DATA_DIR).")
]


def chosen_settings(data_dir: Path | None) -> Settings:
    """The settings, with the folder given on the command line over the configured one."""
    settings = Settings() if data_dir is None else Settings(data_dir=data_dir)
    configure_logging(settings)
    return settings


def market_settings(data_dir: Path | None) -> Settings:
    """The same, of a market that exists already; nothing is created to look into."""
    settings = chosen_settings(data_dir)
    if settings.database_url is None and not settings.data_dir.is_dir():
        raise CannotServe(ExitCode.FAILED, f"there is no market in {settings.data_dir}")
    return settings


@contextmanager
def failing_in_one_line() -> Iterator[None]:
    """Turn expected failures into one line on standard error and an exit code."""
    try:
        yield
    except CannotServe as failure:
        raise _ended(str(failure), failure.code) from failure
    except BackupRefused as refusal:
        raise _ended(str(refusal), ExitCode.FAILED) from refusal
    except (asyncpg.PostgresError, asyncpg.InterfaceError, SQLAlchemyError) as error:
        raise _ended(str(error), ExitCode.DATABASE_UNREACHABLE) from error
    except OSError as error:
        raise _ended(str(error), ExitCode.FAILED) from error


def _ended(why: str, code: ExitCode) -> typer.Exit:
    sys.stderr.write(f"jingtan: {' '.join(why.split())}\n")
    return typer.Exit(code)
