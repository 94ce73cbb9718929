"""A statistical factor model: what moves names together, read off their own past returns.

1. Each name's variance v is exponentially weighted (fast: volatility changes within weeks).
2. Returns are divided by the volatility forecast for their session, so that storms do not drown
   the rest, and weighted by age again (slow: correlations change over a year).
3. A singular value decomposition X = U S V' of the weighted T x N table gives the K directions that
   explain most; correlation = V S^2 V', cut at K, the rest is specific (Connor & Korajczyk 1986).
"""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import numpy as np

from conf.schema import RiskModelConf
from tasks.market.history import Array
from tasks.risk.volatility.ewma import faded_sums

SPECIFIC_FLOOR = 0.05  # least share of a name's variance that is its own
PRIOR_WEIGHT = 20.0  # returns that a name's own average counts for before its first one


class RiskModel(NamedTuple):
    """Daily risk of the names that had enough returns, as known at the close of `as_of`."""

    as_of: date
    instruments: tuple[str, ...]  # sorted
    exposures_NK: Array  # daily return for a move of one unit of the factor
    factor_covariance_KK: Array
    specific_variance_N: Array
    volatility_N: Array  # daily, of the whole name: factors and specific


def risk_model(
    returns_TN: Array, instruments: Sequence[str], as_of: date, conf: RiskModelConf
) -> RiskModel:
    """Return the risk of the names with at least `conf.min_observed` returns in the look-back.

    Takes (T, N) simple total returns known at `as_of`, the newest last, NaN where none. A name
    whose price never moved is left out: it would look free of risk. Each name's total variance,
    factors plus specific, is its exponentially weighted variance. Factors have variance 1; names
    are sorted.
    """
    if returns_TN.ndim != 2 or returns_TN.shape[1] != len(instruments):
        raise ValueError(
            f"Expected one column of returns for each of {len(instruments)} instruments, "
            f"found shape {returns_TN.shape}."
        )
    order = np.array(sorted(range(len(instruments)), key=instruments.__getitem__), np.int64)
    window = np.asarray(returns_TN[-conf.look_back :], float)[:, order]
    squares, weights = faded_sums(window, half_life=conf.volatility_half_life)
    variance_N = squares[-1] / np.maximum(weights[-1], 1e-300)
    keep = (np.isfinite(window).sum(0) >= conf.min_observed) & (variance_N > 0)
    variance_N = variance_N[keep]
    scores_TN = _standardised(
        window[:, keep], squares[:, keep], weights[:, keep], conf.volatility_half_life
    )
    correlation_NK = _correlation_loadings(scores_TN, conf)
    communality_N = (correlation_NK**2).sum(1)
    shrink_N = np.sqrt(np.minimum(1.0, (1.0 - SPECIFIC_FLOOR) / np.maximum(communality_N, 1e-12)))
    exposures_NK = correlation_NK * (shrink_N * np.sqrt(variance_N))[:, None]
    return RiskModel(
        as_of=as_of,
        instruments=tuple(instruments[i] for i in order[keep]),
        exposures_NK=exposures_NK,
        factor_covariance_KK=np.eye(exposures_NK.shape[1]),
        specific_variance_N=variance_N - (exposures_NK**2).sum(1),
        volatility_N=np.sqrt(variance_N),
    )


def _standardised(returns_TN: Array, squares: Array, weights: Array, half_life: float) -> Array:
    """Return returns over the volatility forecast for their session; 0 where there is none.

    A name's own average stands for the sessions before its first, and fades with them.
    """
    seen = np.isfinite(returns_TN)
    returns = np.where(seen, returns_TN, 0.0)
    average_N = (returns**2).sum(0) / np.maximum(seen.sum(0), 1)
    prior_T = PRIOR_WEIGHT * 0.5 ** (np.arange(len(returns)) / half_life)[:, None]
    variance = (squares[:-1] + prior_T * average_N) / (weights[:-1] + prior_T)
    # A name that was flat for very long has no scale left: cap what one session can say.
    floor = np.maximum(variance, 1e-4 * average_N)
    return np.divide(returns, np.sqrt(floor), out=np.zeros_like(returns), where=floor > 0)


def _correlation_loadings(scores_TN: Array, conf: RiskModelConf) -> Array:
    """Return the first K principal loadings, (N, K), of the weighted correlation matrix.

    Signs are fixed: in each factor the entry of largest size is positive.
    """
    sessions, names = scores_TN.shape
    count = min(conf.factors, sessions, names)
    if not count:
        return np.zeros((names, 0))
    age_T = np.arange(sessions - 1, -1, -1)
    weighted = scores_TN * np.sqrt(0.5 ** (age_T / conf.correlation_half_life))[:, None]
    weighted /= np.maximum(np.sqrt((weighted**2).sum(0)), 1e-150)
    _, size_K, right_KN = np.linalg.svd(weighted, full_matrices=False)
    loadings = (right_KN[:count] * size_K[:count, None]).T
    largest = loadings[np.abs(loadings).argmax(0), np.arange(count)]
    return np.ascontiguousarray(loadings * np.where(largest < 0, -1.0, 1.0))
