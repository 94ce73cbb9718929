"""One-session returns of a window, made once and shared by all features of a set.

Ask for them through `Window.once`: `window.once(filled)[-20:]`. A return needs two neighbouring
closes; arrays are (rows, names), newest last, as long as the declared window of closes less one.
"""

import numpy as np
from numpy.typing import NDArray

from tasks.features.engine import ENOUGH, Window

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


def one_session(window: Window) -> Array:
    """Return close over the close before, less 1; NaN where either is missing."""
    close_TN = window.price("close")
    return close_TN[1:] / close_TN[:-1] - 1


def filled(window: Window) -> Array:
    """Return one-session returns, 0 where there is none."""
    return_TN = window.once(one_session)
    return np.where(np.isnan(return_TN), 0.0, return_TN)


def squares(window: Window) -> Array:
    """Return squared one-session returns, 0 where there is none."""
    return np.square(window.once(filled))


def observed(window: Window) -> Flags:
    """Return where there is a one-session return."""
    return ~np.isnan(window.once(one_session))


def count(window: Window, rows: int) -> Array:
    """Return how many of the last `rows` returns there are; NaN where too few."""
    count_N = window.once(observed)[-rows:].sum(axis=0, dtype=np.int32)
    enough_N = window.complete("close", rows + 1) & (count_N >= ENOUGH * rows)
    return np.where(enough_N, count_N, np.nan)


def centred(window: Window, rows: int) -> Array:
    """Return the last returns less their mean, 0 where there is none."""
    return_TN = window.once(filled)[-rows:]
    mean_N = return_TN.sum(axis=0) / window.once(count, rows)
    return np.where(window.once(observed)[-rows:], return_TN - mean_N, 0.0)
