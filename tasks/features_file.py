"""Features of a file of one's own: read its bars, compute a set, write what came of it."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from pyarrow import parquet

from tasks.execution.writers.csv import csv_bytes
from tasks.features import FEATURE_SETS
from tasks.features.bars import OwnBars, grid_for, own_bars
from tasks.features.engine import FeatureSet, grid_features
from tasks.features.grid import Grid
from tasks.market.calendar import Calendar

SUFFIXES = (".parquet", ".csv")
NAMED = 5  # so many features are named, the others counted


class Written(NamedTuple):
    """What was computed, and what a reader should know of it."""

    rows: int
    names: int
    sessions: int
    features: int
    nulls: float  # share of all values
    warnings: list[str]


def write_features(
    name: str,
    bars: Path,
    out: Path,
    *,
    partial: bool = False,
    actions: Path | None = None,
    calendar: str | None = None,
) -> Written:
    """Compute a feature set on the bars of a file and write it; `out` appears once it is whole.

    Args:
        name: Of FEATURE_SETS.
        bars: CSV or Parquet: session, symbol (or instrument), close, and as many of open, high,
            low, volume, vwap and split as there are.
        out: CSV or Parquet, replaced where it stands: session, symbol, one column a feature.
        partial: Let windows begin at a name's first bar instead of giving null until they are full.
        actions: CSV or Parquet with its splits: ex_session, symbol, kind, value.
        calendar: Whose sessions the bars are of; none: the dates in the file are the sessions.
    """
    if name not in FEATURE_SETS:
        raise ValueError(f"No feature set named {name!r}; there is: {', '.join(FEATURE_SETS)}.")
    _require_writable(out, beside=(bars, actions))
    chosen = FEATURE_SETS[name]()
    own = bars_of(bars, actions)
    if own.rows["close"].null_count() == own.rows.height:
        raise ValueError(f"{bars} has no close above zero: there is nothing to compute.")
    sessions = _sessions(own, calendar)
    grid = grid_for(chosen, own, sessions)
    counts, rows = np.zeros(len(chosen.features), np.int64), 0
    with _sink(out) as write:
        for frame in grid_features(grid, chosen, sessions, partial=partial):
            write(frame.rename({"instrument": own.key}))
            counts += frame.select(chosen.columns).null_count().to_numpy()[0]
            rows += frame.height
    warnings = [*own.warnings, *_unanswered(chosen, grid, counts == rows)]
    nulls = float(counts.sum() / (rows * counts.size))
    return Written(rows, len(grid.instruments), len(sessions), counts.size, nulls, warnings)


def scanned(path: Path) -> pl.LazyFrame:
    """Return a CSV or Parquet file to be read; the cells of a CSV stay text."""
    if not path.is_file():
        raise FileNotFoundError(f"No file {path}.")
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path} ends in {path.suffix!r}, expected {' or '.join(SUFFIXES)}.")
    if path.suffix == ".parquet":
        return pl.scan_parquet(path)
    return pl.scan_csv(path, infer_schema=False)


def bars_of(bars: Path, actions: Path | None) -> OwnBars:
    """Return the bars of a file, and the splits of another, as `own_bars` judges them."""
    tables = scanned(bars), scanned(actions) if actions else None
    try:
        return own_bars(*tables)
    except pl.exceptions.PolarsError as reason:
        names = " or ".join(str(path) for path in (bars, actions) if path)
        raise ValueError(f"{names} cannot be read: {reason}") from reason


def _sessions(own: OwnBars, calendar: str | None) -> list[date]:
    """Return the dates in the bars, or a calendar's sessions from the first to the last of them."""
    found = own.rows["session"].unique().sort().to_list()
    return Calendar(calendar).sessions(found[0], found[-1]) if calendar else found


def _unanswered(chosen: FeatureSet, grid: Grid, null: np.ndarray) -> Iterator[str]:
    """Yield which features are null throughout, and for want of what."""
    rest = {one.name for one, nothing in zip(chosen.features, null, strict=True) if nothing}
    for name in chosen.reach:
        if name not in grid.inputs or np.isnan(grid.inputs[name]).all():
            needing = [one.name for one in chosen.features if name in one.inputs]
            rest -= set(needing)
            yield f"No {name} in the bars: null is {_listed(needing)}."
    if left := [name for name in chosen.columns if name in rest]:
        yield (
            f"Null throughout is {_listed(left)}: no window was full in {len(grid.sessions)} "
            f"sessions (the longest needs {chosen.look_back})."
        )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _require_writable(out: Path, beside: tuple[Path | None, ...]) -> None:
    if out.suffix not in SUFFIXES:
        raise ValueError(f"{out} ends in {out.suffix!r}, expected {' or '.join(SUFFIXES)}.")
    if not out.parent.is_dir():
        raise FileNotFoundError(f"No folder {out.parent} to write {out.name} into: make it first.")
    if any(path and path.resolve() == out.resolve() for path in beside):
        raise ValueError(f"{out} is read from: write to another file.")


@contextmanager
def _sink(out: Path) -> Iterator[Callable[[pl.DataFrame], None]]:
    """Give what writes frame after frame; the file stands under its name once all are in it."""
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        with _csv_sink(part) if out.suffix == ".csv" else _parquet_sink(part) as write:
            yield write
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _parquet_sink(path: Path) -> Iterator[Callable[[pl.DataFrame], None]]:
    writer: parquet.ParquetWriter | None = None

    def write(frame: pl.DataFrame) -> None:
        nonlocal writer
        table = frame.to_arrow()
        if writer is None:
            writer = parquet.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table)

    try:
        yield write
    finally:
        if writer is not None:
            writer.close()


@contextmanager
def _csv_sink(path: Path) -> Iterator[Callable[[pl.DataFrame], None]]:
    with path.open("wb") as file:

        def write(frame: pl.DataFrame) -> None:
            body = csv_bytes(frame)
            file.write(body if not file.tell() else body.partition(b"\n")[2])

        yield write
