"""Signals: what the features of a set were worth, on a source of the lake or on bars of one's own.

Features are those that each night would have known; labels are the returns after it, as known at
the end. Membership, sectors and sizes are those of each session.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.market.history import FIELDS, Array, History, View
from tasks.market.lake import Lake
from tasks.panels import history_of
from tasks.prepare import context_of
from tasks.roster import Roster
from tasks.settings import calendar, load_source

if TYPE_CHECKING:
    from tasks.features.engine import FeatureSet
    from tasks.features.grid import Grid
    from tasks.learning.worth import Worth

HORIZONS = (1, 5, 10, 20, 60)
SIZE = "dollar_volume_20"  # the feature of the price set that sizes go by
SIZES = ("small", "middle", "large")  # thirds of a session's members by what is traded of them


class Question(NamedTuple):
    """What is asked of a set."""

    horizon: int  # sessions
    trades_at: Literal["open", "close"]
    max_dropped: float = 0.35
    min_names: int = 20


class Answer(NamedTuple):
    """What a set was worth, and on what."""

    worth: "Worth"
    sessions: tuple[date, ...]
    names: int
    members: float  # a session, on average
    groups: dict[str, list[str]]  # grouping -> what its codes stand for


class _Ground(NamedTuple):
    """Where features are judged: sessions × names."""

    sessions: tuple[date, ...]
    instruments: tuple[str, ...]
    member_TN: NDArray[np.bool_]
    sectors: list[dict[str, str]]  # by session
    view: View  # as known at the end


def stored_signals(
    lake: Lake, features: str, source: str, universe: str, *, question: Question, as_of: date
) -> Answer:
    """Return what a set is worth on a source of the lake, over the members of a universe."""
    from tasks.features.engine import features_over

    chosen, settings = with_size(features), load_source(source)
    sessions = calendar(settings.calendar).sessions(settings.starts, as_of)
    bars = lake.known("bars", as_of=as_of, source=source, prints="all")
    actions = lake.known("actions", as_of=as_of, source=source, prints="all")
    if bars.is_empty():
        raise LookupError(f"no bars of {source!r}: `afterclose backfill --source {source}` first")
    history = History(bars, actions, sessions, prints="first")
    ground = _stored_ground(lake, source, universe, as_of)
    step = max(1, 50_000_000 // (len(chosen.columns) * max(len(history.instruments), 1)))
    chunks = (sessions[start : start + step] for start in range(0, len(sessions), step))
    context = context_of(lake, source, chosen, as_of)
    frames = (features_over(history, chosen, chunk, context=context) for chunk in chunks)
    return _answer(chosen, frames, ground, question)


def own_signals(
    grid: "Grid", chosen: "FeatureSet", *, question: Question, sectors: dict[str, str]
) -> Answer:
    """Return what a set is worth on bars of one's own: every name with a close is a member.

    `sectors` (symbol -> sector) are taken as known all along; say so where they are not.
    """
    from tasks.features.engine import grid_features

    shape = len(grid.sessions), len(grid.instruments)
    opened, high, low, close, volume = (
        grid.inputs.get(name, np.full(shape, np.nan)) for name in FIELDS
    )
    axes = grid.sessions, grid.instruments
    none_TN = np.zeros(shape)
    view = View(axes[0][-1], *axes, opened, high, low, close, volume, grid.split, none_TN)
    member_TN = np.isfinite(view.close_TN)
    ground = _Ground(*axes, member_TN, [sectors] * shape[0], view)
    return _answer(chosen, grid_features(grid, chosen, grid.sessions), ground, question)


def with_size(features: str) -> "FeatureSet":
    """Return the set, with the feature that sizes go by where it lacks it."""
    from tasks.features import FEATURE_SETS
    from tasks.features.engine import FeatureSet

    if features not in FEATURE_SETS:
        known = ", ".join(sorted(FEATURE_SETS))
        raise LookupError(f"no feature set named {features!r}; there is: {known}")
    chosen = FEATURE_SETS[features]()
    if SIZE in chosen.columns:
        return chosen
    size = next(one for one in FEATURE_SETS["price"]().features if one.name == SIZE)
    return FeatureSet(chosen.name, (*chosen.features, size))


def _stored_ground(lake: Lake, source: str, universe: str, as_of: date) -> _Ground:
    history, roster = history_of(lake, source, as_of), Roster(lake, source, universe, as_of)
    rows, sectors = [], []
    for session in history.sessions:
        view = history.roll(session)
        rows.append(set(roster.at(view)))
        sectors.append(roster.sectors_at(session))
    members = sorted(set[str]().union(*rows))
    member_TN = np.array([[name in row for name in members] for row in rows], bool)
    place = {name: number for number, name in enumerate(view.instruments)}
    kept = [place[name] for name in members]
    arrays = [array[:, kept] for array in view[3:]]
    alone = View(as_of, view.sessions, tuple(members), *arrays)
    return _Ground(view.sessions, tuple(members), member_TN, sectors, alone)


def _answer(
    chosen: "FeatureSet", frames: Iterable[pl.DataFrame], ground: _Ground, question: Question
) -> Answer:
    from tasks.features import FEATURE_SETS
    from tasks.learning.worth import Judged, worth_of
    from tasks.statistics.yardstick import yardstick

    own = FEATURE_SETS[chosen.name]().features  # without the one that only sizes go by
    values = _dense(frames, chosen.columns, ground)
    if not ground.member_TN.any():
        raise ValueError("There is no member on any session: nothing can be judged.")
    codes = _groups(values[SIZE], ground)
    against = yardstick(
        _labels(ground, question),
        horizon=question.horizon,
        member_TN=ground.member_TN,
        year_T=[session.year for session in ground.sessions],
        groups={name: code for name, (code, _) in codes.items()},
        min_names=question.min_names,
        max_dropped=1.0,  # the bound is held feature by feature, from its look-back on
    )
    worth = worth_of(
        [Judged(one.name, one.family, one.look_back) for one in own],
        lambda name: values[name],
        ground.sessions,
        against,
        max_dropped=question.max_dropped,
    )
    members = float(ground.member_TN.sum(axis=1).mean())
    told = {name: names for name, (_, names) in codes.items()}
    return Answer(worth, ground.sessions, len(ground.instruments), members, told)


def _labels(ground: _Ground, question: Question) -> dict[int, Array]:
    from tasks.features.labels import labels

    horizons = sorted({*HORIZONS, question.horizon})
    usable = [one for one in horizons if one + 2 < len(ground.sessions)]
    return {one: labels(ground.view, horizon=one, trades_at=question.trades_at) for one in usable}


def _dense(
    frames: Iterable[pl.DataFrame], columns: Sequence[str], ground: _Ground
) -> dict[str, NDArray[np.float32]]:
    """Return each feature as sessions × names, NaN where unknown or no member."""
    values = {name: np.full(ground.member_TN.shape, np.nan, np.float32) for name in columns}
    names, days = pl.Enum(ground.instruments), pl.Series(ground.sessions, dtype=pl.Date).to_numpy()
    for frame in frames:
        code = frame["instrument"].cast(names, strict=False).to_physical().cast(pl.Int64)
        here = np.flatnonzero(code.is_not_null())
        at, name_N = np.searchsorted(days, frame["session"].to_numpy()[here]), code.to_numpy()
        name_N = name_N[here].astype(np.int64)
        for name in columns:
            values[name][at, name_N] = frame[name].to_numpy()[here]
    return values


def _groups(
    size_TN: NDArray[np.float32], ground: _Ground
) -> dict[str, tuple[NDArray[np.int64], list[str]]]:
    """Return codes of size and of sector, where any is known, and what they stand for."""
    size_TN = np.where(ground.member_TN, size_TN, np.nan)
    count_T = np.isfinite(size_TN).sum(axis=1, keepdims=True)
    rank_TN = np.argsort(np.argsort(size_TN, axis=1, kind="stable"), axis=1, kind="stable")
    third_TN = np.minimum(rank_TN * len(SIZES) // np.maximum(count_T, 1), len(SIZES) - 1)
    found = {"size": (np.where(np.isfinite(size_TN), third_TN, -1), list(SIZES))}
    known = sorted({sector for told in ground.sectors for sector in told.values()})
    if known:
        number = {sector: code for code, sector in enumerate(known)}
        rows = [
            [number.get(told.get(name, ""), -1) for name in ground.instruments]
            for told in ground.sectors
        ]
        found["sector"] = (np.array(rows, np.int64), known)
    return found
