"""A start that cannot succeed ends with one clear line and its documented exit code.

No traceback, no half-open market: the same through the real command each time.
"""

import signal
import socket
from collections.abc import Iterator

import asyncpg
import pytest

from api.main import ExitCode
from exchange.embedded import EmbeddedPostgres
from tests.reliability import markets
from tests.reliability.markets import Market
from tests.reliability.server_process import ServerProcess, free_port

TRIGGER = "journal_is_append_only"
ALTER_EVENTS = """
UPDATE exchange.journal SET events = set_byte(events, 20, get_byte(events, 20) # 1)
 WHERE seq = (SELECT max(seq) FROM exchange.journal WHERE events LIKE '%"OrderAccepted"%')
RETURNING seq
"""


@pytest.fixture(scope="module")
def unreachable() -> Iterator[ServerProcess]:
    """Waits for a database where nobody listens, while the other tests of this module run."""
    url = f"postgresql://postgres:secret-word@127.0.0.1:{free_port()}/jingtan"
    server = ServerProcess(markets.new_directory(), environment={"DATABASE_URL": url})
    server.start()
    yield server
    server.end()


async def test_a_taken_port_is_named(unreachable: ServerProcess, market: Market) -> None:
    server = market.server
    with socket.socket() as other:
        other.bind(("127.0.0.1", server.port))
        other.listen()
        server.start()
        line = await _refusal(server, ExitCode.PORT_TAKEN)
    assert str(server.port) in line
    assert "JINGTAN_PORT" in line


async def test_an_altered_journal_row_is_named_and_stays_refused(market: Market) -> None:
    server = market.server
    server.start()
    await server.wait_ready()
    server.kill()
    seq = await _alter_a_row(server)
    for _ in range(2):
        server.start()
        line = await _refusal(server, ExitCode.JOURNAL_BROKEN)
        assert f"seq {seq}" in line


async def test_a_database_that_does_not_exist_is_named(market: Market) -> None:
    database = EmbeddedPostgres(market.server.data_dir)
    dsn = await database.start()
    try:
        market.server.environment["DATABASE_URL"] = dsn.replace("/jingtan?", "/nowhere?")
        market.server.start()
        line = await _refusal(market.server, ExitCode.DATABASE_UNREACHABLE)
    finally:
        await database.stop()
    assert "nowhere" in line


async def test_an_address_that_is_none_is_refused(market: Market) -> None:
    market.server.environment["DATABASE_URL"] = "mysql://somewhere/else"
    market.server.start()
    line = await _refusal(market.server, ExitCode.DATABASE_UNREACHABLE)
    assert "postgresql://" in line


async def test_sigterm_and_sigint_end_it_in_order(market: Market) -> None:
    server = market.server
    for number in (signal.SIGTERM, signal.SIGINT):
        server.start()
        await server.wait_ready()
        assert await server.stop(number) == ExitCode.OK
        assert server.last_words() == []
        assert server.postmaster_pid() is None


async def test_a_database_that_cannot_be_reached_is_named(unreachable: ServerProcess) -> None:
    line = await _refusal(unreachable, ExitCode.DATABASE_UNREACHABLE)
    assert "127.0.0.1" in line
    assert "secret-word" not in unreachable.stderr()


async def _refusal(server: ServerProcess, expected: ExitCode) -> str:
    """The one line, after the process has ended with this code."""
    assert await server.exit_code() == expected, server.stderr()
    assert "Traceback" not in server.stderr()
    [line] = server.last_words()
    return line


async def _alter_a_row(server: ServerProcess) -> int:
    """Change a row as somebody can who owns the machine: triggers off, one byte, triggers on."""
    connection = await asyncpg.connect(server.socket_dsn)
    try:
        await connection.execute("ALTER TABLE exchange.journal DISABLE TRIGGER " + TRIGGER)
        seq: int = await connection.fetchval(ALTER_EVENTS)
        assert seq
        await connection.execute("ALTER TABLE exchange.journal ENABLE ALWAYS TRIGGER " + TRIGGER)
    finally:
        await connection.close()
    return seq
