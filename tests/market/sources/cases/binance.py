"""Binance as it answers: lists of twelve cells, prices as text, from `startTime` on."""

import json
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import polars as pl
from aiohttp import web

from conf.schema import BinanceSource
from tasks.market.frames import RAW_BARS
from tasks.market.sources.binance import BinanceData
from tasks.market.sources.protocol import Place
from tests.market.sources.vendor import QUICK, Answer, WebCase

PATH = "/api/v3/klines"
NIGHT = date(2020, 3, 15)
FIRST = date(2020, 3, 10)
DAY_MS = 86_400_000
# symbol -> open, high, low, close, volume of each day from FIRST on; the last one is unfinished
ROWS = {
    "BTCUSDT": [
        ("7933.58", "8136.00", "7727.00", "7894.57", "86783.443875"),
        ("7894.57", "7980.00", "7590.00", "7934.52", "79942.411172"),
        ("7934.58", "7966.17", "4410.00", "4800.00", "261505.608653"),
        ("4800.01", "5955.00", "3782.13", "5578.60", "402201.673764"),
        ("5576.05", "5640.52", "5055.13", "5172.06", "136910.135974"),
        ("5174.90", "5940.00", "5093.97", "5361.30", "149156.466193"),
        ("5360.33", "5365.42", "4442.12", "4500.00", "90000.000000"),
    ],
    "ETHEUR": [
        ("176.21", "181.00", "172.02", "177.50", "1209.41"),
        ("177.40", "178.90", "163.20", "172.31", "1630.02"),
        ("172.31", "173.00", "87.01", "98.20", "6422.92"),
        ("98.20", "128.88", "79.01", "119.30", "9412.02"),
        ("119.25", "120.11", "108.03", "110.40", "2209.13"),
        ("110.41", "122.94", "107.50", "112.60", "2811.22"),
        ("112.60", "112.93", "92.10", "94.00", "1411.00"),
    ],
}


def opens(day: date) -> int:
    return (day - date(1970, 1, 1)).days * DAY_MS


def candle(day: date, cells: Sequence[str]) -> list[object]:
    return [opens(day), *cells, opens(day) + DAY_MS - 1, "1.0", 7, "0.5", "0.5", "0"]


def answer(request: web.Request) -> Answer:
    asked = request.query
    if asked["symbol"] not in ROWS:
        return Answer(b'{"code":-1121,"msg":"Invalid symbol."}', 400)
    candles = [candle(FIRST + timedelta(days=at), row) for at, row in told(asked["symbol"])]
    inside = [one for one in candles if int(asked["startTime"]) <= one[0] <= int(asked["endTime"])]
    return Answer(json.dumps(inside[: int(asked.get("limit", 500))]).encode())


def told(symbol: str) -> list[tuple[int, tuple[str, ...]]]:
    return list(enumerate(ROWS[symbol]))


def settings(base_url: str, **other: object) -> BinanceSource:
    return BinanceSource(
        kind="binance",
        title="Binance",
        base_url=base_url,
        asset_class="crypto",
        observed_from=date(2020, 3, 14),
        look_back=2,
        expected_rows=2,
        **{"starts": date(2017, 8, 17), "symbols": tuple(ROWS), **QUICK, **other},
    )


def case(base_url: str, spool: Path) -> WebCase:
    rows = [
        (FIRST + timedelta(days=at), symbol, *map(float, cells), None, symbol[3:].rstrip("T"))
        for symbol in ROWS
        for at, cells in told(symbol)
        if date(2020, 3, 13) <= FIRST + timedelta(days=at) <= NIGHT
    ]
    expected = pl.DataFrame(rows, RAW_BARS, orient="row")
    source = BinanceData(settings(base_url), Place(spool=spool))
    return WebCase(source, {PATH: answer}, expected.sort(expected.columns), "bars", NIGHT)
