"""From whole-share positions to target rows and orders.

All money is in the book's currency; weights are fractions of NAV and may be negative (short).
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
        reference_price=problem.price_N,
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
    sale gets no less.
    """
    at = np.flatnonzero(shares_N != problem.shares_N)
    trade, price = (shares_N - problem.shares_N)[at], problem.price_N[at]
    notional = np.abs(trade) * price
    volume = problem.volume_N[at] * problem.nav
    costs = problem.costs(problem.weights(shares_N))[at] * problem.nav
    names = problem.names[at.tolist()]
    sides = ["buy" if shares > 0 else "sell" for shares in trade.tolist()]
    edge = price * (1 + np.sign(trade) * collar_bps * BPS)
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
        limit_price=pl.Series([_quoted(p) for p in edge.tolist()], dtype=pl.Float64),
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


def _quoted(price: float) -> float:
    """Return a price an exchange takes: whole cents, hundredths of a cent below 1."""
    return round(price, 2 if price >= 1 else 4) or price
