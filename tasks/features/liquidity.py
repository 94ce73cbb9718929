"""Liquidity: what is traded, how evenly, what a trade moves, and what spread the bars betray.

Money is of the session itself. The price set has the mean dollar volume and illiquidity over 20
sessions; turnover needs the number of shares, so it is among the fundamentals.

Sources: illiquidity, Amihud (2002); variability of volume, Chordia, Subrahmanyam & Anshuman (2001);
sessions without a trade, Liu (2006); returns of zero, Lesmond, Ogden & Trzcinka (1999); spreads,
Roll (1984), Corwin & Schultz (2012), Abdi & Ranaldo (2017).
"""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tasks.features.block import Block
from tasks.features.engine import Feature
from tasks.features.price import dollar_volume, illiquidity
from tasks.features.returns import count, dollars, one_session

Array = NDArray[np.float64]
TRADED, RANGED = ("close", "volume"), ("high", "low", "close")
PAIRED = 3 - 2 * math.sqrt(2)  # of Corwin & Schultz: what two sessions' ranges have in common


def _change(block: Block, *, recent: int, rows: int, level: Callable[..., Array]) -> Array:
    """Return a logarithm of the recent sessions less that of the whole window."""
    return level(block, rows=recent) - level(block, rows=rows)


def _dollar_squares(block: Block) -> Array:
    return np.square(block.once(dollars))


def _variability(block: Block, *, rows: int) -> Array:
    """Return the standard deviation of dollar volume over its mean."""
    mean_TN = block.mean(dollars, rows)
    number_TN = block.number(dollars, rows)
    scatter_TN = block.total(_dollar_squares, rows) / number_TN - mean_TN * mean_TN
    ratio_TN = np.sqrt(np.maximum(scatter_TN, 0.0)) / mean_TN
    return block.where(block.complete("volume", rows), ratio_TN)


def _untraded(block: Block) -> Array:
    """Return 0 for sessions without volume, NaN for all others."""
    return np.where(block.raw("volume") == 0, 0.0, np.nan)


def _volumes(block: Block) -> Array:
    return block.raw("volume")


def _zero_volume(block: Block, *, rows: int) -> Array:
    """Return the share of bars in which nothing was traded, 0 to 1."""
    share_TN = block.number(_untraded, rows) / block.number(_volumes, rows)
    return block.where(block.complete("volume", rows), share_TN)


def _still(block: Block) -> Array:
    """Return 0 for returns of zero, NaN for all others."""
    return np.where(block.once(one_session) == 0, 0.0, np.nan)


def _zero_return(block: Block, *, rows: int) -> Array:
    """Return the share of returns that are zero, 0 to 1."""
    return block.number(_still, rows) / block.once(count, rows)


# --- spreads, as a share of the price ------------------------------------------------------------


def _neighbours(block: Block, *powers: int) -> Array:
    """Return a return and the one before, each to its power (0 or 1), multiplied."""
    return_RN = block.once(one_session)
    now_RN, before_RN = return_RN[1:], return_RN[:-1]
    known_RN = 0 * (now_RN + before_RN)
    parts = (now_RN if powers[0] else 1.0) * (before_RN if powers[1] else 1.0)
    return parts + known_RN


def _roll(block: Block, *, rows: int) -> Array:
    """Return 2 sqrt(-covariance of neighbouring returns); 0 where it is above zero."""
    together, now, before = (
        block.mean(_neighbours, rows - 1, *powers) for powers in ((1, 1), (1, 0), (0, 1))
    )
    spread_TN = 2 * np.sqrt(np.maximum(now * before - together, 0.0))
    return np.where(np.isnan(block.once(count, rows)), np.nan, spread_TN)


def _two_bars(block: Block) -> tuple[Array, ...]:
    """Return high, low and close of a session, and high and low of the next one."""
    rows = min(len(block.raw(name)) for name in RANGED)
    high_RN, low_RN, close_RN = (block.price(name)[-rows:] for name in RANGED)
    return high_RN[:-1], low_RN[:-1], close_RN[:-1], high_RN[1:], low_RN[1:]


