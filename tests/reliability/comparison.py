"""Compares what clients were told with what the market holds afterwards.

    lost      acknowledged to a client, and absent or different now
    doubled   one request, more than one effect
    invented  an effect that nobody asked for, or that its sender was refused
    unsound   accounts that do not follow from the trades, money or units that come or go

Each finding names its request, order or trade. The rule is the clients' record, not the journal.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from tests.reliability.load import Sent
from tests.reliability.market_state import OPEN, Fill, Holdings, State, fen
from tests.reliability.streams import Listener


class AckTrade(msgspec.Struct, frozen=True):
    """A trade as an acknowledgement tells it."""

    trade_id: int
    price: str
    quantity: int
    value: str
    fee: str


class EntryAck(msgspec.Struct):
    """The answer to an order entry."""

    order_id: int
    client_order_id: str
    instrument_id: str
    side: str
    price: str
    quantity: int
    time_in_force: str
    cumulative_quantity: int
    trades: list[AckTrade]
    entered_at: str


class AmendAck(msgspec.Struct):
    """The answer to an amendment."""

    order_id: int
    price: str | None
    quantity: int | None
    version: int | None
    trades: list[AckTrade]


class CancelAck(msgspec.Struct):
    """The answer to a cancellation."""

    order_id: int
    canceled_quantity: int


class ShownOrder(msgspec.Struct):
    """An order in a frame of `executions`."""

    order_id: int
    client_order_id: str
    status: str
    cumulative_quantity: int
    version: int


class Tape(msgspec.Struct, frozen=True):
    """A trade in a frame of `trades`."""

    trade_id: int
    instrument_id: str
    price: str
    quantity: int


class Frame(msgspec.Struct):
    """Any frame of the stream."""

    channel: str = ""
    type: str = ""
    instrument_id: str = ""
    seq: int = 0
    prev_seq: int = -1
    order: ShownOrder | None = None
    orders: list[ShownOrder] = []
    fill: Fill | None = None
    trades: list[Tape] = []


@dataclass(slots=True)
class Findings:
    """What does not agree; all empty is the promise kept."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    invented: list[str] = field(default_factory=list)
    unsound: list[str] = field(default_factory=list)
    checked: int = 0

    def add(self, other: "Findings") -> None:
        """Take another comparison's findings in."""
        self.lost += other.lost
        self.doubled += other.doubled
        self.invented += other.invented
        self.unsound += other.unsound
        self.checked += other.checked

    def assert_none(self, about: str) -> None:
        """Fail with the first findings of each kind."""
        kinds = ("lost", "doubled", "invented", "unsound")
        shown = {kind: getattr(self, kind)[:5] for kind in kinds if getattr(self, kind)}
        assert not shown, f"{about}: {shown}"


def compare(start: State, sent: list[Sent], listeners: list[Listener], now: State) -> Findings:
    """Compare `now` with everything sent since `start`, and with what the listeners were shown."""
    found = Findings()
    for participant_id, holdings in now.items():
        own = [item for item in sent if item.participant_id == participant_id]
        _check_acknowledged(found, own, holdings)
        _check_once(found, start[participant_id], own, holdings)
        _check_account(found, participant_id, start[participant_id], holdings)
    _check_trades(found, now)
    for listener in listeners:
        _check_frames(found, listener, now)
    return found


def _check_acknowledged(found: Findings, sent: list[Sent], now: Holdings) -> None:
    newest_amendment: dict[int, AmendAck] = {}
    for item in sent:
        if not item.is_accepted or item.answer is None:
            continue
        found.checked += 1
        if item.is_entry:
            _check_entry(found, msgspec.json.decode(item.answer.body, type=EntryAck), now)
        elif item.method == "DELETE":
            _check_cancel(found, msgspec.json.decode(item.answer.body, type=CancelAck), now)
        else:
            ack = msgspec.json.decode(item.answer.body, type=AmendAck)
            _check_ack_trades(found, ack.order_id, ack.trades, now)
            earlier = newest_amendment.get(ack.order_id)
            if ack.version is not None and (
                earlier is None or (earlier.version or 0) < ack.version
            ):
                newest_amendment[ack.order_id] = ack
    for ack in newest_amendment.values():
        order = now.orders.get(ack.order_id)
        if order is None or (order.version, order.price, order.quantity) != (
            ack.version,
            ack.price,
            ack.quantity,
        ):
            found.lost.append(f"amendment {ack.version} of order {ack.order_id}: {order}")


def _check_entry(found: Findings, ack: EntryAck, now: Holdings) -> None:
    order = now.orders.get(ack.order_id)
    if order is None:
        found.lost.append(f"order {ack.order_id} ({ack.client_order_id})")
        return
    same = ["client_order_id", "instrument_id", "side", "time_in_force", "entered_at"]
    if order.version == 1:
        same += ["price", "quantity"]
    if any(getattr(order, name) != getattr(ack, name) for name in same):
        found.lost.append(f"order {ack.order_id} as acknowledged: {ack}, now {order}")
    if order.cumulative_quantity < ack.cumulative_quantity:
        found.lost.append(f"fills of order {ack.order_id}: {ack}, now {order}")
    _check_ack_trades(found, ack.order_id, ack.trades, now)


