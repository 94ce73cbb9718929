"""How good scores were, once their labels are known; every figure with its error."""

from datetime import date
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.statistics.signal import Signal, measured
from tasks.statistics.yardstick import yardstick

Array = NDArray[np.float64]


class Evaluation(NamedTuple):
    """Figures of one set of scores.

    `daily` is (session, ic, rank_ic, names), null where a session has too few names. `deciles` is
    (session, decile, label), 1 the lowest scores; fewer than ten groups under twenty names.
    """

    metrics: dict[str, float]
    daily: pl.DataFrame
    deciles: pl.DataFrame


def evaluate(
    scores: pl.DataFrame, labels: pl.DataFrame, *, horizon: int, min_names: int
) -> Evaluation:
    """Return what `scores` were worth, with errors that allow for overlap.

    Labels of the newest sessions are not known yet, so nothing is refused here however much of
    the scores has none: the metric `dropped` says how much.

    Args:
        scores: (session, instrument, score).
        labels: (session, instrument, label), null or NaN where unknown.
        horizon: Sessions the label looks ahead; labels of neighbouring sessions overlap so long.
        min_names: Fewest scored and labelled names for a session to count.
    """
    rows = _labelled(scores, labels)
    sessions = rows["session"].unique().sort().to_list()
    score_TN, label_TN, member_TN = _dense(rows, sessions)
    names_T = (np.isfinite(score_TN) & np.isfinite(label_TN)).sum(axis=1)
    enough_T = names_T >= min_names
    typical = int(np.median(names_T[enough_T])) if enough_T.any() else 4
    against = yardstick(
        {horizon: label_TN},
        horizon=horizon,
        member_TN=member_TN,
        lags=(horizon,),
        quantiles=max(2, min(10, typical // 2)),
        min_names=min_names,
        max_dropped=1.0,
    )
    found = measured(score_TN, against)
    columns = {"ic": found.ic_T, "rank_ic": found.rank_ic_T, "names": names_T}
    daily = pl.DataFrame({"session": sessions, **columns})
    daily = daily.cast({"session": pl.Date, "names": pl.Int64}).fill_nan(None)
    metrics = _metrics(found)
    metrics["names"] = float(names_T[enough_T].mean()) if enough_T.any() else 0.0
    deciles = _long(found.quantile_TQ, sessions)
    return Evaluation(metrics, daily.filter(pl.col("names") > 0), deciles)


def _labelled(scores: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of `scores` with their label, null where there is none, sorted."""
    rows = scores.select("session", "instrument", "score").join(
        labels.select("session", "instrument", "label"),
        on=["session", "instrument"],
        how="left",
        validate="1:1",
    )
    return rows.sort("session", "instrument")


def _dense(rows: pl.DataFrame, sessions: list[date]) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Return scores, labels and which names have a row, as (T, N) on the names in `rows`."""
    names = rows["instrument"].unique().sort()
    place = {session: row for row, session in enumerate(sessions)}
    at = np.array([place[session] for session in rows["session"]], np.int64)
    columns = np.searchsorted(names.to_numpy(), rows["instrument"].to_numpy())
    score_TN = np.full((len(sessions), len(names)), np.nan)
    label_TN, member_TN = np.full_like(score_TN, np.nan), np.zeros(score_TN.shape, bool)
    score_TN[at, columns] = rows["score"].to_numpy()
    label_TN[at, columns] = rows["label"].to_numpy()
    member_TN[at, columns] = True
    return score_TN, label_TN, member_TN


def _metrics(found: Signal) -> dict[str, float]:
    """Return the means, errors and ratios; NaN where nothing could be measured."""
    means = {"ic": found.ic, "rank_ic": found.rank_ic, "decile_spread": found.spread}
    metrics: dict[str, float] = {}
    for name, mean in means.items():
        metrics |= {name: mean.value, f"{name}_error": mean.error, f"{name}_t": mean.t}
    known_T = found.ic_T[np.isfinite(found.ic_T)]
    moved = found.turnover[found.horizon]
    return metrics | {
        "icir": found.icir.value,
        "icir_error": found.icir.error,
        "ic_positive": float((known_T > 0).mean()) if known_T.size else float("nan"),
        "sessions": float(found.ic.count),
        "deciles": float(found.quantile_TQ.shape[1]),
        "turnover": (moved.top + moved.bottom) / 2,
        "rank_autocorrelation": found.rank_autocorrelation[found.horizon],
        "break_even": found.break_even,
        "coverage": found.coverage,
        "dropped": found.dropped.share,
    }


def _long(decile_TQ: Array, sessions: list[date]) -> pl.DataFrame:
    groups = decile_TQ.shape[1]
    frame = pl.DataFrame(
        {
            "session": [session for session in sessions for _ in range(groups)],
            "decile": list(range(1, groups + 1)) * len(sessions),
            "label": decile_TQ.ravel(),
        },
        schema={"session": pl.Date, "decile": pl.Int64, "label": pl.Float64},
    )
    return frame.filter(pl.col("label").is_finite())
