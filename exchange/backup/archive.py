"""The backup file: every byte of it is covered by the SHA-256 in its first line.

    jingtan-backup-1 <64 hex digits>       SHA-256 of everything after this line
    {"chain": "...", "seq": ..., ...}      the manifest, one line of JSON
    <the rest>                             pg_dump's custom format

By hand: `tail -n +2 FILE | sha256sum` gives the digits, `tail -n +3 FILE | pg_restore --list` looks
inside.  The seal finds damage, not malice: whoever may write the file may seal it again.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec

from exchange.atomic_file import written_atomically

MAGIC = b"jingtan-backup-1"
CHUNK_BYTES = 1024 * 1024
MAX_MANIFEST_BYTES = 1024 * 1024
_SEAL_BYTES = len(MAGIC) + 1 + 64 + 1


class BackupRefused(Exception):
    """A backup cannot be made or used; the message is one line."""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a backup holds: the market as of `seq`, where the journal's chain value is `chain`."""

    created_at: str
    seq: int
    chain: str
    epoch: int
    engine_version: str
    schema_revision: str
    server_version: int
    pg_dump_version: int
    roles: tuple[str, ...]


class Writer:
    """Takes the dump's bytes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hashed = hashlib.sha256()

    def write(self, data: bytes) -> None:
        """Append to what the seal covers."""
        self._file.write(data)
        self._hashed.update(data)

    def seal(self) -> None:
        """Write the first line, at the end."""
        self._file.seek(0)
        self._file.write(_seal(self._hashed.hexdigest()))


@contextmanager
def new_archive(path: Path, manifest: Manifest) -> Iterator[Writer]:
    """A backup file that stands whole under `path` when the block ends well, or not at all."""
    with written_atomically(path) as file:
        file.write(_seal("0" * 64))
        writer = Writer(file)
        writer.write(msgspec.json.encode(manifest) + b"\n")
        yield writer
        writer.seal()


def read_manifest(path: Path) -> Manifest:
    """The manifest of a file whose seal has been checked; raises BackupRefused or OSError."""
    with path.open("rb") as file:
        seal = file.read(_SEAL_BYTES)
        if not seal.startswith(MAGIC):
            raise BackupRefused(f"{path} is no backup of this program")
        if seal != _seal(_digest_of_rest(file)):
            raise BackupRefused(
                f"{path} is truncated or altered: its content is not what it sealed"
            )
        file.seek(_SEAL_BYTES)
        try:
            return msgspec.json.decode(file.readline(MAX_MANIFEST_BYTES), type=Manifest)
        except msgspec.DecodeError as error:
            raise BackupRefused(f"{path} has a manifest of another version: {error}") from error


def read_dump(path: Path) -> Iterator[bytes]:
    """The dump's bytes, in chunks."""
    with path.open("rb") as file:
        file.seek(_SEAL_BYTES)
        file.readline(MAX_MANIFEST_BYTES)
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def _seal(digits: str) -> bytes:
    return b"%s %s\n" % (MAGIC, digits.encode("ascii"))


def _digest_of_rest(file: IO[bytes]) -> str:
    hashed = hashlib.sha256()
    while chunk := file.read(CHUNK_BYTES):
        hashed.update(chunk)
    return hashed.hexdigest()
