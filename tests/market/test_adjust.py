"""Splits and dividends are told from adjusted closes, count once, and make total returns whole."""

import os
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.market.adjust import infer_actions, restated_rows, split_of_level, total_returns
from tasks.market.frames import RAW_ACTIONS, RAW_BARS, empty, shaped
from tasks.market.history import View

EVE, TONIGHT = date(2015, 7, 14), date(2015, 7, 15)
SHARED = Path(os.environ.get("AFTERCLOSE_SHARED", Path(__file__).parents[3] / "shared"))
DELIVERIES = SHARED / "data" / "us" / "deliveries_2015_2016.parquet"
needs_deliveries = pytest.mark.skipif(
    not DELIVERIES.exists(), reason=f"needs the real deliveries in {DELIVERIES}"
)


def bars(*rows: tuple[date, str, float | None, float | None]) -> pl.DataFrame:
    """Rows (session, symbol, close, adj_close)."""
    schema = {"session": pl.Date, "symbol": pl.String, "close": pl.Float64, "adj_close": pl.Float64}
    return shaped(pl.DataFrame(rows, schema=schema, orient="row"), RAW_BARS)


def eve(**closes: float) -> pl.DataFrame:
    schema = {"symbol": pl.String, "session": pl.Date, "close": pl.Float64}
    rows = [(symbol, EVE, close) for symbol, close in closes.items()]
    return pl.DataFrame(rows, schema=schema, orient="row")


def found(frame: pl.DataFrame, first: pl.DataFrame | None = None) -> dict[str, tuple[str, float]]:
    actions = infer_actions(frame, eve() if first is None else first, session=TONIGHT)
    assert actions.schema == pl.Schema(RAW_ACTIONS)
    assert set(actions["ex_session"]) <= {TONIGHT}
    return {symbol: (kind, value) for _, symbol, kind, value in actions.iter_rows()}


@pytest.mark.parametrize(
    ("before", "adjusted", "after", "new_for_old"),
    [
        (702.6, 100.371429, 98.13, 7.0),  # NFLX
        (95.23, 47.62, 47.96, 2.0),  # SBUX, adjusted close in cents
        (0.70, 7.00, 7.20, 0.1),  # AMSC, a reverse split
        (0.03, 0.22557, 0.24, 0.03 / 0.22557),  # FREE, no simple ratio, but above 1
        (59.80, 39.86667, 39.88, 1.5),
    ],
)
def test_a_simple_ratio_that_the_price_follows_is_a_split(before, adjusted, after, new_for_old):
    night = bars((EVE, "A", before, adjusted), (TONIGHT, "A", after, after))
    assert found(night) == {"A": ("split", pytest.approx(new_for_old, rel=1e-12))}


def test_a_small_factor_is_a_dividend_in_cash_a_share():
    night = bars((EVE, "A", 50.0, 49.5), (TONIGHT, "A", 50.2, 50.2))
    assert found(night) == {"A": ("dividend", pytest.approx(0.5))}


def test_a_big_payment_that_is_no_simple_ratio_is_a_dividend():
    night = bars((EVE, "NATH", 73.56, 48.56), (TONIGHT, "NATH", 51.70, 51.70))
    assert found(night) == {"NATH": ("dividend", pytest.approx(25.0))}


def test_a_split_told_a_night_early_counts_on_the_session_where_the_price_jumps():
    early = bars((EVE, "A", 707.61, 101.087143), (TONIGHT, "A", 702.6, 100.371429))
    assert found(early) == {}
    ahead = bars((EVE, "A", 0.51, 2.55), (TONIGHT, "A", 0.55, 0.55))  # ACUR
    assert found(ahead) == {}


def test_a_factor_that_stays_is_nothing_new():
    night = bars((EVE, "A", 27.55, 27.05), (TONIGHT, "A", 27.6, 27.1))  # MBFIP, cents
    assert found(night) == {}


def test_a_split_in_the_restated_close_counts_once():
    night = bars((EVE, "A", 100.0, 100.0), (TONIGHT, "A", 98.0, 98.0))
    assert found(night, eve(A=700.0)) == {"A": ("split", 7.0)}
    both = bars((EVE, "A", 100.0, 100.0 / 7), (TONIGHT, "A", 98.0, 98.0))
    assert found(both, eve(A=700.0)) == {"A": ("split", 7.0)}


def test_a_corrected_misprint_is_no_split():
    night = bars((EVE, "TCO", 24.77, 24.77), (TONIGHT, "TCO", 24.5, 24.5))
    assert found(night, eve(TCO=70.65)) == {}


