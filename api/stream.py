"""WebSocket /v1/stream: snapshot first, then deltas, one schema for each channel.

    client: {"op": "auth", "token": ...}            once, before private channels
            {"op": "subscribe", "channel": ..., "instrument_id": ...}   also "unsubscribe"
            {"op": "ping"}
    server: {"channel", "type": "snapshot" | "update", "seq", "prev_seq", ...}

Channels: `book` and `trades` (public, by instrument), `executions` (private, the caller's
participant).  `seq` counts each channel; an update follows the snapshot or update whose seq is its
`prev_seq`, so that a gap shows.  A frame is encoded once and sent to all.

Limits: text frames of 16 KiB, MAX_SUBSCRIPTIONS a connection; a reader that falls behind is closed
(4008, see api/connection.py) and resumes by a new snapshot.  Close codes: 4001 not authenticated,
4003 access lost, 4008 too slow, 1012 restart, 1013 too many connections.
"""

from typing import Any

import msgspec
from fastapi import WebSocket

from api import payloads
from api.access import principal_of
from api.codes import explain
from api.components import Components
from api.connection import ACCESS_LOST, NOT_AUTHENTICATED, REASONS, TRY_LATER, Connection, Topic
from api.policy import CHANNELS
from api.problems import Problem
from api.routes.market import book_snapshot
from api.routes.trading import OPEN, shown_order
from engine.codes import Side
from engine.released import Released
from exchange.readmodel.model import Changes, Execution
from exchange.readmodel.views import TradeView

MAX_SUBSCRIPTIONS = 200
MAX_CONNECTIONS = 2_000
HEARTBEAT_SECONDS = 5.0
SESSION_CHECK_SECONDS = 0.5
SNAPSHOT_TRADES = 50
WHOLE_BOOK = 10**9


class ClientFrame(msgspec.Struct, forbid_unknown_fields=True):
    """What a client may send."""

    op: str
    channel: str = ""
    instrument_id: str = ""
    token: str = ""


class Hub:
    """Knows who listens to what, and turns released changes into frames."""

    def __init__(self, parts: Components) -> None:
        self._parts = parts
        self._topics: dict[Topic, dict[Connection, None]] = {}
        self._connections: dict[Connection, None] = {}

    @property
    def connection_count(self) -> int:
        """Open connections."""
        return len(self._connections)

    def join(self, connection: Connection) -> None:
        """Count a connection in."""
        self._connections[connection] = None

    def leave(self, connection: Connection) -> None:
        """Forget a connection and its subscriptions."""
        self._connections.pop(connection, None)
        for topic in list(connection.topics):
            self.unsubscribe(connection, topic)

    def subscribe(self, connection: Connection, topic: Topic) -> None:
        """Send the snapshot, then every update: no step can come between the two."""
        connection.topics[topic] = None
        self._topics.setdefault(topic, {})[connection] = None
        connection.send(_encode(self._snapshot(topic)))

    def unsubscribe(self, connection: Connection, topic: Topic) -> None:
        """Send no more of a topic."""
        connection.topics.pop(topic, None)
        listeners = self._topics.get(topic, {})
        listeners.pop(connection, None)
        if not listeners:
            self._topics.pop(topic, None)

    def on_step(self, _step: Released, changes: Changes) -> None:
        """Publish what a released step changed."""
        for book in changes.books:
            tick = self._tick(book.instrument_id)
            delta = payloads.book_delta(book, tick)
            self._publish(("book", book.instrument_id), book.seq, delta)
        for trade in changes.trades:
            shown = payloads.public_trade(trade, self._tick(trade.instrument_id))
            self._publish(("trades", trade.instrument_id), trade.channel_seq, {"trades": [shown]})
        for execution in changes.executions:
            topic = ("executions", execution.participant_id)
            if topic in self._topics:
                self._publish(topic, execution.seq, self._execution(execution))
        for person_id in changes.access_lost:
            for connection in self._connections:
                if connection.person_id == person_id:
                    connection.close(ACCESS_LOST)

    def close_all(self, code: int) -> None:
        """End every connection, for a restart."""
        for connection in self._connections:
            connection.close(code)

    def beat(self) -> None:
        """A frame for every client, so that silence is known to be normal."""
        now = payloads.instant(self._parts.clock.now_ns())
        frame = _encode({"channel": "heartbeat", "market_time": now})
        for connection in self._connections:
            connection.send(frame)

    def end_lost_sessions(self) -> None:
        """Cut whoever logged out, ran out of time, or was disabled since."""
        for connection in self._connections:
            if connection.token and not self._parts.sessions.is_open(connection.token):
                connection.close(NOT_AUTHENTICATED)

    def _publish(self, topic: Topic, seq: int, content: payloads.Payload) -> None:
        listeners = self._topics.get(topic)
        if not listeners:
            return
        frame = _encode(_head(topic, "update", seq) | {"prev_seq": seq - 1} | content)
        for connection in listeners:
            connection.send(frame)

    def _snapshot(self, topic: Topic) -> payloads.Payload:
        channel, name = topic
        read = self._parts.exchange.read
        if channel == "book":
            return _head(topic, "snapshot", 0) | book_snapshot(
                self._parts, read.instruments[name], WHOLE_BOOK
            )
        if channel == "trades":
            ids = list(read.tape.get(name, ()))[-SNAPSHOT_TRADES:]
            trades = [self._public(read.trades[trade_id]) for trade_id in ids]
            return _head(topic, "snapshot", read.instruments[name].trade_seq) | {"trades": trades}
        orders = [read.orders[order_id] for order_id in read.orders_of.get(name, ())]
        shown = [shown_order(self._parts, view) for view in orders if view.status in OPEN]
        return _head(topic, "snapshot", read.execution_seq.get(name, 0)) | {"orders": shown}

    def _execution(self, execution: Execution) -> payloads.Payload:
        shown = {"order": shown_order(self._parts, execution.order)}
        trade = execution.trade
        if trade is None:
            return shown | {"fill": None}
        is_buy = trade.buy_order_id == execution.order.order_id
        side = Side.BUY if is_buy else Side.SELL
        return shown | {"fill": payloads.fill(trade, self._tick(trade.instrument_id), side)}

    def _public(self, trade: TradeView) -> payloads.Payload:
        return payloads.public_trade(trade, self._tick(trade.instrument_id))

    def _tick(self, instrument_id: str) -> int:
        return self._parts.exchange.read.instruments[instrument_id].tick_fen


