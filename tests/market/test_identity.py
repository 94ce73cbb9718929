"""A symbol keeps its instrument; a new one is named after where and when it was first seen."""

from datetime import date, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tasks.market.holders import held_at
from tests.market.naming import EVE, NEXT, TONIGHT, Nights, bars, named, said, who

# What nobody says anything of.


def test_a_new_symbol_is_named_after_its_first_session():
    found = Nights().night(bars((TONIGHT, "NA"), (EVE, "NA")))
    assert found.bars["instrument"].to_list() == ["us:NA:2016-06-29"] * 2
    assert found.bars["session"].to_list() == [EVE, TONIGHT]
    new = ("us:NA:2016-06-29", "NA", EVE, "equity", "USD")
    columns = "instrument", "symbol", "from_session", "asset_class", "currency"
    assert said(found, *columns) == [new]


def test_a_symbol_keeps_its_instrument_and_a_late_row_before_its_first_is_its_own():
    nights = Nights()
    nights.night(bars((EVE, "A")), on=EVE)
    late = nights.night(bars((TONIGHT, "A"), (EVE - timedelta(days=1), "A")))
    assert set(late.bars["instrument"]) == {"us:A:2016-06-29"}
    assert late.listings.is_empty()


def test_the_other_names_of_a_night_change_no_name():
    alone = Nights().night(bars((TONIGHT, "B"))).bars
    among = Nights().night(bars((TONIGHT, "A"), (TONIGHT, "B"), (EVE, "C"))).bars
    assert among.filter(pl.col("symbol") == "B").equals(alone)


def test_refuses_rows_without_a_symbol():
    with pytest.raises(ValueError, match="1 rows without symbol or session"):
        Nights().night(bars((TONIGHT, None)))


# A vendor's own ids.


def interval(symbol: str, vendor_id: str, start: date | None, end: date | None = None) -> dict:
    row = {"symbol": [symbol], "vendor_id": [vendor_id], "from_session": [start]}
    return {**row, "to_session": [end]}


D = [date(2016, 6, day) for day in range(1, 11)]


def test_an_id_keeps_its_instrument_through_renames_and_a_symbol_changes_hands():
    told = named(
        interval("GOOG", "class A", D[0], D[3]),
        interval("GOOGL", "class A", D[4]),
        interval("GOOCV", "class C", D[2], D[3]),
        interval("GOOG", "class C", D[4]),
    )
    rows = bars(*[(day, "GOOG") for day in D], (D[3], "GOOCV"), (D[5], "GOOGL"))
    found = Nights().night(rows, told)
    names = who(found)
    assert [names["GOOG", day] for day in D] == ["us:GOOG:2016-06-01"] * 4 + [
        "us:GOOCV:2016-06-04"
    ] * 6
    assert names["GOOCV", D[3]] == "us:GOOCV:2016-06-04"
    assert names["GOOGL", D[5]] == "us:GOOG:2016-06-01"
    assert dict(found.names.iter_rows()) == {
        "GOOG": "us:GOOCV:2016-06-04",
        "GOOCV": "us:GOOCV:2016-06-04",
        "GOOGL": "us:GOOG:2016-06-01",
    }


def test_what_lies_before_between_and_after_the_intervals_is_another_instrument_each_time():
    told = named(interval("A", "1", D[2], D[3]), interval("A", "2", D[6], D[7]))
    nights = Nights()
    found = nights.night(bars(*[(day, "A") for day in D]), told)
    days = [D[0]] * 2 + [D[2]] * 2 + [D[4]] * 2 + [D[6]] * 2 + [D[8]] * 2
    assert found.bars["instrument"].to_list() == [f"us:A:{day}" for day in days]
    again = nights.night(bars(*[(day, "A") for day in D], (TONIGHT, "A")), told)
    assert again.bars["instrument"].to_list() == [f"us:A:{day}" for day in [*days, D[8]]]
    assert again.listings.is_empty()


def test_a_listing_waits_for_its_first_bar_with_an_empty_instrument():
    nights = Nights()
    both = named(interval("A", "1", D[0]), {"symbol": ["B"], "name": ["B Co"]})
    waiting = nights.night(bars(), both, on=D[0])
    assert said(waiting, "instrument", "symbol") == [("", "A"), ("", "B")]
    assert nights.night(bars(), both, on=D[1]).listings.is_empty()
    found = nights.night(bars((D[2], "A"), (D[2], "B")), on=D[2])
    assert said(found, "instrument", "symbol", "name", "vendor_id") == [
        ("us:A:2016-06-03", "A", None, "1"),
        ("us:B:2016-06-03", "B", "B Co", None),
    ]


def test_an_id_that_comes_with_another_symbol_renames_its_instrument_without_a_day():
    nights = Nights()
    nights.night(bars((D[0], "OLD")), named(interval("OLD", "1", None)), on=D[0])
    found = nights.night(
        bars((D[1], "NEW"), (D[2], "NEW")), named(interval("NEW", "1", None)), on=D[2]
    )
    assert set(found.bars["instrument"]) == {"us:OLD:2016-06-01"}
    assert said(found, "symbol", "from_session") == [("NEW", D[1])]
    same_start = named(interval("NEWER", "1", date(1990, 1, 2)))
    again = nights.night(bars((D[3], "NEWER")), same_start, on=D[3])
    assert set(again.bars["instrument"]) == {"us:OLD:2016-06-01"}


