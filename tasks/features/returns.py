"""One-session returns and what several features make of them, computed once for a block.

A return needs two neighbouring closes: the jump over a suspension is not a return of one session.
Give these to `Block.total`, `number`, `highest` and `lowest`.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tasks.features import moments
from tasks.features.block import ENOUGH, Block

Array = NDArray[np.float64]


def close(block: Block) -> Array:
    """Return closes in the newest shares."""
    return block.price("close")


def volume(block: Block) -> Array:
    """Return volumes in the newest shares."""
    return block.volume()


def one_session(block: Block) -> Array:
    """Return close over the close before, less 1; NaN where either is missing."""
    close_RN = block.once(close)
    return close_RN[1:] / close_RN[:-1] - 1


def squares(block: Block) -> Array:
    """Return squared one-session returns."""
    return np.square(block.once(one_session))


def dollars(block: Block) -> Array:
    """Return what was traded in each session, in money: close times volume."""
    rows = min(len(block.raw("close")), len(block.raw("volume")))
    return block.raw("close")[-rows:] * block.raw("volume")[-rows:]


def count(block: Block, rows: int) -> Array:
    """Return how many of the last `rows` returns there are; NaN where too few."""
    count_TN = block.number(one_session, rows)
    least = 1 if block.partial else ENOUGH * rows
    enough_TN = block.complete("close", rows + 1) & (count_TN >= least)
    return np.where(enough_TN, count_TN, np.nan)


def variance(block: Block, rows: int) -> Array:
    """Return the mean of squared returns: their mean is taken as zero."""
    return block.total(squares, rows) / block.once(count, rows)


def mean_return(block: Block, rows: int) -> Array:
    """Return the mean of one-session returns."""
    return block.total(one_session, rows) / block.once(count, rows)


def moments_of(block: Block, make: Callable[[Block], Array]) -> moments.Moved:
    """Return the moments of what `make` gives, a function of the number of rows."""
    return moments.moments(block.once(make), block.sessions)
