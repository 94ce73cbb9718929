"""Rows that are wrong in themselves: types, keys, dates, symbols, order and sign of prices."""

from collections.abc import Sequence
from datetime import date, timedelta

import polars as pl

from tests.expectations.injection import (
    FEW,
    PRICES,
    Corruption,
    Inject,
    Night,
    Planted,
    Rng,
    Spoilt,
    added,
    all_rows,
    edited,
    is_of,
    keys,
    picked,
)

NUMBERS = (*PRICES, "volume")


def cells(columns: Sequence[str], value: float | None, *, count: int = FEW) -> Inject:
    """Write one value into some columns of a few rows."""

    def inject(night: Night, rng: Rng) -> Spoilt:
        names = picked(night, rng, count)
        new = {name: pl.lit(value, dtype=pl.Float64) for name in columns}
        return edited(night, names, **new), Planted(rows=keys(night.own, names))

    return inject


def altered(count: int = FEW, **changes: pl.Expr) -> Inject:
    """Change columns of a few rows; the planted keys are those that were sent."""

    def inject(night: Night, rng: Rng) -> Spoilt:
        names = picked(night, rng, count)
        spoilt = edited(night, names, **changes)
        rows = night.right.bars.with_row_index().filter(is_of(night.own, names))
        return spoilt, all_rows(spoilt.bars[rows["index"].to_list()])

    return inject


def more(count: int = FEW, **changes: pl.Expr) -> Inject:
    """Add changed copies of a few rows; only the copies are wrong."""

    def inject(night: Night, rng: Rng) -> Spoilt:
        names = picked(night, rng, count)
        rows = night.rows.filter(pl.col("symbol").is_in(names)).with_columns(**changes)
        return added(night, rows), all_rows(rows)

    return inject


def copied(times: int, count: int) -> Inject:
    """Send a few rows again, word for word."""

    def inject(night: Night, rng: Rng) -> Spoilt:
        rows = night.rows.filter(pl.col("symbol").is_in(picked(night, rng, count)))
        return added(night, pl.concat([rows] * times)), Planted(copies=times * rows.height)

    return inject


def dated(days: int, count: int = FEW) -> Inject:
    """Add rows of a few names under a date so many days after tonight's."""
    return more(count, session=pl.col("session") + timedelta(days=days))


def fixed_date(day: date) -> Inject:
    """Add rows of a few names under one date, whatever the night."""
    return more(session=pl.lit(day))


def weekend_rows(night: Night, rng: Rng) -> Spoilt:
    """Add rows dated on the Saturday before tonight."""
    back = (night.own.weekday() + 2) % 7
    return dated(-back)(night, rng)


def day_and_month_swapped(night: Night, rng: Rng) -> Spoilt:
    """Write the month for the day where both are possible, else the year before."""
    day = night.own
    possible = day.day <= 12 and day.day != day.month  # on 12 December nothing would be wrong
    wrong = date(day.year, day.day, day.month) if possible else date(day.year - 1, 1, 12)
    return altered(session=pl.lit(wrong))(night, rng)


def two_under_one_symbol(night: Night, rng: Rng) -> Spoilt:
    """Send the rows of some names under the symbols of others as well."""
    names = picked(night, rng, 2 * FEW)
    swap = dict(zip(names[:FEW], names[FEW:], strict=True))
    rows = night.rows.filter(pl.col("symbol").is_in(list(swap)))
    rows = rows.with_columns(pl.col("symbol").replace_strict(swap))
    return added(night, rows), all_rows(rows)


def twin_symbol(night: Night, rng: Rng) -> Spoilt:
    """Send a name with a dot in its symbol under a dash as well, both sessions of it."""
    twin = night.right.bars.filter(symbol="BRK.B").with_columns(symbol=pl.lit("BRK-B"))
    if twin.is_empty():
        raise ValueError(f"BRK.B did not trade by {night.own}: choose another market.")
    return added(night, twin), all_rows(twin)


def mangled(symbol: str, into: str | None) -> Inject:
    """Send one awkward symbol as a careless reader would write it."""

    def inject(night: Night, rng: Rng) -> Spoilt:
        rows = night.right.bars.filter(symbol=symbol)
        if rows.is_empty():
            raise ValueError(f"{symbol} did not trade by {night.own}: choose another market.")
        wrong = pl.col("symbol").replace({symbol: into})
        spoilt = night.right._replace(bars=night.right.bars.with_columns(wrong))
        return spoilt, all_rows(rows.with_columns(wrong))

    return inject


