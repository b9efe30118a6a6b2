"""The stream: snapshot, then deltas that rebuild exactly what REST shows, and nothing of others."""

import asyncio
from typing import Any

import pytest

import api.stream
from api.connection import MAX_QUEUED
from engine.codes import Side, TimeInForce
from engine.commands import EnterOrder
from tests.api.client import Caller, Cut, Json, Stream
from tests.api.market_api import BEA, MarketApi
from tests.seeded import FIRST_SEED, seeded

pytestmark = pytest.mark.asyncio(loop_scope="module")

STEPS = 200
TRADERS = ("trader-a", "trader-b", "trader-c")


@pytest.fixture(scope="module")
def market(shared_market: MarketApi) -> MarketApi:
    """One market for all tests here."""
    return shared_market


class Follower:
    """What a client knows from frames alone; every frame must follow the one before."""

    def __init__(self, snapshot: Json) -> None:
        assert snapshot["type"] == "snapshot"
        self.seq = snapshot["seq"]
        self.snapshot = snapshot

    def follow(self, frame: Json) -> None:
        assert frame["type"] == "update"
        assert frame["prev_seq"] == self.seq, "a gap"
        assert frame["seq"] == self.seq + 1
        self.seq = frame["seq"]


class BookFollower(Follower):
    """A book kept from its deltas."""

    def __init__(self, snapshot: Json) -> None:
        super().__init__(snapshot)
        self.sides = {
            side: {level["price"]: level["quantity"] for level in snapshot[side]}
            for side in ("bids", "offers")
        }

    def follow(self, frame: Json) -> None:
        super().follow(frame)
        for side, levels in self.sides.items():
            for level in frame[side]:
                if level["quantity"]:
                    levels[level["price"]] = level["quantity"]
                else:
                    del levels[level["price"]]

    def shown(self) -> Json:
        """As GET .../book shows it."""
        best_first = {"bids": True, "offers": False}
        return {
            side: [
                {"price": price, "quantity": levels[price]}
                for price in sorted(levels, key=fen, reverse=best_first[side])
            ]
            for side, levels in self.sides.items()
        } | {"instrument_id": BEA, "seq": self.seq}


def fen(price: str) -> int:
    return int(price.replace(".", ""))


async def catch_up(stream: Stream, followers: dict[str, Follower]) -> list[Json]:
    """Feed every frame that is there to its follower; a ping marks the end."""
    stream.say({"op": "ping"})
    seen = []
    while (frame := await stream.next()) != {"op": "pong"}:
        followers[frame["channel"]].follow(frame)
        seen.append(frame)
    return seen


async def random_step(market: MarketApi, trader: Caller, chance: Any) -> None:
    """Enter, amend or cancel something; a refusal is as good as anything."""
    own = (await trader.get("/v1/orders", open=True, instrument_id=BEA))["orders"]
    act = chance.choice(("enter", "enter", "enter", "amend", "cancel"))
    price = f"{chance.randint(9_950, 10_050) / 100:.2f}"
    if act == "enter" or not own:
        order = market.order(chance.choice(("BUY", "SELL")), chance.randint(1, 9), price)
        await trader.send("POST", "/v1/orders", order)
        return
    path = f"/v1/orders/{chance.choice(own)['order_id']}"
    if act == "amend":
        await trader.send("PATCH", path, {"quantity": chance.randint(1, 9), "price": price})
    else:
        await trader.send("DELETE", path)


