"""The ledger keeps one currency, whatever a market quotes in, and whatever sign a price has."""

import polars as pl
import pytest

from tasks.execution.ledger import account_of, ledger_frame, nav, place
from tests.execution.ledger_case import DEAR, after, day, holding, limited, orders, shares


def abroad(price: float | None, unit: float, *, dividend: float = 0.0) -> pl.DataFrame:
    """Return the day of AAA, quoted at `price`, a point worth `unit`."""
    worth = None if price is None else price * unit
    row = {"open": worth, "close": worth, "split": 1.0, "dividend": dividend}
    return day(AAA=row).with_columns(unit_value=unit)


@pytest.mark.parametrize(
    ("quantity", "limit", "fills"),
    [(10, 20.0, True), (10, 19.99, False), (-10, 20.0, True), (-10, 20.01, False)],
)
def test_a_limit_is_as_quoted_whatever_became_of_the_rate(quantity, limit, fills):
    for unit in (0.5, 1.3, 50.0):
        placed = place(holding(1_000, AAA=10), limited(AAA=(quantity, limit)))
        account, settled = after(placed, abroad(20.0, unit))
        assert settled.fills.height == fills
        assert account.pending["limit_price"].to_list() == ([] if fills else [limit])


def test_fills_marks_and_cash_are_in_the_books_currency():
    account, settled = after(place(holding(1_000), orders(AAA=3)), abroad(20.0, 5.0))
    assert settled.fills.rows() == [("AAA", 3, 100.0, 0.0)]
    assert (account.cash, nav(account)) == (700.0, 1_000.0)
    assert account_of(ledger_frame(account)).positions.equals(account.positions)


def test_a_day_without_unit_values_is_one_of_unit_values_of_one():
    placed = place(holding(1_000, AAA=10), limited(AAA=(5, 20.0), BBB=(-5, 7.0)))
    plain = day(AAA=(20, 21), BBB=(7, 8))
    left, right = (
        after(placed, plain, DEAR),
        after(placed, plain.with_columns(unit_value=1.0), DEAR),
    )
    assert ledger_frame(*left).equals(ledger_frame(*right))


def test_oil_may_be_marked_and_sold_below_zero():
    account, settled = after(
        place(holding(1_000, price=20.0, AAA=10), limited(AAA=(-4, -40.0))),
        day(AAA=(-37, -36)),
        DEAR,
    )
    assert settled.fills.select("traded", "fill_price").rows() == [(-4, -37.0)]
    assert settled.cost == pytest.approx(4 * 37 * 5e-4)
    assert settled.traded_notional == 4 * 37
    assert account.cash == pytest.approx(1_000 - 4 * 37 - settled.cost)
    assert nav(account) == pytest.approx(account.cash - 6 * 36)


def test_a_short_below_zero_still_pays_for_what_it_borrows():
    _, settled = after(holding(cash=1_000, AAA=-10), day(AAA=(-20, -20)), DEAR)
    assert settled.borrow == pytest.approx(200 * 252e-4 / 252)


def test_the_holder_of_a_rolling_future_pays_what_the_new_contract_costs_more():
    roll = {"open": 51.0, "close": 51.0, "split": 1.0, "dividend": -2.0}
    account, settled = after(holding(cash=100, price=48.0, AAA=10), day(AAA=roll))
    assert (settled.dividends, account.cash) == (-20.0, 80.0)
    assert nav(account) == 100 + 480 + 10 * (51.0 - 48.0 - 2.0)


@pytest.mark.parametrize(("return_", "paid"), [(0.0, 100.0), (-0.3, 70.0), (-1.0, 0.0)])
def test_a_delisted_holding_is_paid_its_last_price_and_the_delisting_return(return_, paid):
    account, settled = after(holding(AAA=10, stale=2), day(), delisting_return=return_)
    assert account.cash == pytest.approx(paid)
    assert settled.fills["fill_price"].item() == pytest.approx(paid / 10)
    short, _ = after(holding(cash=200, AAA=-10, stale=2), day(), delisting_return=return_)
    assert short.cash == pytest.approx(200 - paid)


def test_a_holding_that_ends_below_zero_is_paid_as_it_stands():
    account, _ = after(holding(100, price=-5.0, AAA=10, stale=2), day(), delisting_return=-0.3)
    assert account.cash == 50.0


def test_a_dividend_without_a_rate_is_refused_where_it_is_held():
    silent = {"open": None, "close": None, "split": 1.0, "dividend": float("nan")}
    with pytest.raises(ValueError, match="dividend of AAA has no exchange rate"):
        after(holding(AAA=10), day(AAA=silent))
    account, _ = after(place(holding(100), orders(AAA=5)), day(AAA=silent))
    assert (account.cash, shares(account)) == (100.0, {})
