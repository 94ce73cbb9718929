"""A view shows what was known at its close, and nothing later can move it."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.market.frames import ACTIONS, BARS, empty, shaped
from tasks.market.history import History, View

DAYS = [date(2016, 6, 6) + timedelta(days=i) for i in range(5)]
FIRST, SECOND, THIRD, *_ = DAYS
NAN = float("nan")
ARRAYS = [name for name in View._fields if name.endswith("_TN")]


def bars(*rows: tuple[date, str, date, float | None]) -> pl.DataFrame:
    """Rows (session, instrument, known_on, close); volume is ten times the close."""
    schema = {"session": pl.Date, "instrument": pl.String, "known_on": pl.Date, "close": pl.Float64}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return shaped(frame.with_columns(delivery="known_on", volume=pl.col("close") * 10), BARS)


def actions(*rows: tuple[date, str, str, float, date]) -> pl.DataFrame:
    """Rows (ex_session, instrument, kind, value, known_on)."""
    names = ["ex_session", "instrument", "kind", "value", "known_on"]
    frame = pl.DataFrame(rows, schema={n: ACTIONS[n] for n in names}, orient="row")
    return shaped(frame.with_columns(delivery="known_on"), ACTIONS)


def history(frame: pl.DataFrame, acts: pl.DataFrame | None = None, prints="first") -> History:
    return History(frame, empty(ACTIONS) if acts is None else acts, DAYS, prints=prints)


def closes(view: View) -> list[list[float]]:
    return view.close_TN.tolist()


def test_ends_at_as_of_and_has_a_column_for_every_instrument():
    frame = bars((FIRST, "b", FIRST, 1.0), (SECOND, "a", SECOND, 2.0))
    view = history(frame).roll(SECOND)
    assert view.as_of == SECOND
    assert view.sessions == (FIRST, SECOND)
    assert view.instruments == ("a", "b")
    np.testing.assert_array_equal(view.close_TN, [[NAN, 1.0], [2.0, NAN]])
    np.testing.assert_array_equal(view.volume_TN, [[NAN, 10.0], [20.0, NAN]])
    assert np.isnan(view.open_TN).all()
    assert (view.split_TN == 1).all()
    assert (view.dividend_TN == 0).all()


@pytest.mark.parametrize(("prints", "expected"), [("first", 1.0), ("last", 1.5)])
def test_of_several_prints_the_first_or_the_last_stands(prints, expected):
    frame = bars((FIRST, "a", SECOND, 1.5), (FIRST, "a", FIRST, 1.0))
    market = history(frame, prints=prints)
    assert closes(market.roll(FIRST)) == [[1.0]]
    assert market.roll(SECOND).close_TN[0, 0] == expected


def test_the_first_print_stands_even_where_it_is_empty():
    frame = bars((FIRST, "a", FIRST, None), (FIRST, "a", SECOND, 1.0))
    assert np.isnan(history(frame).roll(SECOND).close_TN).all()
    assert history(frame, prints="last").roll(SECOND).close_TN[0, 0] == 1.0


def test_of_two_deliveries_of_one_night_the_later_one_wins():
    frame = bars((FIRST, "a", FIRST, 2.0), (FIRST, "a", FIRST, 1.0))
    frame = frame.with_columns(delivery=pl.Series([FIRST, FIRST - timedelta(days=1)]))
    assert closes(history(frame, prints="last").roll(FIRST)) == [[2.0]]
    assert closes(history(frame, prints="first").roll(FIRST)) == [[1.0]]


def test_a_late_row_appears_when_it_became_known():
    market = history(bars((FIRST, "a", THIRD, 1.0)))
    assert np.isnan(market.roll(SECOND).close_TN).all()
    np.testing.assert_array_equal(market.roll(THIRD).close_TN[:, 0], [1.0, NAN, NAN])


def test_rows_dated_outside_the_sessions_are_ignored():
    before, after = FIRST - timedelta(days=1), DAYS[-1] + timedelta(days=1)
    frame = bars((before, "a", FIRST, 9.0), (FIRST, "a", before, 1.0), (SECOND, "a", after, 9.0))
    market = History(frame, empty(ACTIONS), DAYS, prints="last")
    np.testing.assert_array_equal(market.roll(DAYS[-1]).close_TN[:, 0], [1.0] + [NAN] * 4)


def test_actions_stand_on_their_ex_session_once_known():
    acts = actions(
        (THIRD, "a", "split", 2.0, FIRST),
        (SECOND, "a", "dividend", 0.5, SECOND),
        (SECOND, "x", "split", 3.0, SECOND),
        (FIRST, "a", "dividend", 0.1, THIRD),
    )
    market = history(bars((FIRST, "a", FIRST, 1.0)), acts)
    second = market.roll(SECOND)
    assert second.split_TN[:, 0].tolist() == [1.0, 1.0]
    assert second.dividend_TN[:, 0].tolist() == [0.0, 0.5]
    third = market.roll(THIRD)
    assert third.split_TN[:, 0].tolist() == [1.0, 1.0, 2.0]
    assert third.dividend_TN[:, 0].tolist() == [0.1, 0.5, 0.0]


@pytest.mark.parametrize(("prints", "expected"), [("first", 2.0), ("last", 3.0)])
def test_corrected_actions_follow_the_same_rule(prints, expected):
    acts = actions((FIRST, "a", "split", 3.0, SECOND), (FIRST, "a", "split", 2.0, FIRST))
    view = history(bars((FIRST, "a", FIRST, 1.0)), acts, prints).roll(SECOND)
    assert view.split_TN[0, 0] == expected


def test_a_roll_pays_or_takes_beside_the_dividend_of_its_session():
    acts = actions(
        (SECOND, "a", "roll", -1.25, SECOND),
        (SECOND, "a", "dividend", 0.5, THIRD),
        (THIRD, "a", "roll", 2.0, THIRD),
        (SECOND, "b", "dividend", 0.25, SECOND),
    )
    market = history(bars((FIRST, "a", FIRST, 1.0), (FIRST, "b", FIRST, 1.0)), acts)
    assert market.roll(SECOND).dividend_TN.tolist() == [[0.0, 0.0], [-1.25, 0.25]]
    assert market.roll(THIRD).dividend_TN.tolist() == [[0.0, 0.0], [-0.75, 0.25], [2.0, 0.0]]


def test_a_corrected_roll_takes_the_place_of_the_first_beside_the_dividend():
    acts = actions(
        (FIRST, "a", "roll", 1.0, FIRST),
        (FIRST, "a", "dividend", 0.5, FIRST),
        (FIRST, "a", "roll", -3.0, SECOND),
    )
    market = history(bars((FIRST, "a", FIRST, 1.0)), acts, "last")
    assert market.roll(FIRST).dividend_TN[0, 0] == 1.5
    assert market.roll(SECOND).dividend_TN[0, 0] == -2.5


def test_time_runs_forward_only():
    market = history(bars((FIRST, "a", FIRST, 1.0)))
    again = market.roll(SECOND), market.roll(SECOND)
    assert again[0].close_TN.tobytes() == again[1].close_TN.tobytes()
    with pytest.raises(ValueError, match="History stands at 2016-06-07: no way to 2016-06-06"):
        market.roll(FIRST)


def test_says_what_it_cannot_replay():
    frame = bars((FIRST, "a", FIRST, 1.0))
    with pytest.raises(ValueError, match="2016-06-30 is none of the 5 sessions"):
        history(frame).roll(date(2016, 6, 30))
    with pytest.raises(ValueError, match="oldest first, each once"):
        History(frame, empty(ACTIONS), [SECOND, FIRST], prints="first")
    with pytest.raises(ValueError, match=r"\['merger'\]: known are split, dividend"):
        history(frame, actions((FIRST, "a", "merger", 1.0, FIRST)))


def test_a_view_cannot_be_written():
    view = history(bars((FIRST, "a", FIRST, 1.0))).roll(FIRST)
    with pytest.raises(ValueError, match="read-only"):
        view.close_TN[0, 0] = 2.0


def test_an_empty_market_has_empty_views():
    view = history(empty(BARS)).roll(THIRD)
    assert view.close_TN.shape == (3, 0)


def without_price(row: tuple) -> tuple:
    return row[:3]


def without_value(row: tuple) -> tuple:
    return row[0], row[1], row[2], row[4]


PRICES = st.one_of(st.none(), st.floats(1, 100))
ROWS = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from("ab"), st.integers(0, 4), PRICES),
    unique_by=without_price,
    max_size=12,
)
ACTION_ROWS = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.sampled_from("ab"),
        st.sampled_from(["split", "dividend", "roll"]),
        st.floats(0.1, 5),
        st.integers(0, 4),
    ),
    unique_by=without_value,
    max_size=6,
)


def replay(rows: list, acts: list, prints: str, stop: int) -> dict[tuple[int, str], bytes]:
    """Each instrument's column of every array at every session up to `stop`, as bytes."""
    market = History(
        bars(*((DAYS[s], name, DAYS[known], price) for s, name, known, price in rows)),
        actions(*((DAYS[s], name, kind, x, DAYS[known]) for s, name, kind, x, known in acts)),
        DAYS,
        prints=prints,
    )
    seen = {}
    for place in range(stop + 1):
        view = market.roll(DAYS[place])
        columns = np.stack([getattr(view, name) for name in ARRAYS])
        for n, instrument in enumerate(view.instruments):
            seen[place, instrument] = np.ascontiguousarray(columns[:, :, n]).tobytes()
    return seen


