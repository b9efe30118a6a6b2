"""The stream behind real sockets: hostile frames, stalled peers, many clients (G1)."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from time import monotonic
from typing import Any

import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

import api.connection
import api.main
from tests.api.client import Json
from tests.api.market_api import BEA, MarketApi
from tests.api.server import Served, served

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLIENTS = 50
STALLED = 10
BIG = b'{"channel":"big","x":"' + b"x" * 1_000_000 + b'"}'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(shared_market: MarketApi) -> AsyncIterator[Served]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api.main, "STALLED_PEER_MS", 1_000)
        async with served(shared_market) as running:
            yield running


async def ask(client: ClientConnection, frame: Json) -> Json:
    await client.send(json.dumps(frame))
    while True:
        said: Json = json.loads(await asyncio.wait_for(client.recv(), 5))
        if said.get("channel") != "heartbeat":
            return said


async def subscribe(client: ClientConnection) -> Json:
    return await ask(client, {"op": "subscribe", "channel": "book", "instrument_id": BEA})


async def end_of(client: ClientConnection) -> tuple[int, str]:
    """Read until the server has closed; its code and reason."""
    while True:
        try:
            await asyncio.wait_for(client.recv(), 10)
        except ConnectionClosed:
            assert client.close_code is not None
            return client.close_code, client.close_reason or ""


async def until(is_so: Callable[[], bool], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not is_so():
            await asyncio.sleep(0.01)


Attack = Callable[[ClientConnection], Awaitable[Any]]
ATTACKS: dict[str, tuple[Attack, int]] = {
    "a frame of 17 KiB": (lambda client: client.send("x" * 17 * 1024), 1009),
    "many fragments of one frame": (lambda client: client.send(["x" * 1_000] * 20), 1009),
}


@pytest.mark.parametrize("case", ATTACKS)
async def test_an_oversized_frame_ends_the_stream(case: str, server: Served) -> None:
    attack, code = ATTACKS[case]
    async with connect(server.stream_url) as client:
        await attack(client)
        assert (await end_of(client))[0] == code


async def test_a_frame_of_16_kib_is_still_read(server: Served) -> None:
    frame = json.dumps({"op": "x" * (16 * 1024 - len('{"op": ""}'))})
    assert len(frame) == 16 * 1024
    async with connect(server.stream_url) as client:
        assert (await ask(client, json.loads(frame)))["code"] == "INPUT_INVALID"


async def test_binary_frames_are_refused_without_ending_the_stream(server: Served) -> None:
    async with connect(server.stream_url) as client:
        await client.send(b'{"op":"ping"}')
        assert json.loads(await client.recv())["code"] == "INPUT_INVALID"
        assert await ask(client, {"op": "ping"}) == {"op": "pong"}


async def test_bytes_that_are_no_frames_end_only_their_own_connection(server: Served) -> None:
    async with connect(server.stream_url) as bystander:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(
            b"GET /v1/stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert b"101 Switching Protocols" in await reader.readuntil(b"\r\n\r\n")
        writer.write(b"\xff\xff\xff\xff\xff\xff\xff\xff")
        assert (await asyncio.wait_for(reader.read(), 5))[:1] in (b"\x88", b"")
        writer.close()
        assert await ask(bystander, {"op": "ping"}) == {"op": "pong"}


async def test_frames_are_not_compressed(server: Served) -> None:
    async with connect(server.stream_url, compression="deflate") as client:
        assert client.protocol.extensions == []


async def test_a_flood_of_frames_is_answered_frame_by_frame(server: Served) -> None:
    async with connect(server.stream_url) as client:
        for _ in range(500):
            await client.send('{"op":"ping"}')
        for _ in range(500):
            assert await client.recv() == '{"op":"pong"}'


async def test_a_client_that_vanishes_is_forgotten(
    server: Served, shared_market: MarketApi
) -> None:
    hub = shared_market.hub
    before = hub.connection_count
    client = await connect(server.stream_url)
    await subscribe(client)
    assert hub.connection_count == before + 1
    client.transport.abort()
    await until(lambda: hub.connection_count == before, 2)


def swamp(market: MarketApi) -> None:
    """Queue more for every client than any kernel buffers."""
    for connection in list(market.hub._connections):
        for _ in range(7):
            connection.send(BIG)


async def test_a_peer_that_reads_again_in_time_learns_why_it_was_cut(
    server: Served, shared_market: MarketApi
) -> None:
    async with connect(server.stream_url, max_size=None, max_queue=1) as slow:
        await subscribe(slow)
        for _ in range(4):
            swamp(shared_market)
            await asyncio.sleep(0.05)
        assert await end_of(slow) == (4008, "TOO_SLOW")


async def test_a_peer_that_never_reads_is_dropped_by_the_kernel_too(
    server: Served, shared_market: MarketApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.connection, "CLOSE_SECONDS", 0.2)
    hub, sockets = shared_market.hub, server.server.server_state.connections
    before = (hub.connection_count, len(sockets))
    peer = socket.create_connection(("127.0.0.1", server.port))
    stalled = await connect(server.stream_url, sock=peer, max_queue=1, max_size=None)
    await subscribe(stalled)
    stalled.transport.pause_reading()
    started = monotonic()
    while hub.connection_count > before[0]:
        swamp(shared_market)
        await asyncio.sleep(0.05)
        assert monotonic() - started < 5
    await until(lambda: len(sockets) <= before[1], 8)
    stalled.transport.abort()


async def test_stalled_clients_do_not_hold_up_the_others(
    server: Served, shared_market: MarketApi
) -> None:
    clients = [await connect(server.stream_url, max_queue=1) for _ in range(CLIENTS)]
    snapshots = [await subscribe(client) for client in clients]
    seqs = {snapshot["seq"] for snapshot in snapshots}
    assert len(seqs) == 1
    stalled, readers = clients[:STALLED], clients[STALLED:]
    for client in stalled:
        client.transport.pause_reading()
    order = await shared_market.enter("trader-b", "BUY", 3, "90.00")
    trader = await shared_market.be("trader-b")
    path = f"/v1/orders/{order['order_id']}"
    for number in range(50):
        await trader.patch(path, {"price": f"9{1 - number % 2}.00"})

    async def follow(client: ClientConnection) -> list[int]:
        found: list[int] = []
        while len(found) < 51:
            frame = json.loads(await asyncio.wait_for(client.recv(), 5))
            if frame["channel"] == "book":
                assert frame["prev_seq"] == (found[-1] if found else min(seqs))
                found.append(frame["seq"])
        return found

    heard = await asyncio.gather(*(follow(client) for client in readers))
    assert all(found == heard[0] for found in heard)
    for client in clients:
        client.transport.abort()


async def test_rest_and_stream_answer_on_the_same_port(
    server: Served, shared_market: MarketApi
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    reply = (await asyncio.wait_for(reader.read(), 5)).lower()
    writer.close()
    assert reply.startswith(b"http/1.1 200 ok")
    assert b"x-request-id: " in reply
    assert b"\r\nserver:" not in reply
