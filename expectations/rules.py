"""Row rules: which delivered rows nobody may read, which rule says so, and where they were.

Rules run in order and a row leaves at the first one it breaks. Nothing is mended: a row is
clean, is an exact copy of a clean one and is dropped, or goes to quarantine with its reason.
"""

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from conf.schema import SourceBase
from expectations.classes import signed_symbols
from expectations.contradictions import CONTRADICTIONS, contradictions
from expectations.eve import Eve
from expectations.movements import judge_moves
from expectations.oddities import disagreeing, idle, one_under_two_names, other_currency
from expectations.sorting import KEY, NAMED, Reach, Rule, counted, split, without
from expectations.told import SYMBOL
from tasks.market import frames

PRICES = ("open", "high", "low", "close", "adj_close")
DIFFERING = "differing duplicates"
_ROUNDING = 1e-6  # vendors print prices with six figures, so a low may miss its close by that


class Sorted(NamedTuple):
    """A delivery after the row rules."""

    clean: pl.DataFrame  # `RAW_BARS`, sorted by session and symbol
    quarantine: pl.DataFrame  # `expectations.sorting.SET_ASIDE`, sorted
    copies: pl.DataFrame  # (session, symbol, rows): exact copies that were dropped
    conflicts: int  # keys that came with differing values
    confirmed: list[str]  # symbols whose new level was taken on because a second session bore it
    quiet: list[str]  # likewise, of a move that was only large for its volume
    refused: pl.DataFrame  # (session, symbol, kind) of actions that prices speak against
    cleared: pl.DataFrame  # (session, symbol): rows let through because a person said so


def sort_out(
    bars: pl.DataFrame,
    actions: pl.DataFrame,
    eve: Eve,
    classes: pl.DataFrame,
    reach: Reach,
    *,
    source: SourceBase,
) -> Sorted:
    """Return the clean rows of a delivery and what was set aside.

    Rows that a person cleared are asked no more than to be readable.

    Args:
        bars: `RAW_BARS`.
        actions: `RAW_ACTIONS` known tonight.
        eve: What was known before.
        classes: (symbol, asset_class, currency) of every symbol among `bars`.
        reach: The dates this delivery may carry.
        source: What the source says about itself.
    """
    rows = frames.shaped(bars, frames.RAW_BARS)
    rows, unread = split(rows, [*_unreadable(eve.closes), *_out_of_reach(reach)])
    rows, copies = _without_copies(rows)
    rows, differing = split(rows, [_differing(), _not_finite()])
    accounts = _contradicted(rows, actions, eve, source)
    cleared = rows.join(eve.cleared, on=list(KEY), how="semi")
    rows = rows.join(eve.cleared, on=list(KEY), how="anti")
    rows, wrong = split(rows, _wrong_values(signed_symbols(classes)))
    odd = [other_currency(rows, classes), one_under_two_names(rows, eve.closes)]
    if source.cross_check:
        odd.append(disagreeing(rows, eve.second, tolerance=source.cross_check.tolerance))
    odd.append(accounts.rows.join(rows, on=list(KEY), how="semi"))
    rows, dubious = without(rows, odd)
    moved = judge_moves(rows, accounts.actions, eve, classes, reach)
    rows = moved.clean
    if reach.observed:
        rows, still = without(rows, [idle(rows, eve.recent, classes)])
        dubious = pl.concat([dubious, still])
    aside = pl.concat([unread, differing, wrong, dubious, accounts.aside, moved.aside])
    return Sorted(
        clean=pl.concat([rows, cleared]).sort(KEY),
        quarantine=counted(aside),
        copies=copies,
        conflicts=differing.filter(pl.col("rule") == DIFFERING)
        .select(pl.struct(KEY).n_unique())
        .item(),
        confirmed=moved.confirmed,
        quiet=moved.quiet,
        refused=pl.concat([accounts.refused, moved.refused]),
        cleared=cleared.select(KEY),
    )


class _Accounts(NamedTuple):
    """What is left of rows and actions that contradict each other."""

    rows: pl.DataFrame  # `NAMED`: rows that cannot be right, or whose split cannot
    actions: pl.DataFrame  # `RAW_ACTIONS` that nothing speaks against
    aside: pl.DataFrame  # `NAMED`: actions that cannot be right, and leave their row as it is
    refused: pl.DataFrame  # (session, symbol, kind) of all actions that cannot be right


