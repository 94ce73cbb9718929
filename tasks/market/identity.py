"""Who a symbol is: the instrument behind it, named so that any order of landing agrees.

An instrument is `<source>:<first symbol>:<first session>` of the first row seen of it. A vendor's
own ids say best who is who. Without them a rename shows in the eve's row, which comes again under
the new symbol, and another company under an old symbol in its name after a long silence.
"""

from datetime import date
from typing import NamedTuple

import polars as pl

from tasks.market.descriptions import Defaults, News, descriptions
from tasks.market.frames import DAY, RAW_BARS, REAL, TEXT, shaped
from tasks.market.holders import (
    held_at,
    holders_of,
    id_owner,
    owner,
    told_intervals,
    with_owners,
)
from tasks.market.successions import STARTS, born, renamed, reused, strangers

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
ROW = {
    "owner": TEXT,
    "symbol": TEXT,
    "from_session": DAY,
    "to_session": DAY,
    "instrument": TEXT,
    "vendor_id": TEXT,
}


class Identified(NamedTuple):
    """Tonight's rows with their instruments, and what is new about who is who."""

    bars: pl.DataFrame  # RAW_BARS and instrument, sorted by session and symbol
    listings: pl.DataFrame  # SAID: a row for each instrument that is new or described anew
    names: pl.DataFrame  # (symbol, instrument): who a symbol is tonight, each symbol once
    holders: pl.DataFrame  # HOLDERS: who it was when, for `held_at`


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

    Rows of one vendor's id are one instrument, whatever its symbols; a row that lies outside every
    interval in which a vendor lists its symbol is another. A listing that came before its first
    bar waits with an empty instrument.

    Args:
        bars: `RAW_BARS` that passed the gate.
        named: `RAW_LISTINGS` of tonight.
        listed: `LISTINGS` known before.
        eve: `EVE` rows.
        source: Where the bars come from.
        currency: Of rows that name none.
        asset_class: Of symbols that no listing speaks of.
        session: The session that tonight is about.
    """
    if nameless := bars.filter(pl.any_horizontal(pl.col("symbol", "session").is_null())).height:
        raise ValueError(f"{nameless} rows without symbol or session: the gate must drop them.")
    listed = with_owners(listed)
    before = holders_of(listed)
    intervals = told_intervals(named, before, bars, session=session)
    listed, intervals = _adopted(listed, intervals, before)
    unknown = strangers(bars, named, listed, eve, before, session=session)
    reuses = reused(bars, unknown, source=source)
    starts = pl.concat([renamed(bars, eve, before), reuses]).with_columns(owner="instrument")
    rows = pl.concat(_rows(part) for part in (listed, intervals, starts))
    holders = before if rows.height == listed.height else holders_of(rows)
    found, births = _found(bars, holders, source)
    strays = births.filter(pl.col("owner") == pl.col("instrument"))
    strays = strays.with_columns(from_session="first")
    if births.height:
        holders = holders_of(_with_births(pl.concat([rows, _rows(strays)]), births))
    reborn = reuses.select("instrument", owner="instrument", first="from_session")
    news = News(
        listed,
        intervals,
        starts=pl.concat(part.select(*STARTS, "owner") for part in (starts, strays)),
        births=pl.concat([reborn, births.select(reborn.columns)]),
        holders=holders,
        strangers=unknown.join(reuses, on="symbol", how="anti"),
    )
    said = descriptions(named, news, defaults=Defaults(currency, asset_class), session=session)
    return Identified(
        found.sort("session", "symbol", maintain_order=True).select(*RAW_BARS, "instrument"),
        said,
        _names(holders),
        holders,
    )


def _names(holders: pl.DataFrame) -> pl.DataFrame:
    newest = holders.filter(pl.col("instrument").is_not_null())
    newest = newest.unique("symbol", keep="last", maintain_order=True)
    return newest.select("symbol", "instrument")


def _rows(part: pl.DataFrame) -> pl.DataFrame:
    return shaped(part, ROW)


def _with_births(rows: pl.DataFrame, births: pl.DataFrame) -> pl.DataFrame:
    newborn = births.select("owner", now="instrument")
    rows = rows.join(newborn, on="owner", how="left", maintain_order="left")
    return rows.with_columns(instrument=pl.coalesce("instrument", "now")).drop("now")


def _adopted(
    listed: pl.DataFrame, intervals: pl.DataFrame, before: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return both with new ids given to the instruments whose symbols they name.

    An instrument that held its symbol before the vendor gave it an id is that id's, unless the id
    is said to have begun later. Intervals get the instruments of the ids that are known.
    """
    ids = listed.filter(pl.col("vendor_id").is_not_null()).unique("vendor_id", keep="last")
    intervals = intervals.with_columns(owner=id_owner()).join(
        ids.select("vendor_id", "instrument"), on="vendor_id", how="left", maintain_order="left"
    )
    first = pl.col("from_session").min().over("instrument")
    if intervals.is_empty():
        return listed, intervals
    free = before.with_columns(first=first).unique("symbol", keep="last", maintain_order=True)
    free = free.filter(pl.col("vendor_id").is_null(), pl.col("until").is_null())
    free = free.select("symbol", "first", mine="instrument")
    pairs = intervals.filter(pl.col("instrument").is_null(), pl.col("to_session").is_null())
    pairs = pairs.select("vendor_id", "symbol", "from_session", "dated").join(free, on="symbol")
    pairs = pairs.filter(~pl.col("dated") | (pl.col("from_session") <= pl.col("first")))
    pairs = pairs.unique("vendor_id", keep="first", maintain_order=True)
    pairs = pairs.unique("mine", keep="first", maintain_order=True)
    if pairs.is_empty():
        return listed, intervals
    given = pairs.select(instrument="mine", given="vendor_id")
    listed = listed.join(given, on="instrument", how="left", maintain_order="left").with_columns(
        vendor_id=pl.coalesce("vendor_id", "given")
    )
    pairs = pairs.select("vendor_id", "symbol", "first", "mine")
    intervals = intervals.join(
        pairs, on=["vendor_id", "symbol"], how="left", maintain_order="left"
    ).with_columns(
        instrument=pl.coalesce("instrument", "mine"),
        from_session=pl.max_horizontal("from_session", "first"),
    )
    return listed.with_columns(owner=owner()), intervals


def _found(
    bars: pl.DataFrame, holders: pl.DataFrame, source: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows with their instruments, and (owner, instrument, symbol, first) of new ones.

    New are ids without an instrument so far, symbols that nobody held, and what lies outside all
    intervals of its symbol, before, between or after them.
    """
    since = pl.col("since").dt.to_string()
    alone = pl.concat_str("symbol", since, separator=" ", ignore_nulls=True)
    found = held_at(bars, holders, day="session").with_columns(key=pl.coalesce("owner", alone))
    new = found.filter(pl.col("instrument").is_null()).sort("session", "symbol")
    births = (
        new.group_by("key", maintain_order=True)
        .agg(pl.col("owner", "symbol").first(), first=pl.col("session").first())
        .with_columns(now=born(source, "first"))
    )
    found = found.join(births.select("key", "now"), on="key", how="left", maintain_order="left")
    return found.with_columns(instrument=pl.coalesce("instrument", "now")), births.select(
        "symbol", "first", owner=pl.coalesce("owner", "now"), instrument="now"
    )
