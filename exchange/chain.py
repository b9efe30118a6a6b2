"""The hash chain over the journal.

    chain(n) = SHA-256(tag | chain(n-1) | u64 seq | u64 epoch
                       | u32 len | command | u32 len | events)        all big-endian

chain(0) is 32 zero bytes.  The format is published in docs/journal-format.md; the verifier
(exchange/verifier.py) implements it again and shares nothing with this module.
"""

import hashlib
import struct

TAG = b"jingtan-journal-1"
GENESIS = bytes(32)
_HEAD = struct.Struct(">QQI")
_LENGTH = struct.Struct(">I")


def link(previous: bytes, seq: int, epoch: int, command: bytes, events: bytes) -> bytes:
    """The chain value of one journal row, 32 bytes."""
    hashed = hashlib.sha256(TAG)
    hashed.update(previous)
    hashed.update(_HEAD.pack(seq, epoch, len(command)))
    hashed.update(command)
    hashed.update(_LENGTH.pack(len(events)))
    hashed.update(events)
    return hashed.digest()
