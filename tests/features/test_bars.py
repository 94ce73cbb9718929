"""Bars of one's own are taken as they are told, or refused by name; nothing is guessed."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from tasks.features.bars import grid_for, grid_from, own_bars
from tasks.features.engine import Feature, FeatureSet
from tasks.market.history import History

DAYS = [date(2020, 1, 6) + timedelta(days=number) for number in range(4)]


def table(**columns: list) -> pl.LazyFrame:
    rows = {"session": [DAYS[0], DAYS[1]], "symbol": ["AAA", "AAA"], "close": [10.0, 11.0]}
    return pl.LazyFrame(rows | columns)


def test_only_session_symbol_and_close_are_needed():
    bars = own_bars(table())
    assert bars.rows.rows() == [(DAYS[0], "AAA", 10.0), (DAYS[1], "AAA", 11.0)]
    assert bars.warnings == []
    assert list(grid_from(bars, DAYS).inputs) == ["close"]


def test_cells_of_text_are_read_and_symbols_stay_text():
    text = table(session=["2020-01-06", "2020-01-06"], symbol=["TRUE", "NA"], close=["1e1", " 11 "])
    assert own_bars(text).rows.rows() == [(DAYS[0], "NA", 11.0), (DAYS[0], "TRUE", 10.0)]


def test_the_order_of_rows_means_nothing():
    both = table(symbol=["BBB", "AAA"])
    assert own_bars(both).rows.equals(own_bars(both.reverse()).rows)


def test_an_instrument_goes_before_a_symbol():
    bars = own_bars(table(instrument=["x:1", "x:1"]))
    assert (bars.key, bars.rows["instrument"][0]) == ("instrument", "x:1")
    assert bars.warnings == ["Not read: the columns symbol."]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"symbol": [7, 8]}, "symbol holds Int64, expected text"),
        ({"symbol": ["AAA", None]}, "1 rows without symbol"),
        ({"symbol": ["AAA", ""]}, "1 rows without symbol"),
        ({"session": [DAYS[0], None]}, "1 rows without session"),
        ({"session": [DAYS[0], DAYS[0]]}, "1 rows tell again of AAA 2020-01-06: keep one"),
        ({"session": ["2020-01-06", "06.01.20"]}, "1 rows cannot be read: .* session 06.01.20"),
        ({"close": ["10", "ten"]}, "1 rows cannot be read: AAA 2020-01-07 close ten"),
        ({"split": [1.0, 0.0]}, "above 0; not so: AAA 2020-01-07"),
        ({"split": [1.0, float("inf")]}, "above 0; not so: AAA 2020-01-07"),
    ],
)
def test_what_is_in_doubt_is_refused_with_its_rows(columns, said):
    with pytest.raises(ValueError, match=said):
        own_bars(table(**columns))


def test_says_which_column_is_absent_and_which_there_are():
    with pytest.raises(ValueError, match="without close, there is: session, symbol"):
        own_bars(table().drop("close"))


def test_says_that_there_is_no_row():
    with pytest.raises(ValueError, match="hold no row"):
        own_bars(table().head(0))


def test_counts_and_drops_numbers_that_are_no_price_or_volume():
    odd = table(close=[0.0, float("inf")], volume=[0.0, -1.0], open=[float("nan"), None])
    bars = own_bars(odd)
    assert bars.rows.select("close", "volume", "open").rows() == [(None, 0.0, None), (None,) * 3]
    assert [warning.split(":")[1][:19] for warning in bars.warnings] == [
        " 2 values of close ",
        " 1 values of volume",
    ]


def test_names_the_columns_that_nothing_reads():
    told = own_bars(table(adj_close=[1.0, 2.0], exchange=["X", "X"]))
    assert told.warnings == ["Not read: the columns adj_close, exchange."]
    assert told.rows.columns == ["session", "instrument", "close"]


def test_a_grid_has_every_session_and_misses_what_has_no_row():
    grid = grid_from(own_bars(table(symbol=["BBB", "AAA"], volume=[5.0, None])), DAYS)
    nan = np.nan
    np.testing.assert_array_equal(
        grid.inputs["close"], [[nan, 10], [11, nan], [nan, nan], [nan, nan]]
    )
    np.testing.assert_array_equal(grid.inputs["volume"][:, 1], [5, nan, nan, nan])
    assert grid.instruments == ("AAA", "BBB")


def test_a_bar_on_no_session_is_refused_by_name():
    with pytest.raises(ValueError, match=r"1 bars on days that are none .*: AAA 2020-01-07"):
        grid_from(own_bars(table()), [DAYS[0], DAYS[2]])


def actions(*rows: tuple) -> pl.LazyFrame:
    return pl.LazyFrame(rows, schema=["ex_session", "symbol", "kind", "value"], orient="row")


def test_splits_may_be_a_column_or_a_table_beside_the_bars():
    column = own_bars(table(split=[None, 2.0]))
    beside = own_bars(table(), actions((DAYS[1], "AAA", "split", 2.0)))
    for bars in (column, beside):
        np.testing.assert_array_equal(grid_from(bars, DAYS).split[:, 0], [1, 2, 1, 1])


def test_dividends_and_splits_of_others_or_after_the_end_change_nothing():
    rows = (
        (DAYS[1], "AAA", "dividend", 0.1),
        (DAYS[1], "ZZZ", "split", 3.0),
        (DAYS[3] + timedelta(days=9), "AAA", "split", 3.0),
    )
    grid = grid_from(own_bars(table(), actions(*rows)), DAYS)
    assert (grid.split == 1).all()


def test_splits_between_two_sessions_count_together_from_the_next_one_on():
    rows = ((DAYS[1], "AAA", "split", 2.0), (DAYS[2], "AAA", "split", 3.0))
    axis = [DAYS[0], DAYS[3]]
    grid = grid_from(own_bars(table(session=axis), actions(*rows)), axis)
    np.testing.assert_array_equal(grid.split[:, 0], [1, 6])


def test_refuses_splits_told_in_two_places_and_actions_without_a_kind():
    splits = actions((DAYS[1], "AAA", "split", 2.0))
    with pytest.raises(ValueError, match="there or as actions"):
        own_bars(table(split=[1.0, 2.0]), splits)
    with pytest.raises(ValueError, match="need a column kind"):
        own_bars(table(), splits.drop("kind"))


def test_the_market_is_that_of_a_history_with_the_same_bars_and_splits():
    rows = pl.LazyFrame(
        {
            "session": DAYS * 2,
            "symbol": ["AAA"] * 4 + ["BBB"] * 4,
            "close": [10.0, 11.0, 6.0, 6.0, 20.0, 19.0, 19.0, 21.0],
            "volume": [100.0] * 8,
        }
    )
    bars = own_bars(rows, actions((DAYS[2], "AAA", "split", 2.0)))
    known = {"known_on": pl.col("session"), "delivery": pl.col("session")}
    prices = {name: pl.lit(None, pl.Float64) for name in ("open", "high", "low")}
    splits = bars.splits.rename({"session": "ex_session", "split": "value"}).with_columns(
        kind=pl.lit("split"), known_on=DAYS[2], delivery=DAYS[2]
    )
    history = History(bars.rows.with_columns(**prices, **known), splits, DAYS, prints="first")
    beta = Feature("beta", "market", ("close", "market"), 2, lambda block: block.raw("market", 1))
    found = grid_for(FeatureSet("own", (beta,)), bars, DAYS).inputs["market"]
    np.testing.assert_array_equal(found, history.market[:, None])
    assert found[2, 0] == pytest.approx((11 * 100 * (12 / 11 - 1)) / (11 * 100 + 19 * 100))
