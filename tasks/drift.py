"""Drift: whether a contest's features, or what its forecasts were worth, are still what they were.

A verdict on one session rests on what was known at its close. It is the same whichever night, or
walk, asks for it first.
"""

from collections.abc import Collection, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.market.lake import Lake, Span, Where
from tasks.panels import history_of
from tasks.realised import record_known
from tasks.roster import Roster
from tasks.settings import calendar, load_contest, load_source

if TYPE_CHECKING:
    from conf.schema import Contest
    from tasks.models.drift import Drift
    from tasks.statistics.drift import Decay, Stability

# One row a session. `reason` is the verdict in words; figures that are not known are null.
DRIFT = {
    "session": pl.Date,
    "factor": pl.Float64,  # times the shrunk IC
    "hold": pl.Boolean,
    "features": pl.String,  # steady, watch, drifted
    "feature": pl.String,  # that moved furthest
    "shift": pl.Float64,  # its population stability index
    "luck": pl.Float64,  # what that index is expected to be without any shift
    "adjusted_p": pl.Float64,
    "judged": pl.Int64,  # features
    "skill": pl.String,  # steady, watch, drifted
    "watched_since": pl.Date,
    "highest": pl.Float64,  # sum of what rank IC fell short by
    "watch": pl.Float64,
    "alarm": pl.Float64,
    "reason": pl.String,
}


def drift_known(lake: Lake, contest: str, sessions: Span) -> dict[date, dict[str, Any]]:
    """Return the stored verdicts on some sessions, as rows of `DRIFT`."""
    rows = lake.read(f"drift/{contest}", where={"session": sessions})
    return {row["session"]: row for row in rows.iter_rows(named=True)}


def judge_drift(lake: Lake, contest: str, sessions: Collection[date]) -> dict[date, dict[str, Any]]:
    """Return the verdict on each session, oldest first; what is not stored yet is found and kept.

    Each session needs to be scored, and the labels that were known at its close to be measured.
    """
    if not sessions:
        return {}
    first, last = min(sessions), max(sessions)
    known = drift_known(lake, contest, Span(first, last))
    if due := sorted(set(sessions) - known.keys()):
        fresh = _judged(lake, contest, due)
        over: Where = {"session": due}
        lake.replace(f"drift/{contest}", pl.DataFrame(fresh, schema=DRIFT), over=over)
        known |= {row["session"]: row for row in fresh}
    return {session: known[session] for session in sorted(sessions)}


def _judged(lake: Lake, contest: str, sessions: Sequence[date]) -> list[dict[str, Any]]:
    from tasks.models.drift import drift_of, feature_shifts

    rules = load_contest(contest)
    features, days = _features(lake, rules, sessions)
    titles = lake.read("champions", where={"contest": [contest]})
    records = record_known(lake, contest, sessions[-1])
    told = records.with_columns(pl.col("rank_ic").fill_nan(None)).drop_nulls("rank_ic")
    rows = []
    for session in sessions:
        shifts = feature_shifts(features, days, as_of=session) if features else []
        known = told.filter(pl.col("known_on") <= session)
        since, skill = _skill(rules, titles, known, session)
        rows.append(_row(session, since, drift_of(shifts, skill), shifts, skill))
    return rows


def _row(
    session: date, since: date, drift: "Drift", shifts: "Sequence[Stability]", skill: "Decay"
) -> dict[str, Any]:
    from tasks.statistics.drift import worst

    furthest = worst(shifts)._asdict() if shifts else {}
    return {
        "session": session,
        "factor": drift.factor,
        "hold": drift.hold,
        "features": drift.features,
        "feature": furthest.get("name"),
        **{name: furthest.get(name) for name in ("shift", "luck", "adjusted_p")},
        "judged": len(shifts),
        "skill": drift.skill,
        "watched_since": since,
        **{name: _finite(getattr(skill, name)) for name in ("highest", "watch", "alarm")},
        "reason": drift.reason,
    }


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _skill(
    rules: "Contest", titles: pl.DataFrame, known: pl.DataFrame, as_of: date
) -> "tuple[date, Decay]":
    """Return since when the champion is watched at `as_of`, and what became of its rank IC."""
    from tasks.forecast import titles_known
    from tasks.models.drift import watch_since
    from tasks.statistics.drift import decay

    held = titles_known(titles, as_of)
    others = held.filter(pl.col("recipe") != held["recipe"][-1])["from_session"]
    own = held.filter(pl.col("from_session") > others[-1]) if len(others) else held
    days = calendar(load_source(rules.source).calendar)
    since = watch_since(days.sessions(own["from_session"][0], as_of))
    watched = known.filter(pl.col("session") >= since).height
    return since, decay(known["rank_ic"].to_numpy(), horizon=rules.horizon, watched=watched)


def _features(
    lake: Lake, rules: "Contest", sessions: Sequence[date]
) -> tuple[dict[str, NDArray[np.float32]], list[date]]:
    """Return the stored features of the members, sessions × names, and which sessions.

    Of all sessions that verdicts on `sessions` look back to; nothing where there are too few.
    """
    from tasks.features import FEATURE_SETS
    from tasks.models.drift import RECENT, REFERENCE
    from tasks.statistics.drift import WINDOWS

    settings = load_source(rules.source)
    known = calendar(settings.calendar).sessions(settings.starts, sessions[-1])
    begin = max(known.index(sessions[0]) + 1 - RECENT - REFERENCE, 0)
    if len(known) - begin < RECENT * (1 + WINDOWS):
        return {}, []
    days = known[begin:]
    members = _members(lake, rules, days)
    if members.is_empty():
        return {}, []
    where: Where = {"source": [rules.source], "session": Span(days[0], days[-1])}
    rows = lake.read(f"features/{rules.features}", where=where).join(
        members, on=["session", "instrument"], how="semi"
    )
    names = rows["instrument"].unique().sort()
    row_R = pl.Series(days).search_sorted(rows["session"]).to_numpy()
    name_R = names.search_sorted(rows["instrument"]).to_numpy()
    tables = {}
    for column in FEATURE_SETS[rules.features]().columns:
        tables[column] = np.full((len(days), len(names)), np.nan, np.float32)
        tables[column][row_R, name_R] = rows[column].to_numpy()
    return tables, days


def _members(lake: Lake, rules: "Contest", days: Sequence[date]) -> pl.DataFrame:
    """Return (session, instrument) of who could be held on each session, by what was known then."""
    roster = Roster(lake, rules.source, rules.universe, days[-1])
    since = calendar(load_source(rules.source).calendar).offset(days[0], -roster.reach)
    history = history_of(lake, rules.source, days[-1], since=since)
    wanted = set(days)
    rows = [pl.DataFrame(schema={"session": pl.Date, "instrument": pl.String})]
    rows += [
        pl.DataFrame({"session": day, "instrument": pl.Series(names, dtype=pl.String)})
        for day in history.sessions
        if day in wanted and (names := roster.at(history.roll(day)))
    ]
    return pl.concat(rows)
