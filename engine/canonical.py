"""The canonical form of commands, events and state: compact JSON with sorted keys, UTF-8.

It is what the journal stores and the hash chain covers (docs/journal-format.md), so that anybody
can read and verify it in any language.  Numbers are integers only.
"""

import hashlib

import msgspec

from engine.commands import Envelope
from engine.events import AnyEvent

_encoder = msgspec.json.Encoder(order="sorted")
_envelope_decoder = msgspec.json.Decoder(Envelope)
_events_decoder = msgspec.json.Decoder(tuple[AnyEvent, ...])


def encode(value: object) -> bytes:
    """Canonical bytes of a command, an event list or a state record; integer keys become text."""
    if isinstance(value, Envelope | tuple):
        return _encoder.encode(value)  # the log's hot path has text keys only
    return _encoder.encode(msgspec.to_builtins(value, str_keys=True))


def decode_envelope(data: bytes) -> Envelope:
    """The envelope of canonical bytes; raises msgspec.ValidationError if it is none."""
    return _envelope_decoder.decode(data)


def decode_events(data: bytes) -> tuple[AnyEvent, ...]:
    """The events of canonical bytes; raises msgspec.ValidationError if they are none."""
    return _events_decoder.decode(data)


def body_hash(value: object) -> str:
    """Fingerprint of a request body: the same body gives the same hash on every machine."""
    return hashlib.blake2b(_encoder.encode(value), digest_size=16).hexdigest()


def digest(value: object) -> bytes:
    """SHA-256 over the canonical form."""
    return hashlib.sha256(encode(value)).digest()
