"""Costs in the currency of the book, worked out by hand."""

import numpy as np
import pytest

from conf.schema import Costs
from tasks.portfolio.costs import borrow_rate, impact_rates, linear_rate, trading_cost

COSTS = Costs(commission_bps=1, half_spread_bps=4, impact=0.8, borrow_bps_per_year=252)


def test_commission_and_half_spread_are_paid_on_what_is_traded():
    assert trading_cost(np.array([0.1, 0.0]), linear_rate(COSTS), np.zeros(2)) == pytest.approx(
        [0.1 * 5e-4, 0.0]
    )


def test_impact_follows_the_square_root_law():
    # 1,000,000 of a 100,000,000 NAV, in a name with a daily volume of 25,000,000 and 2 % a day:
    # 0.8 * 0.02 * sqrt(1 / 25) = 32 basis points of the million.
    rates = impact_rates(COSTS, np.array([0.02]), np.array([0.25]))
    assert trading_cost(np.array([0.01]), 0.0, rates) * 1e8 == pytest.approx([3_200.0])


def test_unknown_or_no_volume_makes_no_impact_up():
    assert not impact_rates(COSTS, np.full(2, 0.02), np.array([np.nan, 0.0])).any()


def test_borrowing_is_paid_for_the_horizon():
    assert borrow_rate(COSTS, 5) == pytest.approx(5e-4)
