"""What a stream client that stalls can cost, on a socket whose reading is in the test's hand."""

import asyncio
from typing import Any

import pytest

import api.connection
from api.connection import MAX_QUEUED, MAX_QUEUED_BYTES, RESTART, TOO_SLOW, Connection


class HandSocket:
    """A WebSocket whose peer takes a frame only when the test lets it."""

    def __init__(self) -> None:
        self.taking = asyncio.Event()
        self.taken: list[str] = []
        self.closed: tuple[int, str] | None = None
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def receive(self) -> dict[str, Any]:
        return await self.incoming.get()

    async def send_text(self, text: str) -> None:
        await self.taking.wait()
        self.taken.append(text)

    async def close(self, code: int, reason: str) -> None:
        await self.taking.wait()
        self.closed = (code, reason)


@pytest.fixture
def socket() -> HandSocket:
    return HandSocket()


def connect(socket: HandSocket) -> tuple[Connection, "asyncio.Task[None]"]:
    connection = Connection(socket)  # type: ignore[arg-type]
    running = asyncio.ensure_future(connection.run(lambda _: None, lambda: None))
    return connection, running


async def test_frames_are_delivered_in_order(socket: HandSocket) -> None:
    socket.taking.set()
    connection, running = connect(socket)
    for number in range(100):
        connection.send(b"%d" % number)
    while len(socket.taken) < 100:
        await asyncio.sleep(0)
    assert socket.taken == [str(number) for number in range(100)]
    socket.incoming.put_nowait({"type": "websocket.disconnect"})
    await running
    assert socket.closed is None


async def test_too_many_waiting_frames_cut_the_client(socket: HandSocket) -> None:
    connection, running = connect(socket)
    for _ in range(MAX_QUEUED):
        connection.send(b"x")
    assert connection.close_code == 0
    connection.send(b"x")
    assert connection.close_code == TOO_SLOW
    socket.taking.set()
    await running
    assert socket.closed == (TOO_SLOW, "TOO_SLOW")


async def test_too_many_waiting_bytes_cut_the_client(socket: HandSocket) -> None:
    connection, running = connect(socket)
    frame = b"x" * (MAX_QUEUED_BYTES // 4)
    for _ in range(4):
        connection.send(frame)
    assert connection.close_code == 0
    connection.send(b"x")
    assert connection.close_code == TOO_SLOW
    socket.taking.set()
    await running


async def test_one_frame_may_wait_whatever_its_size(socket: HandSocket) -> None:
    connection, running = connect(socket)
    connection.send(b"x" * (2 * MAX_QUEUED_BYTES))
    assert connection.close_code == 0
    connection.close(RESTART)
    socket.taking.set()
    await running


async def test_bytes_that_were_taken_no_longer_count(socket: HandSocket) -> None:
    socket.taking.set()
    connection, running = connect(socket)
    for number in range(8):
        connection.send(b"x" * (MAX_QUEUED_BYTES // 2))
        while len(socket.taken) <= number:
            await asyncio.sleep(0)
    assert connection.close_code == 0
    connection.close(RESTART)
    await running


async def test_a_client_that_never_reads_is_dropped_all_the_same(
    socket: HandSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.connection, "CLOSE_SECONDS", 0.05)
    connection, running = connect(socket)
    connection.send(b"x")
    connection.close(TOO_SLOW)
    await asyncio.wait_for(running, 1)
    assert socket.closed is None


async def test_nothing_is_queued_for_a_client_that_is_leaving(socket: HandSocket) -> None:
    connection, running = connect(socket)
    connection.close(RESTART)
    connection.send(b"late")
    connection.close(TOO_SLOW)
    socket.taking.set()
    await running
    assert (socket.taken, socket.closed) == ([], (RESTART, "RESTART"))


async def test_a_fault_of_ours_ends_the_stream_and_says_so(socket: HandSocket) -> None:
    def fail(_text: str) -> None:
        raise ZeroDivisionError

    socket.taking.set()
    connection = Connection(socket)  # type: ignore[arg-type]
    socket.incoming.put_nowait({"type": "websocket.receive", "text": "{}"})
    await connection.run(fail, lambda: None)
    assert socket.closed == (1011, "INTERNAL")


async def test_a_cancelled_connection_leaves_no_task(socket: HandSocket) -> None:
    before = asyncio.all_tasks()
    _connection, running = connect(socket)
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert asyncio.all_tasks() == before
