"""Moments over the newest values of each session: deviations, lines through time, correlations.

Sums are of differences from the newest value, so that what does not move gives exact zeros.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.features.rolling import Array, State, Walk, counts, past


class Moments(NamedTuple):
    """Sums over the values there are, of d = value less the newest value, and of u = -lag."""

    number: Array
    d: Array
    dd: Array
    ud: Array
    u: Array
    uu: Array
    newest: Array

    @property
    def mean(self) -> Array:
        """Return the mean; NaN without a value."""
        return self.newest + self.d / self.number

    @property
    def times(self) -> Array:
        """Return the sum of squares of time about its mean."""
        return self.uu - self.u * self.u / self.number

    @property
    def slope(self) -> Array:
        """Return the slope of a line through the values, per row."""
        return (self.ud - self.d * self.u / self.number) / self.times

    @property
    def scatter(self) -> Array:
        """Return the sum of squares about the mean, exactly 0 where nothing moves."""
        return self.dd - self.d * self.d / self.number

    @property
    def deviation(self) -> Array:
        """Return the standard deviation (n - 1); NaN below two values."""
        left = np.where(self.number > 1, self.number - 1, np.nan)
        return np.sqrt(np.maximum(self.scatter, 0.0) / left)


Moved = Callable[[int], Moments]


def moments(values_RN: Array, sessions: int) -> Moved:
    """Return a function from a count to the moments over so many newest values."""
    shape = sessions, values_RN.shape[1]
    newest_TN = newest_known(values_RN, sessions)
    gap_RN = np.isnan(values_RN)
    gaps = bool(gap_RN.any())
    d_TN, w_TN = np.empty(shape), np.empty(shape)

    def step(state: State, lag: int) -> None:
        np.subtract(past(values_RN, lag, sessions), newest_TN, out=d_TN)
        if gaps:
            np.copyto(d_TN, 0.0, where=past(gap_RN, lag, sessions))
        np.add(state[0], d_TN, out=state[0])
        np.multiply(d_TN, -float(lag), out=w_TN)
        np.add(state[2], w_TN, out=state[2])
        np.multiply(d_TN, d_TN, out=w_TN)
        np.add(state[1], w_TN, out=state[1])

    walk = Walk([np.zeros(shape) for _ in range(3)], step)
    times = _times(~gap_RN, sessions) if gaps else _all_times

    def over(count: int) -> Moments:
        seen, u, uu = times(count)
        d, dd, ud = _as_floats(walk.over(count))
        return Moments(seen, d, dd, ud, u, uu, newest_TN)

    return over


Times = tuple[Array, Array, Array]


def _all_times(count: int) -> Times:
    """Return the number of lags below `count`, the sum of -lag, and that of lag²."""
    whole = count, -count * (count - 1) // 2, (count - 1) * count * (2 * count - 1) // 6
    seen, u, uu = (np.full((1, 1), float(number)) for number in whole)
    return seen, u, uu


def _times(seen_RN: NDArray[np.bool_], sessions: int) -> Callable[[int], Times]:
    """Return a function from a count to what `_all_times` gives, of the values there are; exact."""
    row_RN = np.arange(len(seen_RN))[:, None]
    now_TN = row_RN[len(row_RN) - sessions :]
    sums = [counts(seen_RN * row_RN**power, sessions) for power in range(3)]

    def over(count: int) -> Times:
        ones, rows, squares = (one(count) for one in sums)
        u, uu = rows - now_TN * ones, squares - 2 * now_TN * rows + now_TN**2 * ones
        return ones.astype(np.float64), u.astype(np.float64), uu.astype(np.float64)

    return over


def _as_floats(arrays: State) -> list[Array]:
    return [np.asarray(array, np.float64) for array in arrays]


class Comoments(NamedTuple):
    """Sums over the pairs there are, each less its newest pair."""

    number: Array
    x: Array
    y: Array
    xx: Array
    yy: Array
    xy: Array

    @property
    def correlation(self) -> Array:
        """Return the correlation, -1 to 1; NaN or infinite where one of them does not vary."""
        together, x, y = self.scatters
        return np.clip(together / np.sqrt(x * y), -1.0, 1.0)

    @property
    def least_deviation(self) -> Array:
        """Return the smaller standard deviation (n - 1) of the two; NaN below two pairs."""
        _, x, y = self.scatters
        left = np.where(self.number > 1, self.number - 1, np.nan)
        return np.sqrt(np.maximum(np.minimum(x, y), 0.0) / left)

    @property
    def slope(self) -> Array:
        """Return the slope of y on x."""
        together, x, _ = self.scatters
        return together / x

    @property
    def scatters(self) -> tuple[Array, Array, Array]:
        """Return the sums of products about the means: xy, xx, yy."""
        n = self.number
        return (
            self.xy - self.x * self.y / n,
            self.xx - self.x * self.x / n,
            self.yy - self.y * self.y / n,
        )


Paired = Callable[[int], Comoments]


def comoments(x_RN: Array, y_RN: Array, sessions: int) -> Paired:
    """Return a function from a count to the comoments over so many newest rows.

    A row counts where both values are there; `y_RN` may be one column for all names.
    """
    gap_RN = np.isnan(x_RN) | np.isnan(y_RN)
    gaps = bool(gap_RN.any())
    x_RN, y_RN = np.where(gap_RN, np.nan, x_RN), np.where(gap_RN, np.nan, y_RN)
    newest = newest_known(x_RN, sessions), newest_known(y_RN, sessions)
    shape = sessions, x_RN.shape[1]
    dx, dy, product = np.empty(shape), np.empty(shape), np.empty(shape)

    def step(state: State, lag: int) -> None:
        for values_RN, newest_TN, out in zip((x_RN, y_RN), newest, (dx, dy), strict=True):
            np.subtract(past(values_RN, lag, sessions), newest_TN, out=out)
            if gaps:
                np.copyto(out, 0.0, where=past(gap_RN, lag, sessions))
        np.add(state[0], dx, out=state[0])
        np.add(state[1], dy, out=state[1])
        for place, (one, other) in enumerate(((dx, dx), (dy, dy), (dx, dy)), start=2):
            np.multiply(one, other, out=product)
            np.add(state[place], product, out=state[place])

    walk = Walk([np.zeros(shape) for _ in range(5)], step)
    pairs = counts(~gap_RN, sessions)

    def over(count: int) -> Comoments:
        number_TN = pairs(count).astype(np.float64)
        return Comoments(number_TN, *_as_floats(walk.over(count)))

    return over


def newest_known(values_RN: Array, sessions: int) -> Array:
    """Return the newest value at each of the last sessions, 0 where there never was one."""
    newest_TN = past(values_RN, 0, sessions)
    if not np.isnan(newest_TN).any():
        return np.asarray(newest_TN, np.float64)
    row_RN = np.where(np.isnan(values_RN), 0, np.arange(len(values_RN))[:, None])
    row_TN = np.maximum.accumulate(row_RN, axis=0)[-sessions:]
    return np.nan_to_num(np.take_along_axis(values_RN, row_TN, axis=0), nan=0.0)
