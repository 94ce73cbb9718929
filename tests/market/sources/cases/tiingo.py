"""Tiingo as it answers: one list for each symbol, a row for each session."""

import json
from datetime import date
from pathlib import Path

import polars as pl
from aiohttp import web
from pydantic import SecretStr

from conf.schema import TiingoSource
from tasks.market.frames import RAW_BARS
from tasks.market.sources.protocol import Place
from tasks.market.sources.tiingo import TiingoData
from tests.market.sources.vendor import QUICK, Answer, Route, WebCase

NIGHT = date(2020, 9, 1)
KEY = "0123456789abcdef"
# symbol -> date, open, high, low, close, volume, adjusted close, dividend, split
ROWS = {
    "AAPL": [
        ("2020-08-27", 508.57, 509.94, 495.33, 500.04, 38888096.0, 125.01, 0.0, 1.0),
        ("2020-08-28", 504.05, 505.77, 498.31, 499.23, 46907479.0, 124.8075, 0.0, 1.0),
        ("2020-08-31", 127.58, 131.0, 126.0, 129.04, 225702700.0, 129.04, 0.0, 4.0),
        ("2020-09-01", 132.76, 134.8, 130.53, 134.18, 152470142.0, 134.18, 0.0, 1.0),
    ],
    "BRK.B": [
        ("2020-08-27", 213.7, 219.32, 213.5, 218.13, 4849155.0, 218.13, 0.0, 1.0),
        ("2020-08-28", 219.0, 219.3, 216.65, 218.55, 3330713.0, 218.55, 0.0, 1.0),
        ("2020-08-31", 217.56, 219.15, 217.05, 218.04, 5102424.0, 218.04, 0.0, 1.0),
        ("2020-09-01", 217.68, 218.22, 215.17, 217.0, 3505164.0, 217.0, 0.0, 1.0),
    ],
    "MSFT": [
        ("2020-08-27", 222.89, 231.15, 219.4, 226.58, 57602195.0, 226.0752, 0.0, 1.0),
        ("2020-08-28", 228.18, 230.644, 226.58, 228.91, 26292896.0, 228.4, 0.0, 1.0),
        ("2020-08-31", 227.0, 228.7, 224.31, 225.53, 28774156.0, 225.53, 0.51, 1.0),
        ("2020-09-01", 225.51, 227.45, 224.43, 227.27, 25791235.0, 227.27, 0.0, 1.0),
    ],
}
NAMES = ("open", "high", "low", "close", "volume", "adjClose", "divCash", "splitFactor")


def answer(symbol: str) -> Route:
    """Answer with the rows that were asked for, and the adjusted columns besides."""

    def route(request: web.Request) -> Answer:
        first, last = request.query["startDate"], request.query["endDate"]
        rows = [
            {"date": f"{day}T00:00:00.000Z", **dict(zip(NAMES, numbers, strict=True))}
            for day, *numbers in ROWS[symbol]
            if first <= day <= last
        ]
        rows = [{**row, "adjOpen": row["open"], "adjVolume": int(row["volume"])} for row in rows]
        return Answer(json.dumps(rows, indent=1).encode())

    return route


def source(base_url: str, spool: Path | None = None, **settings: object) -> TiingoData:
    given: dict[str, object] = {
        "kind": "tiingo",
        "title": "Tiingo",
        "base_url": base_url,
        "actions": "given",
        "starts": date(2020, 8, 3),
        "observed_from": date(2020, 8, 28),
        "look_back": 2,
        "expected_rows": 3,
        "symbols": tuple(ROWS),
        **QUICK,
        **settings,
    }
    return TiingoData(
        TiingoSource(**given), Place(spool=spool, secrets={"TIINGO_API_KEY": SecretStr(KEY)})
    )


ROUTES = {
    "/tiingo/daily/AAPL/prices": answer("AAPL"),
    "/tiingo/daily/BRK-B/prices": answer("BRK.B"),
    "/tiingo/daily/MSFT/prices": answer("MSFT"),
}


def case(base_url: str, spool: Path) -> WebCase:
    rows = [
        (date.fromisoformat(day), symbol, *numbers[:6], None)
        for symbol, own in ROWS.items()
        for day, *numbers in own
        if day >= "2020-08-28"
    ]
    expected = pl.DataFrame(rows, RAW_BARS, orient="row")
    return WebCase(source(base_url, spool), ROUTES, expected.sort(expected.columns), "bars", NIGHT)
