"""Adjusted prices compare across splits, dividends and rolls, by what is known when read."""

from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tasks.market.frames import ACTIONS, BARS
from tasks.market.restate import adjusted_prices

DAYS = [date(2016, 6, 6) + timedelta(days=i) for i in range(8)]


def bars(**closes: list[float | None]) -> pl.DataFrame:
    """One row a session; the open is 1 below the close, the high 2 above, the volume 100."""
    rows = [
        (DAYS[t], name, close - 1, close + 2, close - 3, close, 100.0)
        for name, path in closes.items()
        for t, close in enumerate(path)
        if close is not None
    ]
    names = ["session", "instrument", "open", "high", "low", "close", "volume"]
    return pl.DataFrame(rows, schema={name: BARS[name] for name in names}, orient="row")


def actions(*rows: tuple[int, str, str, float]) -> pl.DataFrame:
    """Rows (place of the ex session, instrument, kind, value)."""
    names = ["ex_session", "instrument", "kind", "value"]
    dated = [(DAYS[t], *rest) for t, *rest in rows]
    return pl.DataFrame(dated, schema={name: ACTIONS[name] for name in names}, orient="row")


def closes(frame: pl.DataFrame, instrument: str = "a") -> list[float | None]:
    return frame.filter(pl.col("instrument") == instrument)["close"].to_list()


def test_a_split_restates_prices_and_volumes_before_it():
    found = adjusted_prices(bars(a=[100.0, 110.0, 56.0]), actions((2, "a", "split", 2.0)))
    assert closes(found) == [50.0, 55.0, 56.0]
    assert found["open"].to_list() == [49.5, 54.5, 55.0]
    assert found["volume"].to_list() == [200.0, 200.0, 100.0]
    assert found["split_factor"].to_list() == [0.5, 0.5, 1.0]


def test_only_the_prices_that_are_given_are_restated():
    acts = actions((2, "a", "split", 2.0), (1, "a", "dividend", 1.0))
    whole = bars(a=[100.0, 110.0, 56.0])
    short = whole.select("session", "instrument", "close")
    left = [*short.columns, "price_factor", "split_factor"]
    assert_frame_equal(adjusted_prices(short, acts), adjusted_prices(whole, acts).select(left))


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_many_rows_are_restated_some_at_a_time_and_in_their_order(rows, monkeypatch):
    path = [100.0, 110.0, None, 52.0, 50.0]
    whole = bars(a=path, b=path).sample(fraction=1.0, shuffle=True, seed=3)
    acts = actions((4, "a", "dividend", 1.0), (2, "a", "split", 2.0), (4, "b", "dividend", 2.0))
    found = adjusted_prices(whole, acts)
    monkeypatch.setattr("tasks.market.restate._ROWS", rows)
    assert_frame_equal(adjusted_prices(whole, acts), found)
    assert_frame_equal(found.select("session", "instrument"), whole.select("session", "instrument"))


def test_a_dividend_takes_its_share_of_the_last_close_before_it():
    found = adjusted_prices(bars(a=[90.0, 100.0, 99.0]), actions((2, "a", "dividend", 1.0)))
    assert found["price_factor"].to_list() == [0.99, 0.99, 1.0]
    assert closes(found) == pytest.approx([89.1, 99.0, 99.0])
    assert found["volume"].to_list() == [100.0] * 3


def test_a_dividend_on_the_session_of_a_split_is_cash_on_the_new_shares():
    acts = actions((1, "a", "split", 2.0), (1, "a", "dividend", 1.0))
    found = adjusted_prices(bars(a=[100.0, 49.0]), acts)
    assert closes(found) == pytest.approx([49.0, 49.0])


def test_a_reference_close_from_before_a_split_is_counted_in_todays_shares():
    acts = actions((1, "a", "split", 4.0), (2, "a", "dividend", 1.0))
    found = adjusted_prices(bars(a=[100.0, None, 24.0]), acts)
    assert closes(found) == pytest.approx([24.0, 24.0])


def test_later_actions_add_up_and_other_names_are_left_alone():
    acts = actions((1, "a", "split", 2.0), (2, "a", "dividend", 5.0), (3, "a", "split", 0.1))
    found = adjusted_prices(bars(a=[100.0, 50.0, 45.0, 450.0], b=[1.0, 2.0]), acts)
    assert closes(found) == pytest.approx([450.0] * 4)
    assert closes(found, "b") == [1.0, 2.0]
    factors = found.filter(pl.col("instrument") == "a")
    assert factors["split_factor"].to_list() == pytest.approx([5.0, 10.0, 10.0, 1.0])
    assert factors["price_factor"].to_list() == pytest.approx([0.9, 0.9, 1.0, 1.0])


