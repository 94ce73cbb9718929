"""From whole-share positions to target rows and orders.

All money is in the book's currency, but prices are as quoted, with their currency and what a point
of them is worth beside them. Weights are fractions of NAV and may be negative (short).
"""

import hashlib
from datetime import date

import numpy as np
import polars as pl

from conf.schema import BPS
from tasks.market.frames import DRAFT_ORDERS, DRAFT_TARGETS, shaped
from tasks.portfolio.demands import binding_limits
from tasks.portfolio.problem import Problem, Shares
from tasks.risk.covariance import risk_contributions

FIGURED = ("fx", "crypto")  # asset classes whose prices count figures, not cents


def target_rows(problem: Problem, shares_N: Shares) -> pl.DataFrame:
    """Return frames.DRAFT_TARGETS: one row for each name held before or after, by instrument."""
    weights = problem.weights(shares_N)
    names = problem.names
    session = pl.coalesce("price_session", "ledger_session")
    rows = names.with_columns(
        price_session=session,
        weight=weights,
        value=shares_N * problem.price_N,
        current_shares=problem.shares_N,
        shares=shares_N,
        reference_price="quoted",
        drift=weights - problem.current_N,
        risk_contribution=risk_contributions(problem.risk, weights),
        binding=pl.Series(binding_limits(problem, weights), dtype=pl.String),
    )
    kept = rows.filter(pl.Series((shares_N != 0) | (problem.shares_N != 0)))
    return shaped(kept, DRAFT_TARGETS).sort("instrument")


def order_rows(
    problem: Problem,
    shares_N: Shares,
    *,
    book: str,
    session: date,
    revision: int,
    collar_bps: float,
) -> pl.DataFrame:
    """Return frames.DRAFT_ORDERS: one limit order for each name that trades, by instrument.

    The limit price lies `collar_bps` beyond the reference price, against us: a buy pays no more, a
    sale gets no less, be prices above or below zero.
    """
    at = np.flatnonzero(shares_N != problem.shares_N)
    trade, price = (shares_N - problem.shares_N)[at], problem.price_N[at]
    notional = np.abs(trade) * np.abs(price)
    volume = problem.volume_N[at] * problem.nav
    costs = problem.costs(problem.weights(shares_N))[at] * problem.nav
    names = problem.names[at.tolist()]
    sides = ["buy" if shares > 0 else "sell" for shares in trade.tolist()]
    quoted = names["quoted"].to_numpy()
    edge = quoted * (1 + np.sign(trade * quoted) * collar_bps * BPS)
    limits = [
        tick_price(limit, kind)
        for limit, kind in zip(edge.tolist(), names["asset_class"], strict=True)
    ]
    rows = names.with_columns(
        client_order_id=pl.Series(
            [
                order_id(book, session, revision, symbol, side, quantity)
                for symbol, side, quantity in zip(
                    names["symbol"], sides, np.abs(trade).tolist(), strict=True
                )
            ],
            dtype=pl.String,
        ),
        side=pl.Series(sides, dtype=pl.String),
        quantity=np.abs(trade),
        type=pl.lit("limit"),
        limit_price=pl.Series(limits, dtype=pl.Float64),
        notional=notional,
        volume_share=pl.Series(
            [
                n / v if v > 0 else None
                for n, v in zip(notional.tolist(), volume.tolist(), strict=True)
            ],
            dtype=pl.Float64,
        ),
        cost=costs,
    )
    return shaped(rows, DRAFT_ORDERS).sort("instrument")


def order_id(book: str, session: date, revision: int, symbol: str, side: str, quantity: int) -> str:
    """Return the id a broker sees: the same order of the same revision always has the same."""
    text = "|".join([book, session.isoformat(), str(revision), symbol, side, str(quantity)])
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def tick_price(price: float, asset_class: str | None) -> float:
    """Return a price an exchange takes: whole cents, hundredths of a cent below 1.

    Exchange rates and crypto are quoted to six figures instead.

    >>> tick_price(105.678, "equity"), tick_price(-36.981, "future"), tick_price(1.123456789, "fx")
    (105.68, -36.98, 1.12346)
    """
    if asset_class in FIGURED:
        return float(f"{price:.6g}")
    return round(price, 2 if abs(price) >= 1 else 4) or price
