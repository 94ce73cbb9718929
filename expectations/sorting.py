"""What the row rules share: the dates a delivery may carry, and how rows leave it."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import polars as pl

KEY = ("session", "symbol")
NAMED = {"session": pl.Date, "symbol": pl.String, "rule": pl.String, "detail": pl.String}


class Reach(NamedTuple):
    """The dates a delivery may carry."""

    sessions: Sequence[date]  # of the calendar, oldest first; never empty
    night: date
    observed: bool  # False: history loaded in one go, each row known on its own session
    half_day: bool = False  # whether the last session closed early


def without(rows: pl.DataFrame, named: Sequence[pl.DataFrame]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows that nobody named, and (session, symbol, rule, detail) of the others.

    A row that several frames of `named` tell of goes under the rule of the first.
    """
    aside = pl.concat(named).unique(KEY, keep="first", maintain_order=True)
    if aside.is_empty():
        return rows, aside.select(list(NAMED))
    return rows.join(aside, on=list(KEY), how="anti", maintain_order="left"), aside
