"""Which serials move: the plan against a twin that moves single tonnes."""

import random
from collections import Counter

import pytest

from settlement.ports import TransferKind, TransferRequest, UnitStatus
from settlement.registry.blocks import (
    NOT_ENOUGH_UNITS,
    SAME_HOLDER,
    Block,
    Plan,
    Slot,
    giving_slot,
    needs,
    plan,
    receiving_slot,
)

HELD, LOCKED = UnitStatus.HELD, UnitStatus.LOCKED


def stored(text: str) -> list[Block]:
    """Open blocks from text: "A locked 1-10, B held 11-12" (series BEA)."""
    blocks = []
    for number, words in enumerate(text.split(", "), start=1):
        holder, status, serials = words.split()
        first, last = map(int, serials.split("-"))
        slot = Slot(holder, "BEA", UnitStatus(status))
        blocks.append(Block(slot, first, last, line=1, transfer_id=number))
    return blocks


def asked(text: str) -> list[TransferRequest]:
    """Requests from text: "A>B 5, lock A 3, release A 2"; keys are r1, r2..."""
    requests = []
    for number, words in enumerate(text.split(", "), start=1):
        *verb, who, quantity = words.split()
        kind = TransferKind(verb[0]) if verb else TransferKind.TRANSFER
        giver, _, receiver = who.partition(">")
        requests.append(
            TransferRequest(f"r{number}", kind, "BEA", giver, receiver or giver, int(quantity))
        )
    return requests


def open_after(blocks: list[Block], made: Plan) -> list[str]:
    """What is open after a plan, in the words of `stored`."""
    closed = {(block.transfer_id, block.line) for block in made.closed}
    left = [block for block in blocks if (block.transfer_id, block.line) not in closed]
    left += [block for block in made.opened if not block.closed_by]
    return [
        f"{block.slot.holder} {block.slot.status} {block.serial_from}-{block.serial_to}"
        for block in sorted(left, key=lambda block: block.serial_from)
    ]


@pytest.mark.parametrize(
    ("before", "requests", "after"),
    [
        ("A locked 1-10", "A>B 10", ["B locked 1-10"]),
        ("A locked 1-10", "A>B 4", ["B locked 1-4", "A locked 5-10"]),
        (
            "A locked 1-4, A locked 9-12",
            "A>B 6",
            ["B locked 1-4", "B locked 9-10", "A locked 11-12"],
        ),
        ("A locked 1-4, A locked 5-8", "A>B 6", ["B locked 1-6", "A locked 7-8"]),
        ("A locked 9-12, A locked 1-4", "A>B 4", ["B locked 1-4", "A locked 9-12"]),
        ("A held 1-10", "lock A 3", ["A locked 1-3", "A held 4-10"]),
        ("A locked 1-10", "release A 3", ["A held 1-3", "A locked 4-10"]),
        ("A locked 1-5", "A>B 5, B>C 2", ["C locked 1-2", "B locked 3-5"]),
        (
            "A locked 1-5, B locked 6-9",
            "A>B 2, B>C 3",
            ["C locked 1-2", "A locked 3-5", "C locked 6-6", "B locked 7-9"],
        ),
        ("A held 1-5", "lock A 5, A>B 5, release B 5", ["B held 1-5"]),
    ],
)
def test_the_lowest_serials_go_first(before: str, requests: str, after: list[str]) -> None:
    blocks = stored(before)
    made = plan(asked(requests), blocks)
    assert made.refusals == {}
    assert open_after(blocks, made) == after


@pytest.mark.parametrize(
    ("before", "requests", "refusals"),
    [
        ("A locked 1-10", "A>B 11", {"r1": NOT_ENOUGH_UNITS}),
        ("A held 1-10", "A>B 1", {"r1": NOT_ENOUGH_UNITS}),
        ("A locked 1-10", "lock A 1", {"r1": NOT_ENOUGH_UNITS}),
        ("A locked 1-10", "A>A 1", {"r1": SAME_HOLDER}),
        ("A locked 1-10", "A>B 8, A>B 3, A>B 2", {"r2": NOT_ENOUGH_UNITS}),
    ],
)
def test_a_refused_request_moves_nothing(
    before: str, requests: str, refusals: dict[str, str]
) -> None:
    made = plan(asked(requests), stored(before))
    assert made.refusals == refusals
    moved = {block.key for block in made.opened} | {block.closed_by for block in made.closed}
    assert not moved & set(refusals)


