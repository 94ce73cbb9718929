"""Rows that look well by themselves, and odd beside other rows, names or sources."""

import polars as pl

from expectations.classes import ruled
from expectations.scales import own_scales, usual_volumes

_KEY = ["session", "symbol"]
_NAMED = {"session": pl.Date, "symbol": pl.String, "rule": pl.String, "detail": pl.String}
_PRICES = ("open", "high", "low", "close")
_LAST = ["session", "symbol", *_PRICES]
_MOVES = 0.005  # daily scale from which on a price that does not move at all is odd
_TICKS = 4  # a day's range of so many ticks is no standstill


def other_currency(rows: pl.DataFrame, classes: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that come in another currency than their symbol is listed in."""
    if rows["currency"].null_count() == rows.height:
        return pl.DataFrame(schema=_NAMED)
    listed = classes.select("symbol", listed="currency")
    switched = rows.join(listed, on="symbol").filter(pl.col("currency") != pl.col("listed"))
    return switched.select(
        *_KEY,
        rule=pl.lit("currency switched"),
        detail=pl.format("{}, listed in {}", "currency", "listed"),
    )


def one_under_two_names(rows: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Return rows of a symbol that is another one spelt anew: `BRK-B` beside `BRK.B`.

    They must share close and volume. The spelling that was not there before goes; if none was, all
    of them, for nobody can tell which is right.

    Args:
        rows: `RAW_BARS`.
        known: (symbol) of the last clean rows.
    """
    bare = pl.col("symbol").str.replace_all(r"[^A-Z0-9]", "")
    spelt = rows.select("symbol").unique().with_columns(bare=bare)
    twins = spelt.filter(pl.col("bare").is_duplicated())
    if twins.is_empty():
        return pl.DataFrame(schema=_NAMED)
    new = ~pl.col("symbol").is_in(known["symbol"].implode())
    same = ["session", "bare", "close", "volume"]
    told = rows.join(twins, on="symbol").filter(pl.col("volume") > 0)
    twice = told.filter(pl.struct(same).is_duplicated(), new)
    return twice.select(
        *_KEY,
        rule=pl.lit("symbol spelt twice"),
        detail=pl.format("another spelling of {} has the same close and volume", "bare"),
    )


def disagreeing(rows: pl.DataFrame, second: pl.DataFrame, *, tolerance: float) -> pl.DataFrame:
    """Return the rows whose close differs from that of the source that checks this one."""
    other = second.select(*_KEY, other="close").unique(_KEY, keep="last", maintain_order=True)
    apart = (pl.col("close") - pl.col("other")).abs() > tolerance * pl.col("other").abs()
    return (
        rows.join(other, on=_KEY)
        .filter(apart.fill_null(True))
        .select(
            *_KEY,
            rule=pl.lit("sources disagree"),
            detail=pl.format("close {}, elsewhere {}", "close", "other"),
        )
    )


def idle(rows: pl.DataFrame, recent: pl.DataFrame, classes: pl.DataFrame) -> pl.DataFrame:
    """Return rows that repeat their eve to the digit, or bring no volume for a name that trades.

    Args:
        rows: Clean rows of an observed night, its eve's as well: what was set aside last night for
            standing still is sent again tonight.
        recent: `RECENT`.
        classes: (symbol, asset_class, currency).
    """
    newest = pl.lit(rows["session"].max(), dtype=pl.Date)
    usual = usual_volumes(recent.filter(pl.col("session") < newest))
    if usual.is_empty() or rows.is_empty():
        return pl.DataFrame(schema=_NAMED)
    usual = usual.with_columns(liquid=pl.col("worth") >= pl.col("worth").median())
    told = rows.join(usual, on="symbol", how="left").with_columns(
        pl.col("liquid").fill_null(False)  # of a name that is new nobody knows it
    )
    told = told.join(ruled(classes).select("symbol", "traded", "tick"), on="symbol")
    known = pl.concat([recent.select(_LAST), rows.select(_LAST)])
    sessions = told.partition_by("session", maintain_order=True)
    return pl.concat([_without_volume(told), *(_stuck(part, known, recent) for part in sessions)])


def _without_volume(told: pl.DataFrame) -> pl.DataFrame:
    if told["volume"].null_count() == told.height:
        return pl.DataFrame(schema=_NAMED)
    nothing = pl.col("volume").fill_null(0.0) == 0
    trades = pl.col("liquid") & (pl.col("least") > 0) & pl.col("traded")
    return told.filter(nothing & trades).select(
        *_KEY,
        rule=pl.lit("no volume on a liquid name"),
        detail=pl.format("usually {} shares", pl.col("usual").round(0).cast(pl.Int64)),
    )


def _stuck(told: pl.DataFrame, known: pl.DataFrame, recent: pl.DataFrame) -> pl.DataFrame:
    """Return rows with all four prices of the eve: moving names, traded, and not once at rest.

    A name too new to have moved for long is moving where the day's range says so. `told` are rows
    of one session; the eve is what was known of it, or what tonight says of it.
    """
    before = known.filter(pl.col("session") < told["session"].max())
    newest = before.filter(pl.col("session") == pl.col("session").max().over("symbol"))
    eve = newest.select("symbol", *(pl.col(name).alias(f"{name}_eve") for name in _PRICES))
    same = pl.all_horizontal(pl.col(name) == pl.col(f"{name}_eve") for name in _PRICES)
    carried = pl.all_horizontal(pl.col(name) == pl.col("close_eve") for name in _PRICES)
    ranged = pl.col("high") - pl.col("low") >= pl.max_horizontal(_TICKS * pl.col("tick"), 1e-9)
    found = told.join(eve, on="symbol").filter(
        (pl.col("volume") > 0) & ((same & ranged) | (carried & pl.col("liquid")))
    )
    found = found.unique(_KEY)
    scaled = found.join(own_scales(found.select(_KEY), recent), on=_KEY, how="left")
    day_range = (pl.col("high") - pl.col("low")) / pl.col("close").abs()
    return scaled.filter(pl.coalesce("own", day_range) >= _MOVES).select(
        *_KEY,
        rule=pl.lit("stuck price"),
        detail=pl.format("open, high, low and close of the eve again, close {}", "close"),
    )
