"""Opens, highs and lows far from the closes around them: one field wrong in a row that is right.

A spike that trades no more than usual is held to the near bound of a close; whatever trades, a
factor beyond the ceiling of the asset class asks for a reason.
"""

import polars as pl

from expectations.moves import FEWEST, LOUD
from expectations.scales import NORMAL, is_quiet, own_scales

_KEY = ["session", "symbol"]
FAR = 8.0  # robust deviations of the symbol's moves, of the session's, or of its excursions
_FIELDS = ("open", "high", "low")


def far_fields(
    rows: pl.DataFrame,
    chain: pl.DataFrame,
    recent: pl.DataFrame,
    *,
    ceiling: float,
    acted: pl.Series,
    observed: bool,
) -> pl.DataFrame:
    """Return (session, symbol, rule, detail) of rows with a field far above or below its closes.

    Args:
        rows: `RAW_BARS` with unique keys.
        chain: Of these rows (`expectations.moves`).
        recent: `RECENT`.
        ceiling: Log of the factor that no field is allowed to be off by.
        acted: Symbols with an action tonight: their last close says nothing here.
        observed: Whether rows that trade as usual are held to the near bound.
    """
    placed = _distances(rows, chain, acted)
    far = pl.col("far")
    wide = far > ceiling
    if not observed:
        return _told(placed.filter(wide), near=False)
    usual = pl.when(pl.len() >= FEWEST).then(far.median() * NORMAL).over("session")
    least = pl.max_horizontal("spread", usual).fill_null(0.0)
    screened = placed.with_columns(least=least).filter(wide | (far > FAR * pl.col("least")))
    scaled = screened.join(own_scales(screened.select(_KEY), recent), on=_KEY, how="left")
    scale = pl.max_horizontal("own", "least")
    quiet = is_quiet(LOUD) & pl.col("own").is_not_null()
    off = wide | (quiet & (far > FAR * scale)).fill_null(False)
    return _told(scaled.filter(off), near=True)


def _distances(rows: pl.DataFrame, chain: pl.DataFrame, acted: pl.Series) -> pl.DataFrame:
    """Return each row with its distance to the closes around it, in logs.

    A field between the last close and this one is at distance zero.
    """
    last = chain.with_columns(last=pl.col("close").shift(1).over("symbol")).filter(
        "own", ~pl.col("signed")
    )
    last = last.select(
        *_KEY, "spread", last=pl.when(pl.col("move").is_not_null()).then(pl.col("last"))
    )
    alone = pl.col("symbol").is_in(acted.implode()) | pl.col("last").is_null()
    other = pl.when(alone).then("close").otherwise("last")
    fields = [pl.when(pl.col(name) > 0).then(pl.col(name)) for name in _FIELDS]
    top = pl.max_horizontal(*fields).log() - pl.max_horizontal("close", "other").log()
    bottom = pl.min_horizontal("close", "other").log() - pl.min_horizontal(*fields).log()
    return (
        rows.join(last, on=_KEY, how="inner")
        .with_columns(other=other)
        .with_columns(top=top, bottom=bottom)
        .with_columns(far=pl.max_horizontal("top", "bottom", 0.0))
        .filter(pl.col("top").is_not_null())
    )


def _told(rows: pl.DataFrame, *, near: bool) -> pl.DataFrame:
    hundred = (pl.col("far") - pl.lit(100.0).log()).abs() < 0.25
    rule = (
        pl.when(hundred & (pl.col("top") >= pl.col("bottom")))
        .then(pl.lit("field times 100"))
        .when(hundred)
        .then(pl.lit("field over 100"))
        .otherwise(pl.lit("field far from its close" if near else "field out of all proportion"))
    )
    shown = [pl.col(name).cast(pl.String).fill_null("-") for name in (*_FIELDS, "close")]
    return rows.select(
        *_KEY,
        rule=rule,
        detail=pl.format(
            "open {} high {} low {} close {}, the last close {}", *shown, pl.col("other")
        ),
    )
