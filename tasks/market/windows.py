"""Short looks into a view: its last sessions, and the prices of its last day."""

import numpy as np
import polars as pl

from tasks.market.adjust import total_returns
from tasks.market.history import Array, View


def tail(view: View, sessions: int) -> View:
    """Return the last `sessions` sessions of `view`; all of it where it is shorter."""
    if sessions < 1:
        raise ValueError(f"A tail has at least one session, found {sessions}.")
    arrays = [array[-sessions:] for array in view[3:]]
    return View(view.as_of, view.sessions[-sessions:], view.instruments, *arrays)


def recent_returns(view: View, sessions: int) -> Array:
    """Return total returns (T, N) of the last `sessions`, the same however long the view is."""
    return total_returns(tail(view, sessions + 1))[1:]


def day_frame(view: View, unit_TN: Array | None = None) -> pl.DataFrame:
    """Return (instrument, open, close, split, dividend) of the view's last session.

    Names without a price and without an action that day have no row. Where the view was put into
    a book's currency by `unit_TN`, `unit_value` says what a point of a quoted price is worth.
    """
    columns = {
        "open": view.open_TN[-1],
        "close": view.close_TN[-1],
        "split": view.split_TN[-1],
        "dividend": view.dividend_TN[-1],
    }
    if unit_TN is not None:
        columns["unit_value"] = unit_TN[-1]
    frame = pl.DataFrame({"instrument": list(view.instruments), **columns}).with_columns(
        pl.col("open", "close").fill_nan(None)
    )
    acted = (pl.col("split") != 1) | (pl.col("dividend") != 0)
    traded = pl.col("close").is_not_null() | pl.col("open").is_not_null()
    return frame.filter(traded | acted)


def last_prices(view: View, *, sessions: int) -> pl.DataFrame:
    """Return (instrument, price, price_session, stale_sessions): the last close, in today's shares.

    A close before a split is divided by it, step by step as the ledger marks a silent holding.
    Looks back over the last `sessions` of the view; names without a close there have no row.
    """
    recent = tail(view, sessions)
    close_TN = recent.close_TN
    seen_TN = np.isfinite(close_TN)
    price_N = np.full(len(view.instruments), np.nan)
    for close_N, split_N in zip(close_TN, recent.split_TN, strict=True):
        price_N = np.where(np.isfinite(close_N), close_N, price_N / split_N)
    back_N = np.argmax(seen_TN[::-1], axis=0)
    names = np.flatnonzero(seen_TN.any(axis=0))
    rows = len(close_TN) - 1 - back_N[names]
    return pl.DataFrame(
        {
            "instrument": [view.instruments[place] for place in names],
            "price": price_N[names],
            "price_session": [recent.sessions[row] for row in rows],
            "stale_sessions": back_N[names].astype(np.int64),
        },
        schema={
            "instrument": pl.String,
            "price": pl.Float64,
            "price_session": pl.Date,
            "stale_sessions": pl.Int64,
        },
    )


def dollar_volume(view: View, *, sessions: int) -> pl.DataFrame:
    """Return (instrument, adv): median close × volume over the last `sessions`, where known."""
    recent = tail(view, sessions)
    traded_TN = recent.close_TN * recent.volume_TN
    known = np.flatnonzero(np.isfinite(traded_TN).any(axis=0))
    names = [view.instruments[place] for place in known]
    median_N = np.nanmedian(traded_TN[:, known], axis=0)
    kinds = {"instrument": pl.String, "adv": pl.Float64}
    return pl.DataFrame({"instrument": names, "adv": median_N}, schema=kinds)
