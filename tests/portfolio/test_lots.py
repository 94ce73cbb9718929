"""Rounding lands on positions that can be traded to, and keeps sums close."""

import numpy as np
import pytest

from tasks.portfolio.decide import Holdings
from tasks.portfolio.demands import demands
from tasks.portfolio.lots import (
    inward,
    meets,
    position_at_least,
    position_at_most,
    repaired,
    rounded,
    without_crumbs,
)
from tasks.portfolio.problem import make_problem
from tasks.portfolio.whole import whole_lots

NAMES = ["AAA", "BBB", "CCC", "DDD"]
LIMITS = {"long_only": True, "box": {"max": 0.5}, "net": {"min": 0.8, "max": 0.9}}


@pytest.fixture
def problem(book, snapshot, risk, positions):
    def make(shares=None, *, lot=1, limits=LIMITS, nav=1e5, **columns):
        table = snapshot(NAMES, **columns)
        prices = dict(table.select("instrument", "price").iter_rows())
        held = positions(shares or {}, prices)
        cash = nav - (held["shares"] * held["price"]).sum()
        return make_problem(table, risk(NAMES), Holdings(cash, held), book(limits, lot=lot), 5)

    return make


def test_an_odd_holding_is_traded_in_whole_lots_or_sold_out(problem):
    odd = problem({"AAA": 157, "BBB": -30}, lot=100)
    weights = np.array([200, -60, 150, 0]) * 100.0 / odd.nav
    assert position_at_most(odd, weights).tolist() == [157, -130, 100, 0]
    assert position_at_least(odd, weights).tolist() == [257, -30, 200, 0]
    near_zero = np.array([40, 20, -50, 0]) * 100.0 / odd.nav
    assert position_at_most(odd, near_zero).tolist() == [0, 0, -100, 0]
    assert position_at_least(odd, near_zero).tolist() == [57, 70, 0, 0]


def test_bounds_move_inward_to_positions_that_exist(problem):
    ask = inward(
        problem(price=[300.0, 7.0, 60_000.0, 100.0]), demands(problem(), ["box"], leaving="out")
    )
    assert ask.upper_N * 1e5 == pytest.approx([49_800, 49_994, 0, 50_000])


def test_rounding_keeps_the_sum_within_half_the_largest_lot(problem):
    many = problem(price=[900.0, 500.0, 300.0, 100.0])
    wanted = np.array([0.3145, 0.2533, 0.1987, 0.0834])
    weights = many.weights(rounded(many, wanted))
    assert weights.sum() == pytest.approx(wanted.sum(), abs=many.lot_N.max() / 2)
    assert (np.abs(weights - wanted) < many.lot_N).all()


def test_repair_moves_single_lots_until_the_sums_hold(problem):
    small = problem(price=[900.0, 500.0, 300.0, 100.0])
    demand = inward(small, demands(small, ["long_only", "box", "net"], leaving="out"))
    over = np.array([50, 50, 50, 110])
    fixed = repaired(small, demand, over, small.weights(over))
    assert not meets(small, demand, over)
    assert meets(small, demand, fixed)


def test_the_search_over_whole_lots_finds_the_only_way(problem):
    # 0.8 to 0.9 of 100,000 in units of 42,000 each: only two of them fit.
    only = problem(price=[42_000.0, 42_000.0, 95_000.0, 95_000.0])
    demand = inward(only, demands(only, ["long_only", "box", "net"], leaving="out"))
    assert whole_lots(only, demand, None).tolist() == [1, 1, 0, 0]
    none = problem(price=[31_000.0] * 4)
    assert (
        whole_lots(none, inward(none, demands(none, ["net", "box"], leaving="out")), None) is None
    )


def test_the_search_closes_odd_positions_and_counts_names(problem):
    limits = {**LIMITS, "names": {"min": 3, "max": 3}}
    odd = problem({"AAA": 57, "BBB": 143, "DDD": 130}, lot=100, limits=limits, price=20.0)
    demand = inward(odd, demands(odd, ["long_only", "box", "net", "names"], leaving="out"))
    found = whole_lots(odd, demand, np.array([0.0, 0.3, 0.3, 0.25]))
    assert meets(odd, demand, found)
    trades = found - odd.shares_N
    assert all(trade % 100 == 0 or share == 0 for trade, share in zip(trades, found, strict=True))


def test_crumbs_are_dropped_only_where_limits_hold_without_them(problem):
    held = problem({"AAA": 300, "BBB": 300, "CCC": 205})
    demand = inward(held, demands(held, ["long_only", "box", "net"], leaving="out"))
    wanted = np.array([302, 297, 205, 1])
    assert without_crumbs(held, demand, wanted, min_trade=500).tolist() == [300, 300, 205, 0]
    low = problem({"AAA": 300, "BBB": 300, "CCC": 198})
    needs = inward(low, demands(low, ["long_only", "box", "net"], leaving="out"))
    assert without_crumbs(low, needs, np.array([301, 300, 200, 0]), min_trade=500).tolist() == [
        300,
        300,
        200,
        0,
    ]


def test_a_trade_that_closes_a_position_is_no_crumb(problem):
    held = problem({"AAA": 400, "BBB": 400, "CCC": 2})
    demand = inward(held, demands(held, ["long_only", "box", "net"], leaving="out"))
    assert without_crumbs(held, demand, np.array([400, 400, 0, 0]), min_trade=500)[2] == 0
