"""Prices restated for splits, dividends and rolls as they are read, with what was known then."""

from typing import Literal

import polars as pl

from tasks.market.history import KINDS

Adjustment = Literal["ratio", "difference"]
PRICES = ("open", "high", "low", "close")
KEY = ["instrument", "ex_session"]


def adjusted_prices(
    bars: pl.DataFrame, actions: pl.DataFrame, *, adjustment: Adjustment = "ratio"
) -> pl.DataFrame:
    """Return `bars` in the terms of the newest of `actions`: as if all had come before the bars.

    An adjusted price is price x price_factor x split_factor, an adjusted volume is volume over
    split_factor. The split factor is the product of 1 / ratio over later splits. The price factor
    is that of 1 - cash / reference close over later dividends (the convention of CRSP), both in the
    shares of the ex session: the reference close is the last one traded before it, divided by the
    splits since, so also by one of the same session. Where the cash is all of the reference close
    or more, or that is no positive price, no ratio restates what lies before: prices and factors
    there are null. Actions without a bar before them restate nothing.

    Rolls of continuous futures count as cash, or with `difference` are taken off older prices,
    which then may fall below zero and keep their differences, not their ratios.

    Nothing here knows a date: give only what was known at `as_of`.

    Args:
        bars: (session, instrument, open, high, low, close, volume), one row a key.
        actions: (ex_session, instrument, kind, value), one row a key and kind.
        adjustment: How rolls restate.

    Returns:
        (session, instrument, open, high, low, close, volume, price_factor, split_factor), in the
        order of `bars`.
    """
    _refuse_odd(actions)
    rows = bars.select("session", "instrument", *PRICES, "volume").with_row_index("row")
    rows = rows.sort("session", maintain_order=True)
    found = rows.join_asof(
        _restatements(actions, rows, adjustment),
        left_on="session",
        right_on="ex_session",
        by="instrument",
        strategy="forward",
        allow_exact_matches=False,
        check_sortedness=False,
    )
    found = found.with_columns(
        pl.col("price_factor", "split_factor").fill_null(1.0), pl.col("shift").fill_null(0.0)
    ).with_columns(pl.col("price_factor").fill_nan(None))
    factor = pl.col("price_factor") * pl.col("split_factor")
    return (
        found.with_columns(
            *(pl.col(name) * factor - pl.col("shift") for name in PRICES),
            volume=pl.col("volume") / pl.col("split_factor"),
        )
        .sort("row")
        .drop("row", "ex_session", "shift", strict=False)
    )


def _refuse_odd(actions: pl.DataFrame) -> None:
    if strange := sorted(set(actions["kind"].unique().to_list()) - KINDS.keys()):
        raise ValueError(f"Actions of kind {strange}: known are {', '.join(KINDS)}.")
    keys = actions.select(*KEY, "kind")
    if keys.is_duplicated().any():
        twice = keys.filter(keys.is_duplicated()).head(3).to_dicts()
        raise ValueError(f"Several actions of one kind and session, such as {twice}: choose one.")


def _restatements(
    actions: pl.DataFrame, bars: pl.DataFrame, adjustment: Adjustment
) -> pl.DataFrame:
    """Return what restates the rows before each ex session, sorted by it.

    Gives (instrument, ex_session, price_factor, split_factor, shift), a price factor of NaN where
    there is none.
    """
    steps = _per_session(actions, adjustment)
    held = bars.join(steps, on="instrument", how="semi").filter(pl.col("close").is_finite())
    steps = steps.join_asof(
        held.select("session", "instrument", reference="close"),
        left_on="ex_session",
        right_on="session",
        by="instrument",
        allow_exact_matches=False,
        check_sortedness=False,
    )
    # A reference close may lie further back than the last split: count it in today's shares.
    earlier = steps.select("instrument", since="ex_session", had="shares").sort("since")
    steps = steps.sort("session").join_asof(
        earlier,
        left_on="session",
        right_on="since",
        by="instrument",
        check_sortedness=False,
    )
    reference = pl.col("reference") * pl.col("had").fill_null(1.0) / pl.col("shares")
    left = 1.0 - pl.col("cash") / reference
    nothing = (pl.col("cash") == 0) | pl.col("reference").is_null()
    step = (
        pl.when(nothing).then(1.0).when(reference > 0, left > 0).then(left).otherwise(float("nan"))
    )
    return (
        steps.with_columns(step=step)
        .sort("ex_session")
        .with_columns(
            price_factor=pl.col("step").cum_prod(reverse=True).over("instrument"),
            split_factor=(1.0 / pl.col("ratio")).cum_prod(reverse=True).over("instrument"),
        )
        .with_columns(after=pl.col("split_factor") * pl.col("ratio"))
        .with_columns(
            shift=(pl.col("taken") * pl.col("after")).cum_sum(reverse=True).over("instrument")
        )
        .select(*KEY, "price_factor", "split_factor", "shift")
    )


def _per_session(actions: pl.DataFrame, adjustment: Adjustment) -> pl.DataFrame:
    """Return one row an instrument and ex session, sorted by it.

    Gives the ratio of its split, the cash that restates by ratio and what is taken off instead,
    and how many shares its first share has become.
    """
    by_ratio = ["dividend", "roll"] if adjustment == "ratio" else ["dividend"]
    kind, value = pl.col("kind"), pl.col("value")
    return (
        actions.group_by(KEY)
        .agg(
            ratio=value.filter(kind == "split").product(),
            cash=value.filter(kind.is_in(by_ratio)).sum(),
            taken=value.filter((kind == "roll") & ~kind.is_in(by_ratio)).sum(),
        )
        .sort("ex_session")
        .with_columns(shares=pl.col("ratio").cum_prod().over("instrument"))
    )
