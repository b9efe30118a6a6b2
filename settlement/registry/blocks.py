"""Which serials a transfer moves: pure planning over unit blocks.

Invariants
- the lowest serials go first, so that any cutting of requests into batches moves the same ones;
- a transfer opens exactly the serials it closes, or does nothing and has a refusal;
- ranges that touch become one block of the receiver.

It knows nothing of money, trades or SQL.
"""

import heapq
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from settlement.ports import TransferKind, TransferRequest, UnitStatus

NOT_ENOUGH_UNITS = "REGISTRY_NOT_ENOUGH_UNITS"
SAME_HOLDER = "REGISTRY_SAME_HOLDER"

_STATUSES = {
    TransferKind.LOCK: (UnitStatus.HELD, UnitStatus.LOCKED),
    TransferKind.RELEASE: (UnitStatus.LOCKED, UnitStatus.HELD),
    TransferKind.TRANSFER: (UnitStatus.LOCKED, UnitStatus.LOCKED),
}


class Slot(NamedTuple):
    """What a block belongs to."""

    holder: str
    series_id: str
    status: UnitStatus


class Block(msgspec.Struct):
    """Serials, both ends inclusive, opened by a stored transfer or by a request of this plan.

    One of transfer_id and key is set; closed_by is the key of the request that closes it.
    """

    slot: Slot
    serial_from: int
    serial_to: int
    line: int
    transfer_id: int = 0
    key: str = ""
    closed_by: str = ""

    @property
    def quantity(self) -> int:
        """Tonnes."""
        return self.serial_to - self.serial_from + 1


class Plan(msgspec.Struct):
    """What to write: refusals by key, stored blocks that close, and blocks that open."""

    refusals: dict[str, str]
    closed: list[Block]
    opened: list[Block]


def giving_slot(request: TransferRequest) -> Slot:
    """Where a request takes its units from."""
    return Slot(request.from_holder, request.series_id, _STATUSES[request.kind][0])


def receiving_slot(request: TransferRequest) -> Slot:
    """Where a request puts its units."""
    return Slot(request.to_holder, request.series_id, _STATUSES[request.kind][1])


def needs(requests: Iterable[TransferRequest]) -> dict[Slot, int]:
    """Tonnes each slot must be able to give; a plan needs no more of its stored blocks."""
    tonnes: dict[Slot, int] = {}
    for request in requests:
        slot = giving_slot(request)
        tonnes[slot] = tonnes.get(slot, 0) + request.quantity
    return tonnes


def plan(requests: Sequence[TransferRequest], stored: Iterable[Block]) -> Plan:
    """Carry out the requests in order over the stored open blocks.

    `stored` holds each giving slot's lowest blocks up to its need, or all it has.
    O((requests + blocks) log blocks).
    """
    stock = _Stock(stored)
    result = Plan({}, [], [])
    for request in requests:
        refusal = stock.find_fault(request)
        if refusal:
            result.refusals[request.key] = refusal
            continue
        taken = stock.take(giving_slot(request), request.quantity)
        for block in taken:
            block.closed_by = request.key
        result.closed += [block for block in taken if block.transfer_id]
        opened = _open(request, taken)
        for block in opened:
            stock.put(block)
        result.opened += opened
    return result


class _Stock:
    def __init__(self, blocks: Iterable[Block]) -> None:
        self._heaps: dict[Slot, list[tuple[int, Block]]] = {}
        self._tonnes: dict[Slot, int] = {}
        for block in blocks:
            self.put(block)

    def put(self, block: Block) -> None:
        heapq.heappush(self._heaps.setdefault(block.slot, []), (block.serial_from, block))
        self._tonnes[block.slot] = self._tonnes.get(block.slot, 0) + block.quantity

    def find_fault(self, request: TransferRequest) -> str:
        slot = giving_slot(request)
        if slot == receiving_slot(request):
            return SAME_HOLDER
        if self._tonnes.get(slot, 0) < request.quantity:
            return NOT_ENOUGH_UNITS
        return ""

    def take(self, slot: Slot, quantity: int) -> list[Block]:
        heap = self._heaps[slot]
        taken: list[Block] = []
        have = 0
        while have < quantity:
            block = heapq.heappop(heap)[1]
            taken.append(block)
            have += block.quantity
        self._tonnes[slot] -= have
        return taken


def _open(request: TransferRequest, taken: Sequence[Block]) -> list[Block]:
    rest = sum(block.quantity for block in taken) - request.quantity
    ranges: list[list[int]] = []
    for block in taken:
        serial_to = block.serial_to - rest if block is taken[-1] else block.serial_to
        if ranges and ranges[-1][1] + 1 == block.serial_from:
            ranges[-1][1] = serial_to
        else:
            ranges.append([block.serial_from, serial_to])
    slot = receiving_slot(request)
    opened = [
        Block(slot, serial_from, serial_to, line, key=request.key)
        for line, (serial_from, serial_to) in enumerate(ranges, start=1)
    ]
    if rest:
        last = taken[-1]
        remainder = Block(
            last.slot, last.serial_to - rest + 1, last.serial_to, len(opened) + 1, key=request.key
        )
        opened.append(remainder)
    return opened
