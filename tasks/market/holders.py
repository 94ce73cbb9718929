"""From when to when a symbol stood for which instrument, told from the listings.

An *owner* is what lasts through renames: a vendor's id where there is one, else the instrument,
else the symbol that still waits for its first bar.
"""

from datetime import date, timedelta

import polars as pl

from tasks.market.frames import DAY, TEXT

HOLDERS = {
    "symbol": TEXT,
    "from_session": DAY,
    "until": DAY,  # null while it lasts
    "owner": TEXT,
    "instrument": TEXT,  # null while it waits for its first bar
    "vendor_id": TEXT,
}
TOLD = pl.col("instrument") != ""
DAY_LONG = timedelta(days=1)


def with_owners(listed: pl.DataFrame) -> pl.DataFrame:
    """Return `LISTINGS` in the order they became known, with `owner`.

    The vendor's id is filled in for rows from before it was told (`said_id` keeps what they said),
    and the instrument for rows from before the first bar; null where there is none.
    """
    rows = listed.sort("known_on", "delivery", "from_session", "instrument", "symbol")
    tied = rows.filter(TOLD, pl.col("vendor_id").is_not_null())
    vendors = tied.group_by("instrument").agg(told="vendor_id").explode("told")
    vendors = vendors.unique("instrument", keep="last", maintain_order=True)
    instruments = tied.group_by("vendor_id").agg(born=pl.col("instrument").last())
    return (
        rows.join(vendors, on="instrument", how="left", maintain_order="left")
        .with_columns(said_id="vendor_id", vendor_id=pl.coalesce("vendor_id", "told"))
        .join(instruments, on="vendor_id", how="left", maintain_order="left")
        .with_columns(instrument=pl.coalesce(pl.when(TOLD).then("instrument"), "born"))
        .with_columns(owner=owner())
        .drop("told", "born")
    )


def owner() -> pl.Expr:
    """Return who a row (symbol, instrument, vendor_id) belongs to."""
    return pl.coalesce(id_owner(), "instrument", pl.lit("symbol ") + pl.col("symbol"))


def id_owner() -> pl.Expr:
    """Return the owner that a vendor's id is; null without one."""
    return pl.lit("vendor ") + pl.col("vendor_id")


def holders_of(rows: pl.DataFrame) -> pl.DataFrame:
    """Return `HOLDERS`, sorted by symbol and day.

    A symbol is held from a row's day to the day before its owner's next row, which may be of
    another symbol, and no longer than a vendor with ids says. Symbols that wait without an id are
    not held.

    Takes (symbol, from_session, to_session, owner, instrument, vendor_id), in the order they
    became known.
    """
    held = rows.filter(pl.any_horizontal(pl.col("instrument", "vendor_id").is_not_null()))
    held = held.unique(["owner", "symbol", "from_session"], keep="last", maintain_order=True)
    held = held.sort("owner", "from_session", maintain_order=True)
    goes_on = pl.col("owner") == pl.col("owner").shift(-1)  # sorted: quicker than over("owner")
    following = pl.when(goes_on).then(pl.col("from_session").shift(-1) - DAY_LONG)
    ended = pl.when(pl.col("vendor_id").is_not_null()).then("to_session")
    held = held.with_columns(until=pl.min_horizontal(following, ended))
    lasting = (pl.col("until") >= pl.col("from_session")).fill_null(True)
    return held.filter(lasting).select(*HOLDERS).sort("symbol", "from_session", maintain_order=True)


def held_at(rows: pl.DataFrame, holders: pl.DataFrame, *, day: str) -> pl.DataFrame:
    """Return `rows` in their order with `instrument`, `owner` and `since`, who held the symbol.

    What lies before the first holder of its symbol is that holder's, unless a vendor says from
    when to when it held it. `since` is the holder's first day; it stands without an owner where
    the holder had ended.

    Args:
        rows: With `symbol` and `day`, neither null.
        holders: `HOLDERS`.
        day: Which column says when.
    """
    spans = holders.select("symbol", "owner", "instrument", "until", since="from_session")
    spans = spans.with_columns(day=pl.col("since")).sort("day")
    keyed = rows.with_row_index("row").sort(day)
    found = keyed.join_asof(
        spans, left_on=day, right_on="day", by="symbol", strategy="backward", check_sortedness=False
    )
    first = holders.unique("symbol", keep="first", maintain_order=True)
    first = first.filter(pl.col("vendor_id").is_null()).select("symbol", "owner", "instrument")
    before = pl.col("since").is_null()
    over = (pl.col(day) > pl.col("until")).fill_null(False)
    chosen = {
        name: pl.when(before).then(f"{name}_first").when(~over).then(name)
        for name in ("instrument", "owner")
    }
    found = found.join(first, on="symbol", how="left", suffix="_first")
    return found.with_columns(**chosen).sort("row").select(*rows.columns, *chosen, "since")


def told_intervals(
    named: pl.DataFrame, holders: pl.DataFrame, bars: pl.DataFrame, *, session: date
) -> pl.DataFrame:
    """Return rows of `named` with a vendor's id that tell a new interval, and whether `dated`.

    An id that now comes with another symbol, and no day that could be its first, has had it since
    the symbol's first bar in hand. One that comes for the first time and without a day likewise.

    Args:
        named: `RAW_LISTINGS` of tonight.
        holders: `HOLDERS` known before.
        bars: Tonight's rows.
        session: The session that tonight is about.
    """
    told = named.filter(pl.col("vendor_id").is_not_null()).with_columns(dated=pl.lit(True))
    if told.is_empty():
        return told
    known = holders.filter(pl.col("vendor_id").is_not_null()).sort("from_session")
    told = told.join(
        known.select("vendor_id", "symbol", "from_session"),
        on=["vendor_id", "symbol", "from_session"],
        how="anti",
    )
    newest = known.unique("vendor_id", keep="last", maintain_order=True)
    newest = newest.select("vendor_id", now="symbol", since="from_session")
    seen = bars.group_by("symbol").agg(seen=pl.col("session").min())
    rows = told.join(newest, on="vendor_id", how="left", maintain_order="left")
    rows = rows.join(seen, on="symbol", how="left", maintain_order="left")
    current = (pl.col("now") == pl.col("symbol")).fill_null(False)
    too_early = (pl.col("from_session") <= pl.col("since")) & pl.col("to_session").is_null()
    undated = pl.col("from_session").is_null() | (too_early & ~current).fill_null(False)
    start = pl.min_horizontal("seen", pl.lit(session))
    rows = rows.filter(~(pl.col("from_session").is_null() & current))
    rows = rows.with_columns(
        from_session=pl.when(undated).then(start).otherwise("from_session"), dated=~undated
    )
    return rows.unique(["vendor_id", "symbol", "from_session"], keep="last", maintain_order=True)
