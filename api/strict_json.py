"""Bodies read strictly: UTF-8, each name once in its object, no NaN, no Infinity.

Readers differ on what a repeated name means; what one party signs or checks, another could act on
differently.  Such a body is refused whole.
"""

import json
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

from fastapi import Request
from fastapi.responses import Response
from fastapi.routing import APIRoute


class StrictRequest(Request):
    """A request whose JSON leaves nothing to interpretation."""

    async def json(self) -> Any:
        """The body's value; raises JSONDecodeError, which becomes BODY_MALFORMED."""
        body = await self.body()
        try:
            return _DECODER.decode(body.decode("utf-8"))
        except json.JSONDecodeError:
            raise
        except (ValueError, RecursionError) as fault:
            raise json.JSONDecodeError(str(fault), "", 0) from fault


class StrictRoute(APIRoute):
    """A route that reads its body by StrictRequest."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, given the strict request."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            return await handler(StrictRequest(request.scope, request.receive))

        return handle


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice in an object")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse)
