"""Yahoo's chart service as it answers: arrays under one another, restated for every split."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
from aiohttp import web

from conf.schema import YahooSource
from tasks.market.frames import RAW_BARS
from tasks.market.sources.protocol import Place
from tasks.market.sources.yahoo import YahooData
from tests.market.sources.vendor import QUICK, Answer, Route, WebCase

NIGHT = date(2020, 9, 1)
NEW_YORK = "America/New_York"
# day, open, high, low, close, volume, adjusted close: as of a day after the split of 2020-08-31
APPLE = [
    ("2020-08-27", 127.1425, 127.485, 123.8325, 125.01, 155552384, 122.5),
    ("2020-08-28", 126.0125, 126.4425, 124.5775, 124.8075, 187629916, 122.252),
    ("2020-08-31", 127.58, 131.0, 126.0, 129.04, 225702700, 126.398),
    ("2020-09-01", 132.76, 134.8, 130.53, 134.18, 151948100, 131.433),
    ("2020-09-02", 137.59, 137.98, 127.0, 131.4, 200119000, 128.75),
]
INDEX = [
    ("2020-08-28", 3494.69, 3509.23, 3484.32, 3508.01, 3840480000, 3508.01),
    ("2020-08-31", 3509.73, 3514.77, 3493.25, 3500.31, 4348280000, 3500.31),
    ("2020-09-01", 3507.44, 3528.03, 3494.6, 3526.65, 4080730000, 3526.65),
]
SPLIT = {"date": "2020-08-31", "numerator": 4.0, "denominator": 1.0, "splitRatio": "4:1"}


def stamp(day: str, zone: str = NEW_YORK, hour: int = 9, minute: int = 30) -> int:
    """Return the seconds at which a day's trading begins."""
    begun = datetime.combine(date.fromisoformat(day), datetime.min.time(), ZoneInfo(zone))
    return int(begun.replace(hour=hour, minute=minute).timestamp())


def told(
    symbol: str,
    rows: Sequence[Sequence[object]],
    *,
    events: Mapping[str, Sequence[Mapping[str, object]]] = {},
    hour: int = 9,
    **meta: object,
) -> dict[str, object]:
    """Write a chart; the events carry days, which become seconds."""
    named = {"currency": "USD", "symbol": symbol, "instrumentType": "EQUITY"}
    zone = str(meta.get("exchangeTimezoneName", NEW_YORK))
    columns = [list(column) for column in zip(*rows, strict=True)] or [[]] * 7
    prices = dict(zip(("open", "high", "low", "close", "volume"), columns[1:6], strict=True))
    happened = {
        kind: {str(at): {**event, "date": at} for event in own for at in [stamp(event["date"])]}
        for kind, own in events.items()
    }
    result = {
        "meta": {**named, "exchangeTimezoneName": zone, **meta},
        "timestamp": [stamp(day, zone, hour) for day in columns[0]],
        "events": happened,
        "indicators": {"quote": [prices], "adjclose": [{"adjclose": columns[6]}]},
    }
    return {"chart": {"result": [result], "error": None}}


def answer(whole: Mapping[str, object]) -> Route:
    """Answer whole, as Yahoo does for a window without an end that begins before the first row."""

    def route(request: web.Request) -> Answer:
        assert request.query["interval"] == "1d"
        assert request.query["period2"] == "9999999999"
        return Answer(json.dumps(whole).encode())

    return route


ROUTES = {
    "/v8/finance/chart/AAPL": answer(
        told("AAPL", APPLE, events={"splits": [SPLIT]}, longName="Apple Inc.")
    ),
    "/v8/finance/chart/^GSPC": answer(told("^GSPC", INDEX, instrumentType="INDEX")),
}


def source(base_url: str, spool: Path | None = None, **settings: object) -> YahooData:
    conf = YahooSource(
        kind="yahoo",
        title="Yahoo",
        base_url=base_url,
        actions="given",
        starts=date(2020, 8, 3),
        observed_from=date(2020, 8, 28),
        look_back=2,
        expected_rows=2,
        **{"symbols": ("AAPL", "^GSPC"), **QUICK, **settings},
    )
    return YahooData(conf, Place(spool=spool))


def case(base_url: str, spool: Path) -> WebCase:
    apple = [
        ("2020-08-28", 504.05, 505.77, 498.31, 499.23, 187629916 / 4, 122.252),
        ("2020-08-31", 127.58, 131.0, 126.0, 129.04, 225702700.0, 126.398),
        ("2020-09-01", 132.76, 134.8, 130.53, 134.18, 151948100.0, 131.433),
    ]
    rows = [
        (date.fromisoformat(day), symbol, *map(float, numbers), "USD")
        for symbol, own in (("AAPL", apple), ("^GSPC", INDEX))
        for day, *numbers in own
    ]
    expected = pl.DataFrame(rows, RAW_BARS, orient="row")
    return WebCase(source(base_url, spool), ROUTES, expected.sort(expected.columns), "bars", NIGHT)
