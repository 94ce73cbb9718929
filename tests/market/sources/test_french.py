"""Factor returns come in natural units, from the first table, once they count as published."""

import tracemalloc
from datetime import date, timedelta

import polars as pl
import pytest

from tasks.market.sources.french import factor_returns
from tasks.market.sources.protocol import Delivery, Unreadable
from tests.market.sources.cases.french import FACTORS, MOMENTUM, NIGHT, ROUTES, source, zipped
from tests.market.sources.vendor import Answer, Vendor

FILE = "/ftp/F-F_Research_Data_Factors_daily_CSV.zip"
MONTHS = """This file was created by CMPT_ME_BEME_RETS using the 202003 CRSP database.

,Mkt-RF,SMB
202001,   -0.11,   -3.11
202002,   -8.13,    1.07

 Annual Factors: January-December
,Mkt-RF,SMB
2019,   28.28,   -6.10

Copyright 2020 Kenneth R. French
"""


def read(text: str, lag_days: int = 60) -> pl.DataFrame:
    return factor_returns(text.encode(), prefix="ff3", lag_days=lag_days, what="the file")


def pulled(night: date, until: date = NIGHT, **texts: str) -> Delivery:
    bodies = {"factors": FACTORS, "momentum": MOMENTUM, **texts}
    names = dict(zip(ROUTES, (zipped(text) for text in bodies.values()), strict=True))
    with Vendor({path: lambda request: Answer(names[request.path]) for path in names}) as vendor:
        library = source(vendor.url)
        library.nights(until)
        return library.normalise(list(library.pull([night])))


# --- one file ------------------------------------------------------------------------------------


def test_percent_become_natural_units_known_after_the_lag():
    first = read(FACTORS).filter(session=date(2020, 3, 11))
    assert first["name"].to_list() == ["ff3_hml", "ff3_mkt_rf", "ff3_rf", "ff3_smb"]
    assert first["value"].to_list() == pytest.approx([-0.0173, -0.0495, 0.00006, -0.0119])
    assert set(first["known_on"]) == {date(2020, 5, 10)}


def test_what_is_marked_as_missing_has_no_row():
    found = read(FACTORS)
    assert found.height == 5 * 4 - 1
    assert found.filter(session=date(2020, 3, 13), name="ff3_smb").is_empty()
    assert read(MOMENTUM).height == 2


def test_what_is_no_number_is_null():
    found = read(FACTORS.replace("-4.95", "n/a"))
    assert found.filter(name="ff3_mkt_rf")["value"].to_list()[0] is None


def test_months_are_dated_on_their_last_day_and_years_left_out():
    found = read(MONTHS).filter(name="ff3_mkt_rf")
    assert found["session"].to_list() == [date(2020, 1, 31), date(2020, 2, 29)]
    assert found["value"].to_list() == pytest.approx([-0.0011, -0.0813])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nothing here\n", "no table"),
        ("prose without a header\n20200311, 1.0\n", "no table"),
        (",A,B\n20200311, 1.0\n", "2 columns, but"),
        (",A,B\n20200311, 1.0, 2.0, 3.0\n", "2 columns, but"),
        (",A\n20200311, 1.0\n<html>\n20200312, 1.0\n", "where a row should"),
        (",A\n20201311, 1.0\n", "is no date"),
        (",A\n202013, 1.0\n", "is no date"),
        (",A b,A-b\n20200311, 1.0, 2.0\n", "more than one column named 'ff3_a_b'"),
        ("," * 2000 + "\n20200311" + ",1" * 2000, "2000 columns where 1000 are the most"),
    ],
)
def test_names_what_is_no_table_of_the_library(text, says):
    with pytest.raises(Unreadable, match=f"the file.*{says}"):
        read(text)


def test_a_table_of_very_many_rows_is_not_built(monkeypatch):
    monkeypatch.setattr("tasks.market.sources.french.MOST_CELLS", 100)
    with pytest.raises(Unreadable, match="the file has a table of 102 cells"):
        read(",A\n" + "20200311,1\n" * 51)
    assert read(",A\n" + "20200311,1\n" * 50).height == 50


