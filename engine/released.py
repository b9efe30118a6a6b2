"""One released step of the log: what settlement, read models and streams consume."""

import msgspec

from engine.commands import Envelope
from engine.events import AnyEvent


class Released(msgspec.Struct, frozen=True):
    """A durable command with its events, in seq order without gaps."""

    seq: int
    envelope: Envelope
    events: tuple[AnyEvent, ...]
