"""Ranks of names within each session, or within groups of a session, from one sorting.

Tables are (T, N), sessions × names; a cell is a place in the flattened table. Sorting is the dear
part and is done once a table: ranks among any of its names, say those that have a label too, then
come from a few passes. Ranks are doubled and centred, 2 r - n - 1 for the mean rank r of ties
among n names: whole numbers, so that sums of their products are exact in whatever order they are
added.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Whole = NDArray[np.int64]
Codes = NDArray[np.int16]  # the group of each cell, from 0; -1 where it has none


class Ends(NamedTuple):
    """Where the run of neighbours that a cell stands in begins and ends, both included."""

    first_TN: Whole
    last_TN: Whole


class Sorted(NamedTuple):
    """The cells of a table, each session's by group and then by value, least first.

    `cell_TN` names the cells in that order: equal values by name, what is not finite last. `ties`
    are the runs of equal values and None where there is none; `groups` those of one group and
    None where a session is one group. Both are places in this order.
    """

    cell_TN: Whole
    ties: Ends | None
    groups: Ends | None


def in_order(values_TN: ArrayLike) -> Sorted:
    """Return the order of a table's finite values within each session."""
    values_TN = np.asarray(values_TN, np.float64)
    if values_TN.ndim != 2:
        raise ValueError(f"Expected a table (T, N), found shape {values_TN.shape}.")
    order_TN = _order(np.where(np.isfinite(values_TN), values_TN, np.nan))
    order_TN += _rows(values_TN)
    return Sorted(order_TN, _ties(values_TN.ravel().take(order_TN)), None)


def grouped(table: Sorted, code_TN: Codes) -> Sorted:
    """Return the cells of a sorted table by group of each session, and in their order within it."""
    code_TN = np.ascontiguousarray(code_TN)
    sorted_TN = code_TN.ravel().take(table.cell_TN)
    place_TN = np.argsort(sorted_TN, axis=1, kind="stable") + _rows(code_TN)
    cell_TN = table.cell_TN.ravel().take(place_TN)
    bin_TN = sorted_TN.ravel().take(place_TN)
    ties = None
    if table.ties is not None:
        run_TN = table.ties.first_TN.ravel().take(place_TN)
        ties = _ends((run_TN[:, 1:] == run_TN[:, :-1]) & (bin_TN[:, 1:] == bin_TN[:, :-1]))
    return Sorted(cell_TN, ties, _ends(bin_TN[:, 1:] == bin_TN[:, :-1]))


def ranks_of(table: Sorted, counts_TN: Flags) -> Array:
    """Return the ranks of the cells that count within each session, or group; 0 elsewhere: (T, N).

    Ties share their mean rank. What is not finite may not count.

    >>> ranks_of(in_order([[5.0, 7.0, 7.0, 1.0]]), np.ones((1, 4), bool)).tolist()
    [[-1.0, 2.0, 2.0, -3.0]]
    """
    counts_TN = counts_TN.ravel().take(table.cell_TN)
    until_TN = np.cumsum(counts_TN, axis=1, dtype=np.int32)  # how many count, up to each place
    before_TN = until_TN - counts_TN
    rank_TN = _at(until_TN, before_TN, table.ties)
    if table.groups is None:
        rank_TN -= until_TN[:, -1:]
    else:
        rank_TN -= _at(until_TN, before_TN, table.groups)
    rank_TN *= counts_TN
    by_cell = np.empty(counts_TN.size)
    by_cell[table.cell_TN.ravel()] = rank_TN.ravel()
    return by_cell.reshape(counts_TN.shape)


def correlations(
    first_TN: Array, second_TN: Array, sizes_TG: Whole, *, code_TN: Codes | None, min_names: int
) -> Array:
    """Return the correlation of two tables' ranks in each session, or group of it: (T, groups).

    Takes ranks of the same cells, how many there are, and the groups they were taken in. NaN
    where there are fewer than `min_names`, or where one of the two is all alike.
    """
    product_TG = _sums(first_TN * second_TN, code_TN, sizes_TG)
    scale_TG = np.sqrt(_sums(first_TN**2, code_TN, sizes_TG))
    scale_TG = scale_TG * np.sqrt(_sums(second_TN**2, code_TN, sizes_TG))
    known_TG = (scale_TG > 0) & (sizes_TG >= max(min_names, 2))
    safe_TG = np.where(known_TG, scale_TG, 1.0)
    return np.where(known_TG, np.clip(product_TG / safe_TG, -1.0, 1.0), np.nan)


