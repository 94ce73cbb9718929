"""What a trade is expected to cost, as a fraction of NAV.

Commission and half the spread are linear in what is traded. Impact follows the square-root law:
each unit traded costs impact * daily volatility * sqrt(traded / daily volume), so that a trade
costs its 3/2 power (Grinold & Kahn, "Active Portfolio Management", 2000, chapter 16; Almgren, Thum,
Hauptmann & Li, "Direct estimation of equity market impact", 2005, find 3/5 where the law says 1/2).
"""

import numpy as np

from conf.schema import BPS, Costs
from tasks.market.history import Array

SESSIONS_A_YEAR = 252


def linear_rate(costs: Costs) -> float:
    """Return commission and half spread, a fraction of what is traded."""
    return (costs.commission_bps + costs.half_spread_bps) * BPS


def borrow_rate(costs: Costs, horizon: int) -> float:
    """Return what a short costs to borrow over `horizon` sessions, a fraction of its value."""
    return costs.borrow_bps_per_year * BPS * horizon / SESSIONS_A_YEAR


def impact_rates(costs: Costs, volatility_N: Array, volume_N: Array) -> Array:
    """Return c with impact = c * traded^1.5; traded and daily volume are fractions of NAV.

    0 where the volume is unknown (NaN) or nothing trades: what is not known is not made up.
    """
    known = np.isfinite(volume_N) & (volume_N > 0)
    root = np.sqrt(np.where(known, volume_N, 1.0))
    return np.where(known, costs.impact * volatility_N / root, 0.0)


def trading_cost(traded_N: Array, rate: float, impact_N: Array) -> Array:
    """Return commission, half spread and impact of trading `traded_N` >= 0 of NAV in each name."""
    return rate * traded_N + impact_N * traded_N * np.sqrt(traded_N)
