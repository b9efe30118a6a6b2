"""A whole trading day through the API of a real server that is killed in the middle of it.

    found -> admit, fund, deposit -> open -> trade -> SIGKILL -> restart -> check every
    acknowledgement -> trade on -> close -> settle -> reconcile -> verify the journal

Market time is a demo clock's: it leaps between phases and runs at rate 1 inside them.
"""

import asyncio
import contextlib
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from api.demo import market, seed
from api.demo.checks import check_acknowledged, day_figures
from api.demo.client import Client, Json, Refusal, TwoPeople
from api.demo.crowd import Crowd
from api.demo.server import DemoServer
from engine.codes import ParticipantClass

MEMBERS = 8

console = Console(highlight=False)


@dataclass
class Day:
    """What the demo has set up and counted."""

    server: DemoServer
    members: list[market.Member] = field(default_factory=list)
    lost: int = 0
    crash_recovered: bool = False
    chain_verified: bool = False


async def run_day(orders_each: int) -> Json:
    """Run the day; returns the figures of the last line."""
    with tempfile.TemporaryDirectory(prefix="jingtan-demo-") as folder:
        day = Day(DemoServer(Path(folder)))
        try:
            return await _run(day, orders_each)
        finally:
            await day.server.destroy()


async def _run(day: Day, orders_each: int) -> Json:
    server = day.server
    _say("starting the exchange")
    await server.start()
    await _set_up(day)
    await _leap_to(server.base_url, "CONTINUOUS")
    _say("the market is open; refusals a newcomer may meet:")
    await _show_refusals(day)
    crowd = Crowd(server.base_url, day.members, orders_each)
    _say(f"{len(day.members)} members enter {orders_each} orders each at once")
    await _trade_through_a_crash(day, crowd)
    _say("checking every acknowledged act against the recovered exchange")
    day.lost = await check_acknowledged(server.base_url, crowd)
    _say(f"{crowd.acknowledged_count} acknowledged, {day.lost} lost")
    _say("leaping over the break; trading the afternoon")
    await _leap_to(server.base_url, "BREAK")
    await _leap_to(server.base_url, "CONTINUOUS")
    afternoon = Crowd(server.base_url, day.members, orders_each // 4, name="pm")
    await afternoon.trade()
    day.lost += await check_acknowledged(server.base_url, afternoon)
    _say("closing the day, settling, reconciling")
    await _leap_to(server.base_url, "CLOSED")
    figures = await _close(day, crowd, afternoon)
    _say("verifying the journal with the independent verifier")
    figures["chain_verified"] = await server.verify_journal()
    figures["crash_recovered"] = day.crash_recovered
    figures["lost_acknowledged"] = day.lost
    return figures


async def _set_up(day: Day) -> None:
    async with contextlib.AsyncExitStack() as stack:
        one, two, registrar = [
            await stack.enter_async_context(Client(day.server.base_url)) for _ in range(3)
        ]
        for client, person in (
            (one, market.OPERATOR_1),
            (two, market.OPERATOR_2),
            (registrar, market.REGISTRY),
        ):
            await client.login(person.login, person.password)
        pair = TwoPeople(one, two)
        await seed.set_calendar(one, "days")
        for product in market.PRODUCTS:
            await seed.list_product(pair, product, "demo")
        _say(f"admitting {MEMBERS} members, each act signed by two operators")
        for number in range(MEMBERS):
            member = _member(number)
            person_id = await _register(one, member.trader)
            await seed.admit(pair, member, person_id, "demo")
            await seed.fund(pair, registrar, member, "demo")
            day.members.append(member)
        await seed.wait_for_units(one, tuple(day.members))


async def _register(operator: Client, person: market.Person) -> str:
    """Register a person, who then changes the one-time password."""
    body = {"login": person.login, "display_name": person.display_name}
    created = await operator.post("/ops/v1/people", body)
    change = {
        "login": person.login,
        "current_password": created["one_time_password"],
        "new_password": person.password,
    }
    await operator.post("/v1/passwords", change)
    return str(created["person_id"])


async def _trade_through_a_crash(day: Day, crowd: Crowd) -> None:
    """Kill the server in the middle of the load; members send again what had no answer."""
    trading = asyncio.create_task(crowd.trade())
    await crowd.wait_until_acknowledged(crowd.order_count // 2)
    _say(f"SIGKILL after {crowd.acknowledged_count} acknowledgements")
    await day.server.kill()
    _say("restarting: recovery replays and compares the journal")
    await day.server.start()
    await trading
    day.crash_recovered = True


async def _show_refusals(day: Day) -> None:
    """One refusal of each kind, as the trader sees it."""
    member = day.members[0]
    good = {
        "client_order_id": "refused-1",
        "instrument_id": "BEA-2024",
        "side": "BUY",
        "price": "88.00",
        "quantity": 10,
    }
    cheap = {"price": "61.00"}
    attempts = (
        ("a price outside the limits", good | {"price": "188.00"}),
        ("a price between two ticks", good | {"price": "88.005"}),
        ("an unknown field", good | {"colour": "green"}),
        ("too little cash", good | {"quantity": 9_999, "price": "105.00"}),
        ("units it does not have", good | {"side": "SELL", "instrument_id": "PCER"} | cheap),
    )
    async with Client(day.server.base_url) as client:
        await client.login(member.trader.login, member.trader.password)
        for number, (what, order) in enumerate(attempts):
            try:
                await client.post("/v1/orders", order | {"client_order_id": f"refused-{number}"})
            except Refusal as refusal:
                console.print(f"    {what}: {refusal.status} {refusal.code}")


async def _close(day: Day, *crowds: Crowd) -> Json:
    async with Client(day.server.base_url) as client:
        await client.login(market.OPERATOR_1.login, market.OPERATOR_1.password)
        settled = await client.post("/ops/v1/settlement/runs", {})
        report = await client.post("/ops/v1/reconciliations", {})
        journal = await client.get("/ops/v1/journal")
        return await day_figures(client, crowds, settled, report, journal)


async def _leap_to(base_url: str, phase: str) -> None:
    """Let the demo clock leap until every instrument is in a phase."""
    async with Client(base_url) as client:
        await client.login(market.OPERATOR_1.login, market.OPERATOR_1.password)
        while True:
            phases = (await client.get("/v1/system/status"))["phases"]
            if set(phases.values()) == {phase}:
                return
            await client.post("/ops/v1/clock", {})


def _member(number: int) -> market.Member:
    """The number-th member: sellers have units, all have money; the last one is short of cash."""
    units = {"BEA-2024": 60_000, "BEA-2025": 40_000} if number % 2 == 0 else {"BEA-2024": 30_000}
    if number:
        units = units | {"PCER": 20_000}
    return market.Member(
        f"DEMO-{number}",
        f"Demo Company {number} 演示公司{number}",
        ParticipantClass.EMITTER if number % 3 else ParticipantClass.VOLUNTARY_INSTITUTION,
        100_000 if number % 3 else 0,
        market.Person(f"demo.{number}", f"Member {number}", f"walnut-ferry-{number}-blue-kite"),
        "1000000.00" if number == 0 else "60000000.00",
        units,
    )


def _say(text: str) -> None:
    console.print(f"[bold]·[/bold] {text}")
