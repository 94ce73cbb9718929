"""Tests that are looked at again and again, and several at once, without counting on luck.

Whoever looks every week at data that grow finds something sooner or later. What may be found by
luck over all looks is spent bit by bit, and most of a later look has been seen by the one before.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import ndtr

Array = NDArray[np.float64]
NODES = 400  # of Gauss and Legendre; twice as many move no level by 1e-9
REACH = 9.0  # standard deviations below a bound from which it is still reached
LEAST = 1e-15  # a smaller share buys no look


def spending(information: ArrayLike, *, alpha: float, early: float = 3.0) -> Array:
    """Return how much of `alpha` may be spent up to a share of the information, 0 to 1.

    alpha (1 - exp(-early t)) / (1 - exp(-early)): Hwang, Shih & DeCani, "Group sequential designs
    using a family of type I error probability spending functions", Statistics in Medicine 9
    (1990). The greater `early`, the more is spent at the first looks; towards 0 it is t itself.

    >>> spending([0.0, 0.5, 1.0], alpha=0.05).round(4).tolist()
    [0.0, 0.0409, 0.05]
    """
    share = np.clip(np.asarray(information, np.float64), 0.0, 1.0)
    return np.asarray(alpha * np.expm1(-early * share) / np.expm1(-early))


def look_levels(counts: Sequence[int], shares: Sequence[float]) -> tuple[float, ...]:
    """Return the one-sided p-value at or below which each look at growing data finds something.

    Look k rests on `counts[k]` values, those of the look before among them, and first finds
    something, where there is nothing, with probability `shares[k]`: Lan & DeMets, "Discrete
    sequential boundaries for clinical trials", Biometrika 70 (1983), with the sums of the values
    as a random walk. p-values of other than normal tests are held against the same levels (the
    significance level approach of Jennison & Turnbull, "Group sequential methods", 2000). A look
    at no more values than an earlier one gets its share as its level, which holds whatever
    became of the values.

    >>> look_levels([100], [0.05])
    (0.05,)
    >>> first, second = look_levels([100, 105], [0.04, 0.001])
    >>> bool(0.01 < second < first)
    True
    """
    if len(counts) != len(shares) or min(counts, default=1) < 1 or min(shares, default=0) < 0:
        raise ValueError(
            f"Expected a positive count and a share of 0 or more for each look, found counts "
            f"{list(counts)} and shares {list(shares)}."
        )
    looks = range(1, len(counts) + 1)
    return tuple(_walked(tuple(counts[:look]), tuple(shares[:look])).level for look in looks)


class _Walk(NamedTuple):
    """The random walk that has crossed no bound so far, after one look more."""

    level: float
    seen: int
    sum_S: Array
    mass_S: Array


@lru_cache(maxsize=2048)  # a look rests on those before it, and so does the next
def _walked(counts: tuple[int, ...], shares: tuple[float, ...]) -> _Walk:
    """Return the walk after the last of these looks."""
    if not counts:
        return _Walk(0.0, 0, np.zeros(1), np.ones(1))
    _, seen, sum_S, mass_S = _walked(counts[:-1], shares[:-1])
    count, share = counts[-1], shares[-1]
    if count <= seen or share < LEAST:
        return _Walk(share if share >= LEAST else 0.0, seen, sum_S, mass_S)
    step, scale = float(np.sqrt(count - seen)), float(np.sqrt(count))
    bound = _bound(sum_S, mass_S, step, share, reach=REACH * scale)
    span, (place_S, weight_S) = 2 * REACH * scale, _nodes()
    next_S = bound - span * place_S
    density_SS = np.exp(-0.5 * ((next_S[:, None] - sum_S) / step) ** 2)
    density_S = np.einsum("ij,j->i", density_SS, mass_S, optimize=False)
    next_mass_S = span * weight_S * density_S / (step * np.sqrt(2 * np.pi))
    level = share if not seen else float(ndtr(-bound / scale))
    return _Walk(level, count, next_S, next_mass_S)


def _bound(sum_S: Array, mass_S: Array, step: float, share: float, *, reach: float) -> float:
    """Return the bound that the walk's next sum exceeds with probability `share`."""

    def beyond(bound: float) -> float:
        crossing_S = ndtr((sum_S - bound) / step)
        return float(np.einsum("i,i->", mass_S, crossing_S, optimize=False)) - share

    return float(brentq(beyond, -reach, reach, xtol=1e-10))


@lru_cache(maxsize=1)
def _nodes() -> tuple[Array, Array]:
    """Return places between 0 and 1 and their weights."""
    place, weight = np.polynomial.legendre.leggauss(NODES)
    return (place + 1) / 2, weight / 2


def holm(p: Sequence[float], weights: Sequence[float], *, total: float) -> list[float]:
    """Return p-values adjusted for their number, each to be held against the level of them all.

    Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6 (1979), with weights: how the level is shared out. `total` is what they add up
    to or, where tests were made that are not given, more.

    >>> holm([0.01, 0.04, 0.03], [1, 1, 1], total=3)
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p)), key=lambda test: (p[test] / weights[test], test))
    adjusted, before, left = [1.0] * len(p), 0.0, total
    for test in order:
        before = max(before, min(1.0, p[test] / weights[test] * left))
        adjusted[test] = before
        left -= weights[test]
    return adjusted
