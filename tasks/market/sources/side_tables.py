"""What lies beside the bars of a folder: names, identities, filings and index memberships.

Each is cut into nights by the day its rows became known: no night tells of a later one.
"""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl

from tasks.market.frames import RAW_BARS, RAW_FUNDAMENTALS, RAW_LISTINGS, RAW_MEMBERS, empty, shaped
from tasks.market.sources.protocol import Unreadable
from tasks.market.sources.tables import as_day, as_real, table_of
from tasks.market.universe import asset_class_of

FILED = ("symbol", "end_date", "doc_type")  # what a filing must say
ABOUT_FILING = (*FILED, "amend", "period_focus", "fiscal_year", "known_on")  # the rest are figures
NAMED = ("symbol", "name", "first_seen")
IDENTITY = ("permanent_id", "date", "ticker")
MEMBER = ("symbol", "start_date", "end_date")
# What a table of bars may say of its symbols, besides prices.
ABOUT_SYMBOL = ("name", "asset_class", "sector", "exchange", "currency")
# What vendors call our asset classes; other words mean `unknown`.
CLASSES = {
    "equity": "equity",
    "stock": "equity",
    "common stock": "equity",
    "fund": "fund",
    "etf": "fund",
    "etn": "fund",
    "index": "index",
    "bond": "bond",
    "fx": "fx",
    "forex": "fx",
    "currency": "fx",
    "crypto": "crypto",
    "cryptocurrency": "crypto",
    "future": "future",
    "futures": "future",
    "commodity": "commodity",
}


def side_table(paths: Sequence[Path], needed: Sequence[str]) -> pl.DataFrame | None:
    """Read the files as one table, in the order given; None where there is no file."""
    parts = []
    for path in paths:
        part = table_of(path, path.read_bytes(), needed)
        if absent := sorted(set(needed) - set(part.columns)):
            raise ValueError(f"{path.name} lacks the column(s) {', '.join(absent)}.")
        parts.append(part)
    return pl.concat(parts, how="diagonal_relaxed") if parts else None


def with_days(table: pl.DataFrame, *names: str) -> pl.DataFrame:
    """Return `table` with these columns read as dates."""
    return table.with_columns(as_day(pl.col(name), table.schema[name]) for name in names)


def within(day: str, after: date | None, until: date) -> pl.Expr:
    """Choose rows whose `day` lies after the night before, if there was one, and up to `until`."""
    known = pl.col(day) <= until
    return known if after is None else known & (pl.col(day) > after)


def fresh_intervals(intervals: pl.DataFrame, after: date | None, until: date) -> pl.DataFrame:
    """Return `RAW_LISTINGS` intervals that began or ended after `after` and up to `until`.

    One that still lasts at `until` has no end yet.
    """
    ended = pl.when(pl.col("to_session") <= until).then("to_session")
    touched = within("from_session", after, until) | within("to_session", after, until)
    return intervals.filter(touched).with_columns(to_session=ended)


def member_events(intervals: pl.DataFrame, index: str) -> pl.DataFrame:
    """Return `RAW_MEMBERS` of (symbol, start_date, end_date), sorted.

    The end is the first day on which the symbol is no member, empty while it is one. A symbol
    that leaves and comes back on one day has not left.
    """
    days = with_days(intervals, "start_date", "end_date")
    begins = days.select("symbol", session="start_date", member=pl.lit(1))
    ends = days.select("symbol", session="end_date", member=pl.lit(0)).drop_nulls("session")
    events = pl.concat([begins, ends]).with_columns(pl.col("symbol").cast(pl.String))
    told = events.group_by("session", "symbol").agg(pl.col("member").max())
    return shaped(told.with_columns(index=pl.lit(index)), RAW_MEMBERS).sort("session", "symbol")


def filed_figures(filings: pl.DataFrame, *, night: date, what: str) -> pl.DataFrame:
    """Return `RAW_FUNDAMENTALS` of a wide table of filings, in its order; empty cells are no row.

    Where the table does not say when a filing became known it did so on `night`. An amended
    filing's form ends in /A.
    """
    if filings.is_empty():
        return empty(RAW_FUNDAMENTALS)
    if absent := sorted(set(FILED) - set(filings.columns)):
        raise Unreadable(
            f"{what} lacks the column(s) {', '.join(absent)}; it has: {', '.join(filings.columns)}."
        )
    about = with_days(filings, "end_date").with_columns(
        period_end="end_date", form=_form(filings), known_on=_known_on(filings, night)
    )
    figures = [name for name in filings.columns if name not in ABOUT_FILING]
    long = (
        about.with_row_index("row")
        .with_columns(pl.col(figures).cast(pl.String).str.strip_chars())
        .unpivot(
            figures, index=["row", "period_end", "symbol", "form", "known_on"], variable_name="item"
        )
        .filter(pl.col("value").is_not_null() & (pl.col("value") != ""))
        .sort("row", maintain_order=True)
    )
    numbers = long.with_columns(as_real(pl.col("value"), pl.String()))
    return shaped(numbers, RAW_FUNDAMENTALS)