def _range_spreads(block: Block) -> Array:
    """Return the spread that the ranges of two neighbouring sessions imply, at least 0.

    The later bar is moved by its gap from the close before, so that a night is no range.
    """
    high_RN, low_RN, close_RN, high_later_RN, low_later_RN = block.once(_two_bars)
    gap_RN = np.maximum(low_later_RN - close_RN, 0.0) + np.minimum(high_later_RN - close_RN, 0.0)
    high_later_RN, low_later_RN = high_later_RN - gap_RN, low_later_RN - gap_RN
    each_RN = np.square(np.log(high_RN / low_RN)) + np.square(np.log(high_later_RN / low_later_RN))
    top_RN, bottom_RN = np.maximum(high_RN, high_later_RN), np.minimum(low_RN, low_later_RN)
    both_RN = np.square(np.log(top_RN / bottom_RN))
    alpha_RN = (math.sqrt(2) - 1) * np.sqrt(each_RN) / PAIRED - np.sqrt(both_RN / PAIRED)
    power_RN = np.exp(alpha_RN)
    return np.maximum(2 * (power_RN - 1) / (1 + power_RN), 0.0)


def _middle_spreads(block: Block) -> Array:
    """Return 4 times the close less the middle of its bar, times the close less the next middle.

    All in logarithms; the middle is the mean of high and low.
    """
    high_RN, low_RN, close_RN, high_later_RN, low_later_RN = block.once(_two_bars)
    square_RN = np.square(close_RN)
    own_RN = np.log(square_RN / (high_RN * low_RN))
    return own_RN * np.log(square_RN / (high_later_RN * low_later_RN))


def _ranged(block: Block, rows: int) -> NDArray[np.bool_]:
    complete_TN = block.complete("high", rows) & block.complete("low", rows)
    return complete_TN & block.complete("close", rows)


def _corwin_schultz(block: Block, *, rows: int) -> Array:
    """Return the mean spread that the ranges of neighbouring sessions imply."""
    return block.where(block.once(_ranged, rows + 1), block.mean(_range_spreads, rows))


def _abdi_ranaldo(block: Block, *, rows: int) -> Array:
    """Return the spread that closes and middles of neighbouring sessions imply."""
    mean_TN = np.maximum(block.mean(_middle_spreads, rows), 0.0)
    return block.where(block.once(_ranged, rows + 1), np.sqrt(mean_TN))


def _feature(
    name: str, inputs: tuple[str, ...], look_back: int, compute: Callable[[Block], Array]
) -> Feature:
    return Feature(name, "liquidity", inputs, look_back, compute)


LIQUIDITY = (
    *(_feature(f"illiquidity_{k}", TRADED, k + 1, partial(illiquidity, rows=k)) for k in (60, 252)),
    _feature(
        "illiquidity_20_252", TRADED, 253, partial(_change, recent=20, rows=252, level=illiquidity)
    ),
    _feature("dollar_volume_252", TRADED, 252, partial(dollar_volume, rows=252)),
    *(
        _feature(
            f"dollar_volume_{recent}_{rows}",
            TRADED,
            rows,
            partial(_change, recent=recent, rows=rows, level=dollar_volume),
        )
        for recent, rows in ((5, 60), (20, 252))
    ),
    *(
        _feature(f"dollar_variability_{k}", TRADED, k, partial(_variability, rows=k))
        for k in (60, 252)
    ),
    *(
        _feature(f"zero_volume_{k}", ("volume",), k, partial(_zero_volume, rows=k))
        for k in (60, 252)
    ),
    _feature("zero_return_60", ("close",), 61, partial(_zero_return, rows=60)),
    _feature("roll_spread_60", ("close",), 61, partial(_roll, rows=60)),
    _feature("corwin_schultz_20", RANGED, 21, partial(_corwin_schultz, rows=20)),
    _feature("abdi_ranaldo_20", RANGED, 21, partial(_abdi_ranaldo, rows=20)),
)
