"""Row rules: which delivered rows nobody may read, which rule says so, and where they were.

Rules run in order and a row leaves at the first one it breaks. Nothing is mended: a row is
clean, is an exact copy of a clean one and is dropped, or goes to quarantine with its reason.
"""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import polars as pl

from expectations.jumps import Jumps, unexplained_jumps
from tasks.market import frames

SYMBOL = r"^[A-Z0-9^][A-Z0-9.\-_^=/]{0,23}$"
KEY = ("session", "symbol")
PRICES = ("open", "high", "low", "close", "adj_close")
SET_ASIDE = {
    "session": pl.Date,
    "symbol": pl.String,
    "rule": pl.String,
    "detail": pl.String,
    "rows": pl.Int64,
}
_ROUNDING = 1e-6  # vendors print prices with six figures, so a low may miss its close by that


class Reach(NamedTuple):
    """The dates a delivery may carry."""

    sessions: Sequence[date]  # of the calendar, oldest first; never empty
    night: date
    observed: bool  # False: history loaded in one go, each row known on its own session


class Sorted(NamedTuple):
    """A delivery after the row rules."""

    clean: pl.DataFrame  # `RAW_BARS`, sorted by session and symbol
    quarantine: pl.DataFrame  # `SET_ASIDE`, sorted
    copies: pl.DataFrame  # (session, symbol, rows): exact copies that were dropped
    conflicts: int  # keys that came with differing values
    confirmed: list[str]  # symbols whose new level was taken on because a second session bore it


def sort_out(
    bars: pl.DataFrame, actions: pl.DataFrame, closes: pl.DataFrame, reach: Reach
) -> Sorted:
    """Return the clean rows of a delivery and what was set aside.

    Takes `bars` (`RAW_BARS`), `actions` (`RAW_ACTIONS`) known tonight, and `closes` (symbol,
    session, close, volume), the last clean row of each symbol before tonight.
    """
    rows = frames.shaped(bars, frames.RAW_BARS)
    rows, unread = _split(rows, [*_unreadable(), *_out_of_reach(reach)])
    rows, copies = _without_copies(rows)
    rows, differing = _split(rows, [_differing()])
    rows, wrong = _split(rows, _wrong_values())
    jumps = unexplained_jumps(
        rows, closes, actions, observed=reach.observed, until=reach.sessions[-1]
    )
    rows, jumped = _without_jumps(rows, jumps)
    aside = pl.concat([unread, differing, wrong, jumped])
    return Sorted(
        clean=rows.sort(KEY),
        quarantine=_counted(aside),
        copies=copies,
        conflicts=differing.select(pl.struct(KEY).n_unique()).item(),
        confirmed=jumps.confirmed,
    )


class _Rule(NamedTuple):
    name: str
    breaks: pl.Expr
    detail: pl.Expr


def _unreadable() -> list[_Rule]:
    absent = [pl.when(pl.col(c).is_null()).then(pl.lit(c)) for c in (*KEY, "close")]
    return [
        _Rule(
            "unreadable",
            pl.any_horizontal(pl.col(*KEY, "close").is_null()),
            pl.format("no {}", pl.concat_str(absent, separator=", ", ignore_nulls=True)),
        ),
        _Rule(
            "malformed symbol",
            ~pl.col("symbol").str.contains(SYMBOL),
            pl.lit("letters, digits and . - _ ^ = / only, at most 24"),
        ),
    ]


def _out_of_reach(reach: Reach) -> list[_Rule]:
    first, last = reach.sessions[0], reach.sessions[-1]
    return [
        _Rule(
            "future", pl.col("session") > reach.night, pl.format("night of {}", pl.lit(reach.night))
        ),
        _Rule(
            "out of reach",
            pl.col("session") < first,
            pl.format("this delivery reaches back to {}", pl.lit(first)),
        ),
        _Rule(
            "not a session",
            ~pl.col("session").is_in(list(reach.sessions)),
            pl.when(pl.col("session").dt.weekday() > 5)
            .then(pl.lit("weekend"))
            .when(pl.col("session") > last)
            .then(pl.format("market closed since {}", pl.lit(last)))
            .otherwise(pl.lit("holiday")),
        ),
    ]


