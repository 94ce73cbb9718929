"""What a name has in common with the market, and what is its own.

The market's return is one number a session, known at its close. A name's returns are fitted on it,
with a constant, over the sessions that have both; 80 % of the window's are needed, as everywhere.

Sources: beta, Sharpe (1964); residual volatility, Ang, Hodrick, Xing & Zhang (2006); R², Roll
(1988); downside beta, Ang, Chen & Xing (2006), here of the sessions in which the market fell;
co-skewness, Harvey & Siddique (2000); beta over two sessions, Dimson (1979); delay, Hou &
Moskowitz (2005), here of one session.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.features.block import ENOUGH, Block
from tasks.features.engine import Feature
from tasks.features.moments import Comoments
from tasks.features.returns import one_session

Array = NDArray[np.float64]
INPUTS = ("close", "market")

# --- pairs of a name's return and the market's, NaN where one is missing --------------------------


def own(block: Block) -> Array:
    """Return a name's returns, where the market's is known."""
    return_RN, market_RN = block.once(one_session), block.raw("market")
    rows = min(len(return_RN), len(market_RN))
    return return_RN[-rows:] + 0 * market_RN[-rows:]


def market(block: Block) -> Array:
    """Return the market's returns, where the name's is known."""
    own_RN = block.once(own)
    return block.raw("market")[-len(own_RN) :] + 0 * own_RN


def _filled(block: Block) -> tuple[Array, Array]:
    """Return the name's and the market's returns, both 0 where one is unknown: for sums."""
    gap_RN = np.isnan(block.once(own))
    return np.where(gap_RN, 0.0, block.once(own)), np.where(gap_RN, 0.0, block.once(market))


def product(block: Block, owns: int, markets: int) -> Array:
    """Return the product of so many times a name's return and so many times the market's."""
    if owns + markets == 1:
        return block.once(_filled)[markets]
    if markets:
        return block.once(product, owns, markets - 1) * block.once(_filled)[1]
    return block.once(product, owns - 1, 0) * block.once(_filled)[0]


def _falls(block: Block) -> Array:
    """Return the sessions with both returns in which the market fell as 1, NaN elsewhere."""
    return np.where(block.once(market) < 0, 1.0, np.nan)


def _falling(block: Block, owns: int, markets: int) -> Array:
    """Return the product where the market fell, 0 elsewhere."""
    fell_RN = block.once(_filled)[1] < 0
    return block.once(product, owns, markets) * fell_RN


MOMENTS = (0, 1), (1, 0), (0, 2), (2, 0), (1, 1)  # of x = market, y = own: x, y, xx, yy, xy


def fit(block: Block, rows: int) -> Comoments:
    """Return the sums of the market (x) and the name (y) over the last `rows`."""
    count_TN = block.number(own, rows)
    least = 1 if block.partial else ENOUGH * rows
    enough_TN = block.complete("close", rows + 1) & (count_TN >= least)
    sums = (block.total(product, rows, *powers) for powers in MOMENTS)
    return Comoments(np.where(enough_TN, count_TN, np.nan), *sums)


def residual_variance(block: Block, rows: int) -> Array:
    """Return the variance of what the market does not explain (n - 2)."""
    found = block.once(fit, rows)
    together, x, y = found.scatters
    left_TN = np.where(found.number > 2, found.number - 2, np.nan)
    return np.maximum(y - together * together / x, 0.0) / left_TN


# --- features ------------------------------------------------------------------------------------


def beta(block: Block, *, rows: int) -> Array:
    """Return the slope of a name's returns on the market's."""
    return block.once(fit, rows).slope


def _residual_volatility(block: Block, *, rows: int) -> Array:
    """Return the standard deviation a session of what the market does not explain."""
    return np.sqrt(block.once(residual_variance, rows))


def _explained(block: Block, *, rows: int) -> Array:
    """Return the share of a name's variance that the market explains, 0 to 1."""
    return np.square(block.once(fit, rows).correlation)


class _Sides(NamedTuple):
    falling: Comoments
    rising: Comoments


def _sides(block: Block, rows: int) -> _Sides:
    """Return the fits of the sessions in which the market fell, and of the others."""
    whole = block.once(fit, rows)
    sums = (block.total(_falling, rows, *powers) for powers in MOMENTS)
    falling = Comoments(block.number(_falls, rows), *sums)
    rising = Comoments(*(both - one for both, one in zip(whole, falling, strict=True)))
    return _Sides(falling, rising)


def _downside_beta(block: Block, *, rows: int) -> Array:
    """Return the slope over the sessions in which the market fell; at least ten of them."""
    sides = block.once(_sides, rows)
    few_TN = np.isnan(sides.rising.number) | (sides.falling.number < 10)
    return np.where(few_TN, np.nan, sides.falling.slope)