def _contradicted(
    rows: pl.DataFrame, actions: pl.DataFrame, eve: Eve, source: SourceBase
) -> _Accounts:
    """Hold rows, adjusted closes and given actions against each other.

    All `rows` with numbers to read are told of, bad ones too: each is the row before another. A
    dividend that cannot be right takes nothing from its row, which is a price; a split does.
    """
    said = frames.empty(CONTRADICTIONS)
    if source.actions == "given" and rows["adj_close"].null_count() < rows.height:
        found = contradictions(rows, actions, splits="as_traded")
        said = found.join(eve.cleared, on=list(KEY), how="anti", maintain_order="left")
    about_row = (pl.col("kind") != "dividend").fill_null(True)
    refused = said.filter(pl.col("kind").is_not_null()).select(*KEY, "kind").unique()
    acted = refused.rename({"session": "ex_session"})
    return _Accounts(
        rows=said.filter(about_row).select(list(NAMED)),
        actions=actions.join(acted, on=acted.columns, how="anti", maintain_order="left"),
        aside=said.filter(~about_row).select(list(NAMED)),
        refused=refused.sort(*KEY, "kind"),
    )


def _unreadable(known: pl.DataFrame) -> list[Rule]:
    """Return the rules of rows that say nothing; `known` (symbol) tells what symbols look like."""
    digits = known["symbol"].str.contains(r"^\d+$").mean() if known.height else 1.0
    number = r"^\d+\.\d*$" if digits else r"^\d+(\.\d*)?$"
    day = r"^\d{4}-\d{2}-\d{2}$"
    absent = [pl.when(pl.col(c).is_null()).then(pl.lit(c)) for c in (*KEY, "close")]
    return [
        Rule(
            "unreadable",
            pl.any_horizontal(pl.col(*KEY, "close").is_null()),
            pl.format("no {}", pl.concat_str(absent, separator=", ", ignore_nulls=True)),
        ),
        Rule(
            "malformed symbol",
            ~pl.col("symbol").str.contains(SYMBOL),
            pl.lit("letters, digits and . - _ ^ = / only, at most 24"),
        ),
        Rule("symbol is a number", pl.col("symbol").str.contains(number), pl.lit("read as one?")),
        Rule("symbol is a date", pl.col("symbol").str.contains(day), pl.lit("read as one?")),
    ]


def _out_of_reach(reach: Reach) -> list[Rule]:
    first, last = reach.sessions[0], reach.sessions[-1]
    return [
        Rule(
            "future", pl.col("session") > reach.night, pl.format("night of {}", pl.lit(reach.night))
        ),
        Rule(
            "out of reach",
            pl.col("session") < first,
            pl.format("this delivery reaches back to {}", pl.lit(first)),
        ),
        Rule(
            "not a session",
            ~pl.col("session").is_in(list(reach.sessions)),
            pl.when(pl.col("session").dt.weekday() > 5)
            .then(pl.lit("weekend"))
            .when(pl.col("session") > last)
            .then(pl.format("market closed since {}", pl.lit(last)))
            .otherwise(pl.lit("holiday")),
        ),
    ]


def _differing() -> Rule:
    copies, close = pl.len().over(KEY), pl.col("close")
    least, most = close.min().over(KEY), close.max().over(KEY)
    return Rule(
        DIFFERING,
        copies > 1,
        pl.when(least < most)
        .then(pl.format("{} copies, close {} to {}", copies, least, most))
        .otherwise(pl.format("{} copies that differ, not in their close", copies)),
    )


def _not_finite() -> Rule:
    return Rule(
        "not finite",
        ~pl.all_horizontal(pl.col(*PRICES, "volume").is_finite().fill_null(True)),
        pl.lit("a price or the volume is NaN or infinite"),
    )


def _wrong_values(signed: Sequence[str]) -> list[Rule]:
    """Return the rules of a row by itself; `signed` names whose prices may be negative."""
    body = ("open", "close")
    shown = pl.format(
        "open {} high {} low {} close {}",
        *(pl.col(c).cast(pl.String).fill_null("-") for c in PRICES[:4]),
    )
    below_zero = pl.any_horizontal(pl.col(*PRICES) <= 0)
    if signed:
        below_zero &= ~pl.col("symbol").is_in(list(signed))
    rounding = pl.col("close").abs() * _ROUNDING
    above = pl.col("high") + rounding < pl.max_horizontal(*body, "low")
    below = pl.col("low") - rounding > pl.min_horizontal(*body, "high")
    return [
        Rule("price not above zero", below_zero, shown),
        Rule("prices out of order", above.fill_null(False) | below.fill_null(False), shown),
        Rule("negative volume", pl.col("volume") < 0, pl.format("volume {}", pl.col("volume"))),
    ]


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
