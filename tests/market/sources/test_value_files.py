"""A folder may tell series: under our names, each value known when it could be."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from pydantic import ValidationError

from conf.schema import FilesSource
from tasks.market.frames import RAW_SERIES
from tasks.market.sources.files import FilesData
from tasks.market.sources.protocol import Delivery, Payload, Unreadable

CONF = Path(__file__).parents[3] / "conf" / "sources"
COLUMNS = {"session": "date", "symbol": "symbol", "value": "value"}
HEADER = "date,symbol,value\n"
# The first of February 2015 is a Sunday, the 16th a holiday.
ROWS = """2015-02-02,BAA,4.5
2015-01-01,BAA,4.4
2015-01-29,vix,18.75
2015-01-30,vix,20.97
2015-02-02,vix,19.43
2015-02-16,vix,15.5
2015-01-30,CPI,239.0
2015-02-18,vix,15.45
"""


def source(folder: Path | None, **settings: Any) -> FilesData:
    """Return a source of `values.csv`, of a volatility index and a monthly yield."""
    usual: dict[str, Any] = {
        "kind": "files",
        "title": "Folder",
        "expected_rows": 1,
        "starts": date(2015, 1, 1),
        "folder_variable": "SOME_FOLDER",
        "tables": "values.csv",
        "columns": COLUMNS,
        "one_delivery": True,
        "series": {"vix": "vix", "yield_baa": "BAA"},
        "monthly": ["yield_baa"],
    }
    return FilesData(FilesSource(**(usual | settings)), folder)


def nightly(folder: Path) -> FilesData:
    """Return a source of a file a night."""
    return source(folder, tables="*.csv", one_delivery=False, night_in_name="%Y-%m-%d", monthly=[])


def told(feed: FilesData, night: date | None = None) -> Delivery:
    return feed.normalise(list(feed.pull([night or feed.nights()[-1]])))


def known(delivery: Delivery) -> dict[tuple[str, date], date]:
    rows = delivery.series.select("name", "session", "known_on").iter_rows()
    return {(name, session): day for name, session, day in rows}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "values.csv").write_text(HEADER + ROWS)
    return tmp_path


def test_tells_series_under_our_names_and_no_bars(folder):
    feed = source(folder)
    delivery = told(feed)
    assert feed.nights() == [delivery.night] == [date(2015, 2, 18)]
    assert delivery.vintage == "assumed"
    assert delivery.bars.is_empty()
    assert dict(delivery.series.schema) == RAW_SERIES
    assert delivery.series.select("session", "name", "value").rows() == [
        (date(2015, 1, 1), "yield_baa", 4.4),
        (date(2015, 1, 29), "vix", 18.75),
        (date(2015, 1, 30), "vix", 20.97),
        (date(2015, 2, 2), "vix", 19.43),
        (date(2015, 2, 16), "vix", 15.5),
        (date(2015, 2, 18), "vix", 15.45),
    ]


def test_a_daily_value_is_known_in_its_session_and_a_month_in_the_first_of_the_next(folder):
    days = known(told(source(folder)))
    assert days[("vix", date(2015, 1, 30))] == date(2015, 1, 30)
    assert days[("vix", date(2015, 2, 16))] == date(2015, 2, 17)
    assert days[("yield_baa", date(2015, 1, 1))] == date(2015, 2, 2)
    assert ("yield_baa", date(2015, 2, 2)) not in days  # February is not over


def test_a_lag_puts_off_when_values_are_known_and_the_newest_are_left_out(folder):
    days = known(told(source(folder, lag_days=1)))
    assert days[("vix", date(2015, 1, 30))] == date(2015, 2, 2)
    assert days[("yield_baa", date(2015, 1, 1))] == date(2015, 2, 2)
    assert ("vix", date(2015, 2, 18)) not in days


def test_what_was_known_before_the_source_starts_is_left_out(folder):
    days = known(told(source(folder, starts=date(2015, 2, 1))))
    assert ("vix", date(2015, 1, 30)) not in days
    assert days[("yield_baa", date(2015, 1, 1))] == date(2015, 2, 2)


def test_what_comes_later_changes_nothing_that_was_known_before(folder):
    then = date(2015, 2, 2)
    before = told(source(folder)).series.filter(pl.col("known_on") <= then)
    assert before.height == 4
    late = ROWS.replace("15.5\n", "99\n").replace("15.45", "-1").replace("BAA,4.5", "BAA,44")
    (folder / "values.csv").write_text(f"{HEADER}{late}2015-02-19,BAA,1\n2015-03-02,vix,80\n")
    after = told(source(folder)).series
    assert after.filter(pl.col("known_on") <= then).equals(before)
    assert after.filter(pl.col("known_on") > then)["value"].to_list() == [44, 99, -1, 1, 80]


def test_a_cell_that_is_no_day_or_number_is_null_and_left_to_the_gate(folder):
    (folder / "values.csv").write_text(f"{HEADER}{ROWS}soon,vix,20\n2015-02-17,vix,n/a\n")
    series = told(source(folder)).series
    assert series.filter(pl.col("session").is_null()).row(0) == (None, "vix", 20.0, None)
    assert series.filter(pl.col("value").is_null())["session"].to_list() == [date(2015, 2, 17)]


def test_what_a_night_brings_is_known_that_night(tmp_path):
    (tmp_path / "2015-02-06.csv").write_text(f"{HEADER}2015-02-05,vix,16.85\n")
    (tmp_path / "2015-02-16.csv").write_text(f"{HEADER}2015-02-13,vix,14.69\n")  # a holiday
    (tmp_path / "2015-02-17.csv").write_text("")
    feed = nightly(tmp_path)
    days = [known(told(feed, night)) for night in feed.nights()]
    assert days == [
        {("vix", date(2015, 2, 5)): date(2015, 2, 6)},
        {("vix", date(2015, 2, 13)): date(2015, 2, 13)},
        {},
    ]


def test_a_kept_payload_is_read_without_the_folder(folder):
    kept = list(source(folder).pull([date(2015, 2, 18)]))
    assert source(None).normalise(kept).series.height == 6


def test_a_payload_that_is_no_table_is_named(folder):
    (kept,) = source(folder).pull([date(2015, 2, 18)])
    with pytest.raises(Unreadable, match=r"values\.csv of 2015-02-18 is no readable Parquet"):
        source(None).normalise([Payload(*kept[:2], b"<html>", kept.vintage)])


def test_an_absent_column_is_named(tmp_path):
    pl.DataFrame({"date": [date(2015, 2, 2)], "symbol": ["vix"], "close": [19.43]}).write_parquet(
        tmp_path / "values.parquet"
    )
    with pytest.raises(Unreadable, match=r"lacks the column\(s\) value; it has: date, symbol, cl"):
        told(source(tmp_path, tables="values.parquet"))


def test_a_series_that_history_never_tells_is_named(folder):
    with pytest.raises(Unreadable, match=r"tells nothing of VXX; it tells of: BAA, CPI, vix"):
        told(source(folder, series={"vix": "VXX"}, monthly=[]))


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"columns": {"session": "date", "close": "c"}}, "columns of series are: session, symbol"),
        ({"monthly": ["yield_aaa"]}, "monthly names yield_aaa, but series are: vix, yield_baa"),
        ({"series": {}, "monthly": [], "lag_days": 2}, "are of series with one_delivery"),
        ({"one_delivery": False, "night_column": "night"}, "are of series with one_delivery"),
        ({"listings": "names.csv", "symbols": ["VIX"]}, "reads no listings, symbols"),
    ],
)
def test_settings_that_nothing_would_read_are_refused(settings, reason):
    with pytest.raises(ValidationError, match=reason):
        source(None, **settings)


@pytest.mark.parametrize(
    ("name", "first", "value", "known_on"),
    [
        ("vix", date(2014, 1, 3), 13.76, date(2014, 1, 3)),
        ("yield_baa", date(1990, 1, 1), 9.94, date(1990, 2, 1)),
        ("wti", date(1986, 1, 2), 25.56, date(1986, 1, 3)),
    ],
)
def test_reads_the_real_series(shared_data, name, first, value, known_on):
    text = (CONF / f"{'oil' if name == 'wti' else 'macro'}_daily.yaml").read_text()
    series = told(FilesData(FilesSource(**yaml.safe_load(text)), shared_data / "multi")).series
    assert series.filter(name=name).row(0) == (first, name, value, known_on)
    assert series.filter(name=name)["value"].null_count() == 0
    assert (series["known_on"] >= series["session"]).all()
