"""Moments over the newest values of each session: deviations, lines through time, correlations.

Sums are of differences from the newest value, so that what does not move gives exact zeros.
"""

from collections.abc import Callable
from functools import cache, cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.features.rolling import Array, Counted, State, Walk, counts, past


class Line(NamedTuple):
    """Sums over the values there are, of u = -lag, and of u times a value less the newest."""

    ud: Array
    u: Array
    uu: Array


class Moments:
    """Sums over the values there are, of d = value less the newest value.

    Args:
        number: How many there are.
        d: The sum of d.
        dd: The sum of its squares.
        newest: The newest value.
        line: Makes the sums that a line through the values needs.
    """

    def __init__(self, number: Array, d: Array, dd: Array, newest: Array, line: Callable[[], Line]):
        self.number, self.d, self.dd, self._newest = number, d, dd, newest
        self._make_line = line

    @cached_property
    def line(self) -> Line:
        """Return the sums that a line through the values needs."""
        return self._make_line()

    @property
    def mean(self) -> Array:
        """Return the mean; NaN without a value."""
        return self._newest + self.d / self.number

    @cached_property
    def times(self) -> Array:
        """Return the sum of squares of time about its mean."""
        return self.line.uu - self.line.u * self.line.u / self.number

    @cached_property
    def slope(self) -> Array:
        """Return the slope of a line through the values, per row."""
        return (self.line.ud - self.d * self.line.u / self.number) / self.times

    @property
    def end(self) -> Array:
        """Return where that line ends, at the newest row, less the newest value."""
        return (self.d - self.slope * self.line.u) / self.number

    @cached_property
    def scatter(self) -> Array:
        """Return the sum of squares about the mean, exactly 0 where nothing moves."""
        return self.dd - self.d * self.d / self.number

    @cached_property
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
    d_TN, product_TN = np.empty(shape), np.empty(shape)

    def difference(lag: int) -> None:
        np.subtract(past(values_RN, lag, sessions), newest_TN, out=d_TN)
        if gaps:
            np.copyto(d_TN, 0.0, where=past(gap_RN, lag, sessions))

    def spread(state: State, lag: int) -> None:
        difference(lag)
        np.add(state[0], d_TN, out=state[0])
        np.multiply(d_TN, d_TN, out=product_TN)
        np.add(state[1], product_TN, out=state[1])

    def tilt(state: State, lag: int) -> None:
        difference(lag)
        np.multiply(d_TN, -float(lag), out=product_TN)
        np.add(state[0], product_TN, out=state[0])

    spreads = Walk([np.zeros(shape) for _ in range(2)], spread)
    tilts = Walk([np.zeros(shape)], tilt)
    seen = _Seen(~gap_RN, sessions) if gaps else _AllSeen()

    @cache
    def over(count: int) -> Moments:
        def line() -> Line:
            return Line(tilts.over(count)[0], *seen.times(count))

        d, dd = spreads.over(count)
        return Moments(seen.number(count), d, dd, newest_TN, line)

    return over


class _AllSeen:
    """Times where no value is missing: the same for every cell."""

    def number(self, count: int) -> Array:
        """Return how many lags there are below `count`."""
        return np.full((1, 1), float(count))

    def times(self, count: int) -> tuple[Array, Array]:
        """Return the sum of -lag and that of its square."""
        u, uu = -count * (count - 1) // 2, (count - 1) * count * (2 * count - 1) // 6
        return np.full((1, 1), float(u)), np.full((1, 1), float(uu))


class _Seen:
    """The times at which there are values: what `_AllSeen` gives, cell by cell; exact."""

    def __init__(self, seen_RN: NDArray[np.bool_], sessions: int):
        self._row_RN = np.arange(len(seen_RN))[:, None]
        self._seen_RN, self._sessions = seen_RN, sessions
        self._number = counts(seen_RN, sessions)

    def number(self, count: int) -> Array:
        """Return how many values there are below lag `count`."""
        return self._number(count).astype(np.float64)

    def times(self, count: int) -> tuple[Array, Array]:
        """Return the sum of -lag and that of its square."""
        ones, (rows, squares) = self._number(count), (one(count) for one in self._sums)
        now_TN = self._row_RN[-self._sessions :]
        u, uu = rows - now_TN * ones, squares - 2 * now_TN * rows + now_TN**2 * ones
        return u.astype(np.float64), uu.astype(np.float64)

    @cached_property
    def _sums(self) -> list[Counted]:
        return [counts(self._seen_RN * self._row_RN**n, self._sessions) for n in (1, 2)]


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
        return _correlation(*self.scatters)

    def correlation_above(self, flat: float) -> Array:
        """Return the correlation; NaN where a standard deviation (n - 1) is `flat` or less."""
        together, x, y = self.scatters
        varied = np.minimum(x, y) > flat * flat * (self.number - 1)
        return np.where(varied, _correlation(together, x, y), np.nan)

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


def _correlation(together: Array, x: Array, y: Array) -> Array:
    return np.clip(together / np.sqrt(x * y), -1.0, 1.0)


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
