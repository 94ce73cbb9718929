"""Exponentially weighted volatility: the newest squared returns count most.

variance(t) = sum of d^k r(t-1-k)^2 / sum of d^k over the sessions before t with a return, where the
weight d^k halves every `half_life` sessions (RiskMetrics Technical Document, 1996). Daily, mean 0.
"""

import numpy as np
from scipy.signal import lfilter

from tasks.market.history import Array


def ewma_variance(
    returns_TN: Array, *, half_life: float, prior_N: Array | None = None, prior_weight: float = 0.0
) -> Array:
    """Return the variance forecast for each session from the sessions before it, (T + 1, N).

    The last row is the forecast for the session after the newest return. NaN until a name has its
    first return. A prior counts like `prior_weight` returns of variance `prior_N` before the first.
    """
    decay = 0.5 ** (1.0 / half_life)
    seen = np.isfinite(returns_TN)
    squares = np.where(seen, returns_TN, 0.0) ** 2
    start = np.zeros((1, returns_TN.shape[1]))
    prior = start if prior_N is None else start + prior_N * prior_weight
    weight = start + prior_weight
    total = _faded_sum(np.concatenate([prior, squares]), decay)
    count = _faded_sum(np.concatenate([weight, seen.astype(float)]), decay)
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def _faded_sum(values_TN: Array, decay: float) -> Array:
    """Return y(t) = x(t) + decay * y(t - 1), each column on its own."""
    return np.asarray(lfilter([1.0], [1.0, -decay], values_TN, axis=0))


def ewma_volatility(returns_TN: Array, half_life: float) -> Array:
    """Return the daily volatility forecast for each session from those before it, (T + 1, N)."""
    return np.sqrt(ewma_variance(returns_TN, half_life=half_life))
