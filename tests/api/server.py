"""The application behind real sockets: uvicorn on a port of its own, in the test's event loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import uvicorn

from api.main import _bind, _Server, _uvicorn_config
from api.settings import Settings
from tests.api.market_api import MarketApi


class Served(NamedTuple):
    """Where the application answers, and the server that does it."""

    port: int
    server: uvicorn.Server

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def stream_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/stream"


@asynccontextmanager
async def served(market: MarketApi) -> AsyncIterator[Served]:
    """The market's application, served as `jingtan serve` does it."""
    listener = _bind(Settings(port=0, data_dir=Path()))
    server = _Server(_uvicorn_config(market.app))
    serving = asyncio.ensure_future(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.005)
    try:
        yield Served(listener.getsockname()[1], server)
    finally:
        market.hub.close_all(1012)
        server.ask_to_stop()
        await asyncio.wait_for(serving, 10)
        listener.close()