def sizes_of(counts_TN: Flags, code_TN: Codes | None, *, groups: int) -> Whole:
    """Return how many cells count in each session, or group of it: (T, groups)."""
    if code_TN is None:
        return np.asarray(counts_TN.sum(axis=1, keepdims=True), np.int64)
    return _sums(counts_TN, code_TN, np.empty((len(code_TN), groups), np.int64)).astype(np.int64)


def _at(
    until_TN: NDArray[np.int32], before_TN: NDArray[np.int32], ends: Ends | None
) -> NDArray[np.int32]:
    """Return how many count up to the end of each cell's run, and before its beginning, in all."""
    if ends is None:
        return until_TN + before_TN
    return until_TN.ravel().take(ends.last_TN) + before_TN.ravel().take(ends.first_TN)


def _sums(values_TN: NDArray[np.generic], code_TN: Codes | None, like_TG: Whole) -> Array:
    """Return the sum of the values of each session, or group of it; whole numbers, so exact."""
    if code_TN is None:
        return np.asarray(values_TN.sum(axis=1, keepdims=True))
    sessions, groups = like_TG.shape
    place_TN = code_TN + np.arange(1, sessions * (groups + 1) + 1, groups + 1)[:, None]
    sums = np.bincount(place_TN.ravel(), values_TN.ravel(), minlength=sessions * (groups + 1))
    return np.asarray(sums.reshape(sessions, groups + 1)[:, 1:], np.float64)


def _rows(table_TN: NDArray[np.generic]) -> Whole:
    sessions, names = table_TN.shape
    return np.arange(0, max(sessions * names, 1), max(names, 1))[:sessions, None]


def _ties(sorted_TN: Array) -> Ends | None:
    alike_TN = sorted_TN[:, 1:] == sorted_TN[:, :-1]
    return _ends(alike_TN) if alike_TN.any() else None


def _ends(alike_TN: Flags) -> Ends:
    """Return the ends of runs, told where a cell belongs to the run of the one before: (T, N-1)."""
    begins_TN = np.ones((len(alike_TN), alike_TN.shape[1] + 1), bool)
    np.logical_not(alike_TN, out=begins_TN[:, 1:])
    first = np.flatnonzero(begins_TN)
    width = np.diff(first, append=begins_TN.size)
    first_TN = np.repeat(first, width).reshape(begins_TN.shape)
    return Ends(first_TN, np.repeat(first + width - 1, width).reshape(begins_TN.shape))


def _order(values_TN: Array) -> Whole:
    """Return the stable order of each row, NaN last.

    Values that float32 holds exactly, as stored features are, are sorted as whole numbers made of
    their bits and their place, which is three times as fast as sorting places by value.
    """
    with np.errstate(over="ignore"):  # what is too great for float32 is told by the next line
        single_TN = values_TN.astype(np.float32)
    if not ((single_TN == values_TN) | np.isnan(values_TN)).all():
        return np.argsort(values_TN, axis=1, kind="stable")
    single_TN += np.float32(0)  # minus zero equals zero and must not come before it
    bits_TN = single_TN.view(np.int32)
    rising_TN = np.where(bits_TN < 0, ~bits_TN, bits_TN | np.int32(-(2**31))).view(np.uint32)
    rising_TN[np.isnan(single_TN)] = np.iinfo(np.uint32).max
    keys_TN = rising_TN.astype(np.uint64) << np.uint64(32)
    keys_TN |= np.arange(values_TN.shape[1], dtype=np.uint64)
    keys_TN.sort(axis=1)
    return (keys_TN & np.uint64(2**32 - 1)).astype(np.int64)
