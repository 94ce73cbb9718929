"""Rows of another market, put on a calendar: each joins the first session that closes after it.

A bar is known when its own market closes. It joins the first session whose close, in UTC, is not
before that: Tokyo's Tuesday joins New York's Tuesday, a bitcoin day that ends at midnight UTC the
session after it. Several bars that fall on one session become one. Fixings are known a little
before their calendar's close, and wait for it.
"""

from bisect import bisect_left
from datetime import date
from functools import cached_property

import polars as pl

from tasks.market.calendar import Calendar
from tasks.market.frames import (
    DAY,
    RAW_ACTIONS,
    RAW_BARS,
    RAW_FUNDAMENTALS,
    RAW_LISTINGS,
    RAW_MEMBERS,
    RAW_SERIES,
    shaped,
)

PAIRS = {"own": DAY, "joined": DAY}


class Joining:
    """From the sessions of one calendar to those of another; to the same one, nothing changes.

    Args:
        own: The calendar that rows are dated by.
        ours: The calendar they are put on.
    """

    def __init__(self, own: Calendar, ours: Calendar):
        self.same = own.name == ours.name
        self._own, self._ours = own, ours

    def session_of(self, own: date) -> date:
        """Return the session that a night or row of day `own` joins.

        A day without a session counts as its calendar's next one. On the same calendar a day stays.
        """
        joined = own if self.same else self._after(own)
        if joined is None:
            raise ValueError(f"No session of {self._ours.name} closes after {own}.")
        return joined

    def own_until(self, until: date) -> date:
        """Return the newest day of the own calendar that is closed when `until` is."""
        if self.same:
            return until
        return self._own.last_closed(self._ours.close_of(self._ours.on_or_before(until)))

    def bars(self, bars: pl.DataFrame, *, history: bool, night: date) -> pl.DataFrame:
        """Return `RAW_BARS` on our sessions, those of one session made into one.

        The first open, the highest high, the lowest low, the last close, all volume. A row dated on
        a day that its own calendar does not know has no session, so that the gate sets it aside.
        Copies stay copies: what came twice is the gate's to judge. A session before the `night`
        that the rows tell only the end of is left out, unless they are all `history`.
        """
        if self.same or bars.is_empty():
            return bars
        dated = self._dated(bars, "session")
        readable = pl.col("joined").is_not_null() & pl.col("symbol").is_not_null()
        found = dated.filter(readable).sort("own", maintain_order=True)
        if not history:
            found = self._whole(found, found["own"], night)
        copy = pl.int_range(pl.len()).over("own", "symbol")
        one = found.with_columns(copy=copy).group_by(
            "joined", "symbol", "copy", maintain_order=True
        )
        volume = pl.col("volume")
        merged = one.agg(
            pl.col("open").first(),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("close", "adj_close", "currency").last(),
            pl.when(volume.is_not_null().any()).then(volume.sum()).alias("volume"),
        )
        lost = dated.filter(~readable).with_columns(session=pl.lit(None, DAY))
        merged = merged.rename({"joined": "session"}).sort("session", "symbol", "copy")
        return pl.concat([shaped(merged, RAW_BARS), shaped(lost, RAW_BARS)])

    def actions(
        self, actions: pl.DataFrame, bars: pl.DataFrame, *, history: bool, night: date
    ) -> pl.DataFrame:
        """Return `RAW_ACTIONS` on our sessions; splits of one session multiply, cash adds up.

        Where one of them cannot be read, the whole cannot. Who tells the end of a session says
        nothing of what its beginning paid. So, as with bars, a session before the `night` that
        began before the first of these rows and the `bars` told with them, by their own days, is
        left out, unless they are all `history`.
        """
        if self.same or actions.is_empty():
            return actions
        moved = self._moved(actions.with_columns(own="ex_session"), "ex_session")
        if not history:
            dated = self._dated(bars, "session").filter(pl.col("joined").is_not_null())
            days = pl.concat([dated["own"], moved["own"]])
            moved = self._whole(moved.rename({"ex_session": "joined"}), days, night)
            moved = moved.rename({"joined": "ex_session"})
        one = moved.group_by("ex_session", "symbol", "kind", maintain_order=True)
        value, split = pl.col("value"), pl.col("kind").first() == "split"
        both = pl.when(split).then(value.product()).otherwise(value.sum())
        readable = value.null_count() == 0
        return shaped(one.agg(pl.when(readable).then(both).alias("value")), RAW_ACTIONS)

    def series(self, series: pl.DataFrame) -> pl.DataFrame:
        """Return `RAW_SERIES` on our sessions; of several values of one session the last."""
        if self.same or series.is_empty():
            return series
        moved = self._moved(series.sort("session", maintain_order=True), "session")
        known = pl.max_horizontal("session", "known_on")
        moved = self._moved(moved, "known_on").with_columns(known_on=known)
        key = ["session", "name", "known_on"]
        return shaped(moved.unique(key, keep="last", maintain_order=True), RAW_SERIES)

    def listings(self, listings: pl.DataFrame) -> pl.DataFrame:
        """Return `RAW_LISTINGS` that begin and end on our sessions."""
        moved = self._moved(self._moved(listings, "from_session"), "to_session")
        return shaped(moved, RAW_LISTINGS)

    def fundamentals(self, fundamentals: pl.DataFrame) -> pl.DataFrame:
        """Return `RAW_FUNDAMENTALS` that became known on our sessions."""
        return shaped(self._moved(fundamentals, "known_on"), RAW_FUNDAMENTALS)

    def members(self, members: pl.DataFrame) -> pl.DataFrame:
        """Return `RAW_MEMBERS` that change on our sessions."""
        return shaped(self._moved(members, "session"), RAW_MEMBERS)

    def _whole(self, dated: pl.DataFrame, own: pl.Series, night: date) -> pl.DataFrame:
        """Leave out sessions before `night` that began before the first of the `own` days."""
        begins = self._pairs.group_by("joined").agg(begins=pl.col("own").min())
        told = dated.join(begins, on="joined", how="left", maintain_order="left")
        half = (pl.col("begins") < own.min()) & (pl.col("joined") < night)
        return told.filter(~half.fill_null(False)).drop("begins")

    def _dated(self, frame: pl.DataFrame, column: str) -> pl.DataFrame:
        own = frame.with_columns(own=pl.col(column))
        return own.join(self._pairs, on="own", how="left", maintain_order="left")

    def _moved(self, frame: pl.DataFrame, column: str) -> pl.DataFrame:
        """Return `frame` with the days of `column` on our sessions, null where there is none."""
        if self.same or frame.is_empty():
            return frame
        found = {day: self._after(day) for day in frame[column].unique().drop_nulls()}
        return frame.with_columns(
            pl.col(column).replace_strict(found, default=None, return_dtype=DAY)
        )

    def _after(self, own: date) -> date | None:
        """Return what `own`, or the first session of its calendar after it, joins."""
        if own < self._own.bounds[0]:
            return None
        at = bisect_left(self._own_days, own)
        return self._joined[self._own_days[at]] if at < len(self._own_days) else None

    @cached_property
    def _own_days(self) -> list[date]:
        return list(self._joined)

    @cached_property
    def _joined(self) -> dict[date, date]:
        ours = self._ours.sessions(*self._ours.bounds)
        closes = [self._ours.close_of(session) for session in ours]
        found, at = {}, 0
        for own in self._own.sessions(*self._own.bounds):
            while at < len(ours) and closes[at] < self._own.close_of(own):
                at += 1
            if at < len(ours):
                found[own] = ours[at]
        return found

    @cached_property
    def _pairs(self) -> pl.DataFrame:
        rows = {"own": list(self._joined), "joined": list(self._joined.values())}
        return pl.DataFrame(rows, schema=PAIRS)
