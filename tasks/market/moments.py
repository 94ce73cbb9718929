"""Which closes a market's future is altered after: where a mistake would show, if there is one."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from itertools import pairwise

import numpy as np
import polars as pl

from tasks.market.compared import KEY
from tasks.market.tampered import Tape

FITS = 4  # of how many fits, the newest
GONE = 3  # of how many names that are gone, the first
FRIDAY = 4


def moments_of(
    known: Mapping[str, pl.DataFrame],
    outcomes: Mapping[str, pl.DataFrame],
    tape: Tape,
    *,
    count: int,
) -> tuple[date, ...]:
    """Return the closes worth altering the future after, oldest first.

    They are spread evenly over the sessions in which the claims say something; one is the close
    at which most names have a gap, where whoever fills backward looks ahead. On top come a month
    end, a Friday and an eve of a holiday; the first session of each claim that says something,
    and of each fit (`fitted_on`, the newest few); and for outcomes the last two bars of a few
    names that are gone.
    """
    early = [_sessions(frame) for frame in known.values()]
    told = {day for days in early for day in days}.union(*map(_sessions, outcomes.values()))
    sessions = sorted(day for day in told if day < tape.sessions[-1])
    if not sessions:
        return ()
    spread = np.linspace(0, len(sessions) - 1, count + 2).round().astype(int)[1:-1]
    chosen = {sessions[place] for place in spread}
    chosen.add(_most_gaps(tape.bars, sessions))
    for days, frame in zip(early, known.values(), strict=True):
        chosen.update(days[:1])
        if "fitted_on" in frame.columns:
            starts = frame.group_by("fitted_on").agg(pl.col("session").min())["session"]
            chosen.update(starts.sort().tail(FITS).to_list())
    if outcomes:
        chosen.update(_last_bars(tape, sessions))
    for kind in _kinds_of_day(tape.sessions):
        fit = [day for day in sessions if day in kind]
        if fit and chosen.isdisjoint(fit):
            chosen.add(fit[len(fit) // 2])
    return tuple(sorted(day for day in chosen if day < tape.sessions[-1]))


def _sessions(frame: pl.DataFrame) -> list[date]:
    """Return the sessions in which a claim says something, in order."""
    values = frame.drop(KEY)
    if values.width:
        gap = pl.all().is_null()
        if floats := [name for name, kind in values.schema.items() if kind.is_float()]:
            values = values.with_columns(pl.col(floats).fill_nan(None))
        frame = frame.filter(values.select(~pl.all_horizontal(gap)).to_series())
    return frame["session"].unique().sort().to_list()


def _kinds_of_day(sessions: Sequence[date]) -> Iterable[set[date]]:
    """Return month ends, Fridays and eves of holidays: whose next session says that they are."""
    pairs = list(pairwise(sessions))
    yield {day for day, after in pairs if after.month != day.month}
    yield {day for day in sessions if day.weekday() == FRIDAY}
    yield {day for day, after in pairs if np.busday_count(day, after) > 1}


def _last_bars(tape: Tape, sessions: Sequence[date]) -> set[date]:
    """Return the last session of names that are gone, and the one before it."""
    lasts = tape.bars.group_by("instrument").agg(pl.col("session").max())["session"]
    place_of = {day: place for place, day in enumerate(sessions)}
    gone = [place_of[day] for day in lasts.unique().sort().to_list() if day in place_of]
    return {sessions[max(place - back, 0)] for place in gone[:GONE] for back in (0, 1)}


def _most_gaps(bars: pl.DataFrame, sessions: Sequence[date]) -> date:
    """Return the close without a bar, as known then, of most names that trade before and after."""
    lives = bars.group_by("instrument").agg(
        first=pl.col("session").min(), last=pl.col("session").max()
    )
    days = pl.DataFrame({"session": sessions}, schema={"session": pl.Date})
    due = days.join_where(
        lives, pl.col("session") > pl.col("first"), pl.col("session") < pl.col("last")
    )
    seen = bars.filter(pl.col("known_on") <= pl.col("session"))
    missing = due.join(seen, on=KEY, how="anti")["session"].value_counts()
    if missing.is_empty():
        return sessions[len(sessions) // 2]
    return missing.sort("count", "session", descending=[True, False])["session"][0]
