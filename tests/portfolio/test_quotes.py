"""Decisions size in the book's currency and speak to each market in its own."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from expectations.facts import target_facts
from tasks.market.currency import Worth
from tasks.market.history import View
from tasks.portfolio.decide import Holdings, decide
from tasks.portfolio.problem import make_problem
from tasks.portfolio.snapshot import snapshot as make_snapshot
from tasks.portfolio.trades import order_rows, target_rows, tick_price

NAMES = ["s:AAA", "s:BBB", "s:CCC"]
SESSIONS = tuple(date(2016, 6, 6) + timedelta(days=at) for at in range(5))
LISTINGS = pl.DataFrame(
    {"instrument": NAMES, "symbol": ["AAA", "BBB", "CCC"], "asset_class": ["fund", "fx", "future"]}
)
FORECAST = pl.DataFrame(
    schema={"instrument": pl.String, "score": pl.Float64, "expected_return": pl.Float64}
)
QUOTES = {
    "currency": ["USD", "GBP", "USD"],
    "asset_class": ["fund", "fx", "future"],
    "quoted": [50.0, 0.8, -37.0],
    "unit_value": [1.0, 1.25, 1000.0],
    "price": [50.0, 1.0, -37_000.0],
}


@pytest.fixture
def problem(book, snapshot, risk, positions):
    held = positions({"s:BBB": 100_000, "s:CCC": 2}, {"s:BBB": 1.0, "s:CCC": -37_000.0})
    table = snapshot(NAMES, **QUOTES)
    return make_problem(
        table, risk(NAMES), Holdings(1e6, held), book({"box": {"min": -1, "max": 1}}), 5
    )


def view(**closes: list[float]) -> View:
    close_TN = np.array([closes[name[2:]] for name in NAMES], dtype=float).T
    blank, ones, none = np.full((5, 3), np.nan), np.ones((5, 3)), np.zeros((5, 3))
    volume_TN = np.full((5, 3), 10.0)
    return View(
        SESSIONS[-1], SESSIONS, tuple(NAMES), blank, blank, blank, close_TN, volume_TN, ones, none
    )


def looked_at(seen: View, worth: Worth | None) -> pl.DataFrame:
    given = {"members": NAMES, "held": [], "listings": LISTINGS, "forecast": FORECAST}
    return make_snapshot(seen, worth=worth, **given)


def test_a_snapshot_values_each_name_at_the_rate_of_its_last_price():
    nan = float("nan")
    seen = view(AAA=[10.0] * 5, BBB=[2.0, 3.0, 4.0, nan, nan], CCC=[7.0] * 5)
    unit_TN = np.tile([1.0, 1.0, 50.0], (5, 1))
    unit_TN[:, 1] = [1.1, 1.2, 1.3, 1.4, 1.5]
    rows = looked_at(seen, Worth(("USD", "GBP", "USD"), unit_TN))
    assert rows["quoted"].to_list() == [10.0, 4.0, 7.0]
    assert rows["unit_value"].to_list() == [1.0, 1.3, 50.0]
    assert rows["price"].to_list() == pytest.approx([10.0, 5.2, 350.0])
    assert rows["currency"].to_list() == ["USD", "GBP", "USD"]
    assert rows["stale_sessions"].to_list() == [0, 2, 0]
    assert rows["adv"].to_list() == pytest.approx([100.0, 36.0, 3_500.0])


def test_a_name_without_a_rate_today_has_no_price():
    seen = view(AAA=[10.0] * 5, BBB=[2.0] * 5, CCC=[7.0] * 5)
    unit_TN = np.ones((5, 3))
    unit_TN[-1, 1] = np.nan
    rows = looked_at(seen, Worth(("USD", "GBP", "USD"), unit_TN))
    assert rows["price"].to_list() == [10.0, None, 7.0]


def test_names_all_in_the_books_currency_are_looked_at_as_ever():
    seen = view(AAA=[10.0] * 5, BBB=[2.0] * 5, CCC=[7.0] * 5)
    plain, worth = looked_at(seen, None), looked_at(seen, Worth(("USD",) * 3, None))
    assert plain.drop("currency").equals(worth.drop("currency"))
    assert worth["currency"].to_list() == ["USD"] * 3


def test_prices_are_told_as_quoted_and_money_in_the_books_currency(problem):
    shares = np.array([1_000, 50_000, 0])
    targets = target_rows(problem, shares)
    told = targets.select("symbol", "currency", "reference_price", "unit_value", "value")
    assert told.rows() == [
        ("s:AAA", "USD", 50.0, 1.0, 50_000.0),
        ("s:BBB", "GBP", 0.8, 1.25, 50_000.0),
        ("s:CCC", "USD", -37.0, 1000.0, 0.0),
    ]
    assert problem.nav == 1e6 + 100_000 - 74_000
    assert targets["weight"].to_list() == [50_000 / problem.nav, 50_000 / problem.nav, 0.0]


def test_limits_are_as_quoted_and_lie_against_us_below_zero_too(problem):
    table = order_rows(
        problem,
        np.array([1_000, 50_000, 0]),
        book="b",
        session=SESSIONS[-1],
        revision=0,
        collar_bps=200,
    )
    told = table.select("side", "limit_price", "currency", "unit_value", "notional").rows()
    assert told == [
        ("buy", 51.0, "USD", 1.0, 50_000.0),
        ("sell", 0.784, "GBP", 1.25, 50_000.0),
        ("sell", -37.74, "USD", 1000.0, 74_000.0),
    ]


def test_the_facts_of_the_gate_find_no_gap_between_price_and_value(problem, book):
    shares = np.array([1_000, 50_000, 0])
    facts = target_facts(target_rows(problem, shares), book({"box": {"min": -1, "max": 1}}))
    assert facts["value_gap"] == pytest.approx(0.0, abs=1e-12)
    assert facts["unpriced"] == 0


def test_a_long_only_book_leaves_what_trades_below_zero(book, snapshot, risk, positions):
    mandate = book({"long_only": True, "box": {"max": 0.6}, "net": {"min": 0.9, "max": 1.0}})
    held = Holdings(1e6, positions({"s:CCC": 2}, {"s:CCC": -37_000.0}))
    table = snapshot(NAMES, **QUOTES)
    decision = decide(
        table, risk(NAMES), held, mandate=mandate, horizon=5, as_of=SESSIONS[-1], book="b"
    )
    target = dict(decision.targets.select("instrument", "shares").iter_rows())
    assert target["s:CCC"] == 0
    assert target["s:BBB"] > 100_000
    assert all(check["passed"] for check in decision.checks)


@pytest.mark.parametrize(
    ("price", "kind", "told"),
    [
        (130.123456, "fx", 130.123),
        (0.851234567, "fx", 0.851235),
        (19650.0123, "crypto", 19650.0),
        (0.456789, "equity", 0.4568),
        (-0.456789, "future", -0.4568),
        (-36.98123, "commodity", -36.98),
        (12.344, None, 12.34),
    ],
)
def test_limits_are_prices_that_a_market_takes(price, kind, told):
    assert tick_price(price, kind) == pytest.approx(told, abs=1e-12)
