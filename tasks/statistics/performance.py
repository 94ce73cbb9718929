"""What a series of returns was worth, and how sure one may be of it.

Returns are simple, one a session, as fractions: 0.01 is 1 %. Annual figures take 252 sessions.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from tasks.statistics.hac import hac_ratio

Array = NDArray[np.float64]
SESSIONS_A_YEAR = 252
EULER = 0.5772156649015329  # the Euler-Mascheroni constant


class Sharpe(NamedTuple):
    """An annual Sharpe ratio with its standard error, and the returns it stands on."""

    value: float
    error: float
    sessions: int


class Deflated(NamedTuple):
    """A Sharpe ratio held against the best that luck alone gives over many trials."""

    probability: float  # that the true Sharpe ratio lies above `threshold`'s luck
    threshold: float  # annual Sharpe ratio expected of the best of `trials` without skill
    trials: int


def annual_return(returns: ArrayLike) -> float:
    """Return the compound yearly return: (product of 1 + r)^(252 / n) - 1."""
    series = _series(returns, least=1)
    growth = float(np.prod(1 + series))
    return growth ** (SESSIONS_A_YEAR / series.size) - 1 if growth > 0 else -1.0


def volatility(returns: ArrayLike) -> float:
    """Return the yearly volatility: the standard deviation (n - 1) times sqrt(252)."""
    return float(np.std(_series(returns, least=2), ddof=1) * np.sqrt(SESSIONS_A_YEAR))


def sharpe(returns: ArrayLike, *, lags: int = 0) -> Sharpe:
    """Return the yearly Sharpe ratio of excess returns, with its standard error.

    Takes returns over cash. The error is the delta method on mean and variance of Lo, "The
    statistics of Sharpe ratios", Financial Analysts Journal 58 (2002), with the Newey-West
    covariance up to `lags`; at lags = 0 it is sqrt((1 - g3 SR + (g4 - 1) SR^2 / 4) / n) for skew
    g3 and kurtosis g4, and Lo's sqrt((1 + SR^2 / 2) / n) where returns are normal. Scaling by
    sqrt(252) takes returns as uncorrelated. NaN where returns do not vary.
    """
    series = _series(returns, least=2)
    ratio = _session_sharpe(series)
    if np.isnan(ratio):
        return Sharpe(float("nan"), float("nan"), series.size)
    error = hac_ratio(series, lags=lags).error
    year = np.sqrt(SESSIONS_A_YEAR)
    return Sharpe(float(ratio * year), float(error * year), series.size)


def deflated_sharpe(
    returns: ArrayLike, *, trials: int, trial_spread: float | None = None
) -> Deflated:
    """Return the probability that a Sharpe ratio is more than the luck of the best of `trials`.

    Bailey & Lopez de Prado, "The deflated Sharpe ratio", Journal of Portfolio Management 40
    (2014). `trial_spread` is the standard deviation of the annual Sharpe ratios of all trials;
    without one it is that of a strategy without skill, 1 / sqrt(n) a session. With one trial the
    threshold is 0 and this is the probabilistic Sharpe ratio. NaN where returns do not vary.
    """
    if trials < 1:
        raise ValueError(f"Expected at least 1 trial, found {trials}: count this one too.")
    series = _series(returns, least=3)
    year = np.sqrt(SESSIONS_A_YEAR)
    spread = 1 / np.sqrt(series.size) if trial_spread is None else trial_spread / year
    threshold = spread * _best_of(trials)
    ratio = _session_sharpe(series)
    if np.isnan(ratio):
        return Deflated(float("nan"), float(threshold * year), trials)
    skew, kurtosis = stats.skew(series), stats.kurtosis(series, fisher=False)
    width = np.sqrt(max(1 - skew * ratio + (kurtosis - 1) / 4 * ratio**2, 1e-12))
    probability = stats.norm.cdf((ratio - threshold) * np.sqrt(series.size - 1) / width)
    return Deflated(float(probability), float(threshold * year), trials)


def drawdown(returns: ArrayLike) -> Array:
    """Return the fall from the highest value so far, one a session, 0 or negative.

    The value before the first return counts as a high.
    """
    value = np.cumprod(1 + _series(returns, least=1))
    return np.asarray(value / np.maximum.accumulate(np.maximum(value, 1.0)) - 1)


def _best_of(trials: int) -> float:
    """Return the expected largest of `trials` standard normal draws, as the paper approximates."""
    if trials == 1:
        return 0.0
    ends = stats.norm.ppf([1 - 1 / trials, 1 - 1 / (trials * np.e)])
    return float((1 - EULER) * ends[0] + EULER * ends[1])


def _session_sharpe(series: Array) -> float:
    if np.ptp(series) == 0:
        return float("nan")
    return float(series.mean() / series.std())


def _series(returns: ArrayLike, *, least: int) -> Array:
    series = np.asarray(returns, np.float64).ravel()
    if missing := int((~np.isfinite(series)).sum()):
        raise ValueError(
            f"{missing} of {series.size} returns are not finite: leave them out first."
        )
    if series.size < least:
        raise ValueError(f"Expected at least {least} returns, found {series.size}.")
    return series