def test_rows_that_cannot_be_used_tell_nothing():
    night = bars(
        (EVE, "ZERO", 0.0, 0.0),
        (TONIGHT, "ZERO", 1.0, 1.0),
        (EVE, "NULL", 10.0, None),
        (TONIGHT, "NULL", 5.0, 5.0),
        (EVE, "NAN", float("nan"), 5.0),
        (TONIGHT, "NAN", 5.0, 5.0),
        (EVE, "GONE", 10.0, 5.0),
        (EVE, "TWO", 10.0, 5.0),
        (EVE, "TWO", 11.0, 5.0),
        (TONIGHT, "TWO", 5.0, 5.0),
    )
    assert found(night) == {}
    assert found(empty(RAW_BARS)) == {}


def test_exact_duplicates_count_once():
    rows = [(EVE, "A", 10.0, 5.0), (TONIGHT, "A", 5.0, 5.0)]
    assert found(bars(*rows, *rows)) == {"A": ("split", 2.0)}


def test_names_the_restated_row_that_would_count_a_split_twice():
    night = bars(
        (EVE, "A", 100.3, 100.3),
        (TONIGHT, "A", 98.0, 98.0),
        (EVE, "B", 702.0, 100.286),
        (TONIGHT, "B", 98.0, 98.0),
    )
    first = eve(A=700.0, B=702.0)
    actions = pl.DataFrame(
        [(TONIGHT, "A", "split", 7.0), (TONIGHT, "B", "split", 7.0)],
        schema=RAW_ACTIONS,
        orient="row",
    )
    rows = restated_rows(night, first, actions, session=TONIGHT)
    assert rows.rows() == [(EVE, "A")]
    assert restated_rows(night, first, actions.clear(), session=TONIGHT).is_empty()


def view(closes: list[list[float]], splits: dict = {}, dividends: dict = {}) -> View:  # noqa: B006
    close_TN = np.array(closes, dtype=float)
    split_TN, dividend_TN = np.ones_like(close_TN), np.zeros_like(close_TN)
    for place, value in splits.items():
        split_TN[place] = value
    for place, value in dividends.items():
        dividend_TN[place] = value
    sessions = tuple(date(2015, 7, 1 + t) for t in range(len(close_TN)))
    names = tuple(f"I{n}" for n in range(close_TN.shape[1]))
    blank = np.full_like(close_TN, np.nan)
    return View(
        sessions[-1], sessions, names, blank, blank, blank, close_TN, blank, split_TN, dividend_TN
    )


NAN = float("nan")


def test_a_return_counts_price_split_and_dividend():
    seen = view([[100.0], [110.0], [56.0], [56.0]], {(2, 0): 2.0}, {(3, 0): 0.56})
    expected = [NAN, 0.10, 56 * 2 / 110 - 1, 0.01]
    np.testing.assert_allclose(total_returns(seen)[:, 0], expected, rtol=1e-12)


def test_a_dividend_is_paid_on_the_shares_there_are_after_a_split_of_the_same_session():
    seen = view([[100.0], [49.0]], {(1, 0): 2.0}, {(1, 0): 1.0})
    assert total_returns(seen)[1, 0] == pytest.approx((49 * 2 + 2) / 100 - 1)


def test_over_a_gap_all_falls_on_the_session_that_trades_again():
    closes = [[100.0], [NAN], [NAN], [48.0], [48.0]]
    seen = view(closes, {(1, 0): 2.0}, {(2, 0): 1.0})
    expected = [NAN, NAN, NAN, (48 * 2 + 1 * 2) / 100 - 1, 0.0]
    np.testing.assert_allclose(total_returns(seen)[:, 0], expected, rtol=1e-12)


def test_there_is_a_return_to_a_price_below_zero_and_none_from_it():
    seen = view([[18.27], [-36.98], [9.06], [10.0]])
    expected = [NAN, -36.98 / 18.27 - 1, NAN, 10.0 / 9.06 - 1]
    np.testing.assert_allclose(total_returns(seen)[:, 0], expected, rtol=1e-12)


def test_a_roll_leaves_only_the_new_contracts_own_change():
    old_before, new_before, new_after = 50.0, 52.0, 53.0
    seen = view([[old_before], [new_after]], {}, {(1, 0): old_before - new_before})
    assert total_returns(seen)[1, 0] == pytest.approx((new_after - new_before) / old_before)


