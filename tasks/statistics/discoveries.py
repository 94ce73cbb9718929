"""Which of many signals are more than luck, when neighbouring values share their labels.

A test at 5 % of each of a hundred signals without worth finds five. The p-values here are honest
far out in their tails, where many tests are decided, and are then adjusted for their number.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from tasks.statistics.ranks import Array, Flags, Whole

SESSIONS_A_COSINE = 4  # horizons of sessions that each cosine needs: fewer, and it misses overlap


class MeanTest(NamedTuple):
    """A mean, its standard error, their ratio, and the two-sided p-value that the mean is zero.

    t has Student's distribution with `freedom` degrees. NaN, with 0 degrees, where the series is
    too short for its horizon or zero throughout. A series that is always the same other number has
    error 0, t of plus or minus infinity and p 0.
    """

    value: float
    error: float
    t: float
    freedom: int
    p: float


class Discoveries(NamedTuple):
    """Tests of many means, one place a signal; `found` are those below the level as adjusted."""

    value_F: Array
    error_F: Array
    t_F: Array
    freedom_F: Whole
    p_F: Array
    adjusted_F: Array
    found_F: Flags


def mean_test(values: ArrayLike, *, horizon: int) -> MeanTest:
    """Return the test that a series of values over labels of `horizon` sessions has mean zero.

    NaN are left out first, and what remains is taken as consecutive. The long-run variance is the
    mean square of the series' first B cosine transforms, sqrt(2 / n) sum x_t cos(pi j (t - 1/2) /
    n), and t is Student's with B degrees of freedom: Lazarus, Lewis, Stock & Watson, "HAR
    inference: recommendations for practice", Journal of Business & Economic Statistics 36 (2018),
    whose rule is B = 0.4 n^(2/3). A Newey-West error compared with the normal distribution is too
    small here: its weights cut the overlap short, it loses what the mean takes from the series,
    and it is itself uncertain; none of which shows at 5 %, all of which shows at 0.05 %. Overlap
    is seen up to a frequency of about 1 / horizon, so B is at most n / (4 horizon), where less
    than 2 % of the variance is missed.

    >>> mean_test([0.1] * 50 + [0.3] * 50, horizon=5).freedom
    5
    """
    series = np.asarray(values, np.float64).ravel()
    series = series[~np.isnan(series)]
    freedom = _freedom(series.size, horizon)
    nan = float("nan")
    value = float(series.mean()) if series.size else nan
    if not freedom or not series.any():
        return MeanTest(value, nan, nan, 0, nan)
    if np.ptp(series) == 0:
        return MeanTest(value, 0.0, float(np.copysign(np.inf, value)), freedom, 0.0)
    # Divided by a power of two, which changes no digit: squares of tiny numbers would be 0.
    exponent = int(np.frexp(np.abs(series).max())[1])
    scaled = np.ldexp(series, -exponent)
    transforms = np.einsum("t,tj->j", scaled, _cosines(series.size, freedom), optimize=False)
    error = np.sqrt(np.mean(transforms**2) / series.size)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = float(scaled.mean() / error)
    p = float(2 * stats.t.sf(abs(t), freedom))
    return MeanTest(value, float(np.ldexp(error, exponent)), t, freedom, p)


def discoveries(values_TF: ArrayLike, *, horizon: int, level: float = 0.05) -> Discoveries:
    """Return which of many signals, a column each, have a mean that is more than luck.

    Of the signals found, no more than the share `level` are expected to be luck: Benjamini &
    Hochberg, "Controlling the false discovery rate", Journal of the Royal Statistical Society B
    57 (1995); where none is worth anything, any at all is found with that probability. A signal
    that cannot be tested counts as one more that was tried, with p-value 1.

    Args:
        values_TF: Sessions × signals, such as rank ICs; NaN where unknown.
        horizon: Sessions the label looks ahead.
        level: Share of the found that may be luck.
    """
    table_TF = np.asarray(values_TF, np.float64)
    if table_TF.ndim != 2 or not 0 < level < 1:
        raise ValueError(
            f"Expected a table (T, signals) and a level between 0 and 1, found shape "
            f"{table_TF.shape} and level {level}."
        )
    tests = [mean_test(series, horizon=horizon) for series in table_TF.T]
    value_F, error_F, t_F, _, p_F = np.array(tests, np.float64).reshape(-1, 5).T
    adjusted_F = stats.false_discovery_control(np.where(np.isnan(p_F), 1.0, p_F), method="bh")
    freedom_F = np.array([test.freedom for test in tests], np.int64)
    return Discoveries(
        value_F, error_F, t_F, freedom_F, p_F, adjusted_F, np.asarray(adjusted_F <= level)
    )


def least_sessions(horizon: int) -> int:
    """Return how many sessions a mean of values over labels of `horizon` needs to be tested.

    >>> [least_sessions(horizon) for horizon in (1, 5, 20)]
    [12, 40, 160]
    """
    return max(12, 2 * SESSIONS_A_COSINE * horizon)  # 0.4 n^(2/3) is 2 from 12 on


def _freedom(count: int, horizon: int) -> int:
    """Return the number of cosines; 0 where even two would miss the overlap."""
    most = min(int(0.4 * count ** (2 / 3)), count // (SESSIONS_A_COSINE * horizon))
    return most if most >= 2 else 0


@lru_cache(maxsize=64)
def _cosines(count: int, freedom: int) -> Array:
    angle_T = np.pi * (np.arange(count) + 0.5) / count
    return np.sqrt(2 / count) * np.cos(angle_T[:, None] * np.arange(1, freedom + 1))
