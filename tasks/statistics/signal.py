"""What a signal is worth: one kernel for features, scores and whatever else orders names.

Arrays are (T, N), sessions × names, NaN where there is no value. What all signals of a universe
share is made once (`yardstick`); each signal is then held against it (`measured`). Every mean
comes with a Newey-West error whose lags reach past the overlap of the labels.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tasks.statistics.hac import Mean, hac_mean, hac_ratio, label_lags
from tasks.statistics.persistence import rank_autocorrelation, turnover
from tasks.statistics.ranks import Array, Whole
from tasks.statistics.series import Series, series_of
from tasks.statistics.yardstick import Yardstick


class Dropped(NamedTuple):
    """How many of the members' cells could not be judged, each counted by its first reason."""

    cells: int  # of members: what there was to judge
    no_score: int
    no_label: int
    too_few: int  # scored and labelled, in a session with too few names
    share: float  # of the cells


class Turnover(NamedTuple):
    """Mean share of a quantile's names that were not in it so many sessions before."""

    bottom: float
    top: float


class Signal(NamedTuple):
    """What one signal is worth. Series are one value a session, NaN where unknown.

    `quantile_TQ` holds mean labels by quantile of scores, lowest first, and `quantiles` their
    means; `spread` is the highest less the lowest quantile. `icir` is the mean of `ic_T` over its
    standard deviation; the t of the mean itself is that of `ic`. `decay` is the rank IC by
    horizon. `turnover` and `rank_autocorrelation` are means by lag in sessions, over all scored
    members. `break_even` is the cost of a traded unit at which the spread of a portfolio that is
    long the top and short the bottom quantile, renewed every horizon, is used up: spread over
    twice the turnover of both. `groups` is the rank IC among each group's names, by grouping and
    code.
    """

    horizon: int
    dropped: Dropped
    coverage: float  # share of members with a score
    coverage_T: Array
    names_T: Whole  # scored and labelled
    ic_T: Array
    rank_ic_T: Array
    quantile_TQ: Array
    ic: Mean
    icir: Mean
    rank_ic: Mean
    rank_icir: Mean
    quantiles: tuple[Mean, ...]
    spread: Mean
    decay: dict[int, Mean]
    turnover: dict[int, Turnover]
    rank_autocorrelation: dict[int, float]
    break_even: float
    years: dict[int, Mean]
    groups: dict[str, dict[int, Mean]]


def measured(score_TN: ArrayLike, against: Yardstick) -> Signal:
    """Return what a signal is worth; raises where more is dropped than may be.

    Takes scores (T, N); those of names that are not members do not count.
    """
    series, horizon = series_of(np.asarray(score_TN), against), against.horizon
    dropped, coverage_T = _dropped(series, against)
    rank_ic_T = series.rank_ic_TH[:, against.horizons.index(horizon)]
    lags = label_lags(rank_ic_T.size, horizon=horizon)
    spread = hac_mean(series.quantile_TQ[:, -1] - series.quantile_TQ[:, 0], lags=lags)
    turnovers = {lag: _turnover(series, lag) for lag in against.lags}
    traded = 2 * sum(turnovers[horizon])
    return Signal(
        horizon=horizon,
        dropped=dropped,
        coverage=1 - dropped.no_score / max(dropped.cells, 1),
        coverage_T=coverage_T,
        names_T=series.names_T,
        ic_T=series.ic_T,
        rank_ic_T=rank_ic_T,
        quantile_TQ=series.quantile_TQ,
        ic=hac_mean(series.ic_T, lags=lags),
        icir=hac_ratio(series.ic_T, lags=lags),
        rank_ic=hac_mean(rank_ic_T, lags=lags),
        rank_icir=hac_ratio(rank_ic_T, lags=lags),
        quantiles=tuple(hac_mean(column, lags=lags) for column in series.quantile_TQ.T),
        spread=spread,
        decay=dict(
            zip(
                against.horizons, map(_strength, series.rank_ic_TH.T, against.horizons), strict=True
            )
        ),
        turnover=turnovers,
        rank_autocorrelation={lag: _autocorrelation(series, lag) for lag in against.lags},
        break_even=spread.value / traded if traded > 0 else float("nan"),
        years={
            year: _strength(rank_ic_T[against.year_T == year], horizon)
            for year in np.unique(against.year_T).tolist()
        },
        groups={
            name: dict(enumerate(_strength(ic_T, horizon) for ic_T in series.group_ic_TG[:, g].T))
            for name, g in against.groupings.items()
        },
    )


def _dropped(series: Series, against: Yardstick) -> tuple[Dropped, Array]:
    """Return what could not be judged, and the share of members with a score by session."""
    member_T = against.member_TN.sum(axis=1)
    cells = int(member_T.sum())
    lost = (
        cells - int(series.scored_T.sum()),
        int((series.scored_T - series.names_T).sum()),
        int(series.names_T[series.names_T < against.min_names].sum()),
    )
    dropped = Dropped(cells, *lost, sum(lost) / cells if cells else 0.0)
    if dropped.share > against.max_dropped:
        raise ValueError(
            f"{dropped.share:.1%} of {cells} cells would be dropped ({lost[0]} without a score, "
            f"{lost[1]} without a label, {lost[2]} in sessions with fewer than "
            f"{against.min_names} names), more than max_dropped = {against.max_dropped:.1%}: "
            "mend the signal, or raise the bound."
        )
    coverage_T = np.where(member_T > 0, series.scored_T / np.maximum(member_T, 1), np.nan)
    return dropped, coverage_T


def _strength(ic_T: Array, horizon: int) -> Mean:
    return hac_mean(ic_T, lags=label_lags(ic_T.size, horizon=horizon))


def _turnover(series: Series, lag: int) -> Turnover:
    return Turnover(
        _mean(turnover(series.bottom_TN, lag=lag)), _mean(turnover(series.top_TN, lag=lag))
    )


def _autocorrelation(series: Series, lag: int) -> float:
    return _mean(rank_autocorrelation(series.rank_TN, series.scored_TN, lag=lag))


def _mean(series_T: Array) -> float:
    known_T = series_T[np.isfinite(series_T)]
    return float(known_T.mean()) if known_T.size else float("nan")
