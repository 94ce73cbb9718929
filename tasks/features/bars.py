"""Bars of one's own, from any table: judged at the door, and laid out as a grid.

A table has one row a session and name: `session` and `symbol` (or `instrument`), `close`, and as
many of `open`, `high`, `low`, `volume`, `vwap` and `split` as there are. `split` is the new shares
for one old, on the ex session. Where two rows or a text are in doubt nothing is guessed.
"""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
import polars as pl

from tasks.features.block import Array
from tasks.features.engine import FeatureSet
from tasks.features.grid import Grid, Places
from tasks.market.history import FIELDS, History
from tasks.market.sources.tables import as_day, as_real

PRICES = ("open", "high", "low", "close", "vwap")
NUMBERS = (*PRICES, "volume", "split")
NAMED = 5  # so many culprits are named, the others counted


class OwnBars(NamedTuple):
    """The rows of a table that passed, and what was odd but usable."""

    rows: pl.DataFrame  # session, instrument, prices and volume; sorted, each cell once
    splits: pl.DataFrame  # session, instrument, split
    key: str  # `symbol` or `instrument`, as the table called it
    warnings: list[str]


def own_bars(table: pl.LazyFrame, actions: pl.LazyFrame | None = None) -> OwnBars:
    """Return a table's bars, or say what is wrong with it; all cells may be text.

    A price of zero or less, a volume below zero and what is not finite are taken as absent, and
    counted in a warning; so are columns that nothing here reads.

    Args:
        table: One row a session and name.
        actions: Its splits (ex_session, the same name, kind, value), where no column tells them;
            other kinds are left out, since no dividend changes what is made of prices as traded.
    """
    kinds = table.collect_schema()
    key = "instrument" if "instrument" in kinds else "symbol"
    told = [name for name in NUMBERS if name in kinds]
    rows = _read(table, "session", key, told if "close" in told else ["close", *told])
    if rows.is_empty():
        raise ValueError("The bars hold no row, expected one a session and name.")
    strange = [name for name in kinds.names() if name not in ("session", key, *NUMBERS)]
    warnings = [f"Not read: the columns {', '.join(strange)}."] if strange else []
    if "split" in told and actions is not None:
        raise ValueError("The bars have a column split: give splits there or as actions.")
    if actions is not None:
        splits = _splits_of(actions, key)
    else:
        column = pl.col("split") if "split" in told else pl.lit(None, pl.Float64)
        splits = rows.select("session", "instrument", split=column).drop_nulls("split")
    if (wrong := splits.filter(~(pl.col("split") > 0) | pl.col("split").is_infinite())).height:
        raise ValueError(f"A split is new shares for one old, above 0; not so: {_named(wrong)}.")
    rows, odd = _without_odd(rows.drop("split", strict=False))
    return OwnBars(rows, splits, key, [*warnings, *odd])


def grid_from(bars: OwnBars, sessions: Sequence[date]) -> Grid:
    """Return bars as a grid over `sessions`; where a name has no row, its inputs are missing.

    A split whose ex date is no session counts from the next one on.
    """
    rows, axis = bars.rows, pl.Series(sessions, dtype=pl.Date)
    outside = rows.filter(~pl.col("session").is_in(axis.implode()))
    if outside.height:
        raise ValueError(
            f"{outside.height} bars on days that are none of the {len(axis)} sessions from "
            f"{sessions[0]} to {sessions[-1]}: {_named(outside)}. Drop them, or take the "
            "dates of the bars for the sessions."
        )
    names = rows["instrument"].unique().sort()
    shape = len(axis), len(names)
    at, name = _places(rows, axis, names)

    def dense(column: str) -> Array:
        out_TN = np.full(shape, np.nan)
        out_TN[at, name] = rows[column].fill_null(np.nan).to_numpy()
        return out_TN

    split_TN = np.ones(shape)
    inside = bars.splits.filter(
        pl.col("instrument").is_in(names.implode()), pl.col("session") <= sessions[-1]
    )
    np.multiply.at(split_TN, _places(inside, axis, names), inside["split"].to_numpy())
    inputs = {column: dense(column) for column in rows.columns if column in NUMBERS}
    return Grid(tuple(sessions), tuple(names.to_list()), inputs, split_TN)


def grid_for(chosen: FeatureSet, bars: OwnBars, sessions: Sequence[date]) -> Grid:
    """Return bars as the grid that a set reads: with the market they make up, where it asks."""
    grid = grid_from(bars, sessions)
    if "market" not in chosen.reach:
        return grid
    return grid._replace(inputs={**grid.inputs, "market": _market_of(bars, grid)})


