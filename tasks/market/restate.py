"""Prices restated for splits, dividends and rolls as they are read, with what was known then."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.market.history import KINDS, Array

Adjustment = Literal["ratio", "difference"]
PRICES = ("open", "high", "low", "close")
KEY = ["instrument", "ex_session"]
Places = NDArray[np.int32]
_ROWS = 1 << 20  # restated at once: larger arrays are given back to the system after each step
_DAYS = 1 << 20  # more days than any calendar has, to number names and days together


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
        bars: (session, instrument, close) and as many of open, high, low and volume as are wanted,
            one row a key.
        actions: (ex_session, instrument, kind, value), one row a key and kind.
        adjustment: How rolls restate.

    Returns:
        The same columns restated, with price_factor and split_factor, in the order of `bars`.
    """
    _refuse_odd(actions)
    steps = _per_session(actions, adjustment)
    named = [name for name in (*PRICES, "volume") if name in bars.columns]
    bars = bars.select("session", "instrument", *named)
    parts = list(bars.iter_slices(_ROWS)) or [bars]
    next_P = [_next_steps(part, steps) for part in parts]
    steps = _restatements(_with_reference(steps, parts, next_P))
    restated = zip(parts, next_P, strict=True)
    return pl.concat([_restated(part, steps, next_N, adjustment) for part, next_N in restated])


def _restated(
    bars: pl.DataFrame, steps: pl.DataFrame, next_N: Places, adjustment: Adjustment
) -> pl.DataFrame:
    """Return some of the bars in today's terms; `next_N` as in `_next_steps`."""
    found = bars.with_columns(
        price_factor=_of_bars(steps["price_factor"], next_N, none=1.0),
        split_factor=_of_bars(steps["split_factor"], next_N, none=1.0),
    )
    factor = pl.col("price_factor") * pl.col("split_factor")
    adjusted = [pl.col(name) * factor for name in PRICES if name in bars.columns]
    if adjustment == "difference":
        shift = _of_bars(steps["shift"], next_N, none=0.0)
        adjusted = [price - shift for price in adjusted]
    if "volume" in bars.columns:
        adjusted.append(pl.col("volume") / pl.col("split_factor"))
    return found.with_columns(pl.col("price_factor").fill_nan(None)).with_columns(adjusted)


def _refuse_odd(actions: pl.DataFrame) -> None:
    if strange := sorted(set(actions["kind"].unique().to_list()) - KINDS.keys()):
        raise ValueError(f"Actions of kind {strange}: known are {', '.join(KINDS)}.")
    keys = actions.select(*KEY, "kind")
    if keys.is_duplicated().any():
        twice = keys.filter(keys.is_duplicated()).head(3).to_dicts()
        raise ValueError(f"Several actions of one kind and session, such as {twice}: choose one.")


def _next_steps(bars: pl.DataFrame, steps: pl.DataFrame) -> Places:
    """Return the place in `steps` of the first one after each bar, and their number without one.

    It is searched by one number for name and day, so that nothing large is sorted.
    """
    names = pl.Enum(steps["instrument"].unique(maintain_order=True))
    code_N = bars["instrument"].cast(names, strict=False).to_physical().cast(pl.Int64)
    key_N = (code_N.fill_null(len(names.categories)) * _DAYS + _day(bars["session"])).to_numpy()
    own_S = steps["instrument"].cast(names).to_physical().cast(pl.Int64)
    step_keys = (own_S * _DAYS + _day(steps["ex_session"])).to_numpy()
    next_N = np.searchsorted(step_keys, key_N, side="right")
    ends = np.append(step_keys // _DAYS, -1)
    due_N = ends[next_N] == key_N // _DAYS
    return np.where(due_N, next_N, step_keys.size).astype(np.int32)


def _day(days: pl.Series) -> pl.Series:
    return days.to_physical().cast(pl.Int64)


def _with_reference(
    steps: pl.DataFrame, parts: Sequence[pl.DataFrame], next_P: Sequence[Places]
) -> pl.DataFrame:
    """Add the last close before each step and its session; null where there is none."""
    newest = np.full(steps.height, -1, dtype=np.int64)
    reference = np.full(steps.height, np.nan)
    for part, next_N in zip(parts, next_P, strict=True):
        close_N = part["close"].to_numpy()
        priced_N = (next_N < steps.height) & np.isfinite(close_N)
        place, day = next_N[priced_N], _day(part["session"]).to_numpy()[priced_N]
        np.maximum.at(newest, place, day)
        last = day == newest[place]
        reference[place[last]] = close_N[priced_N][last]
    seen = pl.Series(newest).replace(-1, None)
    return steps.with_columns(
        reference=pl.Series(reference).fill_nan(None), reference_day=seen
    ).with_columns(pl.col("reference", "reference_day").forward_fill().over("instrument"))


def _restatements(steps: pl.DataFrame) -> pl.DataFrame:
    """Return what restates the rows before each step, a price factor of NaN where nothing does.

    Adds (price_factor, split_factor, shift) to `steps`, which are sorted by name and day.
    """
    # A reference close may lie further back than the last split: count it in today's shares.
    shares = steps.select("instrument", had="shares", reference_day=_day(steps["ex_session"])).sort(
        "reference_day"
    )
    placed = steps.with_row_index("place").sort("reference_day")
    placed = placed.join_asof(
        shares, on="reference_day", by="instrument", check_sortedness=False
    ).sort("place")
    reference = pl.col("reference") * pl.col("had").fill_null(1.0) / pl.col("shares")
    left = 1.0 - pl.col("cash") / reference
    nothing = (pl.col("cash") == 0) | pl.col("reference").is_null()
    kept = pl.when(reference > 0, left > 0).then(left).otherwise(float("nan"))
    after = pl.col("split_factor") * pl.col("ratio")
    return (
        placed.with_columns(step=pl.when(nothing).then(1.0).otherwise(kept))
        .with_columns(
            price_factor=pl.col("step").cum_prod(reverse=True).over("instrument"),
            split_factor=(1.0 / pl.col("ratio")).cum_prod(reverse=True).over("instrument"),
        )
        .with_columns(shift=(pl.col("taken") * after).cum_sum(reverse=True).over("instrument"))
    )


def _of_bars(of_steps: pl.Series, next_N: Places, *, none: float) -> pl.Series:
    """Return of each bar the value of its next step; `none` where there is no step."""
    values: Array = np.append(of_steps.to_numpy(), none)
    return pl.Series(values[next_N])


def _per_session(actions: pl.DataFrame, adjustment: Adjustment) -> pl.DataFrame:
    """Return one row an instrument and ex session, sorted by them.

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
        .sort(KEY)
        .with_columns(shares=pl.col("ratio").cum_prod().over("instrument"))
    )
