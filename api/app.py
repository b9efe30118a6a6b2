"""The HTTP application: routes, policy, problems, trace ids, body limit."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from fastapi import Depends, FastAPI, WebSocket
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException

from api import problems
from api.access import authorise
from api.components import Components
from api.documentation import RESPONSES, document
from api.routes import (
    acts,
    funds,
    market,
    operations,
    phases,
    registry,
    regulator,
    sessions,
    settlement,
    system,
    trading,
)
from api.stream import Hub, serve_stream

DESCRIPTION = """Open carbon exchange for a regional market (京碳).

Prices and money are decimal strings in CNY, quantities whole tonnes, times RFC 3339 in UTC.
Errors are RFC 9457 problem+json with a stable `code`; `Accept-Language: zh` gives Chinese.
"""

ROUTERS = (
    system.router,
    sessions.router,
    market.router,
    trading.router,
    operations.router,
    funds.router,
    acts.router,
    phases.router,
    settlement.router,
    regulator.router,
    registry.router,
)


def create_app(parts: Components, hub: Hub) -> FastAPI:
    """The application over its components; `hub` serves the stream."""
    app = FastAPIOffline(
        title="Jingtan 京碳",
        version="1",
        description=DESCRIPTION,
        redirect_slashes=False,
    )
    app.state.components = parts
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router, dependencies=[Depends(authorise)], responses=RESPONSES)
    document(app)
    app.add_middleware(EdgeLimits)

    @app.websocket("/v1/stream")
    async def stream(socket: WebSocket) -> None:
        await serve_stream(socket, parts, hub)

    return app


class EdgeLimits:
    """ASGI middleware: a trace id for each request, and no body beyond problems.MAX_BODY_BYTES."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Pass the request on, counting its body and naming it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        trace_id = problems.new_trace_id()
        scope["trace_id"] = trace_id
        header = (b"x-request-id", trace_id.encode())
        received = 0

        async def count() -> Any:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > problems.MAX_BODY_BYTES:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return message

        async def name(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), header]
            await send(message)

        await self._app(scope, count, name)