def _market_of(bars: OwnBars, grid: Grid) -> Array:
    """Return the return of the market, a column for all names."""
    days = pl.Series(grid.sessions, dtype=pl.Date)
    absent = {name: pl.lit(None, pl.Float64) for name in FIELDS if name not in bars.rows.columns}
    rows = bars.rows.with_columns(**absent, known_on="session", delivery="session")
    at, name = np.nonzero(grid.split != 1)
    splits = pl.DataFrame(
        {
            "ex_session": days.gather(at),
            "instrument": pl.Series(grid.instruments, dtype=pl.String).gather(name),
            "value": grid.split[at, name],
        }
    )
    splits = splits.with_columns(kind=pl.lit("split"), known_on="ex_session", delivery="ex_session")
    return History(rows, splits, grid.sessions, prints="first").market[:, None]


def _read(table: pl.LazyFrame, day: str, key: str, numbers: Sequence[str]) -> pl.DataFrame:
    """Return (session, instrument, numbers), sorted, each cell once; nothing else gets through."""
    kinds, asked = table.collect_schema(), (day, key, *numbers)
    if absent := [name for name in asked if name not in kinds]:
        raise ValueError(
            f"Expected the columns {', '.join(asked)}; without {', '.join(absent)}, there is: "
            f"{', '.join(kinds.names())}."
        )
    if not isinstance(kinds[key], pl.String | pl.Categorical | pl.Enum):
        raise ValueError(
            f"The column {key} holds {kinds[key]}, expected text: as numbers 007 and 7 are one."
        )
    read = {"session": as_day(pl.col(day), kinds[day]), "instrument": pl.col(key).cast(pl.String)}
    read |= {name: as_real(pl.col(name), kinds[name]) for name in numbers}
    lost = [
        pl.when(pl.col(name).is_not_null() & made.is_null()).then(
            pl.format("{} {}", pl.lit(name), pl.col(name).cast(pl.String))
        )
        for name, made in zip(asked, read.values(), strict=True)
    ]
    frame = table.select(**read, lost=pl.coalesce(lost)).collect(engine="streaming")
    if (bad := frame.filter(pl.col("lost").is_not_null())).height:
        raise ValueError(f"{bad.height} rows cannot be read: {_named(bad, 'lost')}.")
    for name, column in (("session", day), ("instrument", key)):
        if count := frame.filter(pl.col(name).cast(pl.String).fill_null("") == "").height:
            raise ValueError(f"{count} rows without {column}: each needs one.")
    frame = frame.drop("lost").sort("session", "instrument")
    same = (pl.col(name) == pl.col(name).shift() for name in ("session", "instrument"))
    if (twice := frame.filter(pl.all_horizontal(same))).height:
        raise ValueError(f"{twice.height} rows tell again of {_named(twice)}: keep one of each.")
    return frame


def _splits_of(actions: pl.LazyFrame, key: str) -> pl.DataFrame:
    kinds = actions.collect_schema()
    if "kind" not in kinds:
        raise ValueError(f"Actions need a column kind; there is: {', '.join(kinds.names())}.")
    splits = actions.filter(pl.col("kind").cast(pl.String) == "split")
    return _read(splits, "ex_session", key, ["value"]).rename({"value": "split"})


def _without_odd(rows: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Return the rows with what can be no price or volume made null, and how often it was so."""
    good = {
        name: pl.col(name).is_finite()
        & (pl.col(name) >= 0 if name == "volume" else pl.col(name) > 0)
        for name in rows.columns
        if name in NUMBERS
    }
    told = {name: (pl.col(name).is_not_nan() & ~fine).sum() for name, fine in good.items()}
    counts = rows.select(**told).row(0, named=True)
    warnings = [
        f"Taken as absent: {count} values of {name} that are "
        f"{'below zero' if name == 'volume' else 'zero or less'}, or not finite."
        for name, count in counts.items()
        if count
    ]
    kept = {name: pl.when(fine).then(pl.col(name)) for name, fine in good.items()}
    return rows.with_columns(**kept), warnings


def _places(rows: pl.DataFrame, axis: pl.Series, names: pl.Series) -> tuple[Places, Places]:
    """Return the row of each session, or of the next one there is, and the column of each name."""
    at = np.searchsorted(axis.to_numpy(), rows["session"].to_numpy())
    return at, rows["instrument"].cast(pl.Enum(names)).to_physical().cast(pl.Int64).to_numpy()


def _named(rows: pl.DataFrame, *more: str) -> str:
    """Return the first few rows in words, by name, session and `more`."""
    shown = rows.select("instrument", "session", *more).head(NAMED).iter_rows()
    rest = f" and {rows.height - NAMED} more" if rows.height > NAMED else ""
    return "; ".join(" ".join(map(str, row)) for row in shown) + rest
