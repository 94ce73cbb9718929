"""What a tape printed on time, as arrays, for studies of a few lines."""

from datetime import date
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.market.tampered import Tape

Array = NDArray[np.float64]
HORIZON = 5  # sessions that labels look ahead


class Grid(NamedTuple):
    """What was printed on time: sessions × names, NaN where nothing was."""

    sessions: tuple[date, ...]
    names: list[str]
    open_TN: Array
    close_TN: Array
    volume_TN: Array


def grid(tape: Tape) -> Grid:
    """Return the prints that were known on their own session; late ones count as missing."""
    rows = tape.bars.filter(pl.col("known_on") == pl.col("session"))
    names = rows["instrument"].unique().sort().to_list()
    place_T = {day: place for place, day in enumerate(tape.sessions)}
    place_N = {name: place for place, name in enumerate(names)}
    at = [place_T[day] for day in rows["session"]], [place_N[name] for name in rows["instrument"]]
    arrays = []
    for column in ("open", "close", "volume"):
        values_TN = np.full((len(tape.sessions), len(names)), np.nan)
        values_TN[at] = rows[column].to_numpy()
        arrays.append(values_TN)
    return Grid(tape.sessions, names, *arrays)


def rows(told: Grid, values_TN: Array, column: str, *, where: Array | None = None) -> pl.DataFrame:
    """Return (session, instrument, column) where a name printed, or where asked for."""
    shown = np.isfinite(told.close_TN) if where is None else where
    at, name = np.nonzero(shown)
    return pl.DataFrame(
        {
            "session": [told.sessions[place] for place in at],
            "instrument": [told.names[place] for place in name],
            column: pl.Series(values_TN[at, name]).fill_nan(None),
        },
        schema_overrides={"session": pl.Date, "instrument": pl.String},
    )


def change(values_TN: Array, sessions: int) -> Array:
    """Return the relative change over so many sessions; back where negative."""
    out_TN = np.full(values_TN.shape, np.nan)
    if len(values_TN) > abs(sessions):
        ratio_TN = values_TN[abs(sessions) :] / values_TN[: -abs(sessions)] - 1
        if sessions > 0:
            out_TN[sessions:] = ratio_TN
        else:
            out_TN[:sessions] = ratio_TN
    return out_TN


def forward(price_TN: Array, wait: int) -> Array:
    """Return the return over the horizon of a price `wait` sessions on."""
    out_TN = np.full(price_TN.shape, np.nan)
    ends = price_TN[wait + HORIZON :]
    out_TN[: len(ends)] = ends / price_TN[wait : wait + len(ends)] - 1
    return out_TN
