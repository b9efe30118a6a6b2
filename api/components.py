"""The parts a request handler works with, put together in api/main.py."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from api.identity.people import People
from api.identity.sessions import Sessions
from api.identity.signatures import SignatureVerifier
from api.links import RegistryOffice
from exchange.clock import Clock
from exchange.service import Exchange
from settlement.consumer import Settlement
from settlement.queries import SettlementQueries


@dataclass(frozen=True, slots=True)
class Components:
    """Everything behind the edge."""

    exchange: Exchange
    settlement: Settlement
    books: SettlementQueries
    registry: RegistryOffice
    people: People
    sessions: Sessions
    signatures: SignatureVerifier
    clock: Clock
    is_demo: bool


async def components_of(request: Request) -> Components:
    """The components of the app that serves this request."""
    found: Components = request.app.state.components
    return found


Parts = Annotated[Components, Depends(components_of)]
