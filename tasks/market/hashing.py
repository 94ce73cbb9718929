"""Name what a frame holds by a SHA-256 that any engine and any row order would give."""

from hashlib import sha256
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.market.ordering import coded_by, order_of


class Part(NamedTuple):
    """One column as bytes: which rows are present, their values, and where texts begin."""

    name: str
    kind: str
    present: NDArray[np.uint8]
    values: NDArray[np.uint8] | NDArray[np.int64] | NDArray[np.int32]
    starts: NDArray[np.int64] | None  # of texts: row i is values[starts[i]:starts[i + 1]]


def content_hash(frame: pl.DataFrame) -> str:
    """Return the SHA-256 of the rows of `frame`, whatever their order and that of its columns.

    Columns count by name, type and value; null differs from NaN, all NaN are one, and -0.0 is
    0.0. Rows that come twice count twice.
    """
    whole = _canonical(frame)
    return _digest(_parts(whole), 0, whole.height)


def seen_hash(frame: pl.DataFrame) -> str:
    """Return the SHA-256 over the `content_hash` of each `known_on`, oldest first."""
    if frame["known_on"].null_count():
        raise ValueError(f"{frame['known_on'].null_count()} rows without known_on: cannot hash.")
    whole = _canonical(frame, first="known_on")
    parts, days = _parts(whole), whole["known_on"]
    bounds = [0, *(np.flatnonzero(np.diff(days.to_physical().to_numpy())) + 1), whole.height]
    total = sha256()
    for start, stop in pairwise(bounds):
        if start < stop:
            total.update(f"{days[int(start)]} {_digest(parts, start, stop)}\n".encode())
    return total.hexdigest()


def _canonical(frame: pl.DataFrame, *, first: str | None = None) -> pl.DataFrame:
    """Return `frame` with columns by name, plain types, and rows in the one canonical order."""
    plain = pl.DataFrame([_plain(frame[name]) for name in sorted(frame.columns)])
    floats = [name for name in plain.columns if plain[name].dtype in (pl.Float64, pl.Float32)]
    exact = [name for name in plain.columns if name not in floats]
    leading = [first, *(n for n in exact if n != first)] if first else exact
    codes = coded_by(plain, leading).codes
    order = order_of(codes)
    if not _rises(codes[order]) and floats:
        bits = plain.with_columns(_bits(plain[name]) for name in floats)
        order = order_of(coded_by(bits, [*leading, *floats]).codes)
    return plain[order]


def _plain(column: pl.Series) -> pl.Series:
    """Return `column` in one of our seven types, with one zero and one NaN."""
    kind = column.dtype
    if kind in (pl.Float64, pl.Float32):
        one_zero = column.set(column == 0.0, 0.0)  # -0.0 equals 0.0; adding 0.0 is optimised away
        return one_zero.fill_nan(float("nan")).cast(kind)
    if isinstance(kind, pl.Datetime):
        return column.dt.cast_time_unit("us").to_physical()
    if kind.is_integer() or kind in (pl.Boolean, pl.Null):
        return column.cast(pl.Int64)
    if isinstance(kind, pl.Categorical | pl.Enum):
        return column.cast(pl.String)
    if kind in (pl.Date, pl.String, pl.Binary):
        return column
    raise TypeError(f"Column {column.name!r} is {kind}: no canonical bytes. Cast it first.")


def _bits(column: pl.Series) -> pl.Series:
    whole = pl.Int64 if column.dtype == pl.Float64 else pl.Int32
    return column.reinterpret(dtype=whole).cast(pl.Int64)


def _rises(codes: NDArray[np.int64]) -> bool:
    return bool((codes[1:] > codes[:-1]).all())


def _parts(frame: pl.DataFrame) -> list[Part]:
    return [_part(frame[name]) for name in frame.columns]


def _part(column: pl.Series) -> Part:
    present = column.is_not_null().cast(pl.UInt8).to_numpy()
    if column.dtype in (pl.String, pl.Binary):
        texts = column.cast(pl.Binary).fill_null(b"").rechunk()
        _, offsets, body = texts.to_arrow(compat_level=pl.CompatLevel.oldest()).buffers()
        starts = np.frombuffer(offsets, dtype=np.int64)[: texts.len() + 1]
        values = np.frombuffer(body or b"", dtype=np.uint8)
        return Part(column.name, "text", present, values, starts)
    numbers = np.ascontiguousarray(column.to_physical().fill_null(0).to_numpy())
    return Part(column.name, _kind(column.dtype), present, numbers, None)


def _kind(kind: pl.DataType) -> str:
    if kind == pl.Date:
        return "day"
    if kind == pl.Float64:
        return "real"
    return "real32" if kind == pl.Float32 else "whole"


def _digest(parts: list[Part], start: int, stop: int) -> str:
    total = sha256(f"rows {stop - start}\n".encode())
    for part in parts:
        total.update(f"{part.kind} {len(part.name.encode())} {part.name}\n".encode())
        total.update(part.present[start:stop].tobytes())
        if part.starts is None:
            total.update(part.values[start:stop].tobytes())
        else:
            ends = part.starts[start : stop + 1]
            total.update(np.diff(ends).tobytes())
            total.update(part.values[ends[0] : ends[-1]].tobytes())
    return total.hexdigest()