def test_an_id_that_comes_late_is_given_to_the_instrument_that_has_the_symbol():
    nights = Nights()
    nights.night(bars((D[1], "A")), on=D[1])
    found = nights.night(bars((D[2], "A")), named(interval("A", "1", D[0])), on=D[2])
    assert who(found) == {("A", D[2]): "us:A:2016-06-02"}
    assert said(found, "instrument", "vendor_id") == [("us:A:2016-06-02", "1")]
    renamed = nights.night(bars((D[3], "B")), named(interval("B", "1", D[3])), on=D[3])
    assert who(renamed) == {("B", D[3]): "us:A:2016-06-02"}


def test_an_id_that_began_later_is_not_the_instrument_that_had_the_symbol():
    nights = Nights()
    nights.night(bars((D[0], "A")), on=D[0])
    found = nights.night(bars((D[4], "A")), named(interval("A", "1", D[3])), on=D[4])
    assert who(found) == {("A", D[4]): "us:A:2016-06-05"}


# What is said of instruments.


def test_an_end_is_said_on_the_last_session_and_a_contracts_end_from_its_start():
    contract = interval("CLQ6", "c", D[0], D[5]) | {"root": ["CL"], "multiplier": [1000.0]}
    found = Nights().night(
        bars((D[0], "A"), (D[0], "CLQ6")), named(interval("A", "1", D[0], D[5]), contract)
    )
    assert said(found, "symbol", "from_session", "to_session", "multiplier") == [
        ("A", D[0], None, None),
        ("A", D[5], D[5], None),
        ("CLQ6", D[0], D[5], 1000.0),
    ]


def test_only_what_is_new_is_said_again():
    nights = Nights()
    told = named({"symbol": ["A"], "name": ["A Co"], "sector": ["Energy"], "exchange": ["N"]})
    assert nights.night(bars((EVE, "A")), told, on=EVE).listings.height == 1
    assert nights.night(bars((TONIGHT, "A")), told).listings.is_empty()
    moved = named({"symbol": ["A"], "exchange": ["Q"], "currency": ["CAD"]})
    found = nights.night(bars((NEXT, "A")), moved, on=NEXT)
    assert said(found, "name", "sector", "exchange", "currency") == [("A Co", "Energy", "Q", "CAD")]


def test_a_fund_stays_one_and_a_name_that_denies_it_is_not_believed():
    nights = Nights()
    fund = named({"symbol": ["A"], "name": ["A Shares ETF"], "asset_class": ["fund"]})
    nights.night(bars((EVE, "A")), fund, on=EVE)
    other = named({"symbol": ["A"], "name": ["region"], "asset_class": ["equity"]})
    assert nights.night(bars((TONIGHT, "A")), other).listings.is_empty()


def test_history_in_one_go_gives_each_name_from_its_own_day_on():
    told = named(
        {"symbol": ["A"], "name": ["First"], "from_session": [D[0]]},
        {"symbol": ["A"], "name": ["Second"], "from_session": [D[4]]},
    )
    found = Nights().night(bars(*[(day, "A") for day in D]), told)
    assert said(found, "name", "from_session") == [("First", D[0]), ("Second", D[4])]


def test_actions_find_who_held_the_symbol_on_their_own_day():
    told = named(interval("A", "1", D[0], D[3]), interval("A", "2", D[6]))
    found = Nights().night(bars((D[0], "A"), (D[7], "A")), told)
    actions = pl.DataFrame({"symbol": ["A"] * 3, "ex_session": [D[7], D[4], D[1]]})
    held = held_at(actions, found.holders, day="ex_session")
    assert held["instrument"].to_list() == ["us:A:2016-06-08", None, "us:A:2016-06-01"]


# Time.


def test_rows_and_listings_of_a_night_may_come_in_any_order():
    told = named(interval("A", "1", D[2], D[3]), interval("B", "1", D[4]), interval("A", "2", D[6]))
    rows = bars(*[(day, name) for day in D for name in "ABC"])
    forward, backward = Nights().night(rows, told), Nights().night(rows.reverse(), told.reverse())
    for one, other in zip(forward, backward, strict=True):
        assert_frame_equal(one, other)


def test_what_comes_later_in_one_delivery_moves_no_earlier_row():
    told = [interval("A", "1", D[2], D[3]), interval("B", "1", D[4]), interval("A", "2", D[6])]
    rows = bars(*[(day, name) for day in D for name in "ABC"])
    cut = pl.col("session") <= D[4]
    whole = Nights().night(rows, named(*told)).bars.filter(cut)
    assert_frame_equal(Nights().night(rows.filter(cut), named(*told[:2])).bars, whole)
    assert_frame_equal(Nights().night(rows.filter(cut), named(*told)).bars, whole)
