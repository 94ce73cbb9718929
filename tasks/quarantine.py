"""Quarantine tasks: a person lets rows out that the gate set aside, and says why."""

from datetime import date
from typing import TYPE_CHECKING

import polars as pl
from prefect import get_run_logger, task

from tasks.judge import (
    desk_before,
    forget_derived,
    judge_nights,
    judged_night,
    sealed_until,
    verdicts_of,
)
from tasks.locks import source_lock
from tasks.market import frames
from tasks.market.lake import Lake, Where
from tasks.settings import calendar, load_source, open_lake, open_source

if TYPE_CHECKING:
    from expectations.desk import Judged

KEY = ["session", "symbol"]


@task(task_run_name="clear-{source}-{night}-{symbol}")
def clear_rows(
    source: str, night: date, symbol: str, session: date | None, reason: str, cleared_by: str
) -> str:
    """Let the rows of `symbol` out of the quarantine of one delivery, for a reason.

    The night is judged again as if they had broken no rule, and so are those after it. Where a
    release has read that night, only what these rows tell is added, known from the session after
    it: what was released stays true to what was known. Returns what was done.
    """
    if not reason.strip():
        raise ValueError("A row leaves quarantine for a reason: say which.")
    lake = open_lake()
    with source_lock(source):
        keys = _set_aside(lake, source, night, symbol, session)
        rows = keys.with_columns(
            source=pl.lit(source),
            delivery=pl.lit(night),
            reason=pl.lit(reason.strip()),
            cleared_by=pl.lit(cleared_by),
        )
        over: Where = {"source": [source], "delivery": [night], "symbol": [symbol]}
        known = lake.read("cleared", where=over).join(keys, on=KEY, how="anti")
        lake.replace("cleared", pl.concat([known, frames.shaped(rows, frames.CLEARED)]), over=over)
        out = _judge_again(lake, source, night, keys)
    get_run_logger().info("%s %s: %s cleared by %s", source, night, symbol, cleared_by)
    return f"{symbol} of {night}: {out} of {keys.height} rows have left quarantine"


def _set_aside(
    lake: Lake, source: str, night: date, symbol: str, session: date | None
) -> pl.DataFrame:
    """Return the keys that are meant, or say what quarantine holds instead."""
    where: Where = {"source": [source], "delivery": [night]}
    held = lake.read("quarantine", where=where)
    meant = held.filter(pl.col("symbol") == symbol, pl.col("session").is_not_null())
    if session is not None:
        meant = meant.filter(pl.col("session") == session)
    if meant.is_empty():
        there = ", ".join(held["symbol"].unique().sort().head(10).to_list()) or "nothing"
        raise LookupError(
            f"Nothing of {symbol} lies in the quarantine of {source} {night}"
            f"{f' for {session}' if session else ''}; there is: {there}."
        )
    return meant.select(KEY).unique().sort(KEY)


def _judge_again(lake: Lake, source: str, night: date, keys: pl.DataFrame) -> int:
    """Judge what the cleared rows touch; return how many of them have left quarantine."""
    sealed = sealed_until(source)
    verdicts = verdicts_of(lake, source)
    known_on = verdicts.filter(pl.col("delivery") == night)["known_on"].item()
    if sealed is not None and known_on <= sealed:
        _add_late(lake, source, night, keys)
        first_free = verdicts.filter(pl.col("known_on") > sealed)["delivery"].to_list()
    else:
        first_free = verdicts.filter(pl.col("delivery") >= night)["delivery"].to_list()
    if first_free:
        judge_nights(lake, source, first_free)
    held = lake.read("quarantine", where={"source": [source], "delivery": [night]})
    return keys.join(held, on=KEY, how="anti").height


def _add_late(lake: Lake, source: str, night: date, keys: pl.DataFrame) -> None:
    """Add what the cleared rows of a night that a release has read tell, known from later on."""
    settings, feed = load_source(source), open_source(source)
    desk = desk_before(lake, settings, source, night)
    raw = lake.read(f"raw/{source}", where={"night": [night]})
    judged = judged_night(desk, feed, raw, night)
    over: Where = {"source": [source], "delivery": [night]}
    forget_derived(lake, source, calendar(settings.calendar).on_or_after(desk.known_from(night)))
    for table, (told, same) in _told_by(judged, keys).items():
        standing = lake.read(table, where=over)
        fresh = told.join(standing, on=same, how="anti", nulls_equal=True)
        lake.replace(table, pl.concat([standing, fresh]), over=over)
    held = lake.read("quarantine", where=over)
    out = keys.join(judged.quarantine, on=KEY, how="anti")
    lake.replace("quarantine", held.join(out, on=KEY, how="anti", nulls_equal=True), over=over)


def _told_by(judged: "Judged", keys: pl.DataFrame) -> dict[str, tuple[pl.DataFrame, list[str]]]:
    """Return by table what the cleared rows tell, and by which columns it may be there already.

    Of a listing that is all but when it became known; a bar may also be an exchange rate.
    """
    listed = judged.listings.filter(pl.col("symbol").is_in(keys["symbol"].implode()))
    rated = keys.rename({"symbol": "name"})
    return {
        "bars": (judged.bars.join(keys, on=KEY, how="semi"), ["session", "instrument"]),
        "listings": (listed, [name for name in frames.LISTINGS if name != "known_on"]),
        "series": (
            judged.series.join(rated, on=["session", "name"], how="semi"),
            ["session", "name"],
        ),
    }