@given(st.integers(2, 12), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_a_held_share_grows_by_the_product_of_returns_and_names_do_not_touch(count, seed):
    random = np.random.default_rng(seed)
    closes = random.lognormal(3, 0.3, (count, 3))
    closes[random.random((count, 3)) < 0.3] = np.nan
    closes[[0, -1]] = 20.0
    seen = view(closes.tolist(), {(count - 1, 1): 3.0})
    returns = total_returns(seen)
    growth = np.nanprod(1 + returns, axis=0)
    np.testing.assert_allclose(growth, [1.0, 3.0, 1.0], rtol=1e-9)
    alone = total_returns(view(closes[:, :1].tolist()))
    assert alone.tobytes() == np.ascontiguousarray(returns[:, :1]).tobytes()
    shorter = total_returns(view(closes[:-1].tolist()))
    assert shorter.tobytes() == returns[:-1].tobytes()


BEFORE, LOST = date(2015, 7, 10), EVE  # the night of EVE was lost; BEFORE is a Friday
KNOWN = {"session": pl.Date, "symbol": pl.String, "close": pl.Float64}


def known(*rows: tuple[date, str, float]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=KNOWN, orient="row")


def told(frame: pl.DataFrame, last: pl.DataFrame) -> list[tuple]:
    return infer_actions(frame, last, session=TONIGHT).rows()


def test_a_split_of_a_lost_night_is_told_from_the_level_of_prices():
    night = bars((LOST, "A", 98.0, 98.0), (TONIGHT, "A", 99.0, 99.0), (LOST, "B", 10.0, 10.0))
    last = known((BEFORE, "A", 702.0), (BEFORE, "B", 10.5))
    assert told(night, last) == [(LOST, "A", "split", 7.0)]


def test_a_dividend_of_the_night_after_is_told_beside_it():
    night = bars((LOST, "A", 50.0, 49.5), (TONIGHT, "A", 50.2, 50.2))
    assert told(night, known((BEFORE, "A", 101.0))) == [
        (LOST, "A", "split", 2.0),
        (TONIGHT, "A", "dividend", pytest.approx(0.5)),
    ]


@pytest.mark.parametrize(
    ("last", "why"),
    [
        (known((BEFORE, "A", 702.0), (EVE, "B", 10.0)), "the eve was known: A was set aside"),
        (known((date(2015, 6, 1), "A", 702.0), (BEFORE, "B", 10.0)), "long silent"),
        (known((BEFORE, "A", 140.0)), "no simple ratio: a fall of 30 %"),
        (known((BEFORE, "A", 250.0)), "no simple ratio"),
        (known(), "nothing was known"),
    ],
)
def test_no_split_is_made_up_from_prices(last, why):
    night = bars((LOST, "A", 98.0, 98.0), (TONIGHT, "A", 99.0, 99.0))
    assert told(night, last) == [], why


def test_a_big_factor_of_the_night_after_is_not_told_twice():
    night = bars((LOST, "A", 702.0, 100.29), (TONIGHT, "A", 99.0, 99.0))
    assert [row[:3] for row in told(night, known((BEFORE, "A", 351.0)))] == [
        (TONIGHT, "A", "split")
    ]


@given(ratio=st.sampled_from([2.0, 3.0, 7.0, 20.0, 1 / 2, 1 / 10]), move=st.floats(-0.05, 0.05))
@settings(max_examples=30, deadline=None)
def test_a_split_in_a_lost_night_makes_no_phantom_return(ratio, move):
    before, after, tonight = 300.0, 300.0 / ratio * (1 + move), 301.0 / ratio
    night = bars((LOST, "A", after, after), (TONIGHT, "A", tonight, tonight))
    splits = told(night, known((BEFORE, "A", before)))
    assert splits == [(LOST, "A", "split", pytest.approx(ratio))]
    seen = view([[before], [after], [tonight]], {(1, 0): splits[0][3]})
    expected = [NAN, move, tonight / after - 1]
    np.testing.assert_allclose(total_returns(seen)[:, 0], expected, rtol=1e-9, atol=1e-12)


def test_a_level_that_is_no_price_tells_no_split():
    assert split_of_level(-37.0, 10.0) is None
    assert split_of_level(10.0, 0.0) is None
    assert split_of_level(NAN, 10.0) is None
    assert split_of_level(10.0, 100.0) == pytest.approx(0.1)


REAL_SPLITS = {
    ("NFLX", date(2015, 7, 15)): 7.0,
    ("NKE", date(2015, 12, 24)): 2.0,
    ("SBUX", date(2015, 4, 9)): 2.0,
    ("AMSC", date(2015, 3, 25)): 0.1,
    ("RTK", date(2015, 8, 20)): 0.1,
    ("JHX", date(2015, 9, 22)): 5.0,
    ("HNSN", date(2015, 9, 23)): 0.1,
    ("VXDN", date(2015, 9, 25)): 0.1,
    ("VXUP", date(2015, 9, 25)): 0.1,
}


@needs_deliveries
@pytest.mark.parametrize(("symbol", "ex_session"), list(REAL_SPLITS))
def test_every_known_real_split_counts_once_where_the_raw_price_jumps(symbol, ex_session):
    rows = (
        pl.scan_parquet(DELIVERIES)
        .filter(
            pl.col("symbol") == symbol, (pl.col("night") - ex_session).abs() <= pl.duration(days=9)
        )
        .rename({"date": "session"})
        .collect()
    )
    splits = {}
    for (night,), delivery in rows.partition_by("night", as_dict=True).items():
        raw = shaped(delivery, RAW_BARS)
        for ex, _, kind, value in infer_actions(raw, eve(), session=night).iter_rows():
            assert kind == "split"
            splits[ex] = value
    assert splits == {ex_session: REAL_SPLITS[symbol, ex_session]}
