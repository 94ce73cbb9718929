"""Alpaca as it answers: pages that cut across symbols, stamped with midnight in New York."""

import json
from datetime import date
from pathlib import Path

import polars as pl
from aiohttp import web
from pydantic import SecretStr

from conf.schema import AlpacaSource
from tasks.market.frames import RAW_BARS
from tasks.market.sources.alpaca import AlpacaData
from tasks.market.sources.protocol import Place
from tests.market.sources.vendor import QUICK, Answer, WebCase

NIGHT = date(2022, 3, 15)
SECRETS = {"APCA_API_KEY_ID": SecretStr("PK0123"), "APCA_API_SECRET_KEY": SecretStr("s3cret")}
# Clocks go forward between the two: midnight is 05:00 and then 04:00 in UTC.
STAMPS = {
    "2022-03-10": "2022-03-10T05:00:00Z",
    "2022-03-11": "2022-03-11T05:00:00Z",
    "2022-03-14": "2022-03-14T04:00:00Z",
    "2022-03-15": "2022-03-15T04:00:00Z",
}
CLOSES = {
    "AAPL": (158.52, 154.73, 150.62, 155.09),
    "BRK.B": (321.75, 322.49, 326.37, 332.46),
    "MSFT": (285.59, 280.07, 276.44, 287.15),
}


def bar(symbol: str, day: str) -> dict[str, object]:
    close = CLOSES[symbol][list(STAMPS).index(day)]
    prices = {"o": close - 1, "h": close + 2, "l": close - 2, "c": close}
    return {"t": STAMPS[day], **prices, "v": 105_342_033, "n": 1_005_893, "vw": close}


def page(request: web.Request) -> Answer:
    """Answer with a page of the bars asked for: at most `limit`, sorted by symbol and day."""
    first, last = request.query["start"][:10], request.query["end"][:10]
    rows = [
        (symbol, bar(symbol, day))
        for symbol in sorted(request.query["symbols"].split(","))
        for day in STAMPS
        if symbol in CLOSES and first <= day <= last
    ]
    start, limit = int(request.query.get("page_token", "0")), int(request.query["limit"])
    bars: dict[str, list[object]] = {}
    for symbol, one in rows[start : start + limit]:
        bars.setdefault(symbol, []).append(one)
    token = str(start + limit) if start + limit < len(rows) else None
    return Answer(json.dumps({"bars": bars, "next_page_token": token}, indent=1).encode())


def source(base_url: str, spool: Path | None = None, **settings: object) -> AlpacaData:
    given: dict[str, object] = {
        "kind": "alpaca",
        "title": "Alpaca",
        "base_url": base_url,
        "starts": date(2022, 3, 1),
        "observed_from": date(2022, 3, 14),
        "look_back": 2,
        "expected_rows": 3,
        "symbols": tuple(CLOSES),
        "page": 4,
        **QUICK,
        **settings,
    }
    return AlpacaData(AlpacaSource(**given), Place(spool=spool, secrets=SECRETS))


def bars(first: str, last: str) -> pl.DataFrame:
    rows = [
        (date.fromisoformat(day), symbol, close - 1, close + 2, close - 2, close, 105_342_033.0)
        for symbol, closes in CLOSES.items()
        for day, close in zip(STAMPS, closes, strict=True)
        if first <= day <= last
    ]
    frame = pl.DataFrame([(*row, None, None) for row in rows], RAW_BARS, orient="row")
    return frame.sort(frame.columns)


ROUTES = {"/v2/stocks/bars": page}


def case(base_url: str, spool: Path) -> WebCase:
    expected = bars("2022-03-11", "2022-03-15")
    # Two pages share one patience, in which each may be asked to wait a second.
    feed = source(base_url, spool, page=5, patience_s=3.5)
    return WebCase(feed, ROUTES, expected, "bars", NIGHT)