def _check_cancel(found: Findings, ack: CancelAck, now: Holdings) -> None:
    order = now.orders.get(ack.order_id)
    if (
        order is None
        or (order.status, order.reason) != ("CANCELED", "REQUESTED")
        or order.quantity - order.cumulative_quantity != ack.canceled_quantity
    ):
        found.lost.append(f"cancellation of order {ack.order_id}: {order}")


def _check_ack_trades(
    found: Findings, order_id: int, trades: list[AckTrade], now: Holdings
) -> None:
    for trade in trades:
        fill = now.fills.get(trade.trade_id)
        if fill is None or AckTrade(
            fill.trade_id, fill.price, fill.quantity, fill.value, fill.fee
        ) != trade or fill.order_id != order_id:  # fmt: skip
            found.lost.append(f"trade {trade.trade_id} of order {order_id}: {fill}")


def _check_once(found: Findings, start: Holdings, sent: list[Sent], now: Holdings) -> None:
    found.doubled += now.repeated_ids
    entries = {item.key: item for item in sent if item.is_entry}
    for order in now.orders.values():
        if order.order_id in start.orders:
            continue
        item = entries.get(order.client_order_id)
        if item is None:
            found.invented.append(f"order {order.order_id} ({order.client_order_id})")
        elif item.answer is not None and not item.is_accepted:
            found.invented.append(f"order {order.order_id} was refused: {item.answer}")
    quantities: Counter[int] = Counter()
    for fill in now.fills.values():
        quantities[fill.order_id] += fill.quantity
        if fill.order_id not in now.orders:
            found.invented.append(f"trade {fill.trade_id} of an unknown order {fill.order_id}")
    for order in now.orders.values():
        if quantities[order.order_id] != order.cumulative_quantity:
            found.unsound.append(f"fills of order {order.order_id} do not add up: {order}")


def _check_trades(found: Findings, now: State) -> None:
    """Every trade has exactly one buyer and one seller, who agree on it."""
    sides: dict[int, list[Fill]] = {}
    for holdings in now.values():
        for fill in holdings.fills.values():
            sides.setdefault(fill.trade_id, []).append(fill)
    for trade_id, fills in sides.items():
        terms = {(fill.instrument_id, fill.price, fill.quantity, fill.value) for fill in fills}
        if sorted(fill.side for fill in fills) != ["BUY", "SELL"] or len(terms) != 1:
            found.unsound.append(f"trade {trade_id} has the sides {fills}")
    if sides and sorted(sides) != list(range(min(sides), min(sides) + len(sides))):
        found.lost.append("trade numbers have a gap")


def _check_account(found: Findings, name: str, start: Holdings, now: Holdings) -> None:
    """Money and units follow from the trades since `start`, holds from the open orders."""
    cash_fen, units = start.cash_fen, Counter(start.units)
    for fill in now.fills.values():
        if fill.trade_id in start.fills:
            continue
        is_buy = fill.side == "BUY"
        cash_fen += (-fen(fill.value) if is_buy else fen(fill.value)) - fen(fill.fee)
        units[fill.instrument_id] += fill.quantity if is_buy else -fill.quantity
    if cash_fen != now.cash_fen:
        found.unsound.append(f"{name} has {now.cash_fen} fen, its trades give {cash_fen}")
    if +units != +Counter(now.units):
        found.unsound.append(f"{name} has {now.units}, its trades give {units}")
    held_units: Counter[str] = Counter()
    for order in now.orders.values():
        if order.side == "SELL" and order.status in OPEN:
            held_units[order.instrument_id] += order.leaves_quantity
    held_fen = sum(order.held_fen for order in now.orders.values())
    if held_fen != now.held_fen or held_units != +Counter(now.held_units):
        found.unsound.append(f"{name} holds {now.held_fen} fen for orders that need {held_fen}")


def _check_frames(found: Findings, listener: Listener, now: State) -> None:
    """Nothing that a listener was shown has gone, and its numbers have no gap."""
    last_seq: dict[str, int] = {}
    for raw in listener.frames:
        frame = msgspec.json.decode(raw, type=Frame)
        topic = f"{frame.channel} {frame.instrument_id}"
        if frame.type == "update":
            found.checked += 1
            if frame.prev_seq != last_seq.get(topic, -2):
                found.lost.append(f"a frame of {topic} before seq {frame.seq}")
        last_seq[topic] = frame.seq
        found.lost += _missing(listener.participant_id, frame, now)


def _missing(participant_id: str, frame: Frame, now: State) -> Iterator[str]:
    own = now.get(participant_id, Holdings())
    for shown in [*frame.orders, *([frame.order] if frame.order is not None else [])]:
        order = own.orders.get(shown.order_id)
        if (
            order is None
            or order.client_order_id != shown.client_order_id
            or order.cumulative_quantity < shown.cumulative_quantity
        ):
            yield f"order {shown.order_id} as streamed: {shown}, now {order}"
        elif shown.status not in OPEN and shown.status != order.status:
            yield f"order {shown.order_id} was streamed as {shown.status}, now {order}"
    if frame.fill is not None and own.fills.get(frame.fill.trade_id) != frame.fill:
        yield f"fill {frame.fill.trade_id} as streamed: {frame.fill}"
    for trade in frame.trades:
        fills = [h.fills[trade.trade_id] for h in now.values() if trade.trade_id in h.fills]
        if {Tape(f.trade_id, f.instrument_id, f.price, f.quantity) for f in fills} != {trade}:
            yield f"trade {trade.trade_id} on the tape: {trade}"
