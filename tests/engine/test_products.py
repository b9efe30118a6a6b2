"""Listing of series and instruments (Art 2, 17)."""

from typing import Any

import pytest
from msgspec.structs import replace

from engine import commands as c
from engine import events as e
from engine.codes import CancelReason, Phase, Product
from tests.engine.expected import canceled
from tests.market_driver import found, list_instrument, open_market

SERIES = c.ListSeries("BEA-2025", Product.BEA, 2025, "", 0)
INSTRUMENT = c.ListInstrument("BEA-2025", "BEA-2025", 10_000)


def test_an_instrument_listed_before_the_day_is_closed() -> None:
    market = found()
    listed = market.act(SERIES)
    events = market.act(INSTRUMENT)
    assert (e.SeriesListed("BEA-2025", Product.BEA, 2025, "", 0),) == listed[1:]
    assert (
        e.InstrumentListed("BEA-2025", "BEA-2025", 1),
        e.ReferencePriceSet("BEA-2025", 0, 10_000, 8_000, 12_000),
    ) == events[1:]


def test_an_instrument_listed_inside_a_session_trades_at_once() -> None:
    market = open_market()
    market.act(SERIES)
    events = market.act(INSTRUMENT)
    assert e.PhaseChanged("BEA-2025", Phase.CONTINUOUS, None) == events[-1]
    assert market.say("A buys 1@10000", instrument="BEA-2025")


def test_an_instrument_listed_after_the_close_carries_its_reference_price_over() -> None:
    market = open_market()
    market.end_day()
    market.act(SERIES)
    market.act(INSTRUMENT)
    events = market.next_boundary()
    assert e.ReferencePriceSet("BEA-2025", 20240507, 10_000, 8_000, 12_000) in events


@pytest.mark.parametrize(
    ("changed", "reason", "field"),
    [
        ({"series_id": "a b"}, "TEXT_INVALID", "series_id"),
        ({"series_id": "BEA-2024"}, "SERIES_INVALID", "series_id"),
        ({"vintage": 2012}, "AMOUNT_OUT_OF_RANGE", "vintage"),
        ({"vintage": 2201}, "AMOUNT_OUT_OF_RANGE", "vintage"),
        ({"expires_day": 99991232}, "AMOUNT_OUT_OF_RANGE", "expires_day"),
        ({"expires_day": -1}, "AMOUNT_OUT_OF_RANGE", "expires_day"),
    ],
)
def test_an_unfit_series_is_refused(changed: dict[str, Any], reason: str, field: str) -> None:
    market = open_market()
    (event,) = market.send("op-1", c.ProposeAct(replace(SERIES, **changed), "please"))
    assert (reason, field) == (event.reason, event.field)


@pytest.mark.parametrize(
    ("changed", "reason", "field"),
    [
        ({"instrument_id": ""}, "TEXT_INVALID", "instrument_id"),
        ({"series_id": "BEA-1999"}, "SERIES_UNKNOWN", "series_id"),
        ({"reference_price_ticks": 0}, "AMOUNT_OUT_OF_RANGE", "reference_price"),
        ({"reference_price_ticks": 10**7 + 1}, "AMOUNT_OUT_OF_RANGE", "reference_price"),
        ({"instrument_id": "BEA-2024"}, "INSTRUMENT_INVALID", "instrument_id"),
        ({"series_id": "BEA-2024"}, "INSTRUMENT_INVALID", "instrument_id"),
        ({"series_id": "BEA-2025-R"}, "INSTRUMENT_INVALID", "instrument_id"),
    ],
)
def test_an_unfit_instrument_is_refused(changed: dict[str, Any], reason: str, field: str) -> None:
    market = open_market()
    market.act(SERIES)
    market.act(replace(SERIES, series_id="BEA-2025-R", restriction="auction"))
    (event,) = market.send("op-1", c.ProposeAct(replace(INSTRUMENT, **changed), "please"))
    assert (reason, field) == (event.reason, event.field)


def test_the_outermost_values_are_allowed() -> None:
    market = open_market()
    for vintage in (2013, 2200):
        name = f"BEA-{vintage}"
        market.act(replace(SERIES, series_id=name, vintage=vintage, expires_day=99991231))
        market.act(c.ListInstrument(name, name, 10**7 if vintage == 2013 else 1))
    assert {"BEA-2013", "BEA-2200"} <= market.market.instruments.keys()


def test_an_expired_series_loses_its_orders_at_the_days_start_and_takes_no_more() -> None:
    market = open_market()
    market.act(replace(SERIES, expires_day=20240507))
    market.act(INSTRUMENT)
    market.say("A buys 5@10000 GTC", instrument="BEA-2025")
    last_day = market.next_day()
    day_after = market.next_day()
    (event,) = market.say("A buys 5@10000", instrument="BEA-2025")
    assert canceled(1, 5, CancelReason.SERIES_EXPIRED) not in last_day
    assert canceled(1, 5, CancelReason.SERIES_EXPIRED) in day_after
    assert (event.reason, event.facts) == (
        "SERIES_EXPIRED",
        {"series": "BEA-2025", "expires": "20240507"},
    )


def test_an_expired_series_does_not_touch_the_others() -> None:
    market = open_market("A buys 5@10000 GTC")
    list_instrument(market, "PCER-1")
    market.next_day()
    assert len(market.market.books["BEA-2024"].orders) == 1
