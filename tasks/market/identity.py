"""Who a symbol is: the instrument behind it, named so that any order of landing agrees."""

from datetime import date
from typing import NamedTuple

import polars as pl

from tasks.market.frames import DAY, LISTINGS, RAW_BARS, REAL, TEXT, shaped

STAMPS = ("source", "delivery", "known_on")
SAID = {name: kind for name, kind in LISTINGS.items() if name not in STAMPS}
SPOKEN = ("name", "sector", "asset_class")
# The last clean row of each symbol before tonight.
EVE = {
    "symbol": TEXT,
    "instrument": TEXT,
    "session": DAY,
    "open": REAL,
    "high": REAL,
    "low": REAL,
    "close": REAL,
    "volume": REAL,
}


class Identified(NamedTuple):
    """Tonight's rows with their instruments, and what is new about who is who."""

    bars: pl.DataFrame  # RAW_BARS and instrument, sorted by session and symbol
    listings: pl.DataFrame  # SAID: a row for each instrument that is new or described anew
    names: pl.DataFrame  # (symbol, instrument): who a symbol is tonight, each symbol once


def identify(
    bars: pl.DataFrame,
    named: pl.DataFrame,
    listed: pl.DataFrame,
    eve: pl.DataFrame,
    *,
    source: str,
    currency: str,
    asset_class: str,
    session: date,
) -> Identified:
    """Return who tonight's symbols are.

    A symbol that is listed keeps its newest instrument; a new one becomes
    `<source>:<symbol>:<first session it has a row in>`. A name that came before its first bar
    waits with an empty instrument. Once one of its names says that an instrument is a fund, it
    stays one.

    Args:
        bars: `RAW_BARS` that passed the gate.
        named: `RAW_LISTINGS` of tonight.
        listed: `LISTINGS` known before, in the order they became known.
        eve: `EVE` rows.
        source: Where the bars come from.
        currency: Of rows that name none.
        asset_class: Of symbols that no listing speaks of.
        session: The session that tonight is about.
    """
    if nameless := bars.filter(pl.any_horizontal(pl.col("symbol", "session").is_null())).height:
        raise ValueError(f"{nameless} rows without symbol or session: the gate must drop them.")
    known = (
        listed.filter(pl.col("instrument") != "")
        .unique("symbol", keep="last", maintain_order=True)
        .select("symbol", "instrument")
    )
    new = (
        bars.join(known, on="symbol", how="anti")
        .group_by("symbol")
        .agg(from_session=pl.col("session").min())
        .with_columns(
            instrument=pl.concat_str(
                pl.lit(source), "symbol", pl.col("from_session").dt.to_string(), separator=":"
            )
        )
        .sort("symbol")
    )
    names = pl.concat([known, new.select("symbol", "instrument")]).sort("symbol")
    found = bars.join(names, on="symbol", how="left", validate="m:1")
    listings = _listings(named, new, listed, session, asset_class)
    listings = listings.with_columns(currency=pl.lit(currency))
    return Identified(
        found.sort("session", "symbol", maintain_order=True).select(*RAW_BARS, "instrument"),
        shaped(listings, SAID).sort("symbol", "instrument"),
        names,
    )


def _listings(
    named: pl.DataFrame, new: pl.DataFrame, listed: pl.DataFrame, session: date, asset_class: str
) -> pl.DataFrame:
    told = named.group_by("symbol", maintain_order=True).agg(
        pl.col("name").first(),
        pl.col("sector").first(),
        pl.when((pl.col("asset_class") == "fund").any())
        .then(pl.lit("fund"))
        .otherwise(pl.col("asset_class").first())
        .alias("asset_class"),
    )
    before = listed.unique("symbol", keep="last", maintain_order=True)
    before = before.select("symbol", "instrument", *SPOKEN, "from_session")
    touched = pl.concat([told.select("symbol"), new.select("symbol")]).unique()
    rows = (
        touched.join(before, on="symbol", how="left")
        .join(told, on="symbol", how="left", suffix="_now")
        .join(new, on="symbol", how="left", suffix="_now")
        .with_columns(
            pl.coalesce("instrument_now", "instrument").fill_null("").alias("instrument"),
            pl.coalesce("name", "name_now").alias("name"),
            pl.coalesce("sector_now", "sector").alias("sector"),
            pl.when((pl.col("asset_class") == "fund") | (pl.col("asset_class_now") == "fund"))
            .then(pl.lit("fund"))
            .otherwise(pl.coalesce("asset_class_now", "asset_class").fill_null(asset_class))
            .alias("asset_class"),
            pl.coalesce("from_session_now", "from_session")
            .fill_null(session)
            .alias("from_session"),
        )
    )
    return rows.join(before, on=["symbol", "instrument", *SPOKEN], how="anti", nulls_equal=True)
