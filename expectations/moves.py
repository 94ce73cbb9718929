"""How each close moved from the last one, and how far it may without a reason.

Two bounds. The wide one holds always: a multiple of the session's spread, kept between the floor
and the ceiling of the asset class. The near one holds for a row of an observed night that trades no
more than usual the session after its last close: news comes with volume, a slipped digit does not.
Prices that may be negative move in differences, against their own robust scale.
"""

from collections.abc import Sequence
from datetime import date

import polars as pl

from expectations.classes import ruled
from expectations.scales import NORMAL, is_quiet, own_scales

WIDE = 30.0  # robust deviations of the session's moves
# Robust deviations of the symbol's own moves or of the session's, the wider. Meant is 8; the margin
# is for the many wrong prices of one night, which widen the spread they are held against.
NEAR = 7.5
UNTOLD = 15.0  # the same where nobody says how much traded
LOUD = 4.0  # times its usual volume: what news sounds like
SIGNED = 40.0  # robust deviations of differences; oil on 2020-04-20 moved by 28
SIGNED_LEVEL = 4.0  # times the last price, where too few differences are known
FEWEST = 20  # moves in a session, for their spread to mean something
UNTRADED = 0.4  # log: a price that moved by half without a share traded
FRESH_DAYS = 10  # an older close says nothing about tonight's
_SIGNED_MOVES, _FEWEST_SIGNED = 60, 10
_KEY = ["session", "symbol"]


def chains(
    rows: pl.DataFrame, closes: pl.DataFrame, classes: pl.DataFrame, recent: pl.DataFrame
) -> pl.DataFrame:
    """Return each symbol's trusted closes and tonight's rows, with the wide bound of each.

    The trusted ones are the last before tonight's rows begin, and those of sessions that are told
    again. Columns: symbol, session, close, volume, traded, own (False on a trusted close), signed,
    tick, value (log close, or the close where signed), move, centre and spread of the session,
    wide. Sorted by symbol and session, the trusted close of a session first.
    """
    traded = (pl.col("volume") != 0).fill_null(True).alias("traded")
    columns = [pl.col("symbol", "session", "close", "volume"), traded]
    own = rows.select(columns, own=pl.lit(True))
    trusted = _trusted(own, closes, recent).select(columns, own=pl.lit(False))
    rules = ruled(classes).select("symbol", "signed", "floor", "ceiling", "tick")
    fresh = pl.col("session").diff().over("symbol").dt.total_days() <= FRESH_DAYS
    value = pl.when("signed").then("close").otherwise(pl.col("close").abs().log())
    unsigned = pl.when(pl.col("own") & ~pl.col("signed")).then("move")
    enough = unsigned.count() >= FEWEST
    middle = pl.when(enough).then(unsigned.median()).fill_null(0.0)
    spread = pl.when(enough).then((unsigned - unsigned.median()).abs().median() * NORMAL)
    return (
        pl.concat([trusted, own])
        .join(rules, on="symbol", how="left")
        .sort("symbol", "session", "own")
        .with_columns(value=value)
        .with_columns(move=pl.when(fresh).then(pl.col("value").diff().over("symbol")))
        .with_columns(centre=middle.over("session"), spread=spread.fill_null(0.0).over("session"))
        .with_columns(wide=(pl.col("spread") * WIDE).clip(pl.col("floor"), pl.col("ceiling")))
        .with_columns(
            wide=pl.when("traded").then("wide").otherwise(pl.min_horizontal("wide", UNTRADED))
        )
        .drop("floor", "ceiling")
    )


def _trusted(own: pl.DataFrame, closes: pl.DataFrame, recent: pl.DataFrame) -> pl.DataFrame:
    """Return the known rows (symbol, session, close, volume) that `own` is held against."""
    columns = ["symbol", "session", "close", "volume"]
    first = own.group_by("symbol").agg(first=pl.col("session").min())
    newest = closes.select(columns).join(first, on="symbol")
    again = newest.filter(pl.col("session") > pl.col("first")).select("symbol", "first")
    told = recent.select(columns).join(again, on="symbol")
    before = pl.col("session").filter(pl.col("session") <= pl.col("first")).max().over("symbol")
    told = told.filter(pl.col("session") >= pl.coalesce(before, "first"))
    return pl.concat([newest.filter(pl.col("session") <= pl.col("first")), told])


def with_signed_bounds(chain: pl.DataFrame, recent: pl.DataFrame) -> pl.DataFrame:
    """Return the chain with the wide bound of prices that may be negative, in differences.

    Each is held against what its own symbol did before: in `recent`, and earlier in the chain.
    """
    if not chain["signed"].any():
        return chain
    rows = chain.with_row_index("place").filter("signed")
    columns = ["symbol", "session", "close"]
    past = recent.select(columns).join(rows, on=columns[:2], how="anti")
    past = past.join(rows, on="symbol", how="semi")
    told = pl.concat([past, rows.select(columns).unique(columns[:2], keep="last")])
    step = pl.col("close").diff().abs()
    usual = step.rolling_median(_SIGNED_MOVES, min_samples=_FEWEST_SIGNED).shift(1) * NORMAL
    level = pl.col("close").shift(1).abs() * SIGNED_LEVEL
    bounds = told.sort("symbol", "session").select(
        *columns[:2], bound=pl.coalesce(usual * SIGNED, level).over("symbol")
    )
    bounded = chain.join(bounds, on=columns[:2], how="left", maintain_order="left")
    signed = pl.when("signed").then("bound").otherwise("wide")
    return bounded.with_columns(wide=signed.fill_null(float("inf"))).drop("bound")


def with_near_bounds(
    chain: pl.DataFrame, recent: pl.DataFrame, sessions: Sequence[date], acted: pl.Series
) -> pl.DataFrame:
    """Return the chain with `since`, `own_scale` and `near`.

    Args:
        chain: Of an observed night.
        recent: `RECENT`.
        sessions: That the delivery may carry.
        acted: Symbols whose own scale is wanted, however little they moved.

    Returns:
        `since` is the session before the row's own: an older last close is held to the wide bound
        only. `near` is null where the row moved little, is loud, or too little is known.
    """
    known = pl.concat([recent["session"], pl.Series(sessions, dtype=pl.Date)]).unique().sort()
    before = pl.DataFrame({"session": known, "since": known.shift(1)})
    placed = chain.join(before, on="session", how="left", maintain_order="left")
    beyond = (pl.col("move") - pl.col("centre")).abs() > NEAR * pl.col("spread")
    wanted = pl.col("own") & ~pl.col("signed")
    wanted &= beyond.fill_null(False) | pl.col("symbol").is_in(acted.implode())
    scales = own_scales(placed.filter(wanted).select(_KEY).unique(), recent)
    tick = 0.5 * pl.col("tick") / pl.col("close").abs()
    scale = pl.when(pl.col("own_scale").is_not_null()).then(
        pl.max_horizontal("own_scale", "spread", tick)
    )
    near = (
        pl.when(pl.col("volume").is_null())
        .then(UNTOLD * scale)
        .when(is_quiet(LOUD))
        .then(NEAR * scale)
    )
    return placed.join(
        scales.rename({"own": "own_scale"}), on=_KEY, how="left", maintain_order="left"
    ).with_columns(near=pl.when("own").then(near))