def _beta_gap(block: Block, *, rows: int) -> Array:
    """Return the slope where the market fell less that where it did not."""
    rising = block.once(_sides, rows).rising
    gap_TN = _downside_beta(block, rows=rows) - rising.slope
    return np.where(rising.number < 10, np.nan, gap_TN)


def _coskewness(block: Block, *, rows: int) -> Array:
    """Return the mean of residual times squared market, over their deviations.

    E[e d²] / (sqrt(E[e²]) E[d²]), where d is the market less its mean, and e the residual.
    """
    found = block.once(fit, rows)
    n, x, y = found.number, found.x / found.number, found.y / found.number
    together, xx, yy = (scatter / n for scatter in found.scatters)
    own_TN = block.total(product, rows, 1, 2) / n
    cube_TN = block.total(product, rows, 0, 3) / n
    with_own_TN = own_TN - y * found.xx / n - 2 * x * together
    third_TN = cube_TN - x * (3 * found.xx / n - 2 * x * x)
    slope_TN = together / xx
    left_TN = np.maximum(yy - slope_TN * together, 0.0)
    return (with_own_TN - slope_TN * third_TN) / (np.sqrt(left_TN) * xx)


# --- the session before as well ------------------------------------------------------------------


def _known(block: Block) -> tuple[Array, Array, Array, Array]:
    """Return 1, return, market and market the session before, where all are known.

    Elsewhere the first is NaN, the others are 0.
    """
    return_RN = block.once(own)[1:]
    market_RN = block.raw("market")[-len(return_RN) - 1 :]
    one_RN = 1 + 0 * (return_RN + market_RN[:-1])
    gap_RN = np.isnan(one_RN)
    parts = return_RN * one_RN, market_RN[1:] * one_RN, market_RN[:-1] * one_RN
    now_RN, on_RN, before_RN = (np.where(gap_RN, 0.0, part) for part in parts)
    return one_RN, now_RN, on_RN, before_RN


def _ones(block: Block) -> Array:
    return block.once(_known)[0]


def _together(block: Block, first: int, second: int) -> Array:
    """Return one of them (the second is 0), or the product of two."""
    parts = block.once(_known)
    return parts[first] * parts[second] if second else parts[first]


class _Lagged(NamedTuple):
    now: Array  # slope on the market's return of the session
    before: Array  # and on that of the session before
    explained: Array  # R² of both
    alone: Array  # R² of the first alone


def _lagged(block: Block, rows: int) -> _Lagged:
    """Fit returns on the market's of the session and of the one before, over `rows` - 1."""
    count_TN = block.number(_ones, rows - 1)
    sums = [block.total(_together, rows - 1, one, 0) for one in (1, 2, 3)]

    def scatter(one: int, other: int) -> Array:
        total_TN = block.total(_together, rows - 1, one, other)
        return total_TN - sums[one - 1] * sums[other - 1] / count_TN

    yy, yx, yz = scatter(1, 1), scatter(1, 2), scatter(1, 3)
    xx, zz, xz = scatter(2, 2), scatter(3, 3), scatter(2, 3)
    whole_TN = xx * zz - xz * xz
    now, before = (yx * zz - yz * xz) / whole_TN, (yz * xx - yx * xz) / whole_TN
    least = 4 if block.partial else ENOUGH * (rows - 1)
    enough_TN = block.complete("close", rows + 1) & (count_TN >= least)
    found = now, before, (now * yx + before * yz) / yy, yx * yx / (xx * yy)
    return _Lagged(*(block.where(enough_TN, one) for one in found))


def _two_session_beta(block: Block, *, rows: int) -> Array:
    """Return the sum of the slopes on the market of the session and of the one before."""
    found = block.once(_lagged, rows)
    return found.now + found.before


def _delay(block: Block, *, rows: int) -> Array:
    """Return the share of what the market explains that only its session before does, 0 to 1."""
    found = block.once(_lagged, rows)
    return np.clip(1 - found.alone / found.explained, 0.0, 1.0)


def _feature(name: str, compute: Callable[..., Array], rows: int) -> Feature:
    return Feature(f"{name}_{rows}", "market", INPUTS, rows + 1, partial(compute, rows=rows))


MARKET = (
    *(_feature("beta", beta, k) for k in (60, 252)),
    *(_feature("residual_volatility", _residual_volatility, k) for k in (20, 60, 252)),
    *(_feature("market_share", _explained, k) for k in (60, 252)),
    _feature("two_session_beta", _two_session_beta, 120),
    _feature("market_delay", _delay, 120),
    _feature("downside_beta", _downside_beta, 252),
    _feature("beta_gap", _beta_gap, 252),
    _feature("coskewness", _coskewness, 252),
)