def test_cash_of_all_that_a_share_was_worth_leaves_older_prices_without_a_meaning():
    acts = actions((1, "a", "dividend", 10.0), (3, "a", "dividend", 1.0))
    found = adjusted_prices(bars(a=[10.0, 0.5, 4.0, 3.0]), acts)
    assert closes(found) == pytest.approx([None, 0.375, 3.0, 3.0])


def test_an_action_without_a_row_before_it_restates_nothing():
    acts = actions((0, "a", "dividend", 500.0), (7, "a", "split", 2.0), (1, "x", "split", 2.0))
    assert closes(adjusted_prices(bars(a=[10.0]), acts)) == [5.0]


OLD, NEW = [50.0, 52.0], [55.0, 56.0]  # contracts' closes; the roll is on the third session
ROLLED = {"a": [*OLD, 57.0]}


def test_a_roll_by_ratio_keeps_returns():
    found = adjusted_prices(bars(**ROLLED), actions((2, "a", "roll", OLD[1] - NEW[1])))
    assert closes(found) == pytest.approx([50.0 * 56 / 52, 56.0, 57.0])


def test_a_roll_by_difference_keeps_changes_and_may_go_below_zero():
    acts = actions((2, "a", "roll", OLD[1] - NEW[1]))
    found = adjusted_prices(bars(**ROLLED), acts, adjustment="difference")
    assert closes(found) == pytest.approx([54.0, 56.0, 57.0])
    down = adjusted_prices(
        bars(a=[2.0, 30.0]), actions((1, "a", "roll", 5.0)), adjustment="difference"
    )
    assert closes(down) == [-3.0, 30.0]
    assert down["price_factor"].to_list() == [1.0, 1.0]


def test_a_roll_from_a_price_below_zero_has_no_ratio_but_a_difference():
    frame, acts = bars(a=[20.0, -37.0, 10.0]), actions((2, "a", "roll", -47.0))
    assert closes(adjusted_prices(frame, acts)) == [None, None, 10.0]
    assert closes(adjusted_prices(frame, acts, adjustment="difference")) == [67.0, 10.0, 10.0]


def test_says_which_actions_it_cannot_read():
    with pytest.raises(ValueError, match=r"\['merger'\]: known are split, dividend, roll"):
        adjusted_prices(bars(a=[1.0]), actions((0, "a", "merger", 1.0)))
    with pytest.raises(ValueError, match="Several actions of one kind and session"):
        adjusted_prices(bars(a=[1.0]), actions((0, "a", "split", 2.0), (0, "a", "split", 3.0)))


PATHS = st.lists(st.one_of(st.none(), st.floats(20, 200)), min_size=2, max_size=8)
ACTS = st.lists(
    st.tuples(
        st.integers(0, 7),
        st.sampled_from("ab"),
        st.sampled_from(["split", "dividend", "roll"]),
        st.floats(0.5, 3),
    ),
    unique_by=lambda row: row[:3],
    max_size=8,
)


@given(a=PATHS, b=PATHS, acts=ACTS, now=st.integers(0, 7))
@settings(max_examples=40, deadline=None)
def test_what_becomes_known_later_changes_nothing_that_is_read_now(a, b, acts, now):
    frame = bars(a=a, b=b).filter(pl.col("session") <= DAYS[now])
    known = actions(*acts).filter(pl.col("ex_session") <= DAYS[now])
    read = adjusted_prices(frame, known)
    assert_frame_equal(read.select("session", "instrument"), frame.select("session", "instrument"))
    after = bars(a=a, b=b).filter(pl.col("session") > DAYS[now])
    both = adjusted_prices(
        pl.concat([frame, after]).sample(fraction=1, shuffle=True, seed=1), known
    )
    again = both.filter(pl.col("session") <= DAYS[now]).sort("instrument", "session")
    assert_frame_equal(again, read.sort("instrument", "session"), check_exact=True)
    alone = adjusted_prices(
        frame.filter(pl.col("instrument") == "a"), known.filter(pl.col("instrument") == "a")
    )
    assert_frame_equal(read.filter(pl.col("instrument") == "a"), alone, check_exact=True)
