"""Making a database cluster, and the settings that every server of ours is started with.

Invariants:
- a cluster is complete or absent: initdb works in a directory of its own, renamed at the end;
- page checksums are on; text is UTF8 in the C collation, the same order on every machine;
- what a commit reports is on disk (fsync, full_page_writes, synchronous_commit);
- no network address is listened on.

Settings stand on the command line, where no file in the cluster can overrule them.
"""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from exchange.embedded.failure import EmbeddedPostgresError
from exchange.embedded.layout import Layout
from exchange.embedded.programs import MAJOR_VERSION

SUPERUSER = "postgres"
INITDB_TIMEOUT_S = 600
SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "listen_addresses": "",
        "port": "5432",
        "unix_socket_permissions": "0700",
        "max_connections": "100",
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "wal_level": "replica",
        "shared_buffers": "128MB",
        "min_wal_size": "128MB",
        "max_wal_size": "2GB",
        "checkpoint_timeout": "5min",
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] %a ",
        "log_min_error_statement": "panic",  # statements may carry what a log should not
    }
)


def ensure_cluster(layout: Layout, programs: Path) -> None:
    """Create the cluster if it is absent; check that it is one of ours. Call under the lock."""
    for torn in layout.home.glob("cluster.new-*"):
        shutil.rmtree(torn)
    if not layout.cluster.exists():
        _create(layout, programs)
    try:
        major = (layout.cluster / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        raise EmbeddedPostgresError(f"{layout.cluster} is not a database cluster") from None
    if major != MAJOR_VERSION:
        raise EmbeddedPostgresError(
            f"{layout.cluster} was made by PostgreSQL {major}, this is {MAJOR_VERSION}:"
            " back it up with the version that made it, then restore here"
        )


def server_command(layout: Layout, programs: Path, settings: Mapping[str, str]) -> list[str]:
    """The postmaster's command line; `settings` go over SETTINGS."""
    every = {**SETTINGS, "unix_socket_directories": str(layout.sockets), **settings}
    options = [part for name, value in every.items() for part in ("-c", f"{name}={value}")]
    return [str(programs / "postgres"), "-D", str(layout.cluster), *options]


def _create(layout: Layout, programs: Path) -> None:
    partial = Path(tempfile.mkdtemp(prefix="cluster.new-", dir=layout.home))
    layout.account.make_private(partial)
    with tempfile.TemporaryFile() as output:
        initdb = layout.account.spawn(
            [
                str(programs / "initdb"),
                f"--pgdata={partial}",
                f"--username={SUPERUSER}",
                "--auth=trust",  # the sockets' directory is the door
                "--encoding=UTF8",
                "--locale=C",
                "--data-checksums",
                "--no-instructions",
            ],
            working_directory=layout.home,
            output=output.fileno(),
        )
        try:
            code = initdb.wait(INITDB_TIMEOUT_S)
        finally:
            initdb.kill()
            initdb.wait()
        if code != 0:
            output.seek(0)
            said = output.read().decode(errors="replace").strip().splitlines()
            raise EmbeddedPostgresError(f"initdb failed: {said[-1] if said else code}")
    partial.rename(layout.cluster)
    _sync(layout.home)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
