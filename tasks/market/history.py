"""Prices as they were known: a dense session × instrument state, fed in the order of knowledge.

Arrays are (T, N), sessions × instruments, oldest first, NaN where nothing is known.
"""

from datetime import date
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class View(NamedTuple):
    """Everything known at one close. The last row of each array is `as_of`."""

    as_of: date
    sessions: tuple[date, ...]
    instruments: tuple[str, ...]
    open_TN: Array
    high_TN: Array
    low_TN: Array
    close_TN: Array
    volume_TN: Array
    split_TN: Array  # new shares for one old, on the ex session; 1 elsewhere
    dividend_TN: Array  # cash a share as traded, on the ex session; 0 elsewhere
