"""Renames and re-use of symbols, told where no vendor's id says who is who."""

from datetime import date

import polars as pl

from tasks.market.frames import DAY, TEXT

SILENT_DAYS = 28  # twenty sessions of five a week
PRINT = ["session", "open", "high", "low", "close", "volume"]
STARTS = {"symbol": TEXT, "from_session": DAY, "instrument": TEXT}
FORMS = r"\b(the|incorporated|inc|corporation|corp|company|co|limited|ltd|plc|lp|llc|sa|nv|ag)\b"


def renamed(bars: pl.DataFrame, eve: pl.DataFrame, holders: pl.DataFrame) -> pl.DataFrame:
    """Return `STARTS` of new symbols that go on with the instrument of one that vanished.

    Both sides are seen in the last row of the old symbol, which comes again under the new one, to
    the digit and with trading. Where several could be meant, none is.

    Args:
        bars: Tonight's rows.
        eve: The last clean row of each symbol before tonight, with its instrument.
        holders: `HOLDERS` known before.
    """
    new = bars.join(holders, on="symbol", how="anti").select("symbol", *PRINT)
    if new.is_empty():
        return pl.DataFrame(schema=STARTS)
    last = pl.col("session").max().over("symbol")
    old = eve.join(_free(holders), on="symbol").select(*PRINT, was="symbol", to="instrument")
    going_on = bars.select(was="symbol", seen="session").group_by("was").max()
    old = old.join(going_on, on="was", how="left").filter(
        pl.col("volume") > 0, (pl.col("seen") <= pl.col("session")).fill_null(True)
    )
    pairs = new.with_columns(last=last).join(old.drop("seen"), on=PRINT)
    pairs = pairs.filter(pl.col("session") < pl.col("last"))
    pairs = pairs.filter(~pl.col("symbol").is_duplicated(), ~pl.col("was").is_duplicated())
    first = new.select("symbol", from_session="session").join(
        pairs.select("symbol", "session", instrument="to"), on="symbol"
    )
    first = first.filter(pl.col("from_session") > pl.col("session"))
    return first.group_by("symbol", "instrument").agg(pl.col("from_session").min()).select(*STARTS)


def strangers(
    bars: pl.DataFrame,
    named: pl.DataFrame,
    listed: pl.DataFrame,
    eve: pl.DataFrame,
    holders: pl.DataFrame,
    *,
    session: date,
) -> pl.DataFrame:
    """Return (symbol, last), symbols that have long been silent and now bear another name.

    `last` is the session of the last row, null where that is too long ago to be known. Forms of
    companies, case and signs make no other name, and no name says nothing.

    Args:
        bars: Tonight's rows; only what trades or is named tonight is looked at.
        named: `RAW_LISTINGS` of tonight.
        listed: `LISTINGS` in the order they became known, with `owner`.
        eve: The last clean row of each symbol before tonight.
        holders: `HOLDERS` known before.
        session: The session that tonight is about.
    """
    spoken = pl.concat([bars.select("symbol"), named.select("symbol")])
    quiet = _free(holders).join(spoken, on="symbol", how="semi")
    quiet = quiet.join(eve.select("symbol", last="session"), on="symbol", how="left")
    silent = (pl.lit(session) - pl.col("last")).dt.total_days() > SILENT_DAYS
    quiet = quiet.filter(silent.fill_null(True))
    if quiet.is_empty():
        return pl.DataFrame(schema={"symbol": TEXT, "last": DAY})
    known = listed.with_row_index("place").join(quiet, on="symbol", how="semi")
    known = known.filter(pl.col("name").is_not_null())
    newest = pl.col("name", "place").last()
    then = known.group_by("owner").agg(newest)
    waits = known.filter(pl.col("owner").str.starts_with("symbol "))
    waiting = waits.group_by("symbol").agg(newest.name.suffix("_waiting"))
    said = named.filter(pl.col("name").is_not_null()).sort("from_session", maintain_order=True)
    now = said.group_by("symbol").agg(told=pl.col("name").last())
    found = quiet.join(then, left_on="instrument", right_on="owner")
    found = found.join(waiting, on="symbol", how="left").join(now, on="symbol", how="left")
    later = pl.when(pl.col("place_waiting") > pl.col("place")).then("name_waiting")
    before, after = _plain(pl.col("name")), _plain(pl.coalesce("told", later))
    return found.filter(before != after, before != "", after != "").select("symbol", "last")


def reused(bars: pl.DataFrame, unknown: pl.DataFrame, *, source: str) -> pl.DataFrame:
    """Return `STARTS` of the `strangers` that trade again."""
    fresh = bars.select("symbol", "session").join(unknown, on="symbol")
    fresh = fresh.filter((pl.col("session") > pl.col("last")).fill_null(True))
    first = fresh.group_by("symbol").agg(from_session=pl.col("session").min())
    return first.with_columns(instrument=born(source, "from_session")).select(*STARTS)


def born(source: str, day: str) -> pl.Expr:
    """Return the id of the instrument whose first row is of `symbol` and `day`."""
    return pl.concat_str(pl.lit(source), "symbol", pl.col(day).dt.to_string(), separator=":")


def _free(holders: pl.DataFrame) -> pl.DataFrame:
    """Return (symbol, instrument) of those who hold a symbol now, and of whom no vendor's id."""
    newest = holders.unique("symbol", keep="last", maintain_order=True)
    free = newest.filter(pl.col("vendor_id").is_null(), pl.col("until").is_null())
    return free.select("symbol", "instrument")


def _plain(name: pl.Expr) -> pl.Expr:
    """Return what of a name tells companies apart; nothing where it says that there is none."""
    words = name.str.to_lowercase().str.replace_all("[^a-z0-9 ]", "").str.replace_all(FORMS, "")
    plain = words.str.replace_all(" ", "")
    return pl.when(plain.is_in(["noname", "na", "nan"])).then(pl.lit("")).otherwise(plain)