def _differing() -> _Rule:
    return _Rule(
        "differing duplicates",
        pl.len().over(KEY) > 1,
        pl.format(
            "{} copies, close {} to {}",
            pl.len().over(KEY),
            pl.col("close").min().over(KEY),
            pl.col("close").max().over(KEY),
        ),
    )


def _wrong_values() -> list[_Rule]:
    numbers = pl.col(*PRICES, "volume")
    body = ("open", "close")
    shown = pl.format(
        "open {} high {} low {} close {}",
        *(pl.col(c).cast(pl.String).fill_null("-") for c in PRICES[:4]),
    )
    above = pl.col("high") * (1 + _ROUNDING) < pl.max_horizontal(*body, "low")
    below = pl.col("low") * (1 - _ROUNDING) > pl.min_horizontal(*body, "high")
    return [
        _Rule(
            "not finite",
            ~pl.all_horizontal(numbers.is_finite().fill_null(True)),
            pl.lit("a price or the volume is NaN or infinite"),
        ),
        _Rule("price not above zero", pl.any_horizontal(pl.col(*PRICES) <= 0), shown),
        _Rule("prices out of order", above.fill_null(False) | below.fill_null(False), shown),
        _Rule("negative volume", pl.col("volume") < 0, pl.format("volume {}", pl.col("volume"))),
    ]


def _split(rows: pl.DataFrame, rules: list[_Rule]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows that break no rule, and (session, symbol, rule, detail) of the others."""
    broken = [r.breaks.fill_null(False) for r in rules]
    name = pl.coalesce(pl.when(b).then(pl.lit(r.name)) for b, r in zip(broken, rules, strict=True))
    detail = pl.coalesce(pl.when(b).then(r.detail) for b, r in zip(broken, rules, strict=True))
    ruled = rows.with_columns(rule=name)
    if ruled["rule"].null_count() == rows.height:
        return rows, frames.empty(SET_ASIDE).drop("rows")
    aside = rows.with_columns(rule=name, detail=detail).filter(pl.col("rule").is_not_null())
    return ruled.filter(pl.col("rule").is_null()).drop("rule"), aside.select(*KEY, "rule", "detail")


def _without_copies(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return each distinct row once, and how many exact copies of which keys were dropped."""
    repeated = rows.filter(pl.struct(KEY).is_duplicated())
    if repeated.is_empty():
        return rows, frames.empty({"session": pl.Date, "symbol": pl.String, "rows": pl.Int64})
    once = rows.unique(maintain_order=True)
    copies = (
        repeated.group_by(KEY)
        .agg(rows=pl.len().cast(pl.Int64))
        .join(once.group_by(KEY).agg(kept=pl.len().cast(pl.Int64)), on=KEY)
        .select(*KEY, rows=pl.col("rows") - pl.col("kept"))
        .filter(pl.col("rows") > 0)
        .sort(KEY)
    )
    return once, copies


def _without_jumps(rows: pl.DataFrame, jumps: Jumps) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows that are left, and the jumped ones with every row of a jumped symbol."""
    if jumps.rows.is_empty():
        return rows, frames.empty(SET_ASIDE).drop("rows")
    marked = rows.join(jumps.rows, on=list(KEY), how="left", maintain_order="left")
    whole = pl.col("symbol").is_in(jumps.symbols) & pl.col("rule").is_null()
    marked = marked.with_columns(
        rule=pl.when(whole).then(pl.lit("symbol set aside")).otherwise("rule"),
        detail=pl.when(whole)
        .then(pl.lit("its newest row of this night cannot be trusted"))
        .otherwise("detail"),
    )
    aside = marked.filter(pl.col("rule").is_not_null()).select(*KEY, "rule", "detail")
    return marked.filter(pl.col("rule").is_null()).drop("rule", "detail"), aside


def _counted(aside: pl.DataFrame) -> pl.DataFrame:
    """Return one line for each session, symbol and rule, with the number of rows it stands for."""
    lines = aside.with_columns(pl.col("symbol").fill_null("").str.slice(0, 64))
    return frames.shaped(
        lines.group_by(*KEY, "rule").agg(pl.col("detail").min(), rows=pl.len()), SET_ASIDE
    ).sort(*KEY, "rule", nulls_last=True)