async def serve_stream(socket: WebSocket, parts: Components, hub: Hub) -> None:
    """Run one connection until either side ends it."""
    await socket.accept()
    if hub.connection_count >= MAX_CONNECTIONS:
        await socket.close(TRY_LATER, REASONS[TRY_LATER])
        return
    connection = Connection(socket)

    def on_text(text: str) -> None:
        try:
            _handle(connection, parts, hub, msgspec.json.decode(text, type=ClientFrame))
        except msgspec.DecodeError as fault:
            connection.send(_error("INPUT_INVALID", str(fault), {}))
        except RecursionError:
            connection.send(_error("INPUT_INVALID", "", {}))
        except Problem as problem:
            connection.send(_error(problem.code, problem.pointer, problem.facts))

    def on_binary() -> None:
        connection.send(_error("INPUT_INVALID", "frames are text", {}))

    hub.join(connection)
    try:
        await connection.run(on_text, on_binary)
    finally:
        hub.leave(connection)


def _handle(connection: Connection, parts: Components, hub: Hub, frame: ClientFrame) -> None:
    if frame.op == "ping":
        connection.send(_encode({"op": "pong"}))
    elif frame.op == "auth":
        _authenticate(connection, parts, frame.token)
    elif frame.op in ("subscribe", "unsubscribe"):
        topic = _topic(connection, parts, frame)
        if frame.op == "unsubscribe":
            hub.unsubscribe(connection, topic)
        elif topic not in connection.topics and len(connection.topics) >= MAX_SUBSCRIPTIONS:
            raise Problem("TOO_MANY_SUBSCRIPTIONS", limit=MAX_SUBSCRIPTIONS)
        else:
            hub.subscribe(connection, topic)
    else:
        raise Problem("INPUT_INVALID", "op")


def _authenticate(connection: Connection, parts: Components, token: str) -> None:
    person_id = parts.sessions.authenticate(token)
    if person_id is None:
        connection.close(NOT_AUTHENTICATED)
        return
    if connection.person_id not in ("", person_id):
        connection.close(ACCESS_LOST)
        return
    connection.person_id, connection.token = person_id, token
    connection.send(_encode({"op": "auth", "person_id": person_id}))


def _topic(connection: Connection, parts: Components, frame: ClientFrame) -> Topic:
    """The topic a frame names, if its sender may have it."""
    access = CHANNELS.get(frame.channel)
    if access is None:
        raise Problem("INPUT_INVALID", "channel")
    if access.roles is not None:
        if not connection.person_id:
            raise Problem("NOT_AUTHENTICATED")
        return frame.channel, principal_of(parts, connection.person_id, access).participant_id
    if frame.instrument_id not in parts.exchange.read.instruments:
        raise Problem("INSTRUMENT_UNKNOWN", "instrument_id", instrument=frame.instrument_id)
    return frame.channel, frame.instrument_id


def _head(topic: Topic, kind: str, seq: int) -> dict[str, Any]:
    channel, name = topic
    key = "participant_id" if channel == "executions" else "instrument_id"
    return {"channel": channel, "type": kind, key: name, "seq": seq}


def _encode(content: dict[str, Any]) -> bytes:
    return msgspec.json.encode(content)


def _error(code: str, about: str, facts: dict[str, str]) -> bytes:
    words = explain(code, facts).words
    said = {language: f"{chosen.rule} {chosen.fix}" for language, chosen in words.items()}
    return _encode({"op": "error", "code": code, "about": about} | said)
