"""`jingtan journal verify` and `jingtan journal export`."""

import asyncio
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import asyncpg
import typer

from api.cli.failing import failing_in_one_line, market_settings
from api.cli.options import DataDir
from api.main import CannotServe, ExitCode, database_as_it_is
from api.settings import Settings
from exchange.journal_export import export_journal
from exchange.verifier import Anchor, NoJournal, Result, verify_database, verify_file

CHAIN_BYTES = 32

app = typer.Typer(help="The journal, for auditors.", no_args_is_help=True)


@app.command()
def verify(
    file: Annotated[
        Path | None, typer.Argument(help="An exported journal; without it, the database.")
    ] = None,
    anchor: Annotated[
        list[str] | None,
        typer.Option(help="SEQ:HEX, a chain value known from elsewhere; may be repeated."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Check every row of the journal and its hash chain; exit code 5 if it is broken."""
    with failing_in_one_line():
        anchors = [_anchor(text) for text in anchor or ()]
        result = _verify(file, anchors, data_dir)
    print(json.dumps(asdict(result)) if as_json else result.line())
    raise typer.Exit(ExitCode.OK if result.verified else ExitCode.JOURNAL_BROKEN)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="Where to write; replaced when it is complete.")],
    data_dir: DataDir = None,
) -> None:
    """Write the whole journal to a file that anybody can verify (docs/journal-format.md)."""
    with failing_in_one_line():
        last_seq = asyncio.run(_export(market_settings(data_dir), file))
    print(f"journal exported up to seq {last_seq}: {file}")


def _verify(file: Path | None, anchors: list[Anchor], data_dir: Path | None) -> Result:
    try:
        if file is not None:
            return verify_file(file, anchors)
        return asyncio.run(_verify_database(market_settings(data_dir), anchors))
    except NoJournal as none:
        raise CannotServe(ExitCode.FAILED, str(none)) from none


async def _verify_database(settings: Settings, anchors: list[Anchor]) -> Result:
    async with database_as_it_is(settings) as dsn:
        return await verify_database(dsn, anchors, os.cpu_count() or 1)


async def _export(settings: Settings, file: Path) -> int:
    async with database_as_it_is(settings) as dsn:
        try:
            return await export_journal(dsn, file)
        except (asyncpg.UndefinedTableError, asyncpg.InvalidParameterValueError) as error:
            raise CannotServe(ExitCode.FAILED, "there is no journal in this database") from error


def _anchor(text: str) -> Anchor:
    seq, _, chain = text.partition(":")
    try:
        anchor = Anchor(int(seq), bytes.fromhex(chain))
    except ValueError as error:
        raise CannotServe(ExitCode.FAILED, f"{text!r} is no anchor SEQ:HEX") from error
    if anchor.seq < 1 or len(anchor.chain) != CHAIN_BYTES:
        raise CannotServe(ExitCode.FAILED, f"{text!r} is no anchor SEQ:HEX of 32 bytes")
    return anchor
