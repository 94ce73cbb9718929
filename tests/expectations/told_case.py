"""Nights of sixty names that tell more than bars, for the tests of what is made of it."""

from datetime import date
from functools import cache
from typing import Any

import polars as pl

from conf.schema import EdgarSource, FredSource, SimulatedSource
from expectations.desk import Desk, Judged
from tasks.market import frames
from tasks.market.calendar import Calendar
from tasks.market.sources.protocol import Delivery

DAYS = Calendar("XNYS")
EVE, NIGHT, AFTER = date(2015, 7, 1), date(2015, 7, 2), date(2015, 7, 6)
NAMES = [f"S{number:02}" for number in range(60)]
SETTINGS = SimulatedSource(
    kind="simulated",
    title="Observed nights",
    starts=date(2015, 6, 1),
    observed_from=date(2015, 6, 2),
    ends=date(2015, 7, 31),
    expected_rows=len(NAMES),
)
WEB = {"title": "Told", "starts": date(2015, 1, 2), "observed_from": EVE, "expected_rows": 1}
FILINGS = EdgarSource(kind="edgar", symbols=["S00"], items={"assets": ["Assets"]}, **WEB)
RATES = FredSource(kind="fred", series={"yield": "DGS10"}, **WEB)
Row = dict[str, Any]


@cache
def known() -> Judged:
    """Return what is known after one night of all names."""
    judged = desk().judge(delivery(EVE))
    assert verdict(judged)[0] == "pass"
    return judged


def begun() -> Desk:
    """Return a desk that knows one night of all names."""
    return Desk("test", SETTINGS, DAYS, bars=known().bars, listings=known().listings)


def desk(settings: Any = SETTINGS, *, sealed: date | None = None, series: Any = None) -> Desk:
    bars, listings = frames.empty(frames.BARS), frames.empty(frames.LISTINGS)
    return Desk("test", settings, DAYS, bars=bars, listings=listings, series=series, sealed=sealed)


def table(rows: list[Row], columns: dict[str, type[pl.DataType]]) -> pl.DataFrame:
    """Return a frame of these columns; what a row does not say is null."""
    return pl.DataFrame(rows, schema=columns) if rows else frames.empty(columns)


def delivery(
    night: date,
    names: list[str] = NAMES,
    *,
    close: float = 10.0,
    vintage: str = "observed",
    listings: list[Row] | None = None,
    series: list[Row] | None = None,
    filings: list[Row] | None = None,
    members: list[Row] | None = None,
) -> Delivery:
    """Return a night with a bar for each of `names`, and what it tells besides."""
    bars = pl.DataFrame(
        {"symbol": names, "close": [close + n / 100 for n in range(len(names))]},
        schema={"symbol": pl.String, "close": pl.Float64},
    ).with_columns(session=pl.lit(night), volume=1000.0 + night.toordinal())
    told = {
        "listings": (listings, frames.RAW_LISTINGS),
        "series": (series, frames.RAW_SERIES),
        "fundamentals": (filings, frames.RAW_FUNDAMENTALS),
        "members": (members, frames.RAW_MEMBERS),
    }
    shaped = {name: table(rows or [], columns) for name, (rows, columns) in told.items()}
    none = frames.empty(frames.RAW_ACTIONS)
    return Delivery(night, vintage, frames.shaped(bars, frames.RAW_BARS), none, **shaped)


def filing(
    value: float,
    *,
    symbol: str = "S01",
    form: str | None = "10-Q",
    known_on: date | None = NIGHT,
    period_end: date = date(2015, 3, 31),
) -> Row:
    about = {"item": "assets", "form": form, "known_on": known_on, "period_end": period_end}
    return {"symbol": symbol, "value": value, **about}


def named(symbol: str, name: str = "A name") -> Row:
    return {"symbol": symbol, "name": name, "asset_class": "equity", "from_session": NIGHT}


def rate(session: date, value: float, known_on: date | None) -> Row:
    return {"session": session, "name": "yield", "value": value, "known_on": known_on}


NEWS: dict[str, list[Row]] = {
    "listings": [named("NEW"), named("S02", "Another name")],
    "series": [rate(EVE, 2.5, NIGHT)],
    "filings": [filing(7.0)],
    "members": [{"session": NIGHT, "index": "sp500", "symbol": "S03", "member": 0}],
}
TABLES = ("listings", "series", "fundamentals", "members")


def verdict(judged: Judged) -> tuple[str, str]:
    return judged.verdicts.select("verdict", "reasons").row(0)


def left(judged: Judged) -> dict[str, int]:
    return {name: getattr(judged, name).height for name in TABLES}