CASE = pl.col("symbol").str.to_lowercase()
ROWS = {
    "close missing": Corruption("structural", "schema and types", cells(["close"], None)),
    "all prices missing": Corruption("structural", "schema and types", cells(PRICES, None)),
    "symbol missing": Corruption(
        "structural", "schema and types", altered(symbol=pl.lit(None, dtype=pl.String))
    ),
    "date missing": Corruption(
        "structural", "schema and types", altered(session=pl.lit(None, dtype=pl.Date))
    ),
    "close NaN": Corruption("structural", "NaN and inf", cells(["close"], float("nan"))),
    "open NaN": Corruption("structural", "NaN and inf", cells(["open"], float("nan"))),
    "volume NaN": Corruption("structural", "NaN and inf", cells(["volume"], float("nan"))),
    "close infinite": Corruption("structural", "NaN and inf", cells(["close"], float("inf"))),
    "high infinite": Corruption("structural", "NaN and inf", cells(["high"], float("inf"))),
    "low minus infinite": Corruption("structural", "NaN and inf", cells(["low"], -float("inf"))),
    "close zero": Corruption("structural", "zero and negative", cells(["close"], 0.0)),
    "open zero": Corruption("structural", "zero and negative", cells(["open"], 0.0)),
    "all numbers zero": Corruption("structural", "zero and negative", cells(NUMBERS, 0.0)),
    "close negative": Corruption(
        "structural", "zero and negative", altered(close=-pl.col("close"))
    ),
    "prices negative": Corruption(
        "structural", "zero and negative", altered(**{name: -pl.col(name) for name in PRICES})
    ),
    "volume negative": Corruption(
        "structural", "zero and negative", altered(volume=-pl.col("volume"))
    ),
    "high below low": Corruption(
        "structural", "order of prices", altered(high=pl.col("low"), low=pl.col("high"))
    ),
    "close above high": Corruption(
        "structural", "order of prices", altered(close=pl.col("high") * 1.02)
    ),
    "open below low": Corruption(
        "structural", "order of prices", altered(open=pl.col("low") / 1.02)
    ),
    "copies of a few rows": Corruption("structural", "duplicates", copied(1, FEW)),
    "five copies of one row": Corruption("structural", "duplicates", copied(5, 1)),
    "differing copies": Corruption(
        "structural", "differing duplicates", more(close=pl.col("close") * 1.001)
    ),
    "copies that differ in volume": Corruption(
        "structural", "differing duplicates", more(volume=pl.col("volume") + 100)
    ),
    "many differing copies": Corruption(
        "structural", "differing duplicates", more(200, close=pl.col("close") * 1.001)
    ),
    "dated tomorrow": Corruption("structural", "future", dated(1)),
    "dated a year on": Corruption("structural", "future", dated(365)),
    "dated 2108": Corruption("structural", "future", fixed_date(date(2108, 11, 20))),
    "dated 1970": Corruption("structural", "holiday and weekend", fixed_date(date(1970, 1, 1))),
    "dated on a Saturday": Corruption("structural", "holiday and weekend", weekend_rows),
    "dated on a holiday": Corruption(
        "structural", "holiday and weekend", fixed_date(date(2018, 9, 3))
    ),
    "day and month swapped": Corruption("structural", "calendar", day_and_month_swapped),
    "two names under one symbol": Corruption(
        "structural", "symbol collision", two_under_one_symbol
    ),
    "dot and dash twins": Corruption("structural", "symbol collision", twin_symbol),
    "symbols in lower case": Corruption("structural", "symbols", altered(symbol=CASE)),
    "lower-case twins": Corruption("structural", "symbols", more(symbol=CASE)),
    "trailing spaces": Corruption(
        "structural", "symbols", altered(symbol=pl.col("symbol") + pl.lit("  "))
    ),
    "symbols that are numbers": Corruption(
        "structural", "text as symbols", altered(symbol=pl.col("volume").cast(pl.String))
    ),
    "NA read as nothing": Corruption("structural", "text as symbols", mangled("NA", None)),
    "NA read as nan": Corruption("structural", "text as symbols", mangled("NA", "nan")),
    "TRUE read as True": Corruption("structural", "text as symbols", mangled("TRUE", "True")),
    "1E5 read as 100000": Corruption("structural", "text as symbols", mangled("1E5", "100000")),
    "1E5 read as 100000.0": Corruption("structural", "text as symbols", mangled("1E5", "100000.0")),
    "MAR1 read as a date": Corruption(
        "structural", "text as symbols", mangled("MAR1", "2018-03-01")
    ),
}