@pytest.mark.parametrize("seed", [FIRST_SEED, FIRST_SEED + 1])
async def test_frames_rebuild_the_book_at_every_step(seed: int, market: MarketApi) -> None:
    chance = seeded(seed)
    traders = [await market.be(login) for login in TRADERS]
    async with market.stream() as stream:
        book = BookFollower(await stream.subscribe("book", BEA))
        trades = Follower(await stream.subscribe("trades", BEA))
        followers: dict[str, Follower] = {"book": book, "trades": trades}
        tape: list[Json] = list(trades.snapshot["trades"])
        for _ in range(STEPS):
            await random_step(market, chance.choice(traders), chance)
            frames = await catch_up(stream, followers)
            tape += [trade for frame in frames if "trades" in frame for trade in frame["trades"]]
            rest = await market.stranger.get(f"/v1/instruments/{BEA}/book", depth=500)
            assert book.shown() == rest, f"seed {seed}"
        shown = await market.stranger.get(f"/v1/instruments/{BEA}/trades", limit=len(tape))
        assert tape == shown["trades"][::-1], f"seed {seed}"
        assert len(tape) > 20, f"seed {seed}: too quiet to show anything"


async def test_a_late_subscriber_sees_the_same_as_an_early_one(market: MarketApi) -> None:
    chance = seeded(FIRST_SEED)
    trader = await market.be("trader-a")
    async with market.stream() as early:
        follower = BookFollower(await early.subscribe("book", BEA))
        for _ in range(20):
            await random_step(market, trader, chance)
        await catch_up(early, {"book": follower})
        async with market.stream() as late:
            assert BookFollower(await late.subscribe("book", BEA)).shown() == follower.shown()


async def rest_a_tonne(market: MarketApi, ticks: int) -> None:
    name = f"deep-{ticks}"
    body = EnterOrder("A", name, "DEEP", Side.BUY, ticks, 1, TimeInForce.DAY)
    await market.parts.exchange.submit(market.people["trader-a"], name, body)


async def test_a_book_deeper_than_rest_shows_is_whole_on_the_stream(market: MarketApi) -> None:
    series = {"series_id": "DEEP", "product": "BEA", "vintage": 2023}
    await market.act("/ops/v1/series", series)
    listing = {"instrument_id": "DEEP", "series_id": "DEEP", "reference_price": "100.00"}
    await market.act("/ops/v1/instruments", listing)
    await market.open_session()
    await asyncio.gather(*(rest_a_tonne(market, 8_000 + cents) for cents in range(520)))
    async with market.stream() as stream:
        snapshot = await stream.subscribe("book", "DEEP")
    assert len(snapshot["bids"]) == 520
    rest = await market.stranger.get("/v1/instruments/DEEP/book", depth=500)
    assert snapshot["bids"][:500] == rest["bids"]


# --- private channels ----------------------------------------------------------------------------


async def test_executions_tell_the_whole_life_of_own_orders(market: MarketApi) -> None:
    await cancel_all(market)
    trader = await market.be("trader-a")
    async with market.stream() as stream:
        await stream.log_in(trader)
        snapshot = await stream.subscribe("executions")
        assert (snapshot["participant_id"], snapshot["orders"]) == ("A", [])
        follower = Follower(snapshot)
        sold = await market.enter("trader-a", "SELL", 5, "100.00")
        await market.enter("trader-b", "BUY", 2, "100.00")
        await trader.patch(f"/v1/orders/{sold['order_id']}", {"quantity": 4})
        await trader.delete(f"/v1/orders/{sold['order_id']}")
        frames = await catch_up(stream, {"executions": follower})
    states = [
        (frame["order"]["status"], frame["order"]["quantity"], frame["order"]["leaves_quantity"])
        for frame in frames
    ]
    assert states == [
        ("NEW", 5, 5),
        ("PARTIALLY_FILLED", 5, 3),
        ("PARTIALLY_FILLED", 4, 2),
        ("CANCELED", 4, 0),
    ]
    assert [frame["fill"] is not None for frame in frames] == [False, True, False, False]
    fill = (await trader.get("/v1/fills", limit=1))["fills"][0]
    assert frames[1]["fill"] == fill
    assert frames[-1]["order"] == await trader.get(f"/v1/orders/{sold['order_id']}")


async def cancel_all(market: MarketApi) -> None:
    for login in TRADERS:
        trader = await market.be(login)
        for order in (await trader.get("/v1/orders", open=True, limit=1_000))["orders"]:
            await trader.delete(f"/v1/orders/{order['order_id']}")


