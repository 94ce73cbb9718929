"""A made-up but plausible morning, for the tests of the page and for looking at it."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl

from tasks.market.frames import DRAFT_ORDERS, DRAFT_TARGETS, shaped
from tasks.reports.morning import Morning

SYMBOLS = ["AAPL", "AMD", "BAC", "BBY", "CVX", "GE", "HD", "JNJ", "JPM", "KO"]
SYMBOLS += ["LLY", "MRK", "MSFT", "PEP", "PFE", "PG", "RRC", "UNH", "WMT", "XOM"]
SESSION = date(2022, 12, 28)
NAV = 1_037_212.4

SUMMARY = {
    "nav": NAV,
    "cash_weight": 0.0121,
    "volatility": 0.1423,
    "turnover": 0.0187,
    "cost": 9.7,
    "cost_bps": 0.094,
    "gross": 0.9879,
    "net": 0.9879,
    "expected_return": 0.0,
    "first_investment": False,
    "leaving": [],
    "risk_assumed": [],
}
RECORD = {
    "contest": "sample",
    "recipe": "lightgbm",
    "fitted_on": date(2022, 12, 2),
    "horizon": 5,
    "sessions": 900,
    "ic": 0.0041,
    "ic_error": 0.0087,
    "t": 0.47,
    "shrunk_ic": 0.0,
    "rank_ic": 0.0052,
    "rank_ic_error": 0.0085,
    "half_width": 1.56,
    "covered": 0.9012,
}

DRIFT = {
    "factor": 1.0,
    "hold": False,
    "features": "steady",
    "feature": "volatility_252",
    "shift": 0.041,
    "luck": 0.052,
    "judged": 36,
    "skill": "steady",
    "highest": 4.31,
    "watch": 12.6,
    "alarm": 19.2,
}


def sessions(count: int) -> list[date]:
    days = (SESSION - timedelta(back) for back in range(2 * count))
    return [day for day in days if day.isoweekday() < 6][:count][::-1]


def targets_of(symbols: list[str], *, seed: int = 3, short: bool = False) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    count = len(symbols)
    weight = random.dirichlet(np.full(count, 1.2)) * 0.99
    if short:
        weight *= random.choice([-1.0, 1.0], count)
    price = random.uniform(10, 400, count)
    shares = np.round(weight * NAV / price).astype(int)
    drift = np.where(random.random(count) < 0.5, random.normal(0, 0.004, count), 0.0)
    risk = np.abs(weight) * random.uniform(0.6, 1.5, count)
    frame = pl.DataFrame(
        {
            "instrument": [f"sample:{symbol}:1990-01-02" for symbol in symbols],
            "symbol": symbols,
            "weight": shares * price / NAV,
            "value": shares * price,
            "shares": shares,
            "reference_price": price,
            "price_session": [SESSION] * count,
            "current_shares": shares - np.round(drift * NAV / price).astype(int),
            "drift": drift,
            "score": random.normal(0, 0.02, count),
            "expected_return": random.normal(0, 0.001, count),
            "risk_contribution": risk / risk.sum(),
            "binding": np.where(weight > 0.12, "box", "").tolist(),
        }
    )
    return shaped(frame, DRAFT_TARGETS).sort("instrument")


def orders_of(targets: pl.DataFrame) -> pl.DataFrame:
    trade = pl.col("shares") - pl.col("current_shares")
    frame = targets.filter(trade != 0).select(
        "instrument",
        "symbol",
        client_order_id=pl.col("symbol").hash(1).cast(pl.String),
        side=pl.when(trade > 0).then(pl.lit("buy")).otherwise(pl.lit("sell")),
        quantity=trade.abs(),
        type=pl.lit("limit"),
        limit_price=pl.col("reference_price") * 1.02,
        notional=trade.abs() * pl.col("reference_price"),
        volume_share=pl.lit(0.0004),
        cost=trade.abs() * pl.col("reference_price") * 2.5e-4,
    )
    return shaped(frame, DRAFT_ORDERS)


def coverage_of(count: int = 504) -> pl.DataFrame:
    random = np.random.default_rng(5)
    bound = 0.013 + 0.004 * np.sin(np.arange(count) / 40)
    loss = random.standard_t(5, count) * bound / 2.1
    return pl.DataFrame({"session": sessions(count), "loss": loss, "var_95": bound}).with_columns(
        exceeded=pl.col("loss") > pl.col("var_95")
    )


def morning(**changes: Any) -> Morning:
    """Return the page's content, with `changes` of its fields."""
    random = np.random.default_rng(11)
    targets = targets_of(list(SYMBOLS))
    days = sessions(260)
    nav = 1e6 * np.exp(np.cumsum(random.normal(0.0004, 0.008, len(days))))
    nav *= NAV / nav[-1]
    ics = random.normal(0.004, 0.24, 900)
    page = Morning(
        book="sample",
        title="Twenty large companies, least risk",
        currency="USD",
        session=SESSION,
        next_session=date(2022, 12, 29),
        content_hash="3f9ac2d1b7e84f6a90c5d21e7b3a6f8894d1c0b2a7e6f5d4c3b2a19081726354",
        revision=0,
        warn="These are 20 survivors, chosen in 2022 by those who knew that they would survive.",
        verdict={"verdict": "warn", "reasons": ["volume: the source has closes only"]}
        | {"rows": 20, "quarantined": 0},
        summary=SUMMARY,
        targets=targets,
        orders=orders_of(targets),
        checks=[
            {"limit": "long_only", "value": 0.0, "bound": "no shorts", "passed": True, "off": ""},
            {"limit": "box", "value": 0.15, "bound": "each name 0 to 0.15", "passed": True}
            | {"off": ""},
            {"limit": "turnover", "value": 0.0187, "bound": "at most 0.1", "passed": True}
            | {"off": ""},
            {"limit": "participation", "value": None, "bound": "at most 0.05 of daily volume"}
            | {"passed": True, "off": "the sample has closes only, no volume"},
        ],
        solver={
            "status": "Solved",
            "iterations": 14,
            "primal_residual": 3e-11,
            "dual_residual": 8e-12,
            "gap": 2e-10,
        },
        tail={
            "var_95": 0.0139,
            "es_95": 0.0198,
            "var_99": 0.0241,
            "es_99": 0.0312,
            "volatility": 0.139,
        },
        coverage=coverage_of(),
        kupiec=0.41,
        nav=pl.DataFrame({"session": days, "nav": nav}),
        record=RECORD,
        ic=pl.DataFrame({"session": sessions(900), "ic": ics}),
        drift=DRIFT,
    )
    return page._replace(**changes)
