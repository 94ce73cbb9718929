"""A symbol keeps its instrument; a new one is named after where and when it was first seen."""

from datetime import date

import polars as pl
import pytest

from tasks.market.frames import LISTINGS, RAW_BARS, shaped
from tasks.market.identity import identify

EVE, TONIGHT = date(2016, 6, 29), date(2016, 6, 30)


def bars(*keys: tuple[date, str | None]) -> pl.DataFrame:
    schema = {"session": pl.Date, "symbol": pl.String}
    return shaped(pl.DataFrame(keys, schema=schema, orient="row"), RAW_BARS)


def listed(*rows: tuple[str, str, date]) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema=["instrument", "symbol", "from_session"], orient="row")
    return shaped(frame.with_columns(source=pl.lit("us")), LISTINGS)


NOTHING = shaped(pl.DataFrame(schema=LISTINGS), LISTINGS)


def test_a_new_symbol_is_named_after_its_first_session():
    found, new = identify(bars((TONIGHT, "NA"), (EVE, "NA")), NOTHING, source="us")
    assert found["instrument"].to_list() == ["us:NA:2016-06-29"] * 2
    assert new.rows() == [("us:NA:2016-06-29", "NA", EVE)]
    assert found["session"].to_list() == [EVE, TONIGHT]


def test_a_listed_symbol_keeps_its_newest_instrument():
    known = listed(
        ("us:A:1990-01-02", "A", date(1990, 1, 2)), ("us:A:2001-03-05", "A", date(2001, 3, 5))
    )
    found, new = identify(bars((TONIGHT, "A")), known, source="us")
    assert found["instrument"].to_list() == ["us:A:2001-03-05"]
    assert new.is_empty()


def test_another_sources_listing_does_not_count():
    known = listed(("us:A:1990-01-02", "A", date(1990, 1, 2)))
    found, _ = identify(bars((TONIGHT, "A")), known, source="eu")
    assert found["instrument"].to_list() == ["eu:A:2016-06-30"]


def test_the_other_names_of_a_night_change_no_name():
    alone, _ = identify(bars((TONIGHT, "B")), NOTHING, source="us")
    among, _ = identify(bars((TONIGHT, "A"), (TONIGHT, "B"), (EVE, "C")), NOTHING, source="us")
    assert among.filter(pl.col("symbol") == "B").equals(alone)


def test_refuses_rows_without_a_symbol():
    with pytest.raises(ValueError, match="1 rows without symbol or session"):
        identify(bars((TONIGHT, None)), NOTHING, source="us")
