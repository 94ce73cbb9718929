"""Means of series whose neighbours resemble each other, with errors that allow for it.

Labels over h sessions overlap, so daily information coefficients are correlated up to lag h: the
plain standard error of their mean is too small. Newey & West, "A simple, positive semi-definite,
heteroskedasticity and autocorrelation consistent covariance matrix", Econometrica 55 (1987).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


class Mean(NamedTuple):
    """A mean, its standard error, their ratio, and how many values it stands on."""

    value: float
    error: float
    t: float
    count: int  # type: ignore[assignment]  # shadows tuple.count, which nobody needs here


def hac_mean(values: ArrayLike, *, lags: int) -> Mean:
    """Return the mean of a series with its Newey-West error (Bartlett weights up to `lags`).

    NaN are left out first, and what remains is taken as consecutive. With lags = 0 the error is
    the plain one (with n, not n - 1, under the variance). Without two values the error is NaN;
    without spread it is 0 and t is NaN.
    """
    series = np.asarray(values, np.float64).ravel()
    series = series[~np.isnan(series)]
    if series.size == 0:
        return Mean(float("nan"), float("nan"), float("nan"), 0)
    value = float(series.mean())
    if series.size == 1 or np.ptp(series) == 0:
        error = float("nan") if series.size == 1 else 0.0
        return Mean(value, error, float("nan"), int(series.size))
    covariance = hac_covariance(series[:, None], lags=lags)
    error = float(np.sqrt(max(covariance[0, 0], 0.0) / series.size))
    return Mean(value, error, value / error if error > 0 else float("nan"), int(series.size))


def hac_ratio(values: ArrayLike, *, lags: int) -> Mean:
    """Return the mean of a series over its standard deviation (n - 1), with its error.

    NaN are left out as in `hac_mean`. The error is the delta method on mean and variance of Lo,
    "The statistics of Sharpe ratios", Financial Analysts Journal 58 (2002), with the Newey-West
    covariance up to `lags`. All but the count is NaN where the series does not vary.
    """
    series = np.asarray(values, np.float64).ravel()
    series = series[~np.isnan(series)]
    if series.size < 2 or np.ptp(series) == 0:
        return Mean(float("nan"), float("nan"), float("nan"), int(series.size))
    mean, variance = series.mean(), series.var()
    moments_T2 = np.column_stack([series - mean, (series - mean) ** 2 - variance])
    slope_2 = np.array([1 / np.sqrt(variance), -mean / (2 * variance**1.5)])
    spread = float(slope_2 @ hac_covariance(moments_T2, lags=lags) @ slope_2)
    value, error = float(mean / series.std(ddof=1)), float(np.sqrt(max(spread, 0.0) / series.size))
    return Mean(value, error, value / error if error > 0 else float("nan"), int(series.size))


def hac_covariance(values_TK: Array, *, lags: int) -> Array:
    """Return the long-run covariance (K, K) of the columns: S = G0 + sum w_l (G_l + G_l').

    G_l is the autocovariance at lag l about the mean, divided by T; w_l = 1 - l / (lags + 1).
    Lags that the series is too short for are left out. The covariance of the means is S / T.
    """
    if lags < 0:
        raise ValueError(f"Expected lags of 0 or more, found {lags}.")
    centred_TK = values_TK - values_TK.mean(axis=0)
    count = len(centred_TK)
    long_run_KK = _products(centred_TK, centred_TK) / count
    for lag in range(1, min(lags, count - 1) + 1):
        gamma_KK = _products(centred_TK[lag:], centred_TK[:-lag]) / count
        long_run_KK = long_run_KK + (1 - lag / (lags + 1)) * (gamma_KK + gamma_KK.T)
    return long_run_KK


def label_lags(count: int, *, horizon: int) -> int:
    """Return lags for `count` neighbouring values that stand on labels over `horizon` sessions.

    Twice the horizon or more: at the horizon itself the fading Bartlett weights would leave out
    a good part of the overlap. A long series takes the rule of thumb 4 (count / 100)^(2/9) of
    Newey & West (Review of Economic Studies 61, 1994) where that is more.
    """
    return max(2 * horizon, int(4 * (max(count, 1) / 100) ** (2 / 9)))


def _products(first_TK: Array, second_TK: Array) -> Array:
    """Return first' second without BLAS, whose last bits depend on the number of threads."""
    return np.asarray(np.einsum("tj,tk->jk", first_TK, second_TK, optimize=False))
