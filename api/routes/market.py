"""Public market data: instruments, book, tape, rules, calendar, reason codes."""

from fastapi import APIRouter
from fastapi.responses import Response

from api import payloads
from api.codes import all_codes
from api.commands import JsonReply
from api.components import Components, Parts
from api.forms import Cursor, Depth, Id, Limit
from api.outputs.market import Book, Calendar, Instrument, Instruments, Reasons, RuleVersions, Tape
from api.problems import Problem
from api.strict_json import StrictRoute
from engine.codes import Side
from exchange.readmodel.book import LevelBook
from exchange.readmodel.views import InstrumentView

router = APIRouter(prefix="/v1", tags=["market data"], route_class=StrictRoute)


@router.get(
    "/instruments",
    summary="All instruments with phase, limits and today's trading",
    response_model=Instruments,
)
async def list_instruments(parts: Parts) -> Response:
    """Instruments in order of id."""
    views = sorted(parts.exchange.read.instruments.values(), key=lambda v: v.instrument_id)
    return JsonReply({"instruments": [payloads.instrument(view) for view in views]})


@router.get("/instruments/{instrument_id}", summary="One instrument", response_model=Instrument)
async def get_instrument(parts: Parts, instrument_id: Id) -> Response:
    """An instrument with phase, limits and today's trading."""
    return JsonReply(payloads.instrument(find_instrument(parts, instrument_id)))


@router.get(
    "/instruments/{instrument_id}/book", summary="The book by price level", response_model=Book
)
async def get_book(parts: Parts, instrument_id: Id, depth: Depth = 10) -> Response:
    """The best levels of both sides; `seq` counts the changes of this book."""
    view = find_instrument(parts, instrument_id)
    return JsonReply(book_snapshot(parts, view, depth))


@router.get(
    "/instruments/{instrument_id}/trades", summary="The tape, newest first", response_model=Tape
)
async def get_trades(
    parts: Parts,
    instrument_id: Id,
    before_trade_id: Cursor = None,
    limit: Limit = 100,
) -> Response:
    """Trades of the last trading days; `next` is the cursor of the following page."""
    view = find_instrument(parts, instrument_id)
    read = parts.exchange.read
    found = []
    for trade_id in reversed(read.tape.get(instrument_id, ())):
        if before_trade_id is None or trade_id < before_trade_id:
            found.append(payloads.public_trade(read.trades[trade_id], view.tick_fen))
        if len(found) == limit:
            break
    cursor = found[-1]["trade_id"] if len(found) == limit else None
    return JsonReply({"trades": found, "next": cursor})


@router.get(
    "/rules",
    summary="Every rule version with every number and its source",
    response_model=RuleVersions,
)
async def get_rules(parts: Parts) -> Response:
    """Rule versions by date; one is in effect (Measures Art 18: rules and fees are public)."""
    read = parts.exchange.read
    shown = [
        payloads.rule_version(version, in_effect=version.rule_version_id == read.rule_version_id)
        for version in read.rule_versions
    ]
    return JsonReply({"rule_versions": shown})


@router.get(
    "/reasons",
    summary="Every code a problem may carry, in English and Chinese",
    response_model=Reasons,
)
async def get_reasons() -> Response:
    """The market's reason codes, the edge's and those of people and signatures in one table."""
    shown = [
        {
            "code": row.code,
            "status": row.status,
            "rule_ref": row.rule_ref,
            "retryable": row.is_retryable,
            "en": row.words["en"]._asdict(),
            "zh": row.words["zh"]._asdict(),
        }
        for row in all_codes()
    ]
    return JsonReply({"reasons": shown})


@router.get("/calendar", summary="Trading days and sessions", response_model=Calendar)
async def get_calendar(parts: Parts) -> Response:
    """Known trading days with their sessions in UTC."""
    read = parts.exchange.read
    days = [
        {
            "trading_day": payloads.trading_day(day.day),
            "pre_open_at": payloads.instant(day.starts_ns),
            "sessions": [
                {
                    "opens_at": payloads.instant(session.opens_ns),
                    "closes_at": payloads.instant(session.closes_ns),
                }
                for session in day.sessions
            ],
        }
        for day in read.days
    ]
    current = payloads.trading_day(read.trading_day)
    return JsonReply({"current": current, "is_day_open": read.is_day_open, "days": days})


def find_instrument(parts: Components, instrument_id: str) -> InstrumentView:
    """A listed instrument, or Problem(INSTRUMENT_UNKNOWN)."""
    view = parts.exchange.read.instruments.get(instrument_id)
    if view is None:
        raise Problem("INSTRUMENT_UNKNOWN", "instrument_id", instrument=instrument_id)
    return view


def book_snapshot(parts: Components, view: InstrumentView, depth: int) -> payloads.Payload:
    """The book of an instrument as REST and the stream show it."""
    book = parts.exchange.read.books.get(view.instrument_id, LevelBook())
    return {
        "instrument_id": view.instrument_id,
        "seq": view.book_seq,
        "bids": payloads.book_levels(book.depth(Side.BUY, depth), view.tick_fen),
        "offers": payloads.book_levels(book.depth(Side.SELL, depth), view.tick_fen),
    }
