"""Exponentially weighted volatility: the newest squared returns count most.

variance(t) = sum of d^k r(t-1-k)^2 / sum of d^k over the sessions before t with a return, where the
weight d^k halves every `half_life` sessions (RiskMetrics Technical Document, 1996). Daily, mean 0.
"""

import numpy as np

from tasks.market.history import Array


def faded_sums(returns_TN: Array, *, half_life: float) -> tuple[Array, Array]:
    """Return the faded sum of squares, and of the weights of returns that exist, (T + 1, N) each.

    Row t sums over the sessions before t; the last row is for the session after the newest.
    """
    sessions, names = returns_TN.shape
    seen = np.isfinite(returns_TN)
    values = np.concatenate([np.where(seen, returns_TN, 0.0) ** 2, seen.astype(float)], axis=1)
    sums, decay = np.zeros((sessions + 1, 2 * names)), 0.5 ** (1.0 / half_life)
    faded = np.zeros(2 * names)
    for t in range(sessions):
        np.multiply(sums[t], decay, out=faded)
        np.add(faded, values[t], out=sums[t + 1])
    return sums[:, :names], sums[:, names:]


def ewma_variance(returns_TN: Array, *, half_life: float) -> Array:
    """Return the variance forecast for each session from the sessions before it, (T + 1, N).

    NaN until a name has its first return.
    """
    squares, weights = faded_sums(returns_TN, half_life=half_life)
    return np.divide(squares, weights, out=np.full_like(squares, np.nan), where=weights > 0)


def ewma_volatility(returns_TN: Array, half_life: float) -> Array:
    """Return the daily volatility forecast for each session from those before it, (T + 1, N)."""
    return np.sqrt(ewma_variance(returns_TN, half_life=half_life))
