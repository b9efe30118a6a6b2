"""`jingtan run`, `jingtan serve`, `jingtan found`: starting the exchange."""

import asyncio
from time import time_ns
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from api.cli.options import DataDir, Port, settings_for
from api.components import Components
from api.demo import market as demo
from api.demo.seed import is_seeded, register_traders, seed_market
from api.founding import Founder, found_market, is_founded
from api.identity.assembly import Identity
from api.main import CannotServe, ExitCode, open_components, serve
from api.settings import Settings
from engine.codes import Role
from exchange.trading_days import shanghai_date

console = Console(highlight=False)


def run(
    port: Port = None,
    data_dir: DataDir = None,
    seed: Annotated[bool, typer.Option(help="Fill the demo market.")] = True,
    skip_idle_time: Annotated[
        bool, typer.Option(help="Leap over breaks and nights, so that the market is open.")
    ] = True,
) -> None:
    """Serve a demo market: seeded, on a demo clock, with published credentials."""
    settings = settings_for(port, data_dir, clock="demo", skip_idle_time=skip_idle_time)
    traders: dict[str, str] = {}

    async def prepare(parts: Components, identity: Identity) -> None:
        if not is_founded(parts.exchange):
            effective_from = _day_number(parts.clock.now_ns())
            await found_market(parts.exchange, identity.people, demo.FOUNDERS, effective_from)
        if seed:
            traders.update(await register_traders(identity.people))

    async def ready(base_url: str) -> None:
        if seed and not await is_seeded(base_url):
            await seed_market(base_url, traders)
        _show_demo(base_url)

    raise typer.Exit(serve(settings, prepare, ready))


def serve_market(port: Port = None, data_dir: DataDir = None) -> None:
    """Serve the market on real time; `jingtan found` comes first."""
    settings = settings_for(port, data_dir)

    async def prepare(parts: Components, _identity: Identity) -> None:
        if not is_founded(parts.exchange):
            raise CannotServe(ExitCode.FAILED, "no market here yet: run `jingtan found` first")

    async def ready(base_url: str) -> None:
        console.print(f"Jingtan 京碳 serves on {base_url} (documentation: {base_url}/docs)")

    raise typer.Exit(serve(settings, prepare, ready))


def found(
    operator: Annotated[list[str], typer.Option(help="Login of a founding operator; two.")],
    ecology: Annotated[
        list[str], typer.Option(help="Login at the ecology department; two for its own acts.")
    ],
    data_dir: DataDir = None,
) -> None:
    """Found a market: first staff, first rules; prints each one-time password once."""
    if len(set(operator)) < 2 or not ecology:  # noqa: PLR2004 - two people
        console.print("jingtan: name two operators and at least one person of the ecology side")
        raise typer.Exit(ExitCode.FAILED)
    founders = [Founder(login, login, Role.OPERATOR) for login in operator]
    founders += [Founder(login, login, Role.ECOLOGY) for login in ecology]
    try:
        asyncio.run(_found(settings_for(None, data_dir), founders))
    except CannotServe as failure:
        console.print(f"jingtan: {failure}")
        raise typer.Exit(failure.code) from failure


async def _found(settings: Settings, founders: list[Founder]) -> None:
    async with open_components(settings) as (parts, identity, _hub):
        if is_founded(parts.exchange):
            raise CannotServe(ExitCode.FAILED, "this database holds a founded market already")
        day = _day_number(time_ns())
        for person in await found_market(parts.exchange, identity.people, founders, day):
            console.print(f"{person.login}  {person.one_time_password}")


def _day_number(ns: int) -> int:
    day = shanghai_date(ns)
    return day.year * 10_000 + day.month * 100 + day.day


def _show_demo(base_url: str) -> None:
    table = Table("role", "login", "password", title="Demo credentials 演示账号")
    for person, role in demo.STAFF:
        table.add_row(role, person.login, person.password)
    for member in demo.MEMBERS:
        trader = member.trader
        table.add_row(f"TRADER of {member.participant_id}", trader.login, trader.password)
    console.print(table)
    console.print(f"Jingtan 京碳 demo market is open on {base_url}")
    console.print(f"Documentation: {base_url}/docs   Stream: {base_url}/v1/stream")
    console.print("Ctrl-C stops it; the next `make run` goes on where it was.")
