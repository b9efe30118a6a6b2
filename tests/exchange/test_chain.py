"""The hash chain, against the published formula written out by hand."""

import hashlib

import pytest

from exchange.chain import GENESIS, TAG, link


def by_hand(previous: bytes, seq: int, epoch: int, command: bytes, events: bytes) -> bytes:
    return hashlib.sha256(
        b"jingtan-journal-1"
        + previous
        + seq.to_bytes(8, "big")
        + epoch.to_bytes(8, "big")
        + len(command).to_bytes(4, "big")
        + command
        + len(events).to_bytes(4, "big")
        + events
    ).digest()


def test_a_link_is_the_published_formula() -> None:
    row = (7, 3, b'{"a":1}', b"[]")
    first = link(GENESIS, *row)
    assert first == by_hand(bytes(32), *row)
    assert link(first, 8, 2**40, b"", b"x" * 70_000) == by_hand(first, 8, 2**40, b"", b"x" * 70_000)
    assert TAG == b"jingtan-journal-1"


ROW = (GENESIS, 7, 3, b"command", b"events")


@pytest.mark.parametrize(
    "other",
    [
        (b"\x01" + bytes(31), 7, 3, b"command", b"events"),
        (GENESIS, 8, 3, b"command", b"events"),
        (GENESIS, 7, 4, b"command", b"events"),
        (GENESIS, 7, 3, b"commane", b"events"),
        (GENESIS, 7, 3, b"command", b"event"),
        (GENESIS, 7, 3, b"commande", b"vents"),  # the same bytes, cut elsewhere
        (GENESIS, 7, 3, b"", b"commandevents"),
    ],
)
def test_every_part_of_a_row_is_in_its_link(other: tuple[bytes, int, int, bytes, bytes]) -> None:
    assert link(*other) != link(*ROW)
