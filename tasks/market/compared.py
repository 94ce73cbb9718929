"""Two frames of one key, compared bit for bit: which columns differ, where, and by how much."""

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

KEY = ["session", "instrument"]
ROWS = "(rows)"  # stands for the rows themselves: they are in one frame and not in the other
# What rounding alone moves, by bytes of a float: of the larger number, or of the column's median.
LAST_BITS = {8: 1e-12, 4: 1e-6}
Flags = NDArray[np.bool_]


class Difference(NamedTuple):
    """Where one column of two frames differs."""

    column: str
    sessions: int
    names: int
    first: date
    largest: float | None  # of numbers that stand in both; None where there is none
    last_bits: bool = False  # nothing but floats moved, and none by more than rounding does


def differences(
    before: pl.DataFrame, after: pl.DataFrame, *, tolerance: float = 0.0
) -> Iterator[Difference]:
    """Yield each column that differs between two frames, and `ROWS` where rows came or went.

    Bits are compared, so that 0 is not -0 (all NaNs are one), unless there is a `tolerance`,
    relative to the larger of two numbers. A column that one of the frames lacks is null there.
    Where its type is another, that is a difference of its own (`value (Int64, was Float64)`), and
    the values are compared in a type that holds both.

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
        filled = one.is_not_null() | other.is_not_null()
        if one.dtype != other.dtype and pl.Null not in (one.dtype, other.dtype) and filled.any():
            kinds = f"{name} ({other.dtype}, was {one.dtype})"
            yield _difference(kinds, keys.filter(filled), None)
        if (pair := _of_one_type(one, other)) is None:
            continue  # the type has been said, and of every row
        one, other = pair
        differ = pl.Series(_differ(one, other, tolerance), dtype=pl.Boolean)
        if differ.any():
            largest = _largest(one.filter(differ), other.filter(differ))
            found = _difference(name, keys.filter(differ), largest)
            yield found._replace(last_bits=_only_last_bits(one, other))


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


def _of_one_type(one: pl.Series, other: pl.Series) -> tuple[pl.Series, pl.Series] | None:
    """Return both in a type that holds the values of either, where there is one."""
    if one.dtype == other.dtype:
        return one, other
    parts = [one.alias("value").to_frame(), other.alias("value").to_frame()]
    try:
        both = pl.concat(parts, how="vertical_relaxed")["value"]
    except pl.exceptions.SchemaError:
        return None
    return both[: one.len()], both[one.len() :]


def _differ(one: pl.Series, other: pl.Series, tolerance: float) -> Flags:
    if not one.dtype.is_float():
        return one.ne_missing(other).to_numpy()
    missing = (one.is_null() != other.is_null()).to_numpy()
    old, new = one.to_numpy(), other.to_numpy()  # null becomes NaN
    if tolerance:
        return np.asarray(missing | ~_near(old, new, tolerance))
    return np.asarray(missing | (_bits(old) != _bits(new)))


def _near(
    old: NDArray[np.floating], new: NDArray[np.floating], tolerance: float, *, least: float = 0.0
) -> Flags:
    """Return where two numbers are one but for a share of the larger, or of `least` if more."""
    with np.errstate(invalid="ignore"):
        size = np.maximum(np.maximum(np.abs(old), np.abs(new)), least)
        near = (np.abs(old - new) <= tolerance * size) & np.isfinite(old) & np.isfinite(new)
    return np.asarray(near | (old == new) | (np.isnan(old) & np.isnan(new)))


def _only_last_bits(one: pl.Series, other: pl.Series) -> bool:
    """Return whether rounding explains all that differs.

    A number that cancels to nearly nothing keeps the rounding of what it came from, so a share of
    the column's median counts beside that of the number itself.
    """
    if not one.dtype.is_float() or (one.is_null() != other.is_null()).any():
        return False
    old, new = one.to_numpy(), other.to_numpy()
    sizes = np.abs(old[np.isfinite(old)])
    least = float(np.median(sizes)) if sizes.size else 0.0
    return bool(_near(old, new, LAST_BITS[old.dtype.itemsize], least=least).all())


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
