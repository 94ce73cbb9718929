"""Jumps and tails: the shape of returns far from their middle, and the worst stretch.

Sources: the mean of the largest returns as a lottery, Bali, Cakici & Whitelaw (2011); jumps by
bipower variation, Barndorff-Nielsen & Shephard (2004), here of sessions; the left tail, Atilgan,
Bali, Demirtas & Gunaydin (2020); semi-deviation, Markowitz (1959); skew and kurtosis, Amaya,
Christoffersen, Jacobs & Vasquez (2015), here of sessions; drawdown, Magdon-Ismail & Atiya (2004).
"""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tasks.features import rolling
from tasks.features.block import Block
from tasks.features.engine import Feature
from tasks.features.returns import close, count, mean_return, one_session, squares, variance

Array = NDArray[np.float64]


def _enough(block: Block, rows: int, values_TN: Array) -> Array:
    return np.where(np.isnan(block.once(count, rows)), np.nan, values_TN)


def _extreme(block: Block, *, rows: int, highest: bool) -> Array:
    """Return the largest or smallest return."""
    extreme_TN = (block.highest if highest else block.lowest)(one_session, rows)
    return _enough(block, rows, extreme_TN)


def _smallest(block: Block, number: int, sign: float) -> rolling.Walk:
    """Return the walk of the `number` smallest of signed returns, inf where none."""
    values_RN = block.once(one_session) * sign
    values_RN = np.where(np.isnan(values_RN), np.inf, values_RN)
    sessions = block.sessions  # a step that held the block would keep it alive
    spare = [np.empty(block.shape) for _ in range(number)]

    def step(state: rolling.State, lag: int) -> None:
        rest_TN = rolling.past(values_RN, lag, sessions)
        for place_TN, larger_TN in zip(state, spare, strict=True):
            np.maximum(place_TN, rest_TN, out=larger_TN)
            np.minimum(place_TN, rest_TN, out=place_TN)
            rest_TN = larger_TN

    return rolling.Walk([np.full(block.shape, np.inf) for _ in range(number)], step)


def _tail(block: Block, *, rows: int, number: int, highest: bool) -> Array:
    """Return the mean of the largest or smallest returns, with their sign."""
    sign = -1.0 if highest else 1.0
    found = block.once(_smallest, number, sign).over(rows)
    total_TN = np.zeros(block.shape)
    for place_TN in found:
        total_TN += place_TN
    return _enough(block, rows, sign * total_TN / number)


def _tail_asymmetry(block: Block, *, rows: int, number: int) -> Array:
    """Return the sum of the mean largest and smallest return over their difference, -1 to 1."""
    high_TN = _tail(block, rows=rows, number=number, highest=True)
    low_TN = _tail(block, rows=rows, number=number, highest=False)
    return (high_TN + low_TN) / (high_TN - low_TN)


def _falling_squares(block: Block) -> Array:
    return np.where(block.once(one_session) < 0, block.once(squares), 0.0)


def _semi_deviation(block: Block, *, rows: int) -> Array:
    """Return the root of the mean of squared returns, those above zero taken as zero."""
    return np.sqrt(block.total(_falling_squares, rows) / block.once(count, rows))


def _downside(block: Block, *, rows: int) -> Array:
    """Return the share of squared returns that falling sessions have, 0 to 1."""
    share_TN = block.total(_falling_squares, rows) / block.total(squares, rows)
    return _enough(block, rows, share_TN)


def _bipowers(block: Block) -> Array:
    """Return the size of a return times that of the one before."""
    return_RN = block.once(one_session)
    return np.abs(return_RN[1:] * return_RN[:-1])


def _jump_share(block: Block, *, rows: int) -> Array:
    """Return the share of variance that jumps have: 1 - (pi / 2) bipower / squares, at least 0."""
    smooth_TN = math.pi / 2 * block.mean(_bipowers, rows - 1) / block.once(variance, rows)
    return np.maximum(1 - smooth_TN, 0.0)


def _cubes(block: Block) -> Array:
    return block.once(squares) * block.once(one_session)


def _fourths(block: Block) -> Array:
    return np.square(block.once(squares))


def _central(block: Block, rows: int) -> tuple[Array, Array, Array]:
    """Return the second, third and fourth central moments of returns."""
    mean_TN, count_TN = block.once(mean_return, rows), block.once(count, rows)
    second_TN = block.once(variance, rows)
    third_TN = block.total(_cubes, rows) / count_TN
    fourth_TN = block.total(_fourths, rows) / count_TN
    square_TN = mean_TN * mean_TN
    return (
        second_TN - square_TN,
        third_TN - mean_TN * (3 * second_TN - 2 * square_TN),
        fourth_TN - 4 * mean_TN * third_TN + 3 * square_TN * (2 * second_TN - square_TN),
    )


def _skew(block: Block, *, rows: int) -> Array:
    """Return the third central moment over the standard deviation cubed."""
    second_TN, third_TN, _ = block.once(_central, rows)
    return np.asarray(third_TN / (second_TN * np.sqrt(second_TN)))


def _kurtosis(block: Block, *, rows: int) -> Array:
    """Return the fourth central moment over the variance squared: 3 for a normal distribution."""
    second_TN, _, fourth_TN = block.once(_central, rows)
    return fourth_TN / (second_TN * second_TN)


def _falls_to_come(block: Block) -> rolling.Walk:
    """Return the walk of the lowest close since, and of the deepest ratio of it to a close."""
    close_RN = block.once(close)
    sessions, ratio_TN = block.sessions, np.empty(block.shape)

    def step(state: rolling.State, lag: int) -> None:
        close_TN = rolling.past(close_RN, lag, sessions)
        np.fmin(state[0], close_TN, out=state[0])
        np.divide(state[0], close_TN, out=ratio_TN)
        np.fmin(state[1], ratio_TN, out=state[1])

    return rolling.Walk([np.full(block.shape, np.nan) for _ in range(2)], step)


def _deepest_fall(block: Block, *, rows: int) -> Array:
    """Return the deepest fall from a close to a later one in the window, 0 or less."""
    deepest_TN = np.asarray(block.once(_falls_to_come).over(rows)[1]) - 1
    return block.where(block.complete("close", rows), deepest_TN)


def _feature(name: str, look_back: int, compute: Callable[[Block], Array]) -> Feature:
    return Feature(name, "tails", ("close",), look_back, compute)


TAILS = (
    _feature("max_return_252", 253, partial(_extreme, rows=252, highest=True)),
    _feature("min_return_252", 253, partial(_extreme, rows=252, highest=False)),
    _feature("lottery_20", 21, partial(_tail, rows=20, number=5, highest=True)),
    _feature("shortfall_60", 61, partial(_tail, rows=60, number=3, highest=False)),
    _feature("tail_asymmetry_60", 61, partial(_tail_asymmetry, rows=60, number=3)),
    _feature("semi_deviation_60", 61, partial(_semi_deviation, rows=60)),
    _feature("downside_252", 253, partial(_downside, rows=252)),
    *(_feature(f"jump_share_{k}", k + 1, partial(_jump_share, rows=k)) for k in (60, 252)),
    _feature("skew_252", 253, partial(_skew, rows=252)),
    *(_feature(f"kurtosis_{k}", k + 1, partial(_kurtosis, rows=k)) for k in (60, 252)),
    *(_feature(f"deepest_fall_{k}", k, partial(_deepest_fall, rows=k)) for k in (60, 252)),
)
