"""Momentum and reversal beyond the price set: when it came, how smoothly, and without the market.

The price set has plain momentum and the distance from the high of 252 sessions.

Sources: intermediate momentum, Novy-Marx (2012); acceleration, Gettleman & Marks (2006);
information discreteness, Da, Gurun & Warachka (2014); consistency, Grinblatt & Moskowitz (2004);
efficiency, Kaufman (1995); return for risk, Rachev, Jasic, Stoyanov & Fabozzi (2007); age of the
high, Bhootra & Hur (2013); residual momentum, Blitz, Huij & Martens (2011); residual reversal,
Blitz, Huij, Lansdorp & Verbeek (2013).
"""

import itertools
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tasks.features import rolling
from tasks.features.block import ENOUGH, Block
from tasks.features.engine import Feature
from tasks.features.market import fit, own, product, residual_variance
from tasks.features.price import momentum
from tasks.features.returns import close, count, mean_return, one_session, variance

Array = NDArray[np.float64]
MONTH = 21  # sessions


def _acceleration(block: Block, *, rows: int) -> Array:
    """Return the return over the later half of `rows` sessions less that over the earlier."""
    half = rows // 2
    earlier_TN = momentum(block, oldest=rows, newest=half)
    return momentum(block, oldest=half) - earlier_TN + 0 * momentum(block, oldest=rows)


def _sizes(block: Block) -> Array:
    return np.abs(block.once(one_session))


def _rises(block: Block) -> Array:
    """Return the returns above zero, NaN elsewhere."""
    return np.where(block.once(one_session) > 0, block.once(one_session), np.nan)


def _falls(block: Block) -> Array:
    """Return the returns below zero, NaN elsewhere."""
    return np.where(block.once(one_session) < 0, block.once(one_session), np.nan)


def _between(block: Block, make: Callable[[Block], Array], *, oldest: int, newest: int) -> Array:
    """Return how many values `make` gives in the last `oldest` rows without the last `newest`."""
    return block.number(make, oldest) - block.number(make, newest)


def _discreteness(block: Block, *, oldest: int, newest: int) -> Array:
    """Return the share of falling less that of rising sessions, signed by the return, -1 to 1.

    Low where many small steps made the return, high where a few large ones did.
    """
    rises_TN = _between(block, _rises, oldest=oldest, newest=newest)
    falls_TN = _between(block, _falls, oldest=oldest, newest=newest)
    number_TN = _between(block, one_session, oldest=oldest, newest=newest)
    sign_TN = np.sign(momentum(block, oldest=oldest, newest=newest))
    enough_TN = ~np.isnan(block.once(count, oldest))
    return block.where(enough_TN, sign_TN * (falls_TN - rises_TN) / number_TN)


def _consistency(block: Block, *, rows: int) -> Array:
    """Return the share of the months of 21 sessions that rose; at least 80 % must be known."""
    close_RN = block.once(close)
    months = rows // MONTH
    ends = [block.back(close_RN, month * MONTH) for month in range(months + 1)]
    rose_TN, known_TN = np.zeros(block.shape), np.zeros(block.shape)
    for later_TN, earlier_TN in itertools.pairwise(ends):
        rose_TN += later_TN > earlier_TN
        known_TN += ~np.isnan(later_TN - earlier_TN)
    enough_TN = block.complete("close", rows + 1) & (known_TN >= ENOUGH * months)
    return block.where(enough_TN, rose_TN / known_TN)


def _efficiency(block: Block, *, rows: int) -> Array:
    """Return the sum of returns over the sum of their sizes, -1 to 1: 1 is a straight rise."""
    share_TN = block.total(one_session, rows) / block.total(_sizes, rows)
    return np.where(np.isnan(block.once(count, rows)), np.nan, share_TN)


def _return_for_risk(block: Block, *, rows: int) -> Array:
    """Return the mean of one-session returns over their standard deviation."""
    mean_TN = block.once(mean_return, rows)
    return mean_TN / np.sqrt(np.maximum(block.once(variance, rows) - mean_TN * mean_TN, 0.0))


def _high_places(block: Block) -> rolling.Walk:
    close_RN = block.once(close)
    return rolling.places(np.where(np.isnan(close_RN), -np.inf, close_RN), block.sessions)


def _high_age(block: Block, *, rows: int) -> Array:
    """Return how long ago the highest close was, as a share of the window: 0 is now, 1 its start.

    Of several highest ones the oldest counts.
    """
    lag_TN = block.once(_high_places).over(rows)[1].astype(np.float64)
    return block.where(block.complete("close", rows), lag_TN / (rows - 1))


def _residual_momentum(block: Block, *, oldest: int, newest: int) -> Array:
    """Return what the market does not explain of a return, over its standard deviation.

    The slope is that of the last `oldest` sessions; the constant is left in the return.
    """
    found = block.once(fit, oldest)
    own_TN = found.y - block.total(product, newest, 1, 0)
    market_TN = found.x - block.total(product, newest, 0, 1)
    number_TN = found.number - block.number(own, newest)
    risk_TN = np.sqrt(block.once(residual_variance, oldest) * number_TN)
    return (own_TN - found.slope * market_TN) / risk_TN


def _residual_return(block: Block, *, recent: int, rows: int) -> Array:
    """Return the sum of recent returns without slope times market; the slope is of `rows`."""
    slope_TN = block.once(fit, rows).slope
    market_TN = block.total(product, recent, 0, 1)
    left_TN = block.total(product, recent, 1, 0) - slope_TN * market_TN
    least = 1 if block.partial else ENOUGH * recent
    return np.where(block.number(own, recent) >= least, left_TN, np.nan)


def _closes(name: str, look_back: int, compute: Callable[[Block], Array]) -> Feature:
    return Feature(name, "momentum", ("close",), look_back, compute)


def _beside_market(
    name: str, family: str, look_back: int, compute: Callable[[Block], Array]
) -> Feature:
    return Feature(name, family, ("close", "market"), look_back, compute)


MOMENTUM = (
    _closes("momentum_126_21", 127, partial(momentum, oldest=126, newest=21)),
    _closes("momentum_252_126", 253, partial(momentum, oldest=252, newest=126)),
    *(_closes(f"acceleration_{k}", k + 1, partial(_acceleration, rows=k)) for k in (120, 252)),
    _closes("discreteness_252_21", 253, partial(_discreteness, oldest=252, newest=21)),
    _closes("consistency_252", 253, partial(_consistency, rows=252)),
    *(_closes(f"efficiency_{k}", k + 1, partial(_efficiency, rows=k)) for k in (120, 252)),
    *(_closes(f"return_for_risk_{k}", k + 1, partial(_return_for_risk, rows=k)) for k in (60, 252)),
    _closes("high_age_252", 252, partial(_high_age, rows=252)),
    _beside_market(
        "residual_momentum_252_21",
        "momentum",
        253,
        partial(_residual_momentum, oldest=252, newest=21),
    ),
    *(
        _beside_market(
            f"residual_return_{k}_60", "reversal", 61, partial(_residual_return, recent=k, rows=60)
        )
        for k in (5, 20)
    ),
)
