"""The one table a decision looks at: all names that may be held or are, as known at a close."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from tasks.market.currency import Worth, in_currency
from tasks.market.history import View
from tasks.market.windows import dollar_volume, last_prices

PRICE_SESSIONS = 63  # how far back a last price and the median dollar volume look


def snapshot(
    view: View,
    *,
    members: Sequence[str],
    held: Sequence[str],
    listings: pl.DataFrame,
    forecast: pl.DataFrame,
    worth: Worth | None = None,
) -> pl.DataFrame:
    """Return one row for each member or holding, sorted by instrument.

    Takes the view as quoted, what its prices are worth to the book (nothing: 1 a point, all in its
    currency), `listings` (instrument, symbol, perhaps asset_class) and `forecast` (instrument,
    score, expected_return), as known at `view.as_of`. Gives the columns of `problem.SNAPSHOT` and
    `problem.QUOTES`. A name without a forecast expects nothing; one without an exchange rate today
    has no price.
    """
    names = pl.DataFrame(
        {"instrument": sorted({*members, *held})}, schema={"instrument": pl.String}
    )
    chosen = pl.DataFrame({"instrument": list(members)}, schema={"instrument": pl.String})
    return (
        names.join(_described(listings), on="instrument", how="left")
        .join(chosen.with_columns(member=pl.lit(True)), on="instrument", how="left")
        .join(forecast, on="instrument", how="left")
        .join(_prices(view, worth), on="instrument", how="left")
        .join(_volumes(view, worth), on="instrument", how="left")
        .with_columns(
            pl.col("member").fill_null(False),
            pl.col("expected_return").fill_null(0.0),
            pl.col("symbol").fill_null(pl.col("instrument").str.split(":").list.get(1)),
            pl.col("stale_sessions").fill_null(PRICE_SESSIONS),
        )
        .select(
            "instrument",
            "symbol",
            "member",
            "score",
            "expected_return",
            "price",
            "price_session",
            "adv",
            "stale_sessions",
            "asset_class",
            "currency",
            "quoted",
            "unit_value",
        )
        .sort("instrument")
    )


def _described(listings: pl.DataFrame) -> pl.DataFrame:
    asset_class = pl.col("asset_class") if "asset_class" in listings.columns else pl.lit(None)
    return listings.select("instrument", "symbol", asset_class.cast(pl.String).alias("asset_class"))


def _prices(view: View, worth: Worth | None) -> pl.DataFrame:
    """Return (instrument, price, price_session, stale_sessions, currency, quoted, unit_value).

    The last price is worth what it was on its own session, as the ledger marks a silent holding.
    """
    if worth is None or worth.unit_TN is None:
        currencies = worth.currencies if worth else [None] * len(view.instruments)
        said = {"instrument": list(view.instruments), "currency": list(currencies)}
        own = pl.DataFrame(said, schema={"instrument": pl.String, "currency": pl.String})
        rows = last_prices(view, sessions=PRICE_SESSIONS).join(own, on="instrument", how="left")
        return rows.with_columns(quoted="price", unit_value=pl.lit(1.0))
    known_TN = np.isfinite(worth.unit_TN)
    valued = view._replace(close_TN=np.where(known_TN, view.close_TN, np.nan))
    rows = last_prices(valued, sessions=PRICE_SESSIONS)
    place = {name: at for at, name in enumerate(view.instruments)}
    columns = [place[name] for name in rows["instrument"]]
    back_N = len(view.sessions) - 1 - rows["stale_sessions"].to_numpy()
    unit_N = pl.Series(worth.unit_TN[back_N, columns], dtype=pl.Float64)
    rows = rows.with_columns(
        currency=pl.Series([worth.currencies[at] for at in columns], dtype=pl.String),
        quoted="price",
        price=pl.col("price") * unit_N,
        unit_value=unit_N,
    )
    return rows.filter(pl.Series(known_TN[-1, columns], dtype=pl.Boolean))


def _volumes(view: View, worth: Worth | None) -> pl.DataFrame:
    turned = in_currency(view, worth.unit_TN if worth else None)
    return dollar_volume(turned, sessions=PRICE_SESSIONS)
