"""Rolling results over the newest values of each session, the same bits whatever is asked around.

Arrays are (rows, names), newest row last; a result has one row for each of the last `sessions`
rows. Each cell is made on its own, from its newest value back to its oldest, in an order that
nothing but the number of values decides: lag by lag (`Walk`), where the result over 5 values is a
stop on the way to that over 60, or by halves (`Tree`). One session alone, a block of sessions, and
a longer history therefore give the same bits.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Values = NDArray[Any]
State = Sequence[Values]


def past(values_RN: Values, lag: int, sessions: int) -> Values:
    """Return the values `lag` rows before each of the last `sessions` rows."""
    stop = len(values_RN) - lag
    if stop < sessions:
        raise ValueError(
            f"Asked for the value {lag} sessions back of {sessions} sessions, found "
            f"{len(values_RN)} rows: raise the feature's look_back."
        )
    return values_RN[stop - sessions : stop]


class Walk:
    """What holds for the k newest values, k = 1, 2, ...; stops are kept, so that none is redone.

    Args:
        start: The state before the first value.
        step: Adds the value at a lag to the state, in place.
    """

    def __init__(self, start: State, step: Callable[[State, int], None]):
        self._stops: dict[int, State] = {0: start}
        self._step = step

    def over(self, count: int) -> State:
        """Return the state over the `count` newest values; never write into it."""
        if count not in self._stops:
            done = max(stop for stop in self._stops if stop < count)
            state = [array.copy() for array in self._stops[done]]
            for lag in range(done, count):
                self._step(state, lag)
            self._stops[count] = state
        return self._stops[count]


class Tree:
    """What a function of two gives over the k newest values: that over 252 takes 13 steps, not 252.

    It is that over the newest 128, with that over the 64 before them, and so on down to one; each
    of these is that over its newer half, with that over its older half.

    Args:
        values_RN: The values.
        sessions: How many newest rows are asked for.
        join: Puts a newer (first) and an older part together.
    """

    def __init__(self, values_RN: Array, sessions: int, join: np.ufunc):
        # Level n is over 2**n values: (rows, names) as long as that is at most `sessions`, then
        # (places, sessions, names) of what lies side by side, the newest first.
        self._levels = [values_RN]
        self._stops: dict[int, Array] = {}
        self._sessions, self._join = sessions, join

    def over(self, count: int) -> Array:
        """Return what holds over the `count` newest values; never write into it."""
        if count not in self._stops:
            past(self._levels[0], count - 1, self._sessions)
            level = count.bit_length() - 1
            made, done = self._part(level, 0), 1 << level
            while done < count:
                level = (count - done).bit_length() - 1
                made = self._join(made, self._part(level, done))
                done += 1 << level
            self._stops[count] = made
        return self._stops[count]

    def _part(self, level: int, lag: int) -> Array:
        """Return what holds over the 2**level values from `lag` on."""
        while len(self._levels) <= level:
            self._levels.append(self._next())
        values = self._levels[level]
        if values.ndim == 2:
            return np.asarray(past(values, lag, self._sessions))
        return np.asarray(values[lag >> level])

    def _next(self) -> Array:
        values, width = self._levels[-1], 1 << (len(self._levels) - 1)
        if 2 * width <= self._sessions:
            return np.asarray(self._join(values[width:], values[:-width]))
        if values.ndim == 2:
            windows = np.lib.stride_tricks.sliding_window_view(values, self._sessions, axis=0)
            values = windows[::-1][::width].swapaxes(1, 2)
        pairs = len(values) // 2
        return np.asarray(self._join(values[: 2 * pairs : 2], values[1 : 2 * pairs : 2]))


def sums(values_RN: Array, sessions: int) -> Tree:
    """Return the tree of sums; NaN counts as 0."""
    gap_RN = np.isnan(values_RN)
    filled_RN = np.where(gap_RN, 0.0, values_RN) if gap_RN.any() else values_RN
    return Tree(filled_RN, sessions, np.add)


Whole = NDArray[np.integer[Any]]
Counted = Callable[[int], Whole]


def counts(flags_RN: NDArray[np.bool_] | NDArray[np.int64], sessions: int) -> Counted:
    """Return a function from a count to how many of so many newest flags are set; exact."""
    before_RN = _summed(flags_RN)

    def over(count: int) -> NDArray[np.int64]:
        return np.asarray(past(before_RN, 0, sessions) - past(before_RN, count, sessions))

    return over


def _summed(whole_RN: NDArray[np.bool_] | NDArray[np.int64]) -> NDArray[np.int64]:
    """Return running sums from 0 on, one row more: whole numbers, so any difference is exact."""
    sums_RN = np.empty((len(whole_RN) + 1, whole_RN.shape[1]), np.int64)
    sums_RN[0] = 0
    for row, values_N in enumerate(whole_RN):  # a running sum by numpy takes three times as long
        np.add(sums_RN[row], values_N, out=sums_RN[row + 1])
    return sums_RN


def extremes(values_RN: Array, sessions: int, pick: np.ufunc) -> Tree:
    """Return the tree of the largest (`np.fmax`) or smallest (`np.fmin`); NaN is passed over."""
    return Tree(values_RN, sessions, pick)


def places(values_RN: Array, sessions: int) -> Walk:
    """Return the walk of the lag of the largest value; of equal ones the oldest counts.

    Give +inf for what shall win and -inf for what shall not count; no NaN. Lags are bytes, which
    compare fast: over at most 256 values.
    """
    shape = sessions, values_RN.shape[1]
    better_TN = np.empty(shape, np.bool_)
    lag_TN = np.empty(shape, np.uint8)

    def step(state: State, lag: int) -> None:
        if lag > np.iinfo(np.uint8).max:
            raise ValueError(f"Asked for the place among {lag + 1} values, expected at most 256.")
        values_TN = past(values_RN, lag, sessions)
        np.greater_equal(values_TN, state[0], out=better_TN)
        np.maximum(state[0], values_TN, out=state[0])
        np.multiply(better_TN.view(np.uint8), np.uint8(lag), out=lag_TN)
        np.maximum(state[1], lag_TN, out=state[1])

    return Walk([np.full(shape, -np.inf), np.zeros(shape, np.uint8)], step)


def below(values_RN: Array, sessions: int) -> Walk:
    """Return the walk of how many values lie below the newest, and how many equal it.

    Counts are bytes, which add up fast: over at most 255 values.
    """
    newest_TN = past(values_RN, 0, sessions)
    flags_TN = np.empty(newest_TN.shape, np.bool_)

    def step(state: State, lag: int) -> None:
        if lag > np.iinfo(np.uint8).max:
            raise ValueError(f"Asked for a rank among {lag + 1} values, expected at most 255.")
        for count_TN, compare in zip(state, (np.less, np.equal), strict=True):
            compare(past(values_RN, lag, sessions), newest_TN, out=flags_TN)
            np.add(count_TN, flags_TN.view(np.uint8), out=count_TN)

    return Walk([np.zeros(newest_TN.shape, np.uint8) for _ in range(2)], step)


def quantiles(values_RN: Array, sessions: int, count: int, shares: Sequence[float]) -> list[Array]:
    """Return the quantile at each share of the `count` newest values, linear between two values.

    NaN is passed over; without a value the quantile is NaN.
    """
    window_RN = values_RN[len(values_RN) - sessions - count + 1 :]
    windows = np.lib.stride_tricks.sliding_window_view(np.ascontiguousarray(window_RN.T), count, 1)
    sorted_NTK = np.sort(windows, axis=2)
    known_NT = counts(~np.isnan(window_RN), sessions)(count).T
    if (known_NT == count).all():
        known_NT = known_NT[:1, :1]  # the places are the same everywhere
    return [_between(sorted_NTK, np.asarray((known_NT - 1) * share)).T for share in shares]


def _between(sorted_NTK: Array, place_NT: Array) -> Array:
    """Return the value at a place, in parts of the way to the next; NaN is sorted to the end."""
    count = sorted_NTK.shape[2]
    whole_NT = np.floor(place_NT)
    part_NT = place_NT - whole_NT
    first_NT = np.arange(0, sorted_NTK.size, count).reshape(sorted_NTK.shape[:2])
    low_NT = np.maximum(whole_NT, 0).astype(np.intp)  # without a value: NaN at every place
    high_NT = np.minimum(low_NT + 1, count - 1)
    low, high = (np.take(sorted_NTK, first_NT + at_NT) for at_NT in (low_NT, high_NT))
    return np.where(part_NT > 0, low + (high - low) * part_NT, low)
