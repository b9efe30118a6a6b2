"""Where an embedded PostgreSQL keeps its files.

    <data dir>/start.lock          held while somebody starts or stops the server
    <data dir>/users.lock          shared by every process that uses it; the last one stops it
    <data dir>/postgres.log        what the server says
    <data dir>/cluster.location    present if the next lines lie elsewhere
    <home>/cluster                 the database cluster, mode 0700, owned by the server's account
    <home>/cluster.new-*           one being made; renamed when complete, else swept away
    <data dir>/sockets.location    present if the sockets lie elsewhere
    <sockets>/.s.PGSQL.5432        the only way in: a directory of mode 0700

<home> is the data directory. If we are root and the server's account cannot get there (the project
lies below a closed home directory), it is `<fallback root>/<random>`, /var/lib/jingtan by default;
directories that are not ours are never opened up. The data directory itself, being ours, is made
passable. <sockets> is `<home>/run`, unless its path is too long for a unix socket.
"""

import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from exchange.embedded.account import Account, account_for
from exchange.embedded.failure import EmbeddedPostgresError

SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_PATH_LIMIT = 103  # bytes; macOS, the strictest (Linux has 107)
_PASSABLE = stat.S_IXGRP | stat.S_IXOTH


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of one cluster, and the account that owns them."""

    data_dir: Path
    home: Path
    sockets: Path
    account: Account

    @property
    def cluster(self) -> Path:
        return self.home / "cluster"

    @property
    def log(self) -> Path:
        return self.data_dir / "postgres.log"


def start_lock(data_dir: Path) -> Path:
    return data_dir / "start.lock"


def users_lock(data_dir: Path) -> Path:
    return data_dir / "users.lock"


def make_data_dir(data_dir: Path) -> None:
    """Create the data directory; as root, let the server's account pass through it."""
    try:
        data_dir.mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)
        if os.geteuid() == 0:
            data_dir.chmod(stat.S_IMODE(data_dir.stat().st_mode) | _PASSABLE)
    except OSError as error:
        raise EmbeddedPostgresError(
            f"cannot use {data_dir} as data directory: {error.strerror}"
        ) from error


def find_layout(data_dir: Path, fallback_root: Path) -> Layout:
    """Decide the places, or find them as decided at an earlier start. Call under the start lock."""
    remembered = data_dir / "cluster.location"
    home = Path(remembered.read_text().strip()) if remembered.exists() else data_dir
    account = account_for(home / "cluster")
    if home == data_dir and not account.can_reach(data_dir):
        home = _private_place(fallback_root)
        _remember(remembered, home)
    sockets = _sockets(data_dir, home, account, fallback_root)
    return Layout(data_dir, home, sockets, account)


def _sockets(data_dir: Path, home: Path, account: Account, fallback_root: Path) -> Path:
    usual = home / "run"
    if _fits(usual):
        account.make_private(usual)
        return usual
    remembered = data_dir / "sockets.location"
    if remembered.exists():
        known = Path(remembered.read_text().strip())
        if account.owns_privately(known):
            return known
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    for parent in (tempfile.gettempdir(), runtime, fallback_root):
        if parent is None or not Path(parent).is_dir():
            continue
        place = Path(tempfile.mkdtemp(prefix="jingtan-", dir=parent))
        if _fits(place) and (account.is_own or account.can_reach(place.parent)):
            account.make_private(place)
            _remember(remembered, place)
            return place
        place.rmdir()
    raise EmbeddedPostgresError(f"no path short enough for a unix socket: {usual} is too long")


def _fits(directory: Path) -> bool:
    return len(os.fsencode(directory / SOCKET_NAME)) <= SOCKET_PATH_LIMIT


def _private_place(root: Path) -> Path:
    try:
        root.mkdir(parents=True, exist_ok=True)
        root.chmod(stat.S_IMODE(root.stat().st_mode) | _PASSABLE)
        place = Path(tempfile.mkdtemp(dir=root))
        place.chmod(stat.S_IRWXU | _PASSABLE)
    except OSError as error:
        raise EmbeddedPostgresError(
            f"cannot create a place for the database in {root}: {error.strerror}"
        ) from error
    return place


def _remember(file: Path, place: Path) -> None:
    partial = file.with_suffix(".new")
    partial.write_text(f"{place}\n")
    partial.replace(file)
