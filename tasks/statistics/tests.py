"""One test over several models and markets, which does not count the same luck twice."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from tasks.statistics.hac import Mean, hac_covariance, hac_mean

Array = NDArray[np.float64]


def joint_t(markets: Sequence[ArrayLike], *, lags: int) -> Mean:
    """Return the mean over independent markets (seeds), each a series (T,) or a table (T, models).

    Models of one market share its luck, so they are averaged session by session before the
    Newey-West error is taken; markets are independent, so the squares of their errors add:
    mean = (1/S) sum m_s, error = (1/S) sqrt(sum e_s^2). `count` is the sessions of all markets.
    """
    means = [hac_mean(_session_means(values), lags=lags) for values in markets]
    if unknown := [str(i) for i, mean in enumerate(means) if math.isnan(mean.error)]:
        raise ValueError(f"Markets {', '.join(unknown)} have fewer than 2 values: no joint test.")
    if not means:
        raise ValueError("Expected at least one market, found none.")
    value = sum(mean.value for mean in means) / len(means)
    error = math.sqrt(sum(mean.error**2 for mean in means)) / len(means)
    t = value / error if error > 0 else float("nan")
    return Mean(value, error, t, sum(mean.count for mean in means))


def joint_wald(markets: Sequence[ArrayLike], *, lags: int) -> tuple[float, float]:
    """Return the Wald statistic and its p-value that every model's mean is zero, all at once.

    Takes independent markets, each a table (T, models) with the same models; sessions with a NaN
    are left out. W = m' V^-1 m is chi-square with one degree a model, where m is the mean over
    markets and V the Newey-West covariance of the means, models correlated as they are.
    """
    tables = [np.asarray(values, np.float64) for values in markets]
    shapes = {table.shape[1:] for table in tables}
    if len(shapes) != 1 or any(table.ndim != 2 for table in tables):
        raise ValueError(f"Expected tables (T, models) with the same models, found {shapes}.")
    tables = [table[~np.isnan(table).any(axis=1)] for table in tables]
    if any(len(table) <= table.shape[1] for table in tables):
        raise ValueError(f"Too few sessions: {[len(table) for table in tables]}; use more.")
    mean_M = sum(table.mean(axis=0) for table in tables) / len(tables)
    covariance_MM = sum(hac_covariance(table, lags=lags) / len(table) for table in tables)
    covariance_MM = np.asarray(covariance_MM) / len(tables) ** 2
    statistic = float(mean_M @ np.linalg.pinv(covariance_MM, hermitian=True) @ mean_M)
    freedom = int(np.linalg.matrix_rank(covariance_MM, hermitian=True))
    return statistic, float(stats.chi2.sf(statistic, freedom))


def _session_means(values: ArrayLike) -> Array:
    """Return a series (T,) of a series or a table (T, models); NaN cells do not count."""
    table = np.asarray(values, np.float64)
    if table.ndim == 1:
        return table
    known_TM = ~np.isnan(table)
    count_T = known_TM.sum(axis=1)
    total_T = np.where(known_TM, table, 0.0).sum(axis=1)
    return np.where(count_T > 0, total_T / np.maximum(count_T, 1), np.nan)