def _form(filings: pl.DataFrame) -> pl.Expr:
    form = pl.col("doc_type").cast(pl.String).str.strip_chars()
    if "amend" not in filings.columns:
        return form
    amended = pl.col("amend").cast(pl.String).str.to_lowercase() == "true"
    return pl.when(amended & ~form.str.ends_with("/A")).then(form + "/A").otherwise(form)


def _known_on(filings: pl.DataFrame, night: date) -> pl.Expr:
    if "known_on" not in filings.columns:
        return pl.lit(night)
    return as_day(pl.col("known_on"), filings.schema["known_on"])


def named_listings(names: pl.DataFrame, night: date) -> pl.DataFrame:
    """Return `RAW_LISTINGS` of (symbol, name, perhaps first_seen and more): one row a symbol.

    A vendor that lists a symbol twice means the later row. Columns of `RAW_LISTINGS` that the
    table has are taken over; without an asset class the name tells it. Sorted by symbol.
    """
    since = pl.col("first_seen") if "first_seen" in names.columns else pl.lit(night)
    listed = (
        names.with_columns(
            pl.col("symbol", "name").cast(pl.String).str.strip_chars(),
            from_session=since.cast(pl.Date),
        )
        .filter(pl.col("symbol").is_not_null() & (pl.col("symbol") != ""))
        .unique(["symbol", "from_session"], keep="last", maintain_order=True)
        .sort("symbol", "from_session")
    )
    if "to_session" in listed.columns:
        listed = with_days(listed, "to_session")
    if "multiplier" in listed.columns:
        listed = listed.with_columns(as_real(pl.col("multiplier"), listed.schema["multiplier"]))
    if "asset_class" in listed.columns:
        kinds = _class_of("asset_class")
    else:
        told = [asset_class_of(name or "") for name in listed["name"].to_list()]
        kinds = pl.lit(pl.Series(told, dtype=pl.String))
    return shaped(listed.with_columns(asset_class=kinds), RAW_LISTINGS)


def described(table: pl.DataFrame, bars: pl.DataFrame, columns: dict[str, str]) -> pl.DataFrame:
    """Return `RAW_LISTINGS` of what a table of bars says of its symbols; empty where nothing.

    Args:
        table: As the vendor sent it.
        bars: `RAW_BARS` of it, row for row.
        columns: Our column names -> the table's.
    """
    spoken = [name for name in ABOUT_SYMBOL if name in columns]
    if not spoken:
        return empty(RAW_LISTINGS)
    said = bars.select("symbol", from_session="session").with_columns(
        table[columns[name]].cast(pl.String).str.strip_chars().alias(name) for name in spoken
    )
    if "asset_class" in spoken:
        said = said.with_columns(asset_class=_class_of("asset_class"))
    rows = (
        said.drop_nulls(["symbol", "from_session"])
        .sort("from_session", maintain_order=True)
        .group_by("symbol", maintain_order=True)
        .agg(pl.col("from_session").first(), pl.col(spoken).drop_nulls().first())
    )
    return shaped(rows, RAW_LISTINGS).sort("symbol")


def listings_of(told: pl.DataFrame, intervals: pl.DataFrame, named: pl.DataFrame) -> pl.DataFrame:
    """Put what bars, identities and names say of symbols together, as `RAW_LISTINGS`.

    What the bars' own table says fills the gaps of the other two; a row of its own is left for
    symbols that neither speaks of.
    """
    spoken = pl.concat([intervals, named])
    about = told.select("symbol", *ABOUT_SYMBOL)
    filled = spoken.join(about, on="symbol", how="left", suffix="_told").with_columns(
        pl.coalesce(name, f"{name}_told").alias(name) for name in ABOUT_SYMBOL
    )
    alone = told.join(spoken, on="symbol", how="anti")
    return pl.concat([shaped(filled, RAW_LISTINGS), alone]).sort(
        "symbol", "from_session", maintain_order=True
    )


def _class_of(column: str) -> pl.Expr:
    word = pl.col(column).cast(pl.String).str.strip_chars().str.to_lowercase()
    return word.replace_strict(CLASSES, default="unknown", return_dtype=pl.String)


def known_columns(columns: dict[str, str]) -> None:
    """Refuse a mapping to columns that nothing reads."""
    if strange := sorted(set(columns) - set(RAW_BARS) - set(ABOUT_SYMBOL)):
        raise ValueError(
            f"columns names {', '.join(strange)}, which nothing reads; "
            f"known are: {', '.join(sorted({*RAW_BARS, *ABOUT_SYMBOL}))}."
        )
    if absent := sorted({"symbol", "session", "close"} - set(columns)):
        raise ValueError(f"columns lacks {', '.join(absent)}.")
