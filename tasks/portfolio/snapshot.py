"""The one table a decision looks at: all names that may be held or are, as known at a close."""

from collections.abc import Sequence

import polars as pl

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
) -> pl.DataFrame:
    """Return one row for each member or holding, sorted by instrument.

    Takes `listings` (instrument, symbol) and `forecast` (instrument, score, expected_return), as
    known at `view.as_of`. Gives (instrument, symbol, member, score, expected_return, price,
    price_session, adv, stale_sessions); a name without a forecast expects nothing.
    """
    names = pl.DataFrame(
        {"instrument": sorted({*members, *held})}, schema={"instrument": pl.String}
    )
    chosen = pl.DataFrame({"instrument": list(members)}, schema={"instrument": pl.String})
    return (
        names.join(listings.select("instrument", "symbol"), on="instrument", how="left")
        .join(chosen.with_columns(member=pl.lit(True)), on="instrument", how="left")
        .join(forecast, on="instrument", how="left")
        .join(last_prices(view, sessions=PRICE_SESSIONS), on="instrument", how="left")
        .join(dollar_volume(view, sessions=PRICE_SESSIONS), on="instrument", how="left")
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
        )
        .sort("instrument")
    )
