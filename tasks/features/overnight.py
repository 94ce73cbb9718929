"""Nights against days: who trades at the open, who at the close, and who wins.

A night's return is from a close to the next session's open, a day's from open to close. The price
set has both over 20 sessions.

Sources: nights and days as a tug of war, Lou, Polk & Skouras (2019); daytime reversals, Akbas,
Boehmer, Jiang & Koch (2022).
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tasks.features.block import ENOUGH, Block
from tasks.features.engine import Feature
from tasks.features.price import intraday_returns, overnight_returns

Array = NDArray[np.float64]
INPUTS = ("open", "close")


def _both(block: Block) -> tuple[Array, Array]:
    """Return the returns of nights and of the days after them, NaN where one is unknown."""
    nights_RN = block.once(overnight_returns)
    days_RN = block.once(intraday_returns)[-len(nights_RN) :]
    return nights_RN + 0 * days_RN, days_RN + 0 * nights_RN


def _nights(block: Block) -> Array:
    return block.once(_both)[0]


def _days(block: Block) -> Array:
    return block.once(_both)[1]


def _products(block: Block, first: int, second: int) -> Array:
    """Return the product of two of night (0) and day (1)."""
    return block.once(_both)[first] * block.once(_both)[second]


def _reversals(block: Block) -> Array:
    """Return 0 where a rising night is followed by a falling day, NaN elsewhere."""
    reversal_RN = (block.once(_nights) > 0) & (block.once(_days) < 0)
    return np.where(reversal_RN, 0.0, np.nan)


def _sessions(block: Block, rows: int) -> Array:
    """Return how many sessions have a night and a day; NaN where too few."""
    count_TN = block.number(_nights, rows)
    least = 1 if block.partial else ENOUGH * rows
    complete_TN = block.complete("close", rows + 1) & block.complete("open", rows)
    return np.where(complete_TN & (count_TN >= least), count_TN, np.nan)


def _mean(block: Block, make: Callable[[Block], Array], rows: int) -> Array:
    return block.total(make, rows) / block.once(_sessions, rows)


def _mean_product(block: Block, first: int, second: int, rows: int) -> Array:
    return block.total(_products, rows, first, second) / block.once(_sessions, rows)


def _sum(block: Block, *, rows: int, make: Callable[[Block], Array]) -> Array:
    """Return the mean return times the sessions."""
    return _mean(block, make, rows) * rows


def _tug_of_war(block: Block, *, rows: int) -> Array:
    """Return the mean night less the mean day, over the root of their mean squares' sum."""
    apart_TN = _mean(block, _nights, rows) - _mean(block, _days, rows)
    square_TN = _mean_product(block, 0, 0, rows) + _mean_product(block, 1, 1, rows)
    return apart_TN / np.sqrt(square_TN)


def _night_share(block: Block, *, rows: int) -> Array:
    """Return the share of the squared returns of nights and days that nights have, 0 to 1."""
    night_TN, day_TN = _mean_product(block, 0, 0, rows), _mean_product(block, 1, 1, rows)
    return night_TN / (night_TN + day_TN)


def _correlation(block: Block, *, rows: int) -> Array:
    """Return the correlation of nights with the days that follow; their means are taken as zero."""
    night_TN, day_TN = _mean_product(block, 0, 0, rows), _mean_product(block, 1, 1, rows)
    return _mean_product(block, 0, 1, rows) / np.sqrt(night_TN * day_TN)


def _reversal_share(block: Block, *, rows: int) -> Array:
    """Return the share of sessions with a rising night and a falling day, 0 to 1."""
    return block.number(_reversals, rows) / block.once(_sessions, rows)


def _reversal_change(block: Block, *, recent: int, rows: int) -> Array:
    """Return the recent share of such sessions less that of the whole window."""
    return _reversal_share(block, rows=recent) - _reversal_share(block, rows=rows)


def _feature(name: str, look_back: int, compute: Callable[[Block], Array]) -> Feature:
    return Feature(name, "overnight", INPUTS, look_back, compute)


OVERNIGHT = (
    *(
        _feature(f"{name}_{k}", k + 1, partial(_sum, rows=k, make=make))
        for name, make in (("nights", _nights), ("days", _days))
        for k in (60, 252)
    ),
    *(_feature(f"tug_of_war_{k}", k + 1, partial(_tug_of_war, rows=k)) for k in (20, 60, 252)),
    *(_feature(f"night_share_{k}", k + 1, partial(_night_share, rows=k)) for k in (20, 60)),
    _feature("night_day_correlation_60", 61, partial(_correlation, rows=60)),
    _feature("daytime_reversals_20", 21, partial(_reversal_share, rows=20)),
    _feature("daytime_reversals_20_252", 253, partial(_reversal_change, recent=20, rows=252)),
)
