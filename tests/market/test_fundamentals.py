"""Figures are the newest that were known, and what is filed later changes nothing before."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from tasks.market.frames import FUNDAMENTALS, shaped
from tasks.market.fundamentals import latest, trailing_year

Q = [date(2014, 3, 31), date(2014, 6, 30), date(2014, 9, 30), date(2014, 12, 31)]
NEXT = [date(2015, 3, 31), date(2015, 6, 30), date(2015, 9, 30), date(2015, 12, 31)]


def filed(*rows: tuple[date, float | None, str, date], item: str = "revenues") -> pl.DataFrame:
    """Return `FUNDAMENTALS` of one instrument: (period_end, value, form, known_on)."""
    frame = pl.DataFrame(rows, schema=["period_end", "value", "form", "known_on"], orient="row")
    about = {"instrument": pl.lit("x"), "item": pl.lit(item), "delivery": pl.col("known_on")}
    return shaped(frame.with_columns(**about), FUNDAMENTALS)


def known(day: date) -> date:
    """Return when a period's figures are filed: forty days after it ends."""
    return day + timedelta(days=40)


# Quarters of 10, 11, 12 and (unsaid) 17; then 20, 21, 22 and (unsaid) 27.
YEARS = filed(
    *(
        (day, value, "10-Q", known(day))
        for day, value in zip(Q[:3], (10.0, 11.0, 12.0), strict=True)
    ),
    (Q[3], 50.0, "10-K", known(Q[3])),
    *(
        (day, value, "10-Q", known(day))
        for day, value in zip(NEXT[:3], (20.0, 21.0, 22.0), strict=True)
    ),
    (NEXT[3], 90.0, "10-K", known(NEXT[3])),
)


def value(frame: pl.DataFrame) -> float | None:
    (row,) = frame.iter_rows(named=True)
    return row["value"]


def test_the_newest_period_known_counts():
    assert value(latest(YEARS, known(Q[1]))) == 11.0
    assert value(latest(YEARS, known(Q[1]) - timedelta(days=1))) == 10.0


def test_of_several_filings_on_a_period_the_last_known_counts():
    told = filed((Q[0], 10.0, "10-Q", known(Q[0])), (Q[0], 9.5, "10-Q/A", known(Q[1])))
    assert value(latest(told, known(Q[0]))) == 10.0
    assert value(latest(told.reverse(), known(Q[1]))) == 9.5


def test_an_older_period_told_later_is_not_the_newest():
    told = filed((Q[1], 11.0, "10-Q", known(Q[1])), (Q[0], 9.5, "10-Q/A", known(Q[2])))
    found = latest(told, known(Q[3]))
    assert found.select("period_end", "value", "known_on").row(0) == (Q[1], 11.0, known(Q[1]))


def test_what_is_too_old_has_no_value_but_says_its_period():
    told = filed((Q[0], 10.0, "10-Q", known(Q[0])))
    day = Q[0] + timedelta(days=400)
    assert value(latest(told, day)) == 10.0
    old = latest(told, day + timedelta(days=1))
    assert value(old) is None
    assert old["period_end"].to_list() == [Q[0]]


def test_each_instrument_and_item_has_its_own_row():
    told = pl.concat([YEARS, filed((Q[0], 3.0, "10-Q", known(Q[0])), item="assets")])
    other = told.with_columns(instrument=pl.lit("a"))
    found = latest(pl.concat([told, other]), known(Q[0]))
    assert found.select("instrument", "item").rows() == [
        ("a", "assets"),
        ("a", "revenues"),
        ("x", "assets"),
        ("x", "revenues"),
    ]


def test_nothing_known_is_nothing_found():
    assert latest(YEARS, date(2014, 1, 2)).is_empty()
    assert trailing_year(YEARS, date(2014, 1, 2)).is_empty()


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (Q[3], 50.0),
        (NEXT[0], 50.0 + 20.0 - 10.0),
        (NEXT[1], 50.0 + 41.0 - 21.0),
        (NEXT[2], 50.0 + 63.0 - 33.0),
        (NEXT[3], 90.0),
    ],
)
def test_a_year_is_the_last_full_one_with_what_came_since_for_what_was_a_year_before(day, expected):
    found = trailing_year(YEARS, known(day))
    assert found.select("period_end", "known_on").row(0) == (day, known(day))
    assert value(found) == pytest.approx(expected)


def test_a_year_with_a_hole_has_no_sum():
    for hole in (Q[0], NEXT[0], Q[3]):
        holed = YEARS.filter(pl.col("period_end") != hole)
        assert value(trailing_year(holed, known(NEXT[1]))) is None
    assert value(trailing_year(YEARS, known(Q[2]))) is None


def test_fiscal_years_of_52_weeks_are_summed_too():
    shifted = YEARS.with_columns(pl.col("period_end") - pl.duration(days=5))
    odd = shifted.with_columns(
        period_end=pl.when(pl.col("period_end") > Q[3])
        .then(pl.col("period_end").dt.offset_by("-1d"))
        .otherwise("period_end")
    )
    assert value(trailing_year(odd, known(NEXT[1]))) == pytest.approx(70.0)


def test_a_restated_quarter_counts_in_the_sum_from_the_day_it_is_known():
    again = filed((Q[0], 8.0, "10-Q/A", known(NEXT[0]) + timedelta(days=3)))
    told = pl.concat([YEARS, again])
    assert value(trailing_year(told, known(NEXT[0]))) == pytest.approx(60.0)
    later = trailing_year(told, known(NEXT[0]) + timedelta(days=3))
    assert value(later) == pytest.approx(62.0)
    assert later["known_on"].to_list() == [known(NEXT[0]) + timedelta(days=3)]


@pytest.mark.parametrize("ask", [latest, trailing_year])
def test_what_is_filed_later_changes_nothing_before(ask):
    rng = np.random.default_rng(3)
    for day in pl.date_range(date(2014, 5, 1), date(2016, 3, 1), "17d", eager=True):
        wild = pl.Series(rng.uniform(-1e9, 1e9, YEARS.height))
        late = pl.col("known_on") > day
        altered = YEARS.with_columns(
            value=pl.when(late).then(wild).otherwise("value"),
            period_end=pl.when(late).then(pl.lit(date(2014, 3, 31))).otherwise("period_end"),
        )
        assert ask(altered, day).equals(ask(YEARS, day))


def test_real_companies_have_a_year_by_spring(shared_data):
    wide = pl.read_parquet(shared_data / "us" / "fundamentals_2015_2016.parquet")
    told = wide.select(
        "known_on",
        period_end="end_date",
        instrument="symbol",
        item=pl.lit("revenues"),
        value="revenues",
        form="doc_type",
        delivery="known_on",
    ).drop_nulls("value")
    found = trailing_year(shaped(told, FUNDAMENTALS), date(2016, 6, 30))
    by_name = dict(found.select("instrument", "value").iter_rows())
    assert by_name["KO"] == pytest.approx(44.294e9 + 10.282e9 - 10.711e9)
    assert found["value"].is_not_null().mean() > 0.5
