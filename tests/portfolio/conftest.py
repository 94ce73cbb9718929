"""Small books and markets to decide on, worked out from a seed."""

from collections.abc import Callable
from datetime import date
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest

from conf.schema import Book
from tasks.portfolio.decide import Holdings
from tasks.risk.factors import RiskModel

AS_OF = date(2016, 6, 30)


class Case(NamedTuple):
    """All that `decide` takes."""

    snapshot: pl.DataFrame
    risk: RiskModel
    holdings: Holdings
    mandate: Book


def make_book(limits: dict[str, Any], **changes: Any) -> Book:
    values: dict[str, Any] = {
        "title": "A book",
        "source": "sample",
        "contest": "sample",
        "universe": "sample",
        "capital": 1e6,
        "objective": {"optimiser": "mean_variance", "risk_aversion": 10},
        "risk": {"factors": 3},
        "costs": {"commission_bps": 0.5, "half_spread_bps": 2},
        "limits": limits,
    }
    return Book.model_validate({**values, **changes})


def make_risk(names: list[str], *, seed: int = 0, factors: int = 3) -> RiskModel:
    random = np.random.default_rng(seed)
    exposures = random.normal(0.003, 0.004, (len(names), factors))
    exposures[:, :1] += 0.01
    specific = random.uniform(0.008, 0.03, len(names)) ** 2
    return RiskModel(
        as_of=AS_OF,
        instruments=tuple(names),
        exposures_NK=exposures,
        factor_covariance_KK=np.eye(factors),
        specific_variance_N=specific,
        volatility_N=np.sqrt((exposures**2).sum(1) + specific),
    )


def make_positions(shares: dict[str, int], price: dict[str, float] | float = 100.0) -> pl.DataFrame:
    prices = [price if isinstance(price, float) else price[name] for name in shares]
    return pl.DataFrame(
        {
            "instrument": list(shares),
            "shares": list(shares.values()),
            "price": prices,
            "price_session": [AS_OF] * len(shares),
        },
        schema={
            "instrument": pl.String,
            "shares": pl.Int64,
            "price": pl.Float64,
            "price_session": pl.Date,
        },
    )


def make_snapshot(names: list[str], **columns: Any) -> pl.DataFrame:
    values: dict[str, Any] = {
        "symbol": names,
        "member": True,
        "score": 0.0,
        "expected_return": 0.0,
        "price": 100.0,
        "price_session": AS_OF,
        "adv": 1e8,
        "stale_sessions": 0,
    }
    values.update(columns)
    count = len(names)
    full = {k: v if isinstance(v, list) else [v] * count for k, v in values.items()}
    kinds = {"adv": pl.Float64, "price": pl.Float64, "stale_sessions": pl.Int64}
    return pl.DataFrame({"instrument": names, **full}, schema_overrides=kinds)


@pytest.fixture
def book() -> Callable[..., Book]:
    return make_book


@pytest.fixture
def risk() -> Callable[..., RiskModel]:
    return make_risk


@pytest.fixture
def positions() -> Callable[..., pl.DataFrame]:
    return make_positions


@pytest.fixture
def snapshot() -> Callable[..., pl.DataFrame]:
    return make_snapshot
