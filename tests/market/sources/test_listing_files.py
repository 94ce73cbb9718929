"""A ticker history says who a symbol was, from which day to which."""

from datetime import date

import polars as pl
from polars.testing import assert_frame_equal

from tasks.market.frames import RAW_LISTINGS
from tasks.market.sources.listing_files import intervals_of

DAY = dict.fromkeys(["date"], pl.Date)


def history(*rows: tuple[str, date, str, str | None]) -> pl.DataFrame:
    names = ["permanent_id", "date", "ticker", "exchange"]
    return pl.DataFrame(rows, schema=names, schema_overrides=DAY, orient="row")


BANK = [
    ("BAC", date(1998, 1, 2), "NB", "N"),
    ("BAC", date(1998, 9, 30), "NB", "N"),
    ("BAC", date(2050, 12, 31), "BAC", "N"),
]


def said(rows: pl.DataFrame) -> list[tuple]:
    return intervals_of(rows).select("vendor_id", "symbol", "from_session", "to_session").rows()


def test_each_ticker_lasts_from_the_day_after_the_one_before_to_its_own_last_day():
    assert said(history(*BANK)) == [
        ("BAC", "BAC", date(1998, 10, 1), None),
        ("BAC", "NB", date(1998, 1, 2), date(1998, 9, 30)),
    ]


def test_a_ticker_that_came_back_has_an_interval_for_each_time():
    rows = history(
        ("QQQ", date(1999, 3, 10), "QQQ", "Q"),
        ("QQQ", date(2004, 11, 30), "QQQ", "Q"),
        ("QQQ", date(2011, 3, 22), "QQQQ", "Q"),
        ("QQQ", date(2050, 12, 31), "QQQ", "Q"),
    )
    assert [row[1:] for row in said(rows)] == [
        ("QQQ", date(1999, 3, 10), date(2004, 11, 30)),
        ("QQQ", date(2011, 3, 23), None),
        ("QQQQ", date(2004, 12, 1), date(2011, 3, 22)),
    ]


def test_the_order_of_rows_and_a_missing_exchange_do_not_matter():
    found = intervals_of(history(*BANK))
    assert found.schema == pl.Schema(RAW_LISTINGS)
    assert_frame_equal(intervals_of(history(*BANK[::-1])), found)
    assert intervals_of(history(*BANK).drop("exchange"))["exchange"].null_count() == 2
    assert intervals_of(history()).is_empty()


def test_an_id_with_its_first_row_alone_says_no_interval():
    assert said(history(BANK[0])) == []