@given(
    rows=ROWS,
    acts=ACTION_ROWS,
    garbage=ROWS,
    as_of=st.integers(0, 4),
    prints=st.sampled_from(["first", "last"]),
)
@settings(max_examples=40, deadline=None)
def test_nothing_that_became_known_later_moves_a_view(rows, acts, garbage, as_of, prints):
    past = [row for row in rows if row[2] <= as_of]
    future = [row for row in garbage if row[2] > as_of]
    late_listing = [(4, "z", 4, 7.0)] if as_of < 4 else []
    known = replay(past, [act for act in acts if act[4] <= as_of], prints, as_of)
    altered = replay([*future, *late_listing, *past], acts[::-1], prints, as_of)
    assert {key: altered[key] for key in known} == known
    blank = {key for key in altered if key not in known}
    assert all(key[1] not in {row[1] for row in past} for key in blank)


@given(rows=ROWS, acts=ACTION_ROWS, prints=st.sampled_from(["first", "last"]))
@settings(max_examples=20, deadline=None)
def test_rolling_day_by_day_ends_where_one_roll_does(rows, acts, prints):
    stepped = replay(rows, acts, prints, 4)
    market = History(
        bars(*((DAYS[s], name, DAYS[known], price) for s, name, known, price in rows)),
        actions(*((DAYS[s], name, kind, x, DAYS[known]) for s, name, kind, x, known in acts)),
        DAYS,
        prints=prints,
    )
    view = market.roll(DAYS[4])
    columns = np.stack([getattr(view, name) for name in ARRAYS])
    for n, instrument in enumerate(view.instruments):
        assert np.ascontiguousarray(columns[:, :, n]).tobytes() == stepped[4, instrument]


def test_names_that_a_block_would_show_wrongly_are_told_to_the_row():
    """Rows 1 to 4 are looked at for the nights of sessions 3 and 4."""
    none = [(DAYS[s], name, DAYS[s], 1.0) for s in range(5) for name in "abcdef"]
    late = [(DAYS[s], "late", DAYS[k], 1.0) for s, k in ((0, 4), (1, 1), (2, 3), (3, 3), (4, 4))]
    edge = [(DAYS[1], "edge", DAYS[4], 1.0)]
    splits = actions(
        (DAYS[1], "a", "split", 2.0, DAYS[1]),  # on the oldest row: nothing before it is restated
        (DAYS[2], "b", "split", 2.0, DAYS[2]),
        (DAYS[4], "c", "split", 2.0, DAYS[4]),
        (DAYS[1], "d", "dividend", 2.0, DAYS[4]),
        (DAYS[1], "e", "split", 2.0, DAYS[4]),
    )
    market = History(bars(*none, *late, *edge), splits, DAYS, prints="first")
    odd = market.unsteady(DAYS[3], DAYS[4], rows=3)
    assert [market.instruments[place] for place in odd] == ["b", "c", "e", "edge"]
