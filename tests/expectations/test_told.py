"""What is told besides bars: which of two answers counts, since when, and nights without any."""

from datetime import date
from itertools import permutations

import polars as pl
import pytest

from expectations.eve import Eve
from expectations.news import last_filed
from expectations.sorting import Reach
from expectations.told import sort_told
from tasks.market import frames
from tests.expectations.told_case import (
    AFTER,
    EVE,
    FILINGS,
    NEWS,
    NIGHT,
    RATES,
    TABLES,
    Row,
    begun,
    delivery,
    desk,
    filing,
    rate,
    verdict,
)

REACH = Reach([EVE, NIGHT], NIGHT, observed=True)
NO_CLOSES = frames.empty(
    {"symbol": pl.String, "session": pl.Date, "close": pl.Float64, "volume": pl.Float64}
)


def in_any_order(*rows: Row) -> list[tuple]:
    """Return (form, value) of the filings that count, which is the same in any order."""
    found = set()
    for order in permutations(rows):
        told = sort_told(delivery(NIGHT, [], filings=list(order)), Eve(NO_CLOSES, None), REACH)
        kept = told.fundamentals.with_columns(instrument="symbol", known_on=pl.lit(NIGHT))
        counts = last_filed(frames.shaped(kept, frames.FUNDAMENTALS))
        found.add(tuple(counts.select("form", "value").iter_rows()))
    assert len(found) == 1
    return list(found.pop())


def test_an_amendment_of_the_same_night_counts_whatever_the_order():
    assert in_any_order(filing(1.0), filing(2.0, form="10-Q/A")) == [("10-Q/A", 2.0)]


def test_two_filings_of_one_form_that_disagree_are_both_set_aside():
    other = filing(3.0, period_end=date(2014, 12, 31))
    assert in_any_order(filing(1.0), filing(2.0), other) == [("10-Q", 3.0)]


def test_of_two_symbols_of_one_company_the_last_by_name_counts():
    told = pl.DataFrame([filing(2.0, symbol="S02"), filing(1.0)], schema=frames.RAW_FUNDAMENTALS)
    for rows in (told, told.reverse()):
        night = delivery(NIGHT, [])._replace(fundamentals=rows)
        kept = sort_told(night, Eve(NO_CLOSES, None), REACH).fundamentals
        one = frames.shaped(kept.with_columns(instrument=pl.lit("a")), frames.FUNDAMENTALS)
        assert last_filed(one)["symbol"].to_list() == ["S02"]


def test_the_same_filing_twice_is_one():
    assert in_any_order(filing(1.0), filing(1.0)) == [("10-Q", 1.0)]


def test_a_year_and_a_quarter_that_end_on_one_day_are_two_figures():
    assert in_any_order(filing(4.0, form="10-K"), filing(1.0)) == [("10-K", 4.0), ("10-Q", 1.0)]


def test_of_two_days_that_became_known_together_the_later_counts():
    early = filing(1.0, form="10-Q/A", known_on=date(2015, 6, 30))
    assert in_any_order(early, filing(2.0, form="10-Q", known_on=NIGHT)) == [("10-Q", 2.0)]


def test_of_two_values_that_became_known_together_the_later_counts():
    told = [rate(EVE, 2.6, NIGHT), rate(EVE, 2.5, EVE)]
    for rows in (told, told[::-1]):
        judged = desk(RATES).judge(delivery(NIGHT, [], series=rows))
        assert judged.series.select("value", "known_on").rows() == [(2.6, NIGHT)]


# --- since when it is known ----------------------------------------------------------------------

LATE = {"series": [rate(EVE, 2.5, EVE)], "filings": [filing(7.0, known_on=EVE)]}


@pytest.mark.parametrize(("sealed", "known_on"), [(None, NIGHT), (NIGHT, AFTER)])
def test_nothing_is_known_before_the_night_that_brought_it_nor_where_that_is_sealed(
    sealed, known_on
):
    here = begun()
    here.sealed = sealed
    judged = here.judge(delivery(NIGHT, **NEWS | LATE))
    for name in TABLES:
        assert getattr(judged, name)["known_on"].unique().to_list() == [known_on], name


@pytest.mark.parametrize(("sealed", "known_on"), [(None, EVE), (NIGHT, AFTER)])
def test_history_is_known_as_it_says_but_not_where_that_is_sealed(sealed, known_on):
    judged = desk(RATES, sealed=sealed).judge(
        delivery(AFTER, [], vintage="assumed", series=[rate(EVE, 2.5, EVE)])
    )
    assert judged.series["known_on"].to_list() == [known_on]


@pytest.mark.parametrize("vintage", ["observed", "assumed"])
def test_what_does_not_say_when_it_became_known_did_so_on_its_night(vintage):
    judged = desk(RATES).judge(delivery(NIGHT, [], vintage=vintage, series=[rate(EVE, 2.5, None)]))
    assert judged.series["known_on"].to_list() == [NIGHT]


# --- nights without news -------------------------------------------------------------------------


@pytest.mark.parametrize("vintage", ["observed", "assumed"])
def test_a_night_without_a_filing_is_skipped(vintage):
    here = desk(FILINGS)
    told = {"listings": [{"symbol": "S00", "name": "A company", "vendor_id": "CIK1"}]}
    filed = [filing(7.0, symbol="S00", known_on=EVE)]
    first = here.judge(delivery(EVE, [], vintage="assumed", filings=filed, **told))
    assert verdict(first)[0] == "pass"
    silent = delivery(NIGHT, [], vintage=vintage, **told)
    assert verdict(here.judge(silent)) == ("skip", "nothing new")


def test_history_without_a_filing_is_a_block():
    assert verdict(desk(FILINGS).judge(delivery(EVE, [], vintage="assumed")))[0] == "block"


@pytest.mark.parametrize(("last", "said"), [(EVE, "block"), (date(2015, 6, 1), "skip")])
def test_a_late_night_without_a_value_blocks_where_the_series_speaks_daily(last, said):
    here = desk(RATES)
    here.judge(delivery(EVE, [], vintage="assumed", series=[rate(last, 2.5, last)]))
    assert verdict(here.judge(delivery(NIGHT, [], vintage="assumed")))[0] == said
