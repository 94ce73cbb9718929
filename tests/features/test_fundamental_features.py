"""Fundamentals, number by number, against plain arithmetic on one name's figures."""

import math
from datetime import date, timedelta

import numpy as np
import pytest

from tasks.features.engine import grid_features
from tasks.features.fundamentals import FUNDAMENTALS
from tasks.features.grid import Grid
from tests.features.by_hand import CLOSE, ROWS, VOLUME, mean

NOW = {
    "shares": 5_000.0,
    "equity": 40_000.0,
    "assets": 130_000.0,
    "cash": 9_000.0,
    "current_assets": 60_000.0,
    "current_liabilities": 30_000.0,
    "net_income:year": 12_000.0,
    "operating_income:year": 20_000.0,
    "revenue:year": 150_000.0,
}
BEFORE = {
    "shares": 4_000.0,
    "assets": 100_000.0,
    "cash": 7_000.0,
    "current_assets": 45_000.0,
    "current_liabilities": 25_000.0,
    "revenue:year": 120_000.0,
}


def features(*, split: float = 1.0, **changed: float) -> dict[str, float | None]:
    """Return the features of one name of which BEFORE was known first, and NOW for 100 sessions.

    Args:
        split: New shares for one old, on the last session; prices and shares are as traded.
        changed: Other figures than NOW, of the last session.
    """
    inputs = {"close": np.array(CLOSE), "volume": np.array(VOLUME)}
    for item, value in NOW.items():
        told = np.full(ROWS, BEFORE.get(item, math.nan))
        told[-100:] = value
        told[-1] = changed.get(item, value)
        inputs[f"figure/{item}"] = told
    inputs["close"][-1] /= split
    inputs["volume"][-1] *= split
    inputs["figure/shares"][-1] *= split
    splits = np.ones((ROWS, 1))
    splits[-1] = split
    sessions = tuple(date(2020, 1, 1) + timedelta(days=i) for i in range(ROWS))
    columns = {name: values[:, None] for name, values in inputs.items()}
    grid = Grid(sessions, ("N",), columns, splits)
    frame = next(grid_features(grid, FUNDAMENTALS, [sessions[-1]]))
    return frame.drop("session", "instrument").row(0, named=True)


VALUE = 5_000 * CLOSE[-1]
WORKING = (60_000 - 9_000 - 30_000) - (45_000 - 7_000 - 25_000)
BY_HAND = {
    "size": math.log(VALUE),
    "book_to_price": 40_000 / VALUE,
    "earnings_to_price": 12_000 / VALUE,
    "sales_to_price": 150_000 / VALUE,
    "operating_profit_to_assets": 20 / 130,
    "income_to_assets": 12 / 130,
    "income_to_equity": 12 / 40,
    "operating_margin": 20 / 150,
    "sales_to_assets": 150 / 130,
    "current_ratio": 60 / 30,
    "cash_to_assets": 9 / 130,
    "leverage": 90 / 130,
    "asset_growth": 0.3,
    "sales_growth": 0.25,
    "accruals": WORKING / 115_000,
    "issuance": math.log(5_000 / 4_000),
    "turnover_20": mean(VOLUME[-20:]) / 5_000,
    "turnover_60": mean(VOLUME[-60:]) / 5_000,
}


def test_every_feature_has_its_number_by_hand():
    assert list(BY_HAND) == FUNDAMENTALS.columns


@pytest.mark.parametrize("name", BY_HAND)
def test_gives_the_number_by_hand(name):
    assert features()[name] == pytest.approx(BY_HAND[name], rel=2e-6)


@pytest.mark.parametrize("name", BY_HAND)
def test_a_split_that_shares_and_prices_know_changes_nothing(name):
    assert features(split=4.0)[name] == pytest.approx(BY_HAND[name], rel=2e-6)


def test_a_stale_figure_makes_what_reads_it_null_and_nothing_else():
    found = features(equity=math.nan)
    null = {name for name, value in found.items() if value is None}
    assert null == {"book_to_price", "income_to_equity", "leverage"}


def test_a_ratio_to_nothing_or_less_is_null():
    found = features(equity=-1.0)
    assert found["income_to_equity"] is None
    assert found["book_to_price"] == pytest.approx(-1 / VALUE)
    assert features(shares=0.0)["size"] is None
    assert features(**{"revenue:year": 0.0})["operating_margin"] is None
