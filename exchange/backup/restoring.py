"""Restoring a backup into an empty database, in this order:

1. the seal and the manifest are checked, then the versions, then that the database is empty;
2. the roles that own things in the backup are created, and made ours to take on;
3. pg_restore loads everything in one transaction: all of it or nothing;
4. a lease row is made that nobody can claim;
5. the schema is brought to this program's version;
6. the verifier walks the journal, which must have the manifest's chain value at its seq;
7. only then the lease is set free, under an epoch far above the original's.

A restore that dies on its way leaves a database that no exchange can lead.  After step 7 nothing
but its operators keeps the original from leading too; but from the next record on, the two have
different epochs and so different chain values (docs/backup.md).
"""

from collections.abc import Awaitable, Callable, Set
from pathlib import Path

import asyncpg

from exchange.backup.archive import BackupRefused, Manifest, read_dump, read_manifest
from exchange.backup.programs import major_version, restore_dump
from exchange.backup.taking import APPLICATION, VERSIONS_OF_MAJOR
from exchange.database import CONNECT_TIMEOUT_S, normalise_dsn
from exchange.verifier import Anchor, verify_database

EPOCH_STEP = 1_000_000
"""How far a restored market's epochs lie above the original's at the time of the backup."""

_ARGUMENTS = ["--exit-on-error", "--single-transaction", "--no-password"]
_TABLES = """
SELECT count(*) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg_toast%'
"""
_HOLD = """
INSERT INTO exchange.lease (id, epoch, last_seq, last_chain, holder, expires_at)
VALUES (1, $1, $2, $3, $4, 'infinity')
"""
_SET_FREE = "UPDATE exchange.lease SET expires_at = '-infinity' WHERE id = 1"

Migrate = Callable[[str], Awaitable[None]]


async def restore(dsn: str, path: Path, revisions: Set[str], migrate: Migrate) -> Manifest:
    """Restore `path` into the empty database at `dsn`; returns what it holds.

    `revisions` are the schema revisions that this program knows; `migrate` brings a database to
    the newest.  Raises BackupRefused, asyncpg.PostgresError or OSError.
    """
    manifest = read_manifest(path)
    await _check_versions(manifest, revisions)
    connection = await asyncpg.connect(
        normalise_dsn(dsn),
        timeout=CONNECT_TIMEOUT_S,
        server_settings={"application_name": APPLICATION},
    )
    try:
        await _check_target(connection, manifest)
        await _take_on_roles(connection, manifest.roles)
        await restore_dump(dsn, _ARGUMENTS, read_dump(path))
        chain = bytes.fromhex(manifest.chain)
        holder = f"restored from the backup of {manifest.created_at}"
        await connection.execute(_HOLD, manifest.epoch + EPOCH_STEP, manifest.seq, chain, holder)
        await migrate(dsn)
        await _verify(dsn, Anchor(manifest.seq, chain))
        await connection.execute(_SET_FREE)
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT_S)
    return manifest


async def _check_versions(manifest: Manifest, revisions: Set[str]) -> None:
    if manifest.schema_revision not in revisions:
        raise BackupRefused(
            f"the backup has schema revision {manifest.schema_revision}, which this program does"
            " not know: restore with the program that made it, or a newer one"
        )
    pg_restore_version = await major_version("pg_restore")
    if pg_restore_version < manifest.pg_dump_version:
        raise BackupRefused(
            f"pg_restore is of PostgreSQL {pg_restore_version}, the backup was made by pg_dump"
            f" {manifest.pg_dump_version}"
        )


async def _check_target(connection: asyncpg.Connection, manifest: Manifest) -> None:
    server_version = int(await connection.fetchval("SHOW server_version_num"))
    major, needed = (v // VERSIONS_OF_MAJOR for v in (server_version, manifest.server_version))
    if major < needed:
        raise BackupRefused(f"the server is PostgreSQL {major}, the backup needs {needed} or later")
    if await connection.fetchval(_TABLES):
        raise BackupRefused(
            "the database is not empty: a backup is restored into an empty one only"
        )


async def _take_on_roles(connection: asyncpg.Connection, roles: tuple[str, ...]) -> None:
    for role in roles:
        name = await connection.fetchval("SELECT quote_ident($1)", role)
        try:
            if not await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", role):
                await connection.execute(f"CREATE ROLE {name} NOLOGIN")
            if not await connection.fetchval(
                "SELECT pg_has_role(current_user, $1::name, 'SET')", role
            ):
                await connection.execute(f"GRANT {name} TO CURRENT_USER")
        except (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidGrantOperationError) as error:
            raise BackupRefused(
                f"this login may not act as role {role}, which the backup needs: {error}"
            ) from error


async def _verify(dsn: str, anchor: Anchor) -> None:
    anchors = [anchor] if anchor.seq else []
    result = await verify_database(normalise_dsn(dsn), anchors)
    if not result.verified:
        raise BackupRefused(f"{result.line()}; what was restored stays, but cannot be led")
