"""The account that the server runs as: PostgreSQL refuses to run as root.

Without root rights it is our own. With them, the first of:
1. the owner of the existing cluster, so that a cluster keeps its account for ever;
2. the account `jingtan`, created when the system has `useradd`;
3. `nobody`, in bare containers.

`can_reach` asks the mode bits alone, which is what a container has; where access lists say more,
the server itself names the file that it could not open.
"""

import os
import pwd
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from exchange.embedded.failure import EmbeddedPostgresError

ACCOUNT_NAME = "jingtan"
LAST_RESORT = "nobody"


@dataclass(frozen=True, slots=True)
class Account:
    """An account, and whether a process of ours has to become it."""

    uid: int
    gid: int
    is_own: bool

    def owns_privately(self, path: Path) -> bool:
        """Whether `path` is a directory, no link, of this account, closed to all others."""
        try:
            status = path.lstat()
        except FileNotFoundError:
            return False
        is_closed = stat.S_IMODE(status.st_mode) == stat.S_IRWXU
        return stat.S_ISDIR(status.st_mode) and status.st_uid == self.uid and is_closed

    def can_reach(self, path: Path) -> bool:
        """Whether this account may pass every directory above `path`, and enter or run it."""
        real = path.resolve()
        return all(self._may_execute(step.stat()) for step in (real, *real.parents))

    def make_private(self, path: Path) -> None:
        """Create or take over the directory `path`, for this account only."""
        path.mkdir(mode=stat.S_IRWXU, exist_ok=True)
        if not self.is_own:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)
        path.chmod(stat.S_IRWXU)

    def spawn(
        self, arguments: list[str], *, working_directory: Path, output: int
    ) -> subprocess.Popen[bytes]:
        """Start a program as this account, out of reach of our terminal and of our end."""
        return subprocess.Popen(
            arguments,
            cwd=working_directory,
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=None if self.is_own else self.uid,
            group=None if self.is_own else self.gid,
            extra_groups=None if self.is_own else (),
        )

    def _may_execute(self, status: os.stat_result) -> bool:
        if status.st_uid == self.uid:
            return bool(status.st_mode & stat.S_IXUSR)
        if status.st_gid == self.gid:
            return bool(status.st_mode & stat.S_IXGRP)
        return bool(status.st_mode & stat.S_IXOTH)


def account_for(cluster: Path) -> Account:
    """The account for the cluster at this path, whether it exists yet or not."""
    if os.geteuid() != 0:
        return _own_account(cluster)
    if cluster.exists():
        status = cluster.stat()
        if status.st_uid != 0:
            return Account(status.st_uid, status.st_gid, is_own=False)
    entry = _find(ACCOUNT_NAME) or _create() or _find(LAST_RESORT)
    if entry is None or entry.pw_uid == 0:
        raise EmbeddedPostgresError(
            "PostgreSQL does not run as root, and the system has no account to run it as:"
            f" create an account {ACCOUNT_NAME!r}, or start as another account"
        )
    return Account(entry.pw_uid, entry.pw_gid, is_own=False)


def _own_account(cluster: Path) -> Account:
    own = Account(os.geteuid(), os.getegid(), is_own=True)
    if cluster.exists() and cluster.stat().st_uid != own.uid:
        raise EmbeddedPostgresError(
            f"the database in {cluster} belongs to account {cluster.stat().st_uid}:"
            " start as root or as that account, or choose another data directory"
        )
    return own


def _find(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _create() -> pwd.struct_passwd | None:
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin"]
    try:
        subprocess.run([*command, ACCOUNT_NAME], check=False, capture_output=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return _find(ACCOUNT_NAME)  # also when another process has just created it