def test_further_tables_may_be_long(monkeypatch):
    monkeypatch.setattr("tasks.market.sources.french.MOST_CELLS", 100)
    assert read(f"{FACTORS}\n\n,A\n" + "20200311,1\n" * 1_000).equals(read(FACTORS))


def test_a_table_of_few_long_lines_is_not_built(monkeypatch):
    long = f",A\n20200311,1\n20200312,{'1' * 2_000}\n"
    monkeypatch.setattr("tasks.market.sources.french.MOST_TABLE", 1_000)
    with pytest.raises(Unreadable, match="where 1500000 cells, 1000 bytes, are the most"):
        read(long)
    monkeypatch.setattr("tasks.market.sources.french.LONGEST", 500)
    with pytest.raises(Unreadable, match=r"'1111*' stands where a row should"):
        read(long)


def test_factors_of_a_century_and_fifty_columns_are_read():
    days = [date(1926, 7, 1) + timedelta(days=number) for number in range(26_000)]
    header = "".join(f",Industry {number}" for number in range(49))
    rows = "".join(f"{day:%Y%m%d}{',   -0.12' * 49}\r\n" for day in days)
    assert read(f"prose\r\n\r\n{header}\r\n{rows}\r\n").height == 26_000 * 49


def test_many_small_cells_take_little_memory():
    row = "20200311" + ",1" * 500 + "\n"
    text = "".join(f",C{n}" for n in range(500)) + "\n" + row * 1000  # a mebibyte
    tracemalloc.start()
    try:
        assert read(text).height == 500_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 << 20


# --- a source ------------------------------------------------------------------------------------


def test_the_history_is_known_day_by_day():
    found = pulled(date(2020, 5, 8), until=NIGHT)
    assert found.vintage == "assumed"
    assert found.series.is_empty(), "the first day of the file is known two days later"
    found = pulled(date(2020, 5, 11), until=NIGHT).series
    assert set(found["session"]) == {date(2020, 3, 11), date(2020, 3, 12)}
    assert set(found["known_on"]) == {date(2020, 5, 11)}, "one was due on the Sunday before"


def test_nothing_published_later_moves_what_was_known():
    before = pulled(NIGHT).series
    assert before["session"].max() == date(2020, 3, 16)
    future = FACTORS.replace("5.90,   -0.27,   -4.00", "99.0,   -99.0,   42.00")
    future = future.replace("\n\nCopyright", "\n20200318,    1.00,    1.00,    1.00,    1.00\n\n")
    assert pulled(NIGHT, factors=future).series.equals(before)


def test_what_a_live_night_repeats_is_known_from_that_night():
    found = pulled(NIGHT)
    assert found.vintage == "observed"
    assert set(found.series["known_on"]) == {NIGHT}
    assert found.series["session"].min() == date(2020, 3, 13), "the look-back of three sessions"


@pytest.mark.parametrize("body", [b"PK\x03\x04 and no more", zipped(FACTORS)[:-30]])
def test_a_zip_that_cannot_be_opened_is_named(body):
    with Vendor({**ROUTES, FILE: lambda request: Answer(body)}) as vendor:
        library = source(vendor.url)
        library.nights(NIGHT)
        with pytest.raises(ValueError, match="F-F_Research_Data_Factors_daily_CSV"):
            list(library.pull([NIGHT]))


def test_a_zip_that_unpacks_to_too_much_is_refused():
    bomb = zipped(FACTORS + " " * (6 << 20))
    assert len(bomb) < 1 << 16
    with Vendor({**ROUTES, FILE: lambda request: Answer(bomb)}) as vendor:
        library = source(vendor.url)
        library.nights(NIGHT)
        with pytest.raises(ValueError, match="zip file that holds"):
            list(library.pull([NIGHT]))
