"""Targets and orders say the same thing, in the currency of the book."""

from datetime import date

import numpy as np
import pytest

from tasks.portfolio.decide import Holdings
from tasks.portfolio.problem import make_problem
from tasks.portfolio.trades import order_id, order_rows, target_rows

NAMES = ["AAA", "BBB", "CCC", "DDD"]
AS_OF = date(2016, 6, 30)


@pytest.fixture
def problem(book, snapshot, risk, positions):
    table = snapshot(NAMES, price=[10.0, 50.0, 200.0, 0.5], adv=[1e6, None, 1e6, 1e6])
    held = Holdings(50_000.0, positions({"AAA": 2_000, "DDD": 60_000}, {"AAA": 10.0, "DDD": 0.5}))
    return make_problem(table, risk(NAMES), held, book({"box": {"min": -1, "max": 1}}), 5)


def orders(problem, shares: list[int]):
    return order_rows(
        problem, np.array(shares), book="b", session=AS_OF, revision=0, collar_bps=200
    )


def test_orders_are_the_difference_to_the_targets(problem):
    table = orders(problem, [1_500, 100, 0, 0])
    assert table.select("symbol", "side", "quantity", "notional").rows() == [
        ("AAA", "sell", 500, 5_000.0),
        ("BBB", "buy", 100, 5_000.0),
        ("DDD", "sell", 60_000, 30_000.0),
    ]


def test_a_buy_pays_no_more_and_a_sale_gets_no_less_than_its_collar(problem):
    table = orders(problem, [1_500, 100, 0, 0])
    assert table["limit_price"].to_list() == [9.8, 51.0, 0.49]


def test_the_share_of_volume_is_null_where_the_volume_is_unknown(problem):
    table = orders(problem, [1_500, 100, 0, 0])
    assert table["volume_share"].to_list() == [0.005, None, 0.03]


def test_targets_show_what_is_held_before_or_after(problem):
    table = target_rows(problem, np.array([1_500, 100, 0, 0]))
    assert table.select("symbol", "shares", "current_shares").rows() == [
        ("AAA", 1_500, 2_000),
        ("BBB", 100, 0),
        ("DDD", 0, 60_000),
    ]
    assert table["weight"].to_list() == [0.15, 0.05, 0.0]
    assert table["drift"].to_list() == pytest.approx([-0.05, 0.05, -0.3])
    assert table["risk_contribution"].sum() == pytest.approx(1.0)


def test_nothing_to_trade_gives_empty_orders(problem):
    assert orders(problem, [2_000, 0, 0, 60_000]).is_empty()


def test_an_order_keeps_its_id_until_anything_about_it_changes():
    first = order_id("b", AS_OF, 0, "AAA", "buy", 100)
    assert first == order_id("b", AS_OF, 0, "AAA", "buy", 100)
    others = [
        order_id("c", AS_OF, 0, "AAA", "buy", 100),
        order_id("b", date(2016, 7, 1), 0, "AAA", "buy", 100),
        order_id("b", AS_OF, 1, "AAA", "buy", 100),
        order_id("b", AS_OF, 0, "AAB", "buy", 100),
        order_id("b", AS_OF, 0, "AAA", "sell", 100),
        order_id("b", AS_OF, 0, "AAA", "buy", 101),
    ]
    assert len({first, *others}) == 7
