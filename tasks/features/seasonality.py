"""Seasonality: what the same stretch of earlier months, quarters or years did.

Seasons are counted in sessions back (21 a month, 63 a quarter, 252 a year), so no calendar of days
to come is needed. What lies `lag` sessions before the stretch that begins at the next close is the
stretch that began `lag` sessions ago.

Sources: the same month a year before, and the months between, Heston & Sadka (2008); the same
stretch of the quarter, in which dividends and results are told, Hartzmark & Solomon (2013).
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tasks.features.block import ENOUGH, Block
from tasks.features.engine import Feature
from tasks.features.price import momentum
from tasks.features.returns import close

Array = NDArray[np.float64]
WEEK, MONTH, QUARTER, YEAR = 5, 21, 63, 252  # sessions


def _season(block: Block, *, length: int, step: int) -> Array:
    """Return the mean return over the `length` sessions that began step, 2 step, ... 252 ago."""
    close_RN = block.once(close)
    total_TN, known_TN = np.zeros(block.shape), np.zeros(block.shape)
    for lag in range(step, YEAR + 1, step):
        change_TN = block.back(close_RN, lag - length) / block.back(close_RN, lag) - 1
        told_TN = ~np.isnan(change_TN)
        total_TN += np.where(told_TN, change_TN, 0.0)
        known_TN += told_TN
    enough_TN = block.complete("close", YEAR + 1) & (known_TN >= ENOUGH * (YEAR // step))
    return block.where(enough_TN, total_TN / known_TN)


def _other_months(block: Block) -> Array:
    """Return the return between the stretch a year before and the last month."""
    between_TN = momentum(block, oldest=YEAR - MONTH, newest=MONTH)
    return block.where(block.complete("close", YEAR - MONTH + 1), between_TN)


def _feature(name: str, look_back: int, compute: Callable[[Block], Array]) -> Feature:
    return Feature(name, "seasonality", ("close",), look_back, compute)


SEASONALITY = (
    *(
        _feature(f"year_season_{k}", YEAR + 1, partial(_season, length=k, step=YEAR))
        for k in (WEEK, MONTH, QUARTER)
    ),
    _feature("quarter_season_21", YEAR + 1, partial(_season, length=MONTH, step=QUARTER)),
    _feature("month_season_5", YEAR + 1, partial(_season, length=WEEK, step=MONTH)),
    _feature("other_months_231_21", YEAR - MONTH + 1, _other_months),
)
