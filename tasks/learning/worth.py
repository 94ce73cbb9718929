"""What each feature of a set was worth: measured alike, corrected for their number, as frames.

Features are judged on what came after, over the members of a universe, from the first session on
that is as old as their look-back. Where too much had to be dropped a feature is not judged, and
that is told.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.statistics.discoveries import discoveries
from tasks.statistics.hac import Mean
from tasks.statistics.signal import Signal, measured
from tasks.statistics.yardstick import Yardstick

Array = NDArray[np.float64]
HORIZONS = 8  # of sessions that an error needs
ALIKE = 0.7  # correlation of rank ICs from which on two features tell the same
Scores = Callable[[str], NDArray[np.floating]]  # a feature's values, sessions × names


class Judged(NamedTuple):
    """One feature: what it is called, which kin it has, and how far it looks back."""

    name: str
    family: str
    look_back: int


class Worth(NamedTuple):
    """What a set was worth. `adjusted` and `found` allow for the number of features, `p` does not.

    - `strength`: one row a feature that was judged, the smallest p first. `error`, `t` and `p` are
      those of one test (`discoveries`), null where there are too few sessions for it;
      `newey_west` is that error of the mean.
      Below, errors are Newey-West's, null where fewer than eight horizons of sessions stand behind
      them: there they are far too small.
    - `decay` (feature, horizon, rank_ic, error), `quantiles` (feature, quantile, label, error),
      `years` (feature, year, rank_ic, error), `groups` (feature, grouping, group, rank_ic, error).
    - `daily` (session, feature, rank_ic) of the strongest that differ: one whose rank ICs move
      with those of a stronger one tells little more.
    - `dropped` (feature, share): what was not judged, and which share of its cells was lost.
    """

    strength: pl.DataFrame
    decay: pl.DataFrame
    quantiles: pl.DataFrame
    years: pl.DataFrame
    groups: pl.DataFrame
    daily: pl.DataFrame
    dropped: pl.DataFrame


def worth_of(
    features: Sequence[Judged],
    scores: Scores,
    sessions: Sequence[date],
    against: Yardstick,
    *,
    max_dropped: float,
    shown: int = 6,
) -> Worth:
    """Return what features were worth against one yardstick.

    Args:
        features: What to judge.
        scores: Gives a feature's values on the yardstick's axes, NaN where unknown.
        sessions: The yardstick's sessions.
        against: Labels and groups; it must let every share be dropped, for the bound is ours.
        max_dropped: Greatest share of the members' cells, from the look-back on, that may lack a
            score or a label; a feature beyond it is not judged.
        shown: Of how many `daily` tells.
    """
    signals: dict[str, tuple[Judged, Signal]] = {}
    dropped = []
    for feature in features:
        signal = measured(scores(feature.name), against)
        lost = _lost(signal, against, feature.look_back)
        if lost > max_dropped or not np.isfinite(signal.rank_ic_T).any():
            dropped.append({"feature": feature.name, "share": lost})
        else:
            signals[feature.name] = feature, signal
    if not signals:
        raise ValueError(
            f"None of {len(features)} features could be judged: more than {max_dropped:.0%} of "
            "the members' cells lack a score or a label. Take more sessions, or raise the bound."
        )
    strength = _strength(signals, against)
    rank_ic = {name: signals[name][1].rank_ic_T for name in _distinct(strength, signals, shown)}
    daily = pl.DataFrame({"session": sessions, **rank_ic}).unpivot(
        index="session", variable_name="feature", value_name="rank_ic"
    )
    return Worth(
        strength,
        _means(signals, "horizon", "rank_ic", lambda one: one.decay.items()),
        _means(signals, "quantile", "label", lambda one: enumerate(one.quantiles, start=1)),
        _means(signals, "year", "rank_ic", lambda one: one.years.items()),
        _groups(signals),
        daily.with_columns(pl.col("rank_ic").fill_nan(None)),
        pl.DataFrame(dropped, schema={"feature": pl.String, "share": pl.Float64}),
    )


def _distinct(
    strength: pl.DataFrame, signals: dict[str, tuple[Judged, Signal]], most: int
) -> list[str]:
    """Return the strongest features of which none moves with a stronger one."""
    chosen: list[str] = []
    for name in strength["feature"]:
        own_T = signals[name][1].rank_ic_T
        others = [signals[other][1].rank_ic_T for other in chosen]
        if all(abs(_together(own_T, other_T)) < ALIKE for other_T in others):
            chosen.append(name)
        if len(chosen) == most:
            break
    return chosen


def _together(first_T: Array, second_T: Array) -> float:
    both_T = np.isfinite(first_T) & np.isfinite(second_T)
    if both_T.sum() < 3 or not first_T[both_T].std() or not second_T[both_T].std():
        return 0.0
    return float(np.corrcoef(first_T[both_T], second_T[both_T])[0, 1])


def _lost(signal: Signal, against: Yardstick, look_back: int) -> float:
    """Return the share of cells without a score, or without a label that is due, after warm-up."""
    due_T = np.zeros(len(against.member_TN), bool)
    due_T[look_back - 1 :] = True
    due_T[len(due_T) - against.horizon - 1 :] = False  # their labels are not known yet
    cells = int(against.member_TN[due_T].sum())
    return 1 - int(signal.names_T[due_T].sum()) / cells if cells else 1.0


def _strength(signals: dict[str, tuple[Judged, Signal]], against: Yardstick) -> pl.DataFrame:
    series_TF = np.column_stack([signal.rank_ic_T for _, signal in signals.values()])
    tests = discoveries(series_TF, horizon=against.horizon)
    rows = [
        {
            "feature": feature.name,
            "family": feature.family,
            "rank_ic": signal.rank_ic.value,
            "error": float(tests.error_F[place]),
            "t": float(tests.t_F[place]),
            "newey_west": signal.rank_ic.error,
            "p": float(tests.p_F[place]),
            "adjusted": float(tests.adjusted_F[place]),
            "found": bool(tests.found_F[place]),
            "icir": signal.rank_icir.value,
            "ic": signal.ic.value,
            "ic_error": signal.ic.error,
            "spread": signal.spread.value,
            "spread_error": signal.spread.error,
            "turnover": sum(signal.turnover[against.horizon]) / 2,
            "autocorrelation": signal.rank_autocorrelation[1],
            "break_even": signal.break_even,
            "coverage": signal.coverage,
            "sessions": signal.rank_ic.count,
        }
        for place, (feature, signal) in enumerate(signals.values())
    ]
    frame = pl.DataFrame(rows).with_columns(pl.col(pl.Float64).fill_nan(None))
    order = [pl.col("p"), pl.col("t").abs(), pl.col("rank_ic").abs(), pl.col("feature")]
    return frame.sort(order, descending=[False, True, True, False], nulls_last=True)


def _means(
    signals: dict[str, tuple[Judged, Signal]],
    key: str,
    value: str,
    parts: Callable[[Signal], Iterable[tuple[int, Mean]]],
) -> pl.DataFrame:
    rows = [
        {"feature": name, key: int(place), value: mean.value}
        | {"error": _error(mean, int(place) if key == "horizon" else signal.horizon)}
        for name, (_, signal) in signals.items()
        for place, mean in parts(signal)
    ]
    kinds = {"feature": pl.String, key: pl.Int64, value: pl.Float64, "error": pl.Float64}
    return pl.DataFrame(rows, schema=kinds).with_columns(pl.col(pl.Float64).fill_nan(None))


def _error(mean: Mean, horizon: int) -> float:
    return mean.error if mean.count >= HORIZONS * horizon else float("nan")


def _groups(signals: dict[str, tuple[Judged, Signal]]) -> pl.DataFrame:
    rows = [
        {"feature": name, "grouping": grouping, "group": group}
        | {"rank_ic": mean.value, "error": _error(mean, signal.horizon)}
        for name, (_, signal) in signals.items()
        for grouping, means in signal.groups.items()
        for group, mean in means.items()
    ]
    kinds = {"feature": pl.String, "grouping": pl.String, "group": pl.Int64}
    kinds |= {"rank_ic": pl.Float64, "error": pl.Float64}
    return pl.DataFrame(rows, schema=kinds).with_columns(pl.col(pl.Float64).fill_nan(None))
