"""The statistics of Alpha158 and its kin: what a bar looks like, and what a window says.

The definitions are those of Microsoft's qlib 0.9.7, here in vectors. A suspended session is missing
inside its window, as there; two statistics see it: `share` counts it among the sessions, the places
of extremes take the oldest one for the extreme.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tasks.features import moments, rolling
from tasks.features.block import Block
from tasks.features.returns import close, moments_of, volume

Array = NDArray[np.float64]
TINY = 1e-12  # qlib adds it to what might be zero
FLAT = 2e-5  # below this standard deviation a correlation is unknown, says qlib

# --- the newest bar ------------------------------------------------------------------------------


def _bar_parts(block: Block) -> dict[str, Array]:
    """Return body, range, shadows and shift of the newest bar, in money."""
    opened, high, low, close = (block.raw(name, 1) for name in ("open", "high", "low", "close"))
    return {
        "MID": close - opened,
        "LEN": high - low,
        "UP": high - np.maximum(opened, close),
        "LOW": np.minimum(opened, close) - low,
        "SFT": 2 * close - high - low,
    }


def bar_over_open(block: Block, *, part: str) -> Array:
    """Return a part of the newest bar over its open."""
    return block.once(_bar_parts)[part] / block.raw("open", 1)


def bar_over_range(block: Block, *, part: str) -> Array:
    """Return a part of the newest bar over its range."""
    parts = block.once(_bar_parts)
    return parts[part] / (parts["LEN"] + TINY)


def over_close(block: Block, *, name: str) -> Array:
    """Return a price of the newest bar over its close."""
    return block.raw(name, 1) / block.raw("close", 1)


# --- series that windows run over ----------------------------------------------------------------


def _log_volume(block: Block) -> Array:
    return np.log(block.once(volume) + 1)


def _close_ratio(block: Block) -> Array:
    close_RN = block.once(close)
    return close_RN[1:] / close_RN[:-1]


def _log_volume_ratio(block: Block) -> Array:
    volume_RN = block.once(volume)
    return np.log(volume_RN[1:] / volume_RN[:-1] + 1)


def _difference(block: Block, name: str) -> Array:
    values_RN = block.once(close if name == "close" else volume)
    return values_RN[1:] - values_RN[:-1]


def _gain(block: Block, name: str) -> Array:
    return np.maximum(block.once(_difference, name), 0)


def _loss(block: Block, name: str) -> Array:
    return np.maximum(-block.once(_difference, name), 0)


def rose(block: Block) -> Array:
    """Return 1 where the close rose, 0 where not or where it is unknown."""
    return (block.once(_difference, "close") > 0).astype(np.float64)


def fell(block: Block) -> Array:
    """Return 1 where the close fell, 0 where not or where it is unknown."""
    return (block.once(_difference, "close") < 0).astype(np.float64)


def _weighted_change(block: Block) -> Array:
    change_RN, volume_RN = _common(np.abs(block.once(_close_ratio) - 1), block.once(volume))
    return change_RN * volume_RN


def _common(one_RN: Array, other_RN: Array) -> tuple[Array, Array]:
    """Return the rows that both have: for features beside these, one may reach further back."""
    rows = min(len(one_RN), len(other_RN))
    return one_RN[-rows:], other_RN[-rows:]


def _high(block: Block) -> Array:
    return block.price("high")


def _low(block: Block) -> Array:
    return block.price("low")


# --- walks, made once for all windows ------------------------------------------------------------


def log_volumes(block: Block) -> moments.Paired:
    """Return the comoments of closes and logarithms of volume."""
    pair = _common(block.once(close), block.once(_log_volume))
    return moments.comoments(*pair, block.sessions)


def changes(block: Block) -> moments.Paired:
    """Return the comoments of close over the close before, and of volume likewise."""
    pair = _common(block.once(_close_ratio), block.once(_log_volume_ratio))
    return moments.comoments(*pair, block.sessions)


def _listed(block: Block) -> rolling.Counted:
    """Return a function from a count to the sessions of those since the name's first bar."""
    return rolling.counts(block.once(Block.listed), block.sessions)


def _places(block: Block, make: Callable[[Block], Array], sign: float) -> rolling.Walk:
    """Return the walk of the lag of the extreme: a missing value is taken for it."""
    values_RN = block.once(make) * sign
    listed_RN = block.once(Block.listed)[-len(values_RN) :]
    values_RN = np.where(np.isnan(values_RN), np.inf, values_RN)
    return rolling.places(np.where(listed_RN, values_RN, -np.inf), block.sessions)


def _below(block: Block) -> rolling.Walk:
    return rolling.below(block.once(close), block.sessions)


def _quantiles(block: Block, rows: int) -> list[Array]:
    return rolling.quantiles(block.once(close), block.sessions, rows, (0.2, 0.8))


# --- statistics over a window --------------------------------------------------------------------


def _now(block: Block) -> Array:
    return block.raw("close", 1)


def ago(block: Block, *, rows: int) -> Array:
    """Return the close `rows` sessions back over the newest."""
    return block.back(block.once(close), rows) / _now(block)