async def test_executions_show_nothing_of_others(market: MarketApi) -> None:
    await cancel_all(market)
    async with market.stream() as mine, market.stream() as theirs:
        await mine.log_in(await market.be("trader-c"))
        await theirs.log_in(await market.be("trader-b"))
        follower = Follower(await mine.subscribe("executions"))
        other = Follower(await theirs.subscribe("executions"))
        await market.enter("trader-a", "SELL", 2, "100.00")
        await market.enter("trader-b", "BUY", 2, "100.00")
        assert await catch_up(mine, {"executions": follower}) == []
        frames = await catch_up(theirs, {"executions": other})
    assert {frame["order"]["participant_id"] for frame in frames} == {"B"}
    assert {frame["participant_id"] for frame in frames} == {"B"}
    text = str(frames)
    assert "seller" not in text
    assert "'A'" not in text


async def test_a_participants_name_in_the_request_changes_nothing(market: MarketApi) -> None:
    async with market.stream() as stream:
        await stream.log_in(await market.be("trader-b"))
        frame = {"op": "subscribe", "channel": "executions", "instrument_id": "A"}
        assert (await stream.ask(frame))["participant_id"] == "B"
        with_name = {"op": "subscribe", "channel": "executions", "participant_id": "A"}
        assert (await stream.ask(with_name))["code"] == "INPUT_INVALID"


async def test_a_channel_is_silent_after_unsubscribing(market: MarketApi) -> None:
    async with market.stream() as stream:
        book = BookFollower(await stream.subscribe("book", BEA))
        await market.enter("trader-b", "BUY", 1, "90.00")
        assert len(await catch_up(stream, {"book": book})) == 1
        stream.say({"op": "unsubscribe", "channel": "book", "instrument_id": BEA})
        await market.enter("trader-b", "BUY", 1, "90.00")
        assert await catch_up(stream, {}) == []
        again = await stream.subscribe("book", BEA)
        assert again["seq"] == book.seq + 1


# --- frames that are wrong -----------------------------------------------------------------------

