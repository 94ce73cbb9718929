"""Rolling results over the newest values of each session, the same bits whatever is asked around.

Arrays are (rows, names), newest row last; a result has one row for each of the last `sessions`
rows. Every result runs lag by lag from the newest value back to the oldest, each cell on its own:
one session alone, a block of sessions, and a longer history therefore give the same bits, and the
result over 5 values is a stop on the way to that over 60.
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


def sums(values_RN: Array, sessions: int) -> Walk:
    """Return the walk of sums; NaN counts as 0."""
    filled_RN = np.where(np.isnan(values_RN), 0.0, values_RN)

    def step(state: State, lag: int) -> None:
        np.add(state[0], past(filled_RN, lag, sessions), out=state[0])

    return Walk([np.zeros((sessions, values_RN.shape[1]))], step)


Counted = Callable[[int], NDArray[np.int64]]


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


def extremes(values_RN: Array, sessions: int, pick: np.ufunc) -> Walk:
    """Return the walk of the largest (`np.fmax`) or smallest (`np.fmin`); NaN is passed over."""

    def step(state: State, lag: int) -> None:
        pick(state[0], past(values_RN, lag, sessions), out=state[0])

    return Walk([np.full((sessions, values_RN.shape[1]), np.nan)], step)


def places(values_RN: Array, sessions: int) -> Walk:
    """Return the walk of the lag of the largest value; of equal ones the oldest counts.

    Give +inf for what shall win and -inf for what shall not count.
    """

    def step(state: State, lag: int) -> None:
        values_TN = past(values_RN, lag, sessions)
        better_TN = values_TN >= state[0]
        np.copyto(state[0], values_TN, where=better_TN)
        np.copyto(state[1], lag, where=better_TN)

    shape = sessions, values_RN.shape[1]
    return Walk([np.full(shape, -np.inf), np.zeros(shape, np.int16)], step)


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
    sorted_TNK = np.sort(np.lib.stride_tricks.sliding_window_view(window_RN, count, axis=0), axis=2)
    gaps = np.isnan(sorted_TNK[..., -1]).any()
    known_TN = (~np.isnan(sorted_TNK)).sum(axis=2) if gaps else np.array([[count]])
    return [_between(sorted_TNK, (known_TN - 1) * share) for share in shares]


def _between(sorted_TNK: Array, place_TN: Array) -> Array:
    low_TN = np.floor(place_TN).astype(np.intp)
    high_TN = np.minimum(low_TN + 1, sorted_TNK.shape[2] - 1)
    if low_TN.size == 1:
        low, high = sorted_TNK[..., low_TN.item()], sorted_TNK[..., high_TN.item()]
    else:
        low_TN = np.maximum(low_TN, 0)  # without a value: NaN at every place
        low = np.take_along_axis(sorted_TNK, low_TN[..., None], axis=2)[..., 0]
        high = np.take_along_axis(sorted_TNK, high_TN[..., None], axis=2)[..., 0]
    part_TN = place_TN - np.floor(place_TN)
    return np.where(part_TN > 0, low + (high - low) * part_TN, low)