def test_a_block_that_opens_and_closes_in_one_plan_names_both_requests() -> None:
    made = plan(asked("A>B 5, B>C 5"), stored("A locked 1-5"))
    assert [(block.key, block.closed_by) for block in made.opened] == [("r1", "r2"), ("r2", "")]


def test_needs_add_up_by_giving_slot() -> None:
    assert needs(asked("A>B 5, A>C 2, lock A 3")) == {
        Slot("A", "BEA", LOCKED): 7,
        Slot("A", "BEA", HELD): 3,
    }


@pytest.mark.parametrize("seed", range(40))
def test_random_requests_move_what_single_tonnes_would(seed: int) -> None:
    chance = random.Random(seed)
    owners = _random_owners(chance)
    requests = _random_requests(chance)
    blocks = _as_blocks(owners)
    made = plan(requests, blocks)

    refused = {request.key for request in requests if not _move_tonnes(owners, request)}
    assert set(made.refusals) == refused, f"seed {seed}"
    assert _as_owners(blocks, made) == owners, f"seed {seed}"
    _check_conservation(requests, made, blocks)


@pytest.mark.parametrize("seed", range(20))
def test_any_cut_into_batches_moves_the_same_serials(seed: int) -> None:
    chance = random.Random(1_000 + seed)
    owners = _random_owners(chance)
    requests = _random_requests(chance)
    together = _as_owners(blocks := _as_blocks(owners), plan(requests, blocks))
    cut = chance.randrange(len(requests))
    for batch in (requests[:cut], requests[cut:]):
        blocks = _as_blocks(owners)
        needed = _lowest_needed(blocks, needs(batch))
        owners = _as_owners(blocks, plan(batch, needed))
    assert owners == together, f"seed {seed}"


def _random_owners(chance: random.Random) -> dict[int, Slot]:
    slots = [Slot(holder, "BEA", status) for holder in "ABC" for status in (HELD, LOCKED)]
    return {serial: chance.choice(slots) for serial in range(1, 61)}


def _random_requests(chance: random.Random) -> list[TransferRequest]:
    requests = []
    for number in range(30):
        kind = chance.choice([*TransferKind, TransferKind.TRANSFER])
        giver, other = chance.choice("ABC"), chance.choice("ABC")
        receiver = other if kind is TransferKind.TRANSFER else giver
        quantity = chance.randint(1, 12)
        requests.append(TransferRequest(f"r{number}", kind, "BEA", giver, receiver, quantity))
    return requests


def _move_tonnes(owners: dict[int, Slot], request: TransferRequest) -> bool:
    giver, receiver = giving_slot(request), receiving_slot(request)
    mine = sorted(serial for serial, slot in owners.items() if slot == giver)
    if giver == receiver or len(mine) < request.quantity:
        return False
    for serial in mine[: request.quantity]:
        owners[serial] = receiver
    return True


def _as_blocks(owners: dict[int, Slot]) -> list[Block]:
    return [
        Block(slot, serial, serial, line=serial, transfer_id=1)
        for serial, slot in sorted(owners.items())
    ]


def _lowest_needed(blocks: list[Block], need: dict[Slot, int]) -> list[Block]:
    taken: Counter[Slot] = Counter()
    found = []
    for block in blocks:
        if taken[block.slot] < need.get(block.slot, 0):
            taken[block.slot] += block.quantity
            found.append(block)
    return found


def _as_owners(blocks: list[Block], made: Plan) -> dict[int, Slot]:
    closed = {block.line for block in made.closed}
    left = [block for block in blocks if block.line not in closed]
    left += [block for block in made.opened if not block.closed_by]
    owners: dict[int, Slot] = {}
    for block in left:
        for serial in range(block.serial_from, block.serial_to + 1):
            assert serial not in owners
            owners[serial] = block.slot
    return owners


def _check_conservation(requests: list[TransferRequest], made: Plan, blocks: list[Block]) -> None:
    for request in requests:
        closed = [b for b in (*blocks, *made.opened) if b.closed_by == request.key]
        opened = [b for b in made.opened if b.key == request.key]
        assert _serials(closed) == _serials(opened)


def _serials(blocks: list[Block]) -> list[int]:
    return sorted(s for b in blocks for s in range(b.serial_from, b.serial_to + 1))
