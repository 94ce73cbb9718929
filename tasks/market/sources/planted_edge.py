"""How strong a tilt must be for the planted signal to have a wanted information coefficient."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from tasks.market.history import Array
from tasks.market.sources.market_model import LOOK_BACK, Day, Market

PILOT_SEED, PILOT_NAMES, PILOT_SESSIONS, PILOT_ROUNDS = 20_190_102, 400, 400, 3


class Edge(NamedTuple):
    """A calibrated edge."""

    strength: float  # tilt of one open-to-open return, in specific volatilities a unit of signal
    carry: float  # expected tilt over the horizon, in tilts of the first session


@lru_cache(maxsize=32)
def planted_edge(ic: float, *, horizon: int, sectors: int) -> Edge:
    """Return the edge whose signal has the mean IC `ic` with the open-to-open label.

    Found on pilot markets with a seed of their own, so it depends on nothing but its arguments.
    In a pilot the planted part of each label is known, and only that part is correlated with the
    signal: the noise, which has mean zero, stays out of the estimate.
    """
    persistence = horizon * (1 - (horizon - 1) / (2 * LOOK_BACK + horizon))
    if ic == 0:
        return Edge(0.0, persistence)
    strength, carry = ic * np.sqrt(horizon) / persistence, persistence
    for _ in range(PILOT_ROUNDS):
        market = Market(seed=PILOT_SEED, slots=PILOT_NAMES, sectors=sectors, strength=strength)
        found, carry = _pilot(list(market.days(PILOT_SESSIONS)), horizon)
        strength *= ic / found
    return Edge(float(strength), float(carry))


def _pilot(days: list[Day], horizon: int) -> tuple[float, float]:
    """Return the mean IC that the planted tilts give, and their carry."""
    signal_TN, tilt_TN, level_TN = (
        np.stack([getattr(day, name) for day in days]) for name in ("signal_N", "tilt_N", "level_N")
    )
    traded_TN = np.stack([day.traded_N for day in days])
    company_TN = np.stack([day.company_N for day in days])
    ics, planted_tilt, first_tilt = [], 0.0, 0.0
    for at in range(LOOK_BACK + 1, len(days) - horizon - 1):
        start, end = at + 1, at + 1 + horizon
        valid = traded_TN[start] & traded_TN[end] & (company_TN[at] == company_TN[end])
        valid &= np.isfinite(signal_TN[at])
        label_N = (level_TN[end] / level_TN[start] - 1)[valid]
        planted_N = tilt_TN[at : end - 1].sum(axis=0)[valid]
        signal_N, tilt_N = signal_TN[at, valid], tilt_TN[at, valid]
        ics.append(_covariance(signal_N, planted_N) / (signal_N.std() * label_N.std()))
        planted_tilt += float(planted_N @ tilt_N)
        first_tilt += float(tilt_N @ tilt_N)
    return float(np.mean(ics)), planted_tilt / first_tilt


def _covariance(left_N: Array, right_N: Array) -> float:
    return float(np.mean((left_N - left_N.mean()) * (right_N - right_N.mean())))
