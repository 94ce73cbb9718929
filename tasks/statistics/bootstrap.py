"""Differences between two return series of the same sessions, with resampled errors.

Both series are resampled with the same sessions, so that what they share cancels, and in blocks,
so that calm and wild stretches stay together.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
DRAWS_AT_ONCE = 64


class Difference(NamedTuple):
    """First less second, its standard error, and the range that holds 95 % of the draws."""

    value: float
    error: float
    low: float
    high: float


def stationary_bootstrap(
    sessions: int, *, draws: int, block: float, seed: int
) -> NDArray[np.int64]:
    """Return (draws, sessions) places to resample a series by, in blocks of random length.

    Politis & Romano, "The stationary bootstrap", Journal of the American Statistical Association
    89 (1994): each place follows the one before, round the end, or with probability 1 / `block`
    is drawn anew; blocks are `block` sessions long on average.
    """
    if sessions < 2 or draws < 2 or block < 1:
        raise ValueError(
            f"Expected at least 2 sessions, 2 draws and blocks of 1 session, "
            f"found {sessions}, {draws} and {block}."
        )
    generator = np.random.default_rng(seed)
    anew = generator.random((draws, sessions)) < 1 / block
    anew[:, 0] = True
    starts = generator.integers(0, sessions, (draws, sessions))
    place = np.arange(sessions)
    begin = np.maximum.accumulate(np.where(anew, place, 0), axis=1)
    return np.asarray((np.take_along_axis(starts, begin, axis=1) + place - begin) % sessions)


def difference(
    first: ArrayLike,
    second: ArrayLike,
    statistic: Callable[[Array], Array],
    *,
    seed: int,
    block: float = 21,
    draws: int = 1000,
) -> Difference:
    """Return statistic(first) less statistic(second) with its stationary-bootstrap error.

    Takes one return a session from each, in the same order; `statistic` maps (draws, sessions) to
    one number a draw, `block` is the mean length of a block in sessions. The same seed gives the
    same answer.
    """
    pair = np.array([first, second], np.float64)
    if pair.ndim != 2 or not np.isfinite(pair).all():
        raise ValueError(f"Expected two finite series of one length, found shape {pair.shape}.")
    places = stationary_bootstrap(pair.shape[1], draws=draws, block=block, seed=seed)
    drawn = np.concatenate(
        [
            statistic(pair[0][some]) - statistic(pair[1][some])
            for some in np.split(places, range(DRAWS_AT_ONCE, draws, DRAWS_AT_ONCE))
        ]
    )
    value = (statistic(pair[:1]) - statistic(pair[1:]))[0]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Difference(float(value), float(drawn.std(ddof=1)), float(low), float(high))
