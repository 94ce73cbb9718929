"""Sort frames by many columns at once: text and dates become whole numbers, packed into one."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

Codes = NDArray[np.int64]
ROOM = 1 << 62  # packed codes stay below this


class Coded(NamedTuple):
    """A column as whole numbers in the order of its values, nulls first."""

    codes: Codes
    size: int  # codes lie in [0, size)


def coded(column: pl.Series) -> Coded:
    """Return the order of each value among the distinct ones; null is 0.

    Text sorts by its bytes. Floats must be turned into whole numbers first.
    """
    if column.dtype == pl.String:
        names = column.drop_nulls().unique().sort()
        column = column.cast(pl.Enum(names)).to_physical()
        return Coded(_shifted(column, lowest=0), names.len() + 1)
    if column.dtype == pl.Binary:  # payloads: few and large
        place = {body: i for i, body in enumerate(sorted(set(column.drop_nulls().to_list())), 1)}
        ranked = [0 if body is None else place[body] for body in column.to_list()]
        return Coded(np.array(ranked, dtype=np.int64), len(place) + 1)
    whole = column.to_physical().cast(pl.Int64)
    if whole.len() == whole.null_count():
        return Coded(np.zeros(whole.len(), dtype=np.int64), 1)
    lowest, highest = int(whole.min()), int(whole.max())  # type: ignore[arg-type]
    if highest - lowest < ROOM:
        return Coded(_shifted(whole, lowest=lowest), highest - lowest + 2)
    ranks = whole.rank("dense").cast(pl.Int64)
    return Coded(_shifted(ranks, lowest=1), int(ranks.max()) + 1)  # type: ignore[arg-type]


def coded_by(frame: pl.DataFrame, columns: Sequence[str]) -> Coded:
    """Return one whole number a row that sorts as the rows do by `columns`, the first leading."""
    total = Coded(np.zeros(frame.height, dtype=np.int64), 1)
    for name in columns:
        total = joined(total, coded(frame[name]))
    return total


def joined(high: Coded, low: Coded) -> Coded:
    """Return codes that sort by `high`, then by `low`."""
    if high.size * low.size >= ROOM:
        high = _dense(high)
    if high.size * low.size >= ROOM:
        low = _dense(low)
    return Coded(high.codes * low.size + low.codes, high.size * low.size)


def sorted_by(frame: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Return `frame` in the order of `columns`; equal rows keep their order."""
    return frame[order_of(coded_by(frame, columns).codes)]


def order_of(codes: Codes) -> NDArray[np.int64]:
    """Return the positions that put `codes` into rising order; equal ones keep theirs."""
    if (codes[1:] >= codes[:-1]).all():
        return np.arange(codes.size)
    return np.argsort(codes, kind="stable")


def _dense(column: Coded) -> Coded:
    values, codes = np.unique(column.codes, return_inverse=True)
    return Coded(codes.astype(np.int64), max(values.size, 1))


def _shifted(column: pl.Series, *, lowest: int) -> Codes:
    return (column.cast(pl.Int64) - lowest + 1).fill_null(0).to_numpy()
