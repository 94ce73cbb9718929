"""Volatility from whole bars: what open, high, low and close of a session say together.

Volatilities are standard deviations a session. The price set has Parkinson's over 20 sessions.

Sources: range volatility, Parkinson (1980), Garman & Klass (1980), Rogers & Satchell (1991), Yang &
Zhang (2000); true range, Wilder (1978).
"""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tasks.features.block import Block
from tasks.features.engine import Feature
from tasks.features.price import parkinson, volatility
from tasks.features.returns import close

Array = NDArray[np.float64]
BAR = ("open", "high", "low", "close")


def _log_parts(block: Block) -> tuple[Array, Array, Array]:
    """Return the logarithms of high, low and close over the open."""
    rows = min(len(block.raw(name)) for name in BAR)
    opened_RN, *others = (block.raw(name)[-rows:] for name in BAR)
    high_RN, low_RN, close_RN = (np.log(values_RN / opened_RN) for values_RN in others)
    return high_RN, low_RN, close_RN


def _garman_klass_terms(block: Block) -> Array:
    high_RN, low_RN, close_RN = block.once(_log_parts)
    wide_RN = np.square(high_RN - low_RN)
    return 0.5 * wide_RN - (2 * math.log(2) - 1) * np.square(close_RN)


def _rogers_satchell_terms(block: Block) -> Array:
    high_RN, low_RN, close_RN = block.once(_log_parts)
    return high_RN * (high_RN - close_RN) + low_RN * (low_RN - close_RN)


def _intraday(block: Block) -> Array:
    return block.once(_log_parts)[2]


def _intraday_squares(block: Block) -> Array:
    return np.square(block.once(_intraday))


def _overnight(block: Block) -> Array:
    """Return the logarithm of the open over the close of the session before."""
    rows = min(len(block.raw("open")), len(block.raw("close")) - 1)
    return np.log(block.price("open")[-rows:] / block.once(close)[-rows - 1 : -1])


def _overnight_squares(block: Block) -> Array:
    return np.square(block.once(_overnight))


def _whole(block: Block, rows: int) -> NDArray[np.bool_]:
    """Return where the windows of all four prices are complete."""
    complete_TN = block.complete("open", rows)
    for name in ("high", "low", "close"):
        complete_TN = complete_TN & block.complete(name, rows)
    return complete_TN


def _from_terms(block: Block, *, rows: int, make: Callable[[Block], Array]) -> Array:
    """Return the root of the mean of what each bar says of the variance, at least 0."""
    mean_TN = np.maximum(block.mean(make, rows), 0.0)
    return np.sqrt(block.where(block.once(_whole, rows), mean_TN))


def _variance(
    block: Block, make: Callable[[Block], Array], squares: Callable[[Block], Array], rows: int
) -> Array:
    """Return the variance (n - 1) of what `make` gives."""
    number_TN, mean_TN = block.number(make, rows), block.mean(make, rows)
    scatter_TN = block.total(squares, rows) - number_TN * mean_TN * mean_TN
    return np.maximum(scatter_TN, 0.0) / np.where(number_TN > 1, number_TN - 1, np.nan)


def yang_zhang(block: Block, *, rows: int) -> Array:
    """Return the volatility of nights, of days, and of what moves within them.

    The root of V(night) + k V(day) + (1 - k) RS, with k = 0.34 / (1.34 + (n + 1) / (n - 1)).
    """
    share = 0.34 / (1.34 + (rows + 1) / (rows - 1))
    night_TN = _variance(block, _overnight, _overnight_squares, rows)
    day_TN = _variance(block, _intraday, _intraday_squares, rows)
    within_TN = np.maximum(block.mean(_rogers_satchell_terms, rows), 0.0)
    whole_TN = night_TN + share * day_TN + (1 - share) * within_TN
    complete_TN = block.once(_whole, rows) & block.complete("close", rows + 1)
    return np.sqrt(block.where(complete_TN, whole_TN))


def _yang_zhang_change(block: Block, *, recent: int, rows: int) -> Array:
    """Return the recent volatility over that of the whole window."""
    return yang_zhang(block, rows=recent) / yang_zhang(block, rows=rows)


def _range_over_closes(block: Block, *, rows: int) -> Array:
    """Return Parkinson's volatility over that of closes: low where prices jump or trend."""
    return parkinson(block, rows=rows) / volatility(block, rows=rows)


def _true_ranges(block: Block) -> Array:
    """Return the range of a session and the close before it, over that close."""
    names = "high", "low", "close"
    rows = min(len(block.raw("high")), len(block.raw("low")), len(block.raw("close")) - 1)
    high_RN, low_RN, _ = (block.price(name)[-rows:] for name in names)
    before_RN = block.once(close)[-rows - 1 : -1]
    return (np.maximum(high_RN, before_RN) - np.minimum(low_RN, before_RN)) / before_RN


def _true_range(block: Block, *, rows: int) -> Array:
    """Return the mean true range, over the close before each."""
    complete_TN = block.complete("close", rows + 1) & block.complete("high", rows)
    return block.where(complete_TN & block.complete("low", rows), block.mean(_true_ranges, rows))


def _feature(
    name: str, inputs: tuple[str, ...], look_back: int, compute: Callable[[Block], Array]
) -> Feature:
    return Feature(name, "range", inputs, look_back, compute)


def _by_terms(name: str, make: Callable[[Block], Array], rows: int) -> Feature:
    return _feature(f"{name}_{rows}", BAR, rows, partial(_from_terms, rows=rows, make=make))


RANGES = (
    _feature("range_60", ("high", "low"), 60, partial(parkinson, rows=60)),
    *(_by_terms("garman_klass", _garman_klass_terms, k) for k in (20, 60)),
    *(_by_terms("rogers_satchell", _rogers_satchell_terms, k) for k in (20, 60)),
    *(_feature(f"yang_zhang_{k}", BAR, k + 1, partial(yang_zhang, rows=k)) for k in (20, 60)),
    _feature("yang_zhang_5_60", BAR, 61, partial(_yang_zhang_change, recent=5, rows=60)),
    *(
        _feature(f"range_over_closes_{k}", BAR[1:], k + 1, partial(_range_over_closes, rows=k))
        for k in (20, 60)
    ),
    _feature("true_range_20", BAR[1:], 21, partial(_true_range, rows=20)),
)
