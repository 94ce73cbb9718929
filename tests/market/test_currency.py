"""Rates are those known then, however they are quoted, and prices follow them."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from tasks.market.adjust import total_returns
from tasks.market.currency import (
    Terms,
    in_currency,
    pairs_between,
    rate_path,
    terms_of,
    without_rate,
    without_rounding,
    worth,
)
from tasks.market.history import View
from tasks.market.windows import day_frame

SESSIONS = [date(2016, 6, 6) + timedelta(days=at) for at in range(5)]
NAN = float("nan")


def series(**paths: list[float | None]) -> pl.DataFrame:
    rows = [
        (session, name, value)
        for name, path in paths.items()
        for session, value in zip(SESSIONS, path, strict=True)
        if value is not None
    ]
    kinds = {"session": pl.Date, "name": pl.String, "value": pl.Float64}
    return pl.DataFrame(rows, schema=kinds, orient="row")


def path(known: pl.DataFrame, pair: str, stale: int = 1) -> list[float]:
    return rate_path(known, SESSIONS, pair[:3], pair[3:], stale_sessions=stale).tolist()


def view(dividends: dict[int, float] | None = None) -> View:
    """Return two names that always close at 100; the second pays `dividends`."""
    close_TN = np.full((5, 2), 100.0)
    dividend_TN = np.zeros((5, 2))
    for at, cash in (dividends or {}).items():
        dividend_TN[at, 1] = cash
    names = ("s:HOME", "s:AWAY")
    arrays = close_TN, close_TN, close_TN, close_TN, close_TN * 10, np.ones((5, 2)), dividend_TN
    return View(SESSIONS[-1], tuple(SESSIONS), names, *arrays)


def worth_of(view: View, known: pl.DataFrame, **terms: Terms):
    said = {f"s:{name}": each for name, each in terms.items()}
    return worth_in(view.instruments, view.sessions, said, known)


def worth_in(names, sessions, terms, known, currency: str = "USD", stale: int = 1):
    earlier = [day for day in SESSIONS if day < sessions[0]]
    return worth(
        names, sessions, terms, known, currency=currency, earlier=earlier, stale_sessions=stale
    )


def test_a_rate_is_the_same_quoted_either_way():
    assert path(series(EURUSD=[1.1] * 5), "EURUSD") == [1.1] * 5
    assert path(series(USDEUR=[0.8] * 5), "EURUSD") == [1.25] * 5
    assert path(series(), "USDUSD") == [1.0] * 5


def test_rates_nobody_quotes_are_crossed_through_the_euro_or_the_dollar():
    through_euro = series(EURGBP=[0.8] * 5, EURUSD=[1.2] * 5)
    assert path(through_euro, "GBPUSD") == pytest.approx([1.5] * 5)
    assert path(through_euro, "USDGBP") == pytest.approx([1 / 1.5] * 5)
    through_dollar = series(USDJPY=[110.0] * 5, GBPUSD=[1.5] * 5)
    assert path(through_dollar, "GBPJPY") == pytest.approx([165.0] * 5)


def test_a_pair_that_is_quoted_is_not_crossed():
    known = series(GBPUSD=[1.4] * 5, EURGBP=[0.8] * 5, EURUSD=[1.2] * 5)
    assert path(known, "GBPUSD") == [1.4] * 5


def test_a_rate_is_carried_over_so_many_sessions_and_no_more():
    known = series(EURUSD=[1.1, None, None, 1.2, None])
    assert path(known, "EURUSD", stale=0) == pytest.approx([1.1, NAN, NAN, 1.2, NAN], nan_ok=True)
    assert path(known, "EURUSD", stale=1) == pytest.approx([1.1, 1.1, NAN, 1.2, 1.2], nan_ok=True)
    assert path(known, "EURUSD", stale=2) == [1.1, 1.1, 1.1, 1.2, 1.2]


def test_rates_not_above_zero_and_unknown_ones_are_none():
    assert np.isnan(path(series(EURUSD=[0.0, -1.0, NAN, float("inf"), 0.0]), "EURUSD")).all()
    assert np.isnan(path(series(EURUSD=[1.1] * 5), "CHFUSD")).all()


def test_no_rate_moves_when_the_future_does():
    known = series(EURUSD=[1.1, 1.2, 1.3, 9.0, 9.0], EURGBP=[0.8, 0.8, 0.8, 5.0, None])
    other = known.filter(pl.col("session") <= SESSIONS[2])
    assert path(known, "GBPUSD")[:3] == path(other, "GBPUSD")[:3]


def test_names_the_series_that_rates_can_be_made_of():
    assert {"GBPUSD", "USDGBP", "EURGBP", "GBPEUR", "EURUSD", "USDEUR"} == set(
        pairs_between(["GBP", "USD"])
    )


def test_what_no_listing_says_is_quoted_in_the_sources_currency():
    listings = pl.DataFrame(
        {"instrument": ["a", "b"], "currency": [None, "GBP"], "multiplier": [None, 10.0]},
        schema={"instrument": pl.String, "currency": pl.String, "multiplier": pl.Float64},
    )
    assert terms_of(listings, "USD") == {"a": Terms("USD", 1.0), "b": Terms("GBP", 10.0)}


def test_names_in_the_books_currency_leave_the_view_alone():
    seen = view()
    found = worth_of(seen, series(), HOME=Terms("USD", 1.0))
    assert found.unit_TN is None
    assert in_currency(seen, found.unit_TN) is seen
    assert without_rate(found, seen.instruments, ["s:HOME", "s:AWAY"]) == {}


def test_prices_and_dividends_are_worth_multiplier_times_rate():
    seen = view({2: 3.0})
    found = worth_of(seen, series(EURUSD=[1.0, 1.1, 1.2, 1.3, 1.4]), AWAY=Terms("EUR", 50.0))
    turned = in_currency(seen, found.unit_TN)
    assert found.currencies == ("USD", "EUR")
    assert turned.close_TN[:, 0].tolist() == [100.0] * 5
    assert turned.close_TN[:, 1] == pytest.approx([5000.0, 5500.0, 6000.0, 6500.0, 7000.0])
    assert turned.dividend_TN[:, 1] == pytest.approx([0.0, 0.0, 180.0, 0.0, 0.0])
    assert (turned.volume_TN == seen.volume_TN).all()
    returns = total_returns(turned)[1:, 1]
    assert returns == pytest.approx([0.1, 6180 / 5500 - 1, 6500 / 6000 - 1, 7000 / 6500 - 1])


def test_a_euro_is_worth_one_euro_however_its_quotes_move():
    seen = view()
    price_T = np.random.default_rng(1).uniform(0.9, 1.6, 5)
    quoted = seen._replace(close_TN=np.stack([seen.close_TN[:, 0], price_T], axis=1))
    terms = {"s:HOME": Terms("EUR", 1.0), "s:AWAY": Terms("USD", 1.0)}
    rates = series(EURUSD=price_T.tolist())
    found = worth_in(quoted.instruments, SESSIONS, terms, rates, "EUR", stale=0)
    returns = total_returns(in_currency(quoted, found.unit_TN))[1:]
    assert without_rounding(returns)[:, 1].tolist() == [0.0] * 4
    assert without_rounding(np.array([[0.01, -2e-9, np.nan]])).tolist()[0][:2] == [0.01, -2e-9]


def test_what_has_no_rate_has_no_price_and_is_named_where_it_is_held():
    seen = view()
    found = worth_of(seen, series(EURUSD=[1.0, 1.1, 1.2, None, None]), AWAY=Terms("EUR", 1.0))
    turned = in_currency(seen, found.unit_TN)
    assert np.isfinite(turned.close_TN[:, 1]).tolist() == [True] * 4 + [False]
    assert (turned.dividend_TN == 0.0).all()
    assert day_frame(turned, found.unit_TN)["instrument"].to_list() == ["s:HOME"]
    assert without_rate(found, seen.instruments, ["s:HOME", "s:AWAY"]) == {"s:AWAY": "EUR"}
    assert without_rate(found, seen.instruments, ["s:HOME"]) == {}


def test_the_same_rate_serves_a_session_however_many_are_asked_for():
    known = series(EURUSD=[1.1, None, 1.2, None, None])
    terms = {"s:AWAY": Terms("EUR", 1.0)}
    whole, part = (
        worth_in(["s:HOME", "s:AWAY"], sessions, terms, known).unit_TN
        for sessions in (SESSIONS, SESSIONS[1:])
    )
    np.testing.assert_array_equal(whole[1:], part)
