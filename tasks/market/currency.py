"""What a point of price is worth: exchange rates known at a close, and prices in one currency.

A unit value is multiplier × exchange rate: the book's currency for one point of a quoted price.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
import polars as pl

from tasks.market.history import Array, View

VIA = ("EUR", "USD")  # what a rate is crossed through, where no one quotes the pair
ROUNDING = 1e-12  # a return smaller than this is none


class Terms(NamedTuple):
    """How an instrument is quoted."""

    currency: str
    multiplier: float  # what one point of price is worth in that currency


class Worth(NamedTuple):
    """What quoted prices are worth to a book, over the sessions and names of a view."""

    currencies: tuple[str, ...]  # each name's, as quoted
    unit_TN: Array | None  # book currency of one point; NaN: no rate known; None: 1 everywhere


def terms_of(listings: pl.DataFrame, currency: str) -> dict[str, Terms]:
    """Return how each listed instrument is quoted; `currency`, times 1, where nothing is said.

    Takes `listings` (instrument, currency, multiplier), one row an instrument.
    """
    said = listings.select(
        "instrument",
        pl.col("currency").fill_null(currency),
        pl.col("multiplier").fill_nan(None).fill_null(1.0),
    )
    return {name: Terms(quoted, times) for name, quoted, times in said.iter_rows()}


def pairs_between(currencies: Collection[str]) -> list[str]:
    """Return the names of all series that a rate between two of `currencies` can be made of."""
    codes = sorted({*currencies, *VIA})
    return [one + other for one in codes for other in codes if one != other]


def rate_path(
    series: pl.DataFrame, sessions: Sequence[date], one: str, other: str, *, stale_sessions: int
) -> Array:
    """Return what one unit of currency `one` was worth in `other` on each session, (T,).

    Quoted directly (a series EURUSD is the price of one EUR in USD), else the other way round, else
    crossed through EUR or USD; on each session the first of these that is known. A rate serves its
    own session and, until a newer one, the `stale_sessions` after it; then it is NaN.

    Args:
        series: (session, name, value) as known at the last of `sessions`, each key once.
        sessions: Rising, without holes. Rates of other days do not count.
        one: Three letters.
        other: Three letters.
        stale_sessions: How old a rate may be.
    """
    if one == other:
        return np.ones(len(sessions))
    quoted = _quoted(series, sessions)

    def leg(base: str, quote: str) -> Array:
        direct_T = quoted.get(base + quote)
        inverse_T = quoted.get(quote + base)
        path_T = np.full(len(sessions), np.nan) if direct_T is None else direct_T
        if inverse_T is not None:
            path_T = np.where(np.isfinite(path_T), path_T, 1.0 / inverse_T)
        return _carried(path_T, stale_sessions)

    path_T = leg(one, other)
    for between in VIA:
        if between not in (one, other) and not np.isfinite(path_T).all():
            crossed_T = leg(one, between) * leg(between, other)
            path_T = np.where(np.isfinite(path_T), path_T, crossed_T)
    return path_T


def worth(
    names: Sequence[str],
    sessions: Sequence[date],
    terms: Mapping[str, Terms],
    series: pl.DataFrame,
    *,
    currency: str,
    earlier: Sequence[date],
    stale_sessions: int,
) -> Worth:
    """Return what prices of `names` are worth in `currency` over `sessions`.

    An instrument that `terms` does not speak of is quoted in `currency`.

    Args:
        names: Instruments.
        sessions: Rising, without holes.
        terms: How instruments are quoted.
        series: Rates as known at the last of `sessions`.
        currency: Three letters.
        earlier: The `stale_sessions` before `sessions`, or all there are, so that the same rate
            serves a session however many are asked for.
        stale_sessions: How old a rate may be.
    """
    own = Terms(currency, 1.0)
    of_N = [terms.get(name, own) for name in names]
    currencies = tuple(each.currency for each in of_N)
    if all(each == own for each in of_N):
        return Worth(currencies, None)
    days, asked = [*earlier, *sessions], slice(len(earlier), None)
    paths = {
        code: rate_path(series, days, code, currency, stale_sessions=stale_sessions)[asked]
        for code in sorted(set(currencies))
    }
    unit_TN = np.stack([each.multiplier * paths[each.currency] for each in of_N], axis=1)
    return Worth(currencies, unit_TN)


def in_currency(view: View, unit_TN: Array | None) -> View:
    """Return `view` with prices and dividends worth `unit_TN` a point; the same one where None.

    What has no rate has no price. Volumes and splits stay.
    """
    if unit_TN is None:
        return view
    cash_TN = np.where(view.dividend_TN == 0.0, 0.0, view.dividend_TN * unit_TN)
    return view._replace(
        open_TN=view.open_TN * unit_TN,
        high_TN=view.high_TN * unit_TN,
        low_TN=view.low_TN * unit_TN,
        close_TN=view.close_TN * unit_TN,
        dividend_TN=cash_TN,
    )


def without_rounding(returns_TN: Array) -> Array:
    """Return `returns_TN` with those that only the rounding of a conversion makes set to 0.

    A euro is worth one euro: in a book kept in euros EURUSD is cash, and must not look like an
    asset of hardly any risk.
    """
    return np.where(np.abs(returns_TN) < ROUNDING, 0.0, returns_TN)


def without_rate(worth: Worth, instruments: Sequence[str], held: Collection[str]) -> dict[str, str]:
    """Return which of the `held` names cannot be valued today, and the currency that they lack."""
    if worth.unit_TN is None:
        return {}
    known_N = np.isfinite(worth.unit_TN[-1])
    return {
        name: code
        for name, code, known in zip(instruments, worth.currencies, known_N, strict=True)
        if not known and name in held
    }


def _quoted(series: pl.DataFrame, sessions: Sequence[date]) -> dict[str, Array]:
    """Return each series on the grid of sessions; NaN where it has no value above zero."""
    grid = pl.DataFrame({"session": sessions}, schema={"session": pl.Date}).with_row_index("at")
    usable = pl.col("value").is_finite() & (pl.col("value") > 0)
    rows = series.filter(usable).join(grid, on="session").select("name", "at", "value")
    found: dict[str, Array] = {}
    for (name,), part in rows.partition_by("name", as_dict=True).items():
        path_T = found[str(name)] = np.full(len(sessions), np.nan)
        path_T[part["at"].to_numpy()] = part["value"].to_numpy()
    return found


def _carried(path_T: Array, most: int) -> Array:
    """Return `path_T` with each value carried over at most `most` sessions without one."""
    at_T = np.arange(path_T.size)
    last_T = np.maximum.accumulate(np.where(np.isfinite(path_T), at_T, -1))
    fresh_T = (last_T >= 0) & (at_T - last_T <= most)
    return np.where(fresh_T, path_T[np.maximum(last_T, 0)], np.nan)
