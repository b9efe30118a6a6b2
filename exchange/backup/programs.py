"""Running pg_dump and pg_restore of the embedded PostgreSQL's wheel against any server.

The password never stands on a command line.  Output and input are piped, so that the database's
account need not reach the backup's place.
"""

import asyncio
import os
import re
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Iterable
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from exchange.backup.archive import CHUNK_BYTES, BackupRefused
from exchange.database import normalise_dsn
from exchange.embedded import EmbeddedPostgresError
from exchange.embedded.programs import program

_MAJOR = re.compile(r"\(PostgreSQL\) (\d+)")
_SECRET = ("password", "")
_Stream = TypeVar("_Stream")


async def major_version(name: str) -> int:
    """The PostgreSQL major version of a program."""
    process = await _start(name, ["--version"], {})
    said, _ = await process.communicate()
    found = _MAJOR.search(said.decode(errors="replace"))
    if found is None:
        raise BackupRefused(f"{name} does not tell its version")
    return int(found[1])


async def dump(dsn: str, arguments: list[str], take: Callable[[bytes], None]) -> None:
    """Run pg_dump on a database and pass its output on. Raises BackupRefused if it fails."""
    process = await _start("pg_dump", *_connected(dsn, arguments))
    complaints = asyncio.create_task(_piped(process.stderr).read())
    try:
        while data := await _piped(process.stdout).read(CHUNK_BYTES):
            take(data)
        _check("pg_dump", await process.wait(), await complaints)
    finally:
        await _end(process)


async def restore_dump(dsn: str, arguments: list[str], chunks: Iterable[bytes]) -> None:
    """Run pg_restore into a database. Raises BackupRefused if it fails."""
    process = await _start("pg_restore", *_connected(dsn, arguments))
    answer = asyncio.gather(_piped(process.stdout).read(), _piped(process.stderr).read())
    try:
        await _feed(_piped(process.stdin), chunks)
        _, complaints = await answer
        _check("pg_restore", await process.wait(), complaints)
    finally:
        await _end(process)


async def _feed(stream: asyncio.StreamWriter, chunks: Iterable[bytes]) -> None:
    try:
        for chunk in chunks:
            stream.write(chunk)
            await stream.drain()
        stream.close()
        await stream.wait_closed()
    except (BrokenPipeError, ConnectionResetError):
        return  # it has given up, and says why on its standard error


async def _start(name: str, arguments: list[str], environment: dict[str, str]) -> Process:
    try:
        path = program(name)
    except EmbeddedPostgresError as error:
        raise BackupRefused(str(error)) from error
    return await asyncio.create_subprocess_exec(
        path,
        *arguments,
        env={**os.environ, **environment, "LC_ALL": "C"},
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
    )


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()


def _check(name: str, code: int, complaints: bytes) -> None:
    if code == 0:
        return
    lines = [line.strip() for line in complaints.decode(errors="replace").splitlines()]
    errors = [line.partition("error:")[2].strip() for line in lines if "error:" in line]
    reason = (errors or lines or [f"it ended with status {code}"])[0]
    raise BackupRefused(f"{name} failed: {reason}")


def _connected(dsn: str, arguments: list[str]) -> tuple[list[str], dict[str, str]]:
    """The arguments with the database's address, and its password as an environment."""
    parts = urlsplit(normalise_dsn(dsn))
    login, at, host = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    options = [option.partition("=") for option in parts.query.split("&")]
    shown = "&".join([f"{name}={value}" for name, _, value in options if name not in _SECRET])
    secret = password or "".join([value for name, _, value in options if name == "password"])
    address = f"postgresql://{user}{at}{host}{parts.path}?{shown}"
    return [*arguments, f"--dbname={address}"], {"PGPASSWORD": unquote(secret)} if secret else {}


def _piped(stream: _Stream | None) -> _Stream:
    if stream is None:
        raise ValueError("the program was started without this pipe")
    return stream
