"""Two frames of one key, compared bit for bit: which columns differ, where, and by how much."""

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

KEY = ["session", "instrument"]
ROWS = "(rows)"  # stands for the rows themselves: they are in one frame and not in the other
Flags = NDArray[np.bool_]


class Difference(NamedTuple):
    """Where one column of two frames differs."""

    column: str
    sessions: int
    names: int
    first: date
    largest: float | None  # of numbers that stand in both; None where there is none


def differences(
    before: pl.DataFrame, after: pl.DataFrame, *, tolerance: float = 0.0
) -> Iterator[Difference]:
    """Yield each column that differs between two frames, and `ROWS` where rows came or went.

    Bits are compared, so that 0 is not -0 (all NaNs are one), unless there is a `tolerance`,
    relative to the larger of two numbers. A column that one of the frames lacks is null there.

    Takes frames with (session, instrument), each pair at most once, in any order.
    """
    keys = _places(before, "_old").join(_places(after, "_new"), on=KEY, how="full", coalesce=True)
    both = pl.col("_old").is_not_null() & pl.col("_new").is_not_null()
    if (lone := keys.filter(~both)).height:
        yield _difference(ROWS, lone, None)
    keys = keys.filter(both)
    old = before.drop(KEY).select(pl.all().gather(keys["_old"]))
    new = after.drop(KEY).select(pl.all().gather(keys["_new"]))
    for name in sorted({*old.columns, *new.columns}):
        one, other = _column(old, name, keys.height), _column(new, name, keys.height)
        if one.dtype != other.dtype:
            kind = one.dtype if other.dtype == pl.Null else other.dtype
            one, other = one.cast(kind, strict=False), other.cast(kind, strict=False)
        differ = pl.Series(_differ(one, other, tolerance), dtype=pl.Boolean)
        if differ.any():
            largest = _largest(one.filter(differ), other.filter(differ))
            yield _difference(name, keys.filter(differ), largest)


def _places(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """Return the keys of a frame and the row of each, after a look that none stands twice."""
    keys = frame.select(*KEY, pl.int_range(pl.len()).alias(name))
    if (twice := keys.filter(frame.select(KEY).is_duplicated())).height:
        one = twice.row(0, named=True)
        raise ValueError(
            f"{one['instrument']} stands twice in {one['session']}: a study says one thing of a "
            "name in a session. Drop one row, or add what tells them apart to the instrument."
        )
    return keys


def _column(frame: pl.DataFrame, name: str, rows: int) -> pl.Series:
    return frame[name] if name in frame.columns else pl.Series(name, [None] * rows)


def _differ(one: pl.Series, other: pl.Series, tolerance: float) -> Flags:
    if not one.dtype.is_float():
        return one.ne_missing(other).to_numpy()
    missing = (one.is_null() != other.is_null()).to_numpy()
    old, new = one.to_numpy(), other.to_numpy()  # null becomes NaN
    if tolerance:
        near = np.isclose(old, new, rtol=tolerance, atol=0.0, equal_nan=True)
        return np.asarray(missing | ~near)
    return np.asarray(missing | (_bits(old) != _bits(new)))


def _bits(values: NDArray[np.floating]) -> NDArray[np.integer]:
    plain = np.where(np.isnan(values), np.array(np.nan, values.dtype), values)
    return plain.view(np.int64 if values.dtype.itemsize == 8 else np.int32)


def _largest(one: pl.Series, other: pl.Series) -> float | None:
    if not one.dtype.is_numeric():
        return None
    gaps = (one.cast(pl.Float64) - other.cast(pl.Float64)).abs().fill_nan(None)
    return None if gaps.null_count() == gaps.len() else float(gaps.max())  # type: ignore[arg-type]


def _difference(column: str, keys: pl.DataFrame, largest: float | None) -> Difference:
    sessions = keys["session"].unique().sort().to_list()
    return Difference(column, len(sessions), keys["instrument"].n_unique(), sessions[0], largest)
