"""Backup of the whole database while the exchange runs, and restore into an empty one.

    archive.py    the file: seal, manifest, dump        programs.py   pg_dump and pg_restore
    taking.py     database -> file                      restoring.py  file -> database

What to know before using it: docs/backup.md.
"""

from exchange.backup.archive import BackupRefused, Manifest, read_manifest
from exchange.backup.restoring import restore
from exchange.backup.taking import backup

__all__ = ["BackupRefused", "Manifest", "backup", "read_manifest", "restore"]
