"""`jingtan backup` and `jingtan restore`."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from alembic.script import ScriptDirectory

import migrations
from api.cli.failing import failing_in_one_line, market_settings
from api.cli.options import DataDir, settings_for
from api.main import database_as_it_is
from api.settings import Settings
from exchange.backup import Manifest, read_manifest
from exchange.backup import backup as take_backup
from exchange.backup import restore as restore_backup
from migrations.upgrade import upgrade


def backup(
    file: Annotated[Path, typer.Argument(help="Where to write; replaced when it is complete.")],
    data_dir: DataDir = None,
) -> None:
    """Back the whole market up into one file, while it runs."""
    with failing_in_one_line():
        manifest = asyncio.run(_backup(market_settings(data_dir), file))
    print(f"backed up as of seq {manifest.seq}, chain {manifest.chain}: {file}")


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `jingtan backup` has written.")],
    data_dir: DataDir = None,
) -> None:
    """Restore a backup into an empty database and verify it; see docs/backup.md first."""
    with failing_in_one_line():
        read_manifest(file)
        manifest = asyncio.run(_restore(settings_for(None, data_dir), file))
    print(f"restored and verified as of seq {manifest.seq}, chain {manifest.chain}")
    print("Before this market starts, see that the original never runs again.")


async def _backup(settings: Settings, file: Path) -> Manifest:
    async with database_as_it_is(settings) as dsn:
        return await take_backup(dsn, file)


async def _restore(settings: Settings, file: Path) -> Manifest:
    async with database_as_it_is(settings) as dsn:
        return await restore_backup(dsn, file, _known_revisions(), upgrade)


def _known_revisions() -> frozenset[str]:
    place = Path(str(migrations.__file__)).parent
    scripts = ScriptDirectory(str(place)).walk_revisions()
    return frozenset(script.revision for script in scripts)
