"""Kept payloads of a folder of series read back: tables of a day, a symbol and a value."""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from conf.schema import FilesSource
from tasks.market import frames
from tasks.market.calendar import Calendar
from tasks.market.sources.kept_nights import FILE
from tasks.market.sources.protocol import Delivery, Payload, Unreadable
from tasks.market.sources.tables import raw_bars, table_of, unpacked


def values_of(payloads: Sequence[Payload], conf: FilesSource) -> Delivery:
    """Read one night's payloads as the series that the settings name, by day and name.

    What a nightly delivery tells is known that night. Of history each value counts as known
    `lag_days` after its day, a monthly one after the first of the next month, and where that is no
    session in the one that follows. What was known before the source starts is left out, and what
    was not known by the night.
    """
    if not payloads:
        raise ValueError("no payload to read: even an empty delivery has one.")
    night, vintage = payloads[0].night, payloads[0].vintage
    told = pl.concat([_values(payload, conf) for payload in payloads])
    named = pl.DataFrame({"name": list(conf.series), "symbol": list(conf.series.values())})
    found = told.join(named, on="symbol", maintain_order="left_right")
    days = Calendar(conf.calendar)
    if vintage == "assumed":
        _refuse_untold(told, conf)
        found = _as_known(found, conf, days, night)
    else:
        found = found.with_columns(known_on=pl.lit(days.on_or_before(night)))
    return Delivery(
        night,
        vintage,
        bars=frames.empty(frames.RAW_BARS),
        actions=frames.empty(frames.RAW_ACTIONS),
        listings=frames.empty(frames.RAW_LISTINGS),
        series=frames.shaped(found.sort("session", "name", maintain_order=True), frames.RAW_SERIES),
    )


def _values(payload: Payload, conf: FilesSource) -> pl.DataFrame:
    """Return (session, symbol, value) of one payload; a value is read as closes are."""
    kind, _, detail = payload.request.partition(" ")
    what, names = f"{detail} of {payload.night}", list(conf.columns.values())
    if kind == FILE:
        table = table_of(Path(detail), payload.body, names)
    elif payload.body:
        table = unpacked(payload.body, what=what)
    else:
        table = pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    columns = {"close" if ours == "value" else ours: name for ours, name in conf.columns.items()}
    return raw_bars(table, columns, what=what).select("session", "symbol", value="close")


def _refuse_untold(told: pl.DataFrame, conf: FilesSource) -> None:
    there = told["symbol"].drop_nulls().unique().sort().to_list()
    if untold := sorted(set(conf.series.values()) - set(there)):
        raise Unreadable(
            f"{conf.tables} tells nothing of {', '.join(untold)}; it tells of: "
            f"{', '.join(there)[:200]}. Mend `series` of the source."
        )


def _as_known(found: pl.DataFrame, conf: FilesSource, days: Calendar, night: date) -> pl.DataFrame:
    """Add the session in which each value became known; one without a day has none."""
    over = pl.col("session").dt.month_end() + timedelta(days=1)
    monthly = pl.col("name").is_in(list(conf.monthly))
    due = pl.when(monthly).then(over).otherwise("session") + timedelta(days=conf.lag_days)
    begun = pl.col("due") >= conf.starts
    found = found.with_columns(due=due).filter(begun.fill_null(True))
    known = {day: days.on_or_after(day) for day in found["due"].drop_nulls().unique()}
    sessions = pl.DataFrame(
        {"due": list(known), "known_on": list(known.values())},
        schema={"due": pl.Date, "known_on": pl.Date},
    )
    found = found.join(sessions, on="due", how="left", maintain_order="left")
    return found.filter((pl.col("known_on") <= night).fill_null(True)).drop("due")
