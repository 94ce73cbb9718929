"""When told figures became known, as sessions."""

import polars as pl

from tasks.market.calendar import Calendar
from tasks.market.sources.protocol import Unreadable
from tasks.market.sources.web_data import Reach


def known_within(
    frame: pl.DataFrame, calendar: Calendar, reach: Reach, *, live: bool
) -> pl.DataFrame:
    """Return the rows that became known within `reach`, in the order they did.

    Takes `known_on` as any day, and gives it as a session: a day without one means the next. What
    a live night repeats of earlier sessions counts as known from that night alone, since it may
    not be what was told then. A row without a day is refused: it would be lost in silence.
    """
    if lost := frame["known_on"].null_count():
        raise Unreadable(f"{lost} rows do not say when they became known.")
    first = calendar.on_or_after(reach.since)
    sessions = pl.DataFrame(
        {"session_known": calendar.sessions(first, reach.night)}, schema={"session_known": pl.Date}
    )
    due = pl.col("known_on")
    known = pl.lit(reach.night) if live else pl.col("session_known")
    return (
        frame.filter(due > calendar.previous(first), due <= reach.night)
        .sort(due, maintain_order=True)
        .join_asof(sessions, left_on="known_on", right_on="session_known", strategy="forward")
        .with_columns(known_on=known)
        .drop("session_known")
    )
