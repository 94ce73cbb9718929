"""What one session does to the names of an account: actions, fills, marks, and ends.

Each step takes and gives one frame, a row for each name held or ordered: `POSITIONS` and `PENDING`
of the ledger, and from the first step on the prices and actions of the day. Prices are in the
book's currency, of one share or contract.
"""

from datetime import date
from typing import Literal

import polars as pl

from conf.schema import BPS, Costs

CRUMB = 1e-9  # a fraction of a share that is only rounding


def beside_prices(book: pl.DataFrame, day: pl.DataFrame) -> pl.DataFrame:
    """Return held and ordered names beside their prices and actions of the day, sorted."""
    numbers = ["open", "close", "split", "dividend", "unit_value"]
    prices = day if "unit_value" in day.columns else day.with_columns(unit_value=1.0)
    book = book.join(
        prices.select("instrument", pl.col(numbers).cast(pl.Float64)), on="instrument", how="left"
    )
    blind = book.filter(pl.col("shares") != 0, pl.col("dividend").is_nan())
    if not blind.is_empty():
        raise ValueError(
            f"A dividend of {', '.join(blind['instrument'].sort())} has no exchange rate: bring "
            "the rate of its session, and settle again."
        )
    book = (
        book.with_columns(pl.col(numbers).fill_nan(None))
        .with_columns(
            pl.col("shares", "quantity").fill_null(0),
            split=pl.col("split").fill_null(1.0),
            dividend=pl.col("dividend").fill_null(0.0),
            unit_value=pl.col("unit_value").fill_null(1.0),
        )
        .sort("instrument")
    )
    if book["instrument"].is_duplicated().any():
        raise ValueError("An instrument has more than one row in the prices of the day.")
    if bad := book.filter(pl.col("split") <= 0)["instrument"].to_list():
        raise ValueError(f"Split ratio not above zero for {', '.join(bad)}.")
    return book


def after_actions(book: pl.DataFrame) -> pl.DataFrame:
    """Apply splits, then dividends a share as traded today, to shares held over the last close.

    A fraction gets its dividend too, and is paid out at what the last close is worth without it.
    """
    exact = pl.col("shares") * pl.col("split")
    whole = _whole(exact)
    broken = (exact - whole).abs() > CRUMB
    without = pl.col("price") / pl.col("split") - pl.col("dividend")
    return book.with_columns(
        shares=whole,
        price=pl.col("price") / pl.col("split"),
        in_lieu=pl.when(broken).then((exact - whole) * without).otherwise(0.0),
        received=pl.when(broken).then(exact).otherwise(whole) * pl.col("dividend"),
        quantity=_whole(pl.col("quantity") * pl.col("split")),
        limit_price=pl.col("limit_price") / pl.col("split"),
    )


def after_fills(
    book: pl.DataFrame, *, trades_at: Literal["open", "close"], costs: Costs
) -> pl.DataFrame:
    """Fill every order that has a price within its limit, whole; the others keep waiting."""
    price, limit = pl.col(trades_at), pl.col("limit_price") * pl.col("unit_value")
    within = pl.when(pl.col("quantity") > 0).then(price <= limit).otherwise(price >= limit)
    filled = (pl.col("quantity") != 0) & price.is_not_null() & within.fill_null(True)
    rate = (costs.commission_bps + costs.half_spread_bps) * BPS
    return book.with_columns(
        traded=pl.when(filled).then("quantity").otherwise(0),
        fill_price=pl.when(filled).then(trades_at),
    ).with_columns(
        shares=pl.col("shares") + pl.col("traded"),
        quantity=pl.col("quantity") - pl.col("traded"),
        cost=(pl.col("traded").abs() * pl.col("fill_price").abs() * rate).fill_null(0.0),
    )


def marked(book: pl.DataFrame, *, session: date) -> pl.DataFrame:
    """Mark at the close, or at the fill where no close came."""
    mark = pl.coalesce("close", "fill_price")
    fresh = mark.is_not_null()
    return book.with_columns(
        price=pl.coalesce(mark, "price"),
        price_session=pl.when(fresh).then(pl.lit(session)).otherwise("price_session"),
        stale=pl.when(fresh).then(0).otherwise(pl.col("stale") + 1),
    )


def paid_out(book: pl.DataFrame, delisting_sessions: int, delisting_return: float) -> pl.DataFrame:
    """End names silent for too long: holdings are paid out, longs and shorts alike; orders lapse.

    A last price not above zero is paid as it is: there is nothing left to lose of it.
    """
    silent = pl.col("stale") >= delisting_sessions
    marked = book.with_columns(delisted=(pl.col("shares") != 0) & silent)
    gone, price = pl.col("delisted"), pl.col("price")
    last = pl.when(price > 0).then(price * (1 + delisting_return)).otherwise(price)
    return marked.with_columns(
        traded=pl.when(gone).then(-pl.col("shares")).otherwise("traded"),
        fill_price=pl.when(gone).then(last).otherwise("fill_price"),
        shares=pl.when(gone).then(0).otherwise("shares"),
        quantity=pl.when(silent).then(0).otherwise("quantity"),
    )


def _whole(exact: pl.Expr) -> pl.Expr:
    """Cut towards zero, forgiving the last bits of a product."""
    return (exact + exact.sign() * CRUMB).cast(pl.Int64)
