"""Without a vendor's ids a rename shows in the eve's row, and re-use in another name."""

import pytest
from polars.testing import assert_frame_equal

from tests.market.naming import EVE, LONG_AGO, NEXT, TONIGHT, Nights, bars, named, said, who

# Renames that show in the eve's row.


def test_a_new_symbol_that_repeats_the_eve_of_one_that_vanished_goes_on_with_its_instrument():
    nights = Nights()
    nights.night(bars((EVE, "OLD")), named({"symbol": ["OLD"], "name": ["Old Co"]}), on=EVE)
    found = nights.night(bars((EVE, "NEW"), (TONIGHT, "NEW")))
    assert set(found.bars["instrument"]) == {"us:OLD:2016-06-29"}
    assert said(found, "instrument", "symbol", "from_session", "name") == [
        ("us:OLD:2016-06-29", "NEW", TONIGHT, "Old Co")
    ]
    assert dict(found.names.iter_rows())["NEW"] == "us:OLD:2016-06-29"


@pytest.mark.parametrize(
    "tonight",
    [
        pytest.param(bars((EVE, "NEW"), (TONIGHT, "NEW"), close=10.01), id="another price"),
        pytest.param(bars((EVE, "NEW"), (TONIGHT, "NEW"), (TONIGHT, "OLD")), id="still there"),
        pytest.param(bars((EVE, "N1"), (TONIGHT, "N1"), (EVE, "N2"), (TONIGHT, "N2")), id="two"),
        pytest.param(bars((TONIGHT, "NEW")), id="no row of the eve"),
        pytest.param(bars((EVE, "NEW")), id="no row of tonight"),
    ],
)
def test_anything_less_is_another_instrument(tonight):
    nights = Nights()
    nights.night(bars((EVE, "OLD")), on=EVE)
    found = nights.night(tonight)
    own = {symbol: name for (symbol, _), name in who(found).items() if symbol != "OLD"}
    assert own.keys() == {name.split(":")[1] for name in own.values()}


def test_a_row_without_trading_tells_no_rename():
    nights = Nights()
    nights.night(bars((EVE, "OLD"), volume=0.0), on=EVE)
    found = nights.night(bars((EVE, "NEW"), (TONIGHT, "NEW"), volume=0.0))
    assert set(found.bars["instrument"]) == {"us:NEW:2016-06-29"}


def test_a_symbol_given_up_in_a_rename_is_another_instrument_when_it_comes_back():
    nights = Nights()
    nights.night(bars((EVE, "OLD")), on=EVE)
    nights.night(bars((EVE, "NEW"), (TONIGHT, "NEW")))
    found = nights.night(bars((NEXT, "OLD"), (NEXT, "NEW"), (EVE, "OLD")), on=NEXT)
    assert who(found) == {
        ("OLD", EVE): "us:OLD:2016-06-29",
        ("OLD", NEXT): "us:OLD:2016-07-01",
        ("NEW", NEXT): "us:OLD:2016-06-29",
    }


# Symbols that are used again.


def long_silent(name: str | None) -> Nights:
    nights = Nights()
    nights.night(bars((LONG_AGO, "A")), named({"symbol": ["A"], "name": [name]}), on=LONG_AGO)
    return nights


def test_after_a_long_silence_another_name_is_another_instrument():
    found = long_silent("Magnetek").night(
        bars((EVE, "A"), (TONIGHT, "A")), named({"symbol": ["A"], "name": ["Mag Silver Corp"]})
    )
    assert set(found.bars["instrument"]) == {"us:A:2016-06-29"}
    assert said(found, "instrument", "name") == [("us:A:2016-06-29", "Mag Silver Corp")]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Accenture plc.", "ACCENTURE PLC"),
        ("AZZ Incorporated", "AZZ Inc."),
        (None, "Mag Silver"),
        ("Magnetek", None),
        ("Magnetek", "NO Name"),
    ],
)
def test_after_a_long_silence_the_same_name_or_none_is_the_same_instrument(before, after):
    found = long_silent(before).night(
        bars((TONIGHT, "A")), named({"symbol": ["A"], "name": [after]})
    )
    assert found.bars["instrument"].to_list() == ["us:A:2016-05-27"]


def test_another_name_without_a_silence_is_the_same_instrument_anew():
    nights = Nights()
    nights.night(bars((EVE, "A")), named({"symbol": ["A"], "name": ["Abengoa Yield"]}), on=EVE)
    found = nights.night(bars((TONIGHT, "A")), named({"symbol": ["A"], "name": ["Atlantica"]}))
    assert found.bars["instrument"].to_list() == ["us:A:2016-06-29"]
    columns = "instrument", "name", "from_session"
    assert said(found, *columns) == [("us:A:2016-06-29", "Atlantica", TONIGHT)]


def test_a_stranger_named_before_it_trades_waits_and_leaves_the_old_name_alone():
    nights = long_silent("Magnetek")
    told = nights.night(bars((EVE, "B")), named({"symbol": ["A"], "name": ["Mag Silver"]}), on=EVE)
    assert ("", "A", "Mag Silver") in said(told, "instrument", "symbol", "name")
    found = nights.night(bars((TONIGHT, "A"), (TONIGHT, "B")))
    assert who(found)["A", TONIGHT] == "us:A:2016-06-30"
    assert said(found, "instrument", "name") == [("us:A:2016-06-30", "Mag Silver")]


def test_a_desk_that_only_remembers_recent_rows_says_the_same():
    other = named({"symbol": ["A"], "name": ["Mag Silver"]})
    full, short = long_silent("Magnetek"), long_silent("Magnetek")
    short.eve = short.eve.clear()
    assert_frame_equal(
        full.night(bars((TONIGHT, "A")), other).listings,
        short.night(bars((TONIGHT, "A")), other).listings,
    )
