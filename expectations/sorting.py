"""What the row rules share: the dates a delivery may carry, and how rows leave it."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import polars as pl

from tasks.market import frames

KEY = ("session", "symbol")
NAMED = {"session": pl.Date, "symbol": pl.String, "rule": pl.String, "detail": pl.String}
SET_ASIDE = NAMED | {"rows": pl.Int64}


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


class Rule(NamedTuple):
    """What no row may do, and what to say of one that does."""

    name: str
    breaks: pl.Expr
    detail: pl.Expr


def split(
    rows: pl.DataFrame, rules: Sequence[Rule], *, key: Sequence[str] = KEY
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows that break no rule, and `NAMED` of the others, each under its first.

    `key` names the columns that stand for session and symbol.
    """
    broken = [rule.breaks.fill_null(False) for rule in rules]
    pairs = list(zip(broken, rules, strict=True))
    ruled = rows.with_columns(rule=pl.coalesce(pl.when(b).then(pl.lit(r.name)) for b, r in pairs))
    if ruled["rule"].null_count() == rows.height:
        return rows, frames.empty(NAMED)
    detail = pl.coalesce(pl.when(b).then(r.detail) for b, r in pairs)
    aside = ruled.with_columns(detail=detail).filter(pl.col("rule").is_not_null())
    told = aside.select(session=pl.col(key[0]), symbol=pl.col(key[1]), rule="rule", detail="detail")
    return ruled.filter(pl.col("rule").is_null()).drop("rule"), told


def counted(aside: pl.DataFrame) -> pl.DataFrame:
    """Return one line for each session, symbol and rule, with the number of rows it stands for."""
    lines = aside.with_columns(pl.col("symbol").fill_null("").str.slice(0, 64))
    return frames.shaped(
        lines.group_by(*KEY, "rule").agg(pl.col("detail").min(), rows=pl.len()), SET_ASIDE
    ).sort(*KEY, "rule", nulls_last=True)
