"""Packed codes sort as the columns do."""

from datetime import date

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.market.ordering import coded_by, order_of, sorted_by

SCHEMA = {"day": pl.Date, "name": pl.String, "body": pl.Binary, "number": pl.Int64}
ROWS = st.lists(
    st.tuples(
        st.one_of(st.none(), st.dates(date(1985, 1, 1), date(2030, 12, 31))),
        st.one_of(st.none(), st.text(max_size=2)),
        st.one_of(st.none(), st.binary(max_size=2)),
        st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
    ),
    max_size=12,
)


@given(rows=ROWS, columns=st.permutations(list(SCHEMA)))
@settings(max_examples=80, deadline=None)
def test_sorts_as_polars_does_with_nulls_first(rows, columns):
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    expected = frame.sort(columns, nulls_last=False, maintain_order=True)
    assert sorted_by(frame, columns).equals(expected)


def test_equal_rows_keep_their_order():
    frame = pl.DataFrame({"key": [2, 1, 2, 1], "place": [0, 1, 2, 3]})
    assert sorted_by(frame, ["key"])["place"].to_list() == [1, 3, 0, 2]


def test_no_columns_leave_the_order_as_it_is():
    frame = pl.DataFrame({"key": [2, 1]})
    assert order_of(coded_by(frame, []).codes).tolist() == [0, 1]
