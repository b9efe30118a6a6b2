"""Taking a backup: one snapshot of the whole database, beside the working exchange.

The lease row and pg_dump read the same snapshot, so that the manifest's seq and chain value are
exactly where the dumped journal ends; journal, snapshots, people, ledger and registry agree as they
did at that moment.  The lease row itself is left out: only a complete restore makes a new one.
"""

from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from engine import ENGINE_VERSION
from exchange.backup.archive import BackupRefused, Manifest, new_archive
from exchange.backup.programs import dump, major_version
from exchange.database import CONNECT_TIMEOUT_S, normalise_dsn

APPLICATION = "jingtan-backup"
VERSIONS_OF_MAJOR = 10_000
"""server_version_num is major * 10,000 + minor."""

_ARGUMENTS = ("--format=custom", "--no-password", "--exclude-table-data=exchange.lease")
_ROLES = """
SELECT DISTINCT rolname FROM pg_roles
 WHERE oid IN (SELECT refobjid FROM pg_shdepend
                WHERE refclassid = 'pg_authid'::regclass
                  AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database()))
    OR oid IN (SELECT relowner FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
                WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast'))
 ORDER BY rolname
"""


async def backup(dsn: str, path: Path) -> Manifest:
    """Back the database up into `path`; returns what it holds.

    Raises BackupRefused, asyncpg.PostgresError or OSError; what stood at `path` stays then.
    """
    connection = await asyncpg.connect(
        normalise_dsn(dsn),
        timeout=CONNECT_TIMEOUT_S,
        server_settings={"application_name": APPLICATION},
    )
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            manifest = await _describe(connection)
            snapshot = await connection.fetchval("SELECT pg_export_snapshot()")
            with new_archive(path, manifest) as archive:
                await dump(dsn, [*_ARGUMENTS, f"--snapshot={snapshot}"], archive.write)
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT_S)
    return manifest


async def _describe(connection: asyncpg.Connection) -> Manifest:
    server_version = int(await connection.fetchval("SHOW server_version_num"))
    pg_dump_version = await major_version("pg_dump")
    if pg_dump_version < server_version // VERSIONS_OF_MAJOR:
        raise BackupRefused(
            f"pg_dump is of PostgreSQL {pg_dump_version}, the server of"
            f" {server_version // VERSIONS_OF_MAJOR}: back up with the server's own pg_dump"
        )
    try:
        lease = await connection.fetchrow("SELECT epoch, last_seq, last_chain FROM exchange.lease")
        revision = await connection.fetchval("SELECT version_num FROM alembic_version")
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError) as error:
        raise BackupRefused("there is no market in this database") from error
    if lease is None:
        raise BackupRefused("this database was not restored completely: it has no lease row")
    return Manifest(
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        seq=lease["last_seq"],
        chain=lease["last_chain"].hex(),
        epoch=lease["epoch"],
        engine_version=ENGINE_VERSION,
        schema_revision=revision,
        server_version=server_version,
        pg_dump_version=pg_dump_version,
        roles=tuple(record["rolname"] for record in await connection.fetch(_ROLES)),
    )
