"""What the commands on a market's data share: whose data, and how they fail."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import typer
from sqlalchemy.exc import SQLAlchemyError

from api.cli.options import settings_for
from api.main import CannotServe, ExitCode
from api.settings import Settings
from exchange.backup import BackupRefused


def market_settings(data_dir: Path | None) -> Settings:
    """The same, of a market that exists already; nothing is created to look into."""
    settings = settings_for(None, data_dir)
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
