"""FRED as it answers: a table of two columns without a key, publications in JSON with one."""

import json
from datetime import date, timedelta
from pathlib import Path

import polars as pl
from aiohttp import web
from pydantic import SecretStr

from conf.schema import FredSource
from tasks.market.frames import RAW_SERIES
from tasks.market.sources.fred import FredData
from tasks.market.sources.protocol import Place
from tests.market.sources.vendor import QUICK, Answer, WebCase

NIGHT = date(2021, 3, 5)
KEY = "k0123456789abcdef"
DAYS = [date(2021, 1, 4) + timedelta(days=n) for n in range(68)]
DGS10 = {day: f"{1 + n / 100:.2f}" for n, day in enumerate(d for d in DAYS if d.weekday() < 5)}
DGS10[date(2021, 2, 15)] = "."  # Presidents' Day
MONTHS = [date(2020, 9, 1), date(2020, 10, 1), date(2020, 11, 1), date(2020, 12, 1)]
MONTHS += [date(2021, 1, 1), date(2021, 2, 1)]
AAA = {day: f"{2 + n / 10:.1f}" for n, day in enumerate(MONTHS)}
# day of the figure -> what was published of it, and when; the last is a correction
PUBLISHED = {
    date(2021, 3, 2): [("2021-03-03", "1.42")],
    date(2021, 3, 3): [("2021-03-04", "1.47")],
    date(2021, 3, 4): [("2021-03-05", "1.54"), ("2021-03-09", "1.55")],
}


def table(request: web.Request) -> Answer:
    """Answer with the days of one series that were asked for."""
    name = request.query["id"]
    first, last = request.query["cosd"], request.query["coed"]
    lines = [f"observation_date,{name}"]
    for day, value in {"DGS10": DGS10, "AAA": AAA}[name].items():
        if first <= str(day) <= last:
            lines.append(f"{day},{value}")
    return Answer("\n".join([*lines, ""]).encode())


def publications(request: web.Request) -> Answer:
    """Answer with what was published in the days asked for, what was known before included."""
    if request.query["api_key"] != KEY:
        return Answer(b'{"error_code":400,"error_message":"Bad Request. The key is wrong."}', 400)
    first, last = request.query["realtime_start"], request.query["realtime_end"]
    rows = []
    for day, told in PUBLISHED.items():
        for number, (known, value) in enumerate(told):
            until = told[number + 1][0] if number + 1 < len(told) else "9999-12-31"
            if known <= last and until > first:
                spell = {"realtime_start": max(known, first), "realtime_end": min(until, last)}
                rows.append({**spell, "date": str(day), "value": value})
    start, limit = int(request.query["offset"]), int(request.query["limit"])
    page = {"count": len(rows), "offset": start, "limit": limit}
    page["observations"] = rows[start : start + limit]
    return Answer(json.dumps(page, indent=1).encode())


def source(base_url: str, spool: Path | None = None, **settings: object) -> FredData:
    given: dict[str, object] = {
        "kind": "fred",
        "title": "FRED",
        "base_url": base_url,
        "keyed_url": base_url,
        "starts": date(2020, 12, 1),
        "observed_from": date(2021, 3, 2),
        "look_back": 2,
        "expected_rows": 1,
        "series": {"yield_10y": "DGS10", "yield_aaa": "AAA"},
        **QUICK,
        **settings,
    }
    return FredData(
        FredSource(**given), Place(spool=spool, secrets={"FRED_API_KEY": SecretStr(KEY)})
    )


def rows(*told: tuple[str, str, float, str]) -> pl.DataFrame:
    days = [(date.fromisoformat(a), name, x, date.fromisoformat(b)) for a, name, x, b in told]
    return pl.DataFrame(days, RAW_SERIES, orient="row")


ROUTES = {"/graph/fredgraph.csv": table, "/fred/series/observations": publications}


def case(base_url: str, spool: Path) -> WebCase:
    expected = rows(
        ("2021-02-01", "yield_aaa", 2.5, "2021-03-05"),
        ("2021-03-02", "yield_10y", 1.41, "2021-03-05"),
        ("2021-03-03", "yield_10y", 1.42, "2021-03-05"),
        ("2021-03-04", "yield_10y", 1.43, "2021-03-05"),
    )
    return WebCase(source(base_url, spool), ROUTES, expected, "series", NIGHT)
