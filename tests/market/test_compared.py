"""Two frames are told apart by bits: by their values, their types, their gaps and their rows."""

from datetime import date

import polars as pl
import pytest

from tasks.market.compared import ROWS, differences

DAY = date(2020, 1, 2)


def frame(values, dtype=pl.Float64) -> pl.DataFrame:
    names = [f"N{place}" for place in range(len(values))]
    days = pl.Series([DAY] * len(values), dtype=pl.Date)
    return pl.DataFrame(
        {"session": days, "instrument": names, "value": pl.Series(values, dtype=dtype)},
        schema_overrides={"instrument": pl.String},
    )


def columns(before: pl.DataFrame, after: pl.DataFrame, **rules) -> list[str]:
    return [found.column for found in differences(before, after, **rules)]


def test_a_frame_does_not_differ_from_itself():
    assert columns(frame([1.5, None, float("nan")]), frame([1.5, None, float("nan")])) == []


@pytest.mark.parametrize(
    ("before", "after", "names"),
    [
        (frame([1.5, 2.0]), frame([1, 2], pl.Int64), 1),
        (frame([1, 2], pl.Int64), frame([1.5, 2.25]), 2),
        (frame([0.7, 1.0]), frame([True, True], pl.Boolean), 1),
        (frame([0.1, 0.5]), frame([0.1, 0.5], pl.Float32), 1),
        (frame(["a", "b"], pl.String), frame([None, 2], pl.Int64), 2),
    ],
)
def test_another_type_hides_no_value_that_is_another(before, after, names):
    kinds, values = differences(before, after)
    assert kinds.column.startswith("value (")
    assert (values.column, values.names) == ("value", names)


def test_another_type_of_the_same_values_is_a_difference():
    assert columns(frame([1.0, 2.0]), frame([1, 2], pl.Int64)) == ["value (Int64, was Float64)"]


def test_types_that_nothing_holds_both_of_differ_in_every_row():
    (found,) = differences(frame([[1], None], pl.List(pl.Int64)), frame([None, True], pl.Boolean))
    assert (found.column, found.names) == ("value (Boolean, was List(Int64))", 2)


def test_a_column_of_gaps_has_the_type_of_any():
    assert columns(frame([None, None], pl.Null), frame([None, None])) == []
    (found,) = differences(frame([None, None], pl.Null), frame([1.0, None]))
    assert (found.column, found.names) == ("value", 1)


def test_the_tolerance_is_a_share_of_the_larger_number_whichever_came_first():
    for one, other in ((1.0, 0.905), (0.905, 1.0)):
        assert columns(frame([one]), frame([other]), tolerance=0.1) == []
        assert columns(frame([one]), frame([other]), tolerance=0.09) == ["value"]
    infinite = frame([float("inf")])
    assert columns(infinite, frame([1.0]), tolerance=0.1) == ["value"]
    assert columns(infinite, infinite, tolerance=0.1) == []


def test_tells_what_rounding_moves_from_what_more_does():
    before = frame([0.3, 0.5, 1e-9])
    for after, last_bits in (
        ([0.3 + 1e-16, 0.5, 1e-9 + 1e-17], True),  # what cancels keeps the rounding of its parts
        ([0.3 + 1e-10, 0.5, 1e-9], False),
        ([0.3 + 1e-16, 0.5, None], False),
        ([0.3 + 1e-16, 0.5, float("inf")], False),
    ):
        (found,) = differences(before, frame(after))
        assert found.last_bits is last_bits
    (found,) = differences(frame([10**15], pl.Int64), frame([10**15 + 1], pl.Int64))
    assert not found.last_bits
    (found,) = differences(before, frame([0.3, 0.5]))
    assert (found.column, found.last_bits) == (ROWS, False)