def mean_close(block: Block, *, rows: int) -> Array:
    """Return the mean close over the newest."""
    found = block.once(moments_of, close)(rows)
    return found.mean / _now(block)


def deviation(block: Block, *, rows: int) -> Array:
    """Return the standard deviation of closes over the newest."""
    return block.once(moments_of, close)(rows).deviation / _now(block)


def slope(block: Block, *, rows: int) -> Array:
    """Return the slope of a line through the closes, a session, over the newest close."""
    return block.once(moments_of, close)(rows).slope / _now(block)


def fit(block: Block, *, rows: int) -> Array:
    """Return the R² of a line through the closes; NaN where they hardly move."""
    found = block.once(moments_of, close)(rows)
    share_TN = found.slope**2 * found.times / found.scatter
    return np.where(found.deviation > FLAT, share_TN, np.nan)


def residual(block: Block, *, rows: int) -> Array:
    """Return the newest close less the line's value there, over the close."""
    return -block.once(moments_of, close)(rows).end / _now(block)


def highest(block: Block, *, rows: int) -> Array:
    """Return the highest high over the newest close."""
    return block.highest(_high, rows) / _now(block)


def lowest(block: Block, *, rows: int) -> Array:
    """Return the lowest low over the newest close."""
    return block.lowest(_low, rows) / _now(block)


def quantile(block: Block, *, rows: int, place: int) -> Array:
    """Return the 20 % (place 0) or 80 % (place 1) quantile of closes over the newest."""
    return block.once(_quantiles, rows)[place] / _now(block)


def rank(block: Block, *, rows: int) -> Array:
    """Return the rank of the newest close, ties at their mean, over the number of closes."""
    less_TN, equal_TN = block.once(_below).over(rows)
    return (less_TN + (equal_TN + 1.0) / 2) / block.number(close, rows)


def range_place(block: Block, *, rows: int) -> Array:
    """Return where the newest close lies between the lowest low (0) and the highest high."""
    low_TN, high_TN = block.lowest(_low, rows), block.highest(_high, rows)
    return (_now(block) - low_TN) / (high_TN - low_TN + TINY)


def _place(block: Block, make: Callable[[Block], Array], sign: float, rows: int) -> Array:
    """Return the place of the extreme from the window's oldest session on, 1 to rows."""
    lag_TN = block.once(_places, make, sign).over(rows)[1]
    return (block.once(_listed)(rows) - lag_TN).astype(np.float64)


def highest_place(block: Block, *, rows: int) -> Array:
    """Return the place of the highest high, as a share of the window."""
    return block.once(_place, _high, 1.0, rows) / rows


def lowest_place(block: Block, *, rows: int) -> Array:
    """Return the place of the lowest low, as a share of the window."""
    return block.once(_place, _low, -1.0, rows) / rows


def places_apart(block: Block, *, rows: int) -> Array:
    """Return by how much of the window the highest high came after the lowest low."""
    return (block.once(_place, _high, 1.0, rows) - block.once(_place, _low, -1.0, rows)) / rows


def correlation(
    block: Block,
    *,
    rows: int,
    pairs: Callable[[Block], moments.Paired],
) -> Array:
    """Return a correlation; NaN where one of the two hardly moves."""
    return block.once(pairs)(rows).correlation_above(FLAT)


def share(block: Block, *, rows: int, make: Callable[[Block], Array]) -> Array:
    """Return in which share of the sessions it was so."""
    return block.total(make, rows) / block.once(_listed)(rows)


def share_apart(block: Block, *, rows: int) -> Array:
    """Return the share of rising sessions less that of falling ones."""
    return share(block, rows=rows, make=rose) - share(block, rows=rows, make=fell)


def _moves(block: Block, name: str, rows: int) -> tuple[Array, Array, Array]:
    """Return the sums of gains and of losses, and both together; NaN without any change."""
    gain_TN, loss_TN = (block.total(make, rows, name) for make in (_gain, _loss))
    known_TN = block.number(_gain, rows, name) > 0
    return gain_TN, loss_TN, np.where(known_TN, gain_TN + loss_TN + TINY, np.nan)


def sum_share(block: Block, *, rows: int, name: str, up: int, down: int) -> Array:
    """Return gains (times `up`) and losses (times `down`) over all changes."""
    gain_TN, loss_TN, total_TN = block.once(_moves, name, rows)
    return (up * gain_TN + down * loss_TN) / total_TN


def mean_volume(block: Block, *, rows: int) -> Array:
    """Return the mean volume over the newest."""
    return block.once(moments_of, volume)(rows).mean / (block.raw("volume", 1) + TINY)


def volume_deviation(block: Block, *, rows: int) -> Array:
    """Return the standard deviation of volume over the newest volume."""
    return block.once(moments_of, volume)(rows).deviation / (block.raw("volume", 1) + TINY)


def weighted_deviation(block: Block, *, rows: int) -> Array:
    """Return the deviation of |return| times volume over its mean."""
    found = block.once(moments_of, _weighted_change)(rows)
    return found.deviation / (found.mean + TINY)
