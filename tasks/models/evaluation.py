"""How good scores were, once their labels are known; every figure with its error."""

from datetime import date
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.statistics.hac import hac_mean, label_lags
from tasks.statistics.ic import ic_series, quantile_returns, rank_ic_series

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
    """Return IC, rank IC and decile spread of `scores`, with errors that allow for overlap.

    Args:
        scores: (session, instrument, score).
        labels: (session, instrument, label), null or NaN where unknown.
        horizon: Sessions the label looks ahead; labels of neighbouring sessions overlap so long.
        min_names: Fewest scored and labelled names for a session to count.
    """
    pairs = _pairs(scores, labels)
    sessions = pairs["session"].unique().sort().to_list()
    score_TN, label_TN, names_T = _dense(pairs, sessions)
    ic_T = ic_series(score_TN, label_TN, min_names=min_names)
    rank_T = rank_ic_series(score_TN, label_TN, min_names=min_names)
    enough_T = names_T >= min_names
    typical = int(np.median(names_T[enough_T])) if enough_T.any() else 4
    groups = max(2, min(10, typical // 2))
    decile_TQ = quantile_returns(
        score_TN, label_TN, quantiles=groups, min_names=max(min_names, groups)
    )
    daily = pl.DataFrame({"session": sessions, "ic": ic_T, "rank_ic": rank_T, "names": names_T})
    daily = daily.cast({"session": pl.Date, "names": pl.Int64}).fill_nan(None)
    metrics = _metrics(ic_T, rank_T, decile_TQ, horizon=horizon)
    metrics["names"] = float(names_T[enough_T].mean()) if enough_T.any() else 0.0
    return Evaluation(metrics, daily, _long(decile_TQ, sessions))


def _pairs(scores: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """Return rows that have both a finite score and a finite label, sorted."""
    joined = scores.select("session", "instrument", "score").join(
        labels.select("session", "instrument", "label"),
        on=["session", "instrument"],
        how="inner",
        validate="1:1",
    )
    known = pl.col("score").is_finite() & pl.col("label").is_finite()
    return joined.filter(known).sort("session", "instrument")


def _dense(pairs: pl.DataFrame, sessions: list[date]) -> tuple[Array, Array, NDArray[np.int64]]:
    """Return scores and labels as (T, N) on the names in `pairs`, and how many each session has."""
    names = pairs["instrument"].unique().sort()
    place = {session: row for row, session in enumerate(sessions)}
    rows = np.array([place[session] for session in pairs["session"]], np.int64)
    columns = np.searchsorted(names.to_numpy(), pairs["instrument"].to_numpy())
    score_TN = np.full((len(sessions), len(names)), np.nan)
    label_TN = np.full_like(score_TN, np.nan)
    score_TN[rows, columns] = pairs["score"].to_numpy()
    label_TN[rows, columns] = pairs["label"].to_numpy()
    return score_TN, label_TN, np.isfinite(score_TN).sum(axis=1)


def _metrics(ic_T: Array, rank_T: Array, decile_TQ: Array, *, horizon: int) -> dict[str, float]:
    """Return the means, errors and ratios; NaN where nothing could be measured."""
    lags = label_lags(ic_T.size, horizon=horizon)
    means = {
        "ic": hac_mean(ic_T, lags=lags),
        "rank_ic": hac_mean(rank_T, lags=lags),
        "decile_spread": hac_mean(decile_TQ[:, -1] - decile_TQ[:, 0], lags=lags),
    }
    metrics: dict[str, float] = {}
    for name, mean in means.items():
        metrics |= {name: mean.value, f"{name}_error": mean.error, f"{name}_t": mean.t}
    known_T = ic_T[np.isfinite(ic_T)]
    spread = float(known_T.std(ddof=1)) if known_T.size > 1 else float("nan")
    metrics["icir"] = metrics["ic"] / spread if spread > 0 else float("nan")
    metrics["ic_positive"] = float((known_T > 0).mean()) if known_T.size else float("nan")
    metrics["sessions"] = float(means["ic"].count)
    metrics["deciles"] = float(decile_TQ.shape[1])
    return metrics


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
