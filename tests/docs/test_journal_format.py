"""The published journal format is what is written and verified, and its examples work."""

import json
import re
import shutil
import subprocess
import sys
from base64 import b64decode
from hashlib import sha256
from pathlib import Path

import pytest

from engine.canonical import decode_envelope, encode
from engine.engine import Engine
from exchange.chain import GENESIS, link
from exchange.journal_export import export_journal
from exchange.verifier import verify_file
from tests.exchange_driver import running
from tests.seeded import FIRST_SEED, seeded

PAGE = (Path(__file__).parents[2] / "docs" / "journal-format.md").read_text(encoding="utf-8")
HASHED_BYTES = 262


def block(language: str) -> str:
    found = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert len(found) == 1
    return str(found[0])


def run(arguments: list[str]) -> tuple[int, str]:
    ended = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=60)
    return ended.returncode, ended.stdout + ended.stderr


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    """The export file of the page."""
    path = tmp_path / "golden.jsonl"
    path.write_text(block("json"), encoding="utf-8")
    return path


def test_the_worked_example_hashes_to_its_chain_value() -> None:
    pieces = [line.split()[-1] for line in block("text").splitlines()]
    *hashed, chain = (bytes.fromhex(piece) for piece in pieces)
    joined = b"".join(hashed)
    assert len(joined) == HASHED_BYTES
    assert f"these {HASHED_BYTES} bytes" in PAGE
    assert sha256(joined).digest() == chain
    command, events = hashed[5], hashed[7]
    assert f"`{command.decode()}`" in PAGE
    assert f"`{events.decode()}`" in PAGE


def test_the_golden_rows_are_what_the_engine_and_the_writer_give() -> None:
    engine, chain = Engine(), GENESIS
    _, *rows = (json.loads(line) for line in block("json").splitlines())
    for row in rows:
        command, events = b64decode(row["command"]), b64decode(row["events"])
        assert encode(engine.apply(row["seq"], decode_envelope(command))) == events
        chain = link(chain, row["seq"], row["epoch"], command, events)
        assert row["chain"] == chain.hex()


def test_the_golden_file_is_verified(golden: Path) -> None:
    found = verify_file(golden)
    assert (found.verified, found.last_seq) == (True, 2)


def test_every_key_of_an_exported_row_is_described() -> None:
    row = json.loads(block("json").splitlines()[1])
    described = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert sorted(described) == list(row)


async def test_the_python_example_verifies_a_real_export_and_finds_damage(
    dsn: str, golden: Path, tmp_path: Path
) -> None:
    script = tmp_path / "verify.py"
    script.write_text(block("python"), encoding="utf-8")
    assert len(script.read_text().splitlines()) <= 20
    assert run([sys.executable, str(script), str(golden)])[0] == 0
    path = tmp_path / "journal.jsonl"
    async with running(dsn) as driver:
        await driver.trade(seeded(FIRST_SEED), 50)
        last_seq = await export_journal(dsn, path)
    found = verify_file(path)
    code, said = run([sys.executable, str(script), str(path)])
    assert (code, said) == (0, f"verified up to seq {last_seq}, chain {found.chain}\n")
    lines = path.read_text().splitlines(keepends=True)
    for damaged in (lines[:5] + lines[6:], lines[:-1], [*lines[:5], lines[6], lines[5]]):
        path.write_text("".join(damaged))
        assert run([sys.executable, str(script), str(path)])[0] == 1


def test_the_shell_example_verifies_each_row_and_finds_damage(golden: Path, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on this machine")
    script = tmp_path / "verify.sh"
    script.write_text(block("sh"), encoding="utf-8")
    chains = [json.loads(line)["chain"] for line in block("json").splitlines()[1:]]
    for seq, chain in enumerate(chains, 1):
        answer = run(["sh", str(script), str(golden), str(seq)])
        assert answer == (0, f"row {seq} is good: {chain}\n")
    golden.write_text(block("json").replace('"epoch":2', '"epoch":3'))
    assert run(["sh", str(script), str(golden), "2"]) == (1, "row 2 is broken\n")