WRONG: dict[str, tuple[Any, str]] = {
    "not JSON": ("{", "INPUT_INVALID"),
    "nothing": ("", "INPUT_INVALID"),
    "a list": ("[]", "INPUT_INVALID"),
    "a number": ("1", "INPUT_INVALID"),
    "no op": ({}, "INPUT_INVALID"),
    "an unknown op": ({"op": "dance"}, "INPUT_INVALID"),
    "an unknown field": ({"op": "ping", "x": 1}, "INPUT_INVALID"),
    "an op of another kind": ({"op": 1}, "INPUT_INVALID"),
    "a surrogate": ('{"op":"\\ud800"}', "INPUT_INVALID"),
    "10,000 open lists": ('{"op":' + "[" * 10_000, "INPUT_INVALID"),
    "10,000 open objects": ('{"op":' * 2_500, "INPUT_INVALID"),
    "bytes": (b'{"op":"ping"}', "INPUT_INVALID"),
    "an unknown channel": ({"op": "subscribe", "channel": "orders"}, "INPUT_INVALID"),
    "no channel": ({"op": "subscribe"}, "INPUT_INVALID"),
    "an unknown instrument": (
        {"op": "subscribe", "channel": "book", "instrument_id": "EUA"}, "INSTRUMENT_UNKNOWN",
    ),
    "no instrument": ({"op": "subscribe", "channel": "book"}, "INSTRUMENT_UNKNOWN"),
    "a private channel without login": (
        {"op": "subscribe", "channel": "executions"}, "NOT_AUTHENTICATED",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
async def test_a_wrong_frame_is_answered_and_the_stream_goes_on(
    case: str, market: MarketApi
) -> None:
    frame, code = WRONG[case]
    async with market.stream() as stream:
        said = await stream.ask(frame)
        assert (said["op"], said["code"]) == ("error", code)
        assert said["en"]
        assert said["zh"]
        assert await stream.ask({"op": "ping"}) == {"op": "pong"}


@pytest.mark.parametrize("token", ["", "x", "a" * 43, "é"])
async def test_a_wrong_token_ends_the_stream(token: str, market: MarketApi) -> None:
    async with market.stream() as stream:
        stream.say({"op": "auth", "token": token})
        with pytest.raises(Cut) as cut:
            await stream.next()
        assert (cut.value.code, cut.value.reason) == (4001, "NOT_AUTHENTICATED")


async def test_a_private_channel_needs_a_fitting_role(market: MarketApi) -> None:
    async with market.stream() as stream:
        await stream.log_in(await market.be("op-1"))
        assert (await stream.subscribe("executions"))["code"] == "NOT_PERMITTED"


# --- limits --------------------------------------------------------------------------------------


async def test_a_heartbeat_tells_market_time(market: MarketApi) -> None:
    async with market.stream() as stream:
        await stream.ask({"op": "ping"})
        market.hub.beat()
        frame = await stream.next_of_all()
        assert set(frame) == {"channel", "market_time"}
        assert frame["channel"] == "heartbeat"
        assert frame["market_time"].startswith("2024-05-06T")


async def test_a_reader_that_falls_behind_is_cut_and_others_are_not(market: MarketApi) -> None:
    async with market.stream() as slow, market.stream() as brisk:
        await slow.subscribe("book", BEA)
        follower = BookFollower(await brisk.subscribe("book", BEA))
        slow.stall()
        before = follower.seq
        trader = await market.be("trader-b")
        order = await market.enter("trader-b", "BUY", 3, "90.00")
        path = f"/v1/orders/{order['order_id']}"
        for number in range(MAX_QUEUED // 20):
            await trader.patch(path, {"price": f"9{1 - number % 2}.00"})
            for _ in range(20):
                market.hub.beat()
            await catch_up(brisk, {"book": follower})
        assert follower.seq > before
        slow.recover()
        cut = await slow.until_cut()
        assert (cut.code, cut.reason) == (4008, "TOO_SLOW")
        assert await brisk.ask({"op": "ping"}) == {"op": "pong"}


async def test_subscriptions_of_a_connection_are_bounded(
    market: MarketApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.stream, "MAX_SUBSCRIPTIONS", 2)
    async with market.stream() as stream:
        for channel in ("book", "trades", "book", "trades"):
            assert (await stream.subscribe(channel, BEA))["type"] == "snapshot"
        said = await stream.subscribe("book", "PCER")
        assert said["code"] == "TOO_MANY_SUBSCRIPTIONS"
        stream.say({"op": "unsubscribe", "channel": "trades", "instrument_id": BEA})
        assert (await stream.subscribe("book", "PCER"))["type"] == "snapshot"


async def test_connections_are_bounded(market: MarketApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.stream, "MAX_CONNECTIONS", market.hub.connection_count)
    async with market.stream() as stream:
        with pytest.raises(Cut) as cut:
            await stream.next()
        assert (cut.value.code, cut.value.reason) == (1013, "TRY_LATER")


async def test_a_closed_stream_leaves_nothing_behind(market: MarketApi) -> None:
    before = market.hub.connection_count
    streams = [await market.stream().__aenter__() for _ in range(5)]
    for stream in streams:
        await stream.subscribe("book", BEA)
    assert market.hub.connection_count == before + 5
    for stream in streams:
        await stream.__aexit__()
    assert market.hub.connection_count == before


async def test_a_restart_is_announced(market: MarketApi) -> None:
    async with market.stream() as stream:
        await stream.subscribe("book", BEA)
        market.hub.close_all(1012)
        with pytest.raises(Cut) as cut:
            await stream.next()
        assert (cut.value.code, cut.value.reason) == (1012, "RESTART")
