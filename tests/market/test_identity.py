"""A symbol keeps its instrument; a new one is named after where and when it was first seen."""

from datetime import date

import polars as pl
import pytest

from tasks.market.frames import LISTINGS, RAW_BARS, RAW_LISTINGS, empty, shaped
from tasks.market.identity import EVE as EVE_ROWS
from tasks.market.identity import Identified, identify

EVE, TONIGHT = date(2016, 6, 29), date(2016, 6, 30)


def bars(*keys: tuple[date, str | None]) -> pl.DataFrame:
    schema = {"session": pl.Date, "symbol": pl.String}
    return shaped(pl.DataFrame(keys, schema=schema, orient="row"), RAW_BARS)


def listed(*rows: tuple[str, str, date]) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema=["instrument", "symbol", "from_session"], orient="row")
    return shaped(frame.with_columns(source=pl.lit("us")), LISTINGS)


NOTHING = shaped(pl.DataFrame(schema=LISTINGS), LISTINGS)


def found(bars: pl.DataFrame, known: pl.DataFrame = NOTHING) -> Identified:
    return identify(
        bars,
        empty(RAW_LISTINGS),
        known,
        empty(EVE_ROWS),
        source="us",
        currency="USD",
        asset_class="equity",
        session=TONIGHT,
    )


def test_a_new_symbol_is_named_after_its_first_session():
    named = found(bars((TONIGHT, "NA"), (EVE, "NA")))
    assert named.bars["instrument"].to_list() == ["us:NA:2016-06-29"] * 2
    assert named.bars["session"].to_list() == [EVE, TONIGHT]
    new = named.listings.select("instrument", "symbol", "from_session", "asset_class")
    assert new.rows() == [("us:NA:2016-06-29", "NA", EVE, "equity")]


def test_a_listed_symbol_keeps_its_newest_instrument():
    known = listed(
        ("us:A:1990-01-02", "A", date(1990, 1, 2)), ("us:A:2001-03-05", "A", date(2001, 3, 5))
    )
    assert found(bars((TONIGHT, "A")), known).bars["instrument"].to_list() == ["us:A:2001-03-05"]


def test_the_other_names_of_a_night_change_no_name():
    alone = found(bars((TONIGHT, "B"))).bars
    among = found(bars((TONIGHT, "A"), (TONIGHT, "B"), (EVE, "C"))).bars
    assert among.filter(pl.col("symbol") == "B").equals(alone)


def test_refuses_rows_without_a_symbol():
    with pytest.raises(ValueError, match="1 rows without symbol or session"):
        found(bars((TONIGHT, None)))
