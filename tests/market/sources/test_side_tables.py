"""What lies beside the bars is cut by the night it became known, and said in our words."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from conf.schema import FilesSource
from tasks.market.sources.files import FilesData
from tasks.market.sources.protocol import Delivery, Unreadable
from tasks.market.sources.side_tables import filed_figures, member_events, named_listings

ROOT = Path(__file__).parents[3]
COLUMNS = {"symbol": "ticker", "session": "date", "close": "close"}
NIGHTS = [date(2015, 4, 1), date(2015, 4, 2), date(2015, 4, 6)]


def source(folder: Path, **settings: Any) -> FilesData:
    """Return a source of nightly rows in `bars.parquet`, with these settings besides."""
    usual = {
        "kind": "files",
        "title": "Folder",
        "expected_rows": 1,
        "starts": date(2015, 1, 1),
        "folder_variable": "SOME_FOLDER",
        "tables": "bars.parquet",
        "columns": COLUMNS,
    }
    told = {"night_column": "night"} if not settings.get("one_delivery") else {}
    return FilesData(FilesSource(**{**usual, **told, **settings}), folder)


def bars(folder: Path, **more: list[Any]) -> None:
    """Write a row of one symbol for each night."""
    rows = {"night": NIGHTS, "ticker": ["A"] * 3, "date": NIGHTS, "close": [1.0, 2.0, 3.0]}
    pl.DataFrame(rows | more).write_parquet(folder / "bars.parquet")


def by_night(feed: FilesData) -> list[Delivery]:
    return [feed.normalise(list(feed.pull([night]))) for night in feed.nights()]


def test_history_in_one_go_is_a_single_assumed_night_with_every_row(tmp_path):
    bars(tmp_path)
    feed = source(tmp_path, one_delivery=True)
    (only,) = by_night(feed)
    assert feed.nights() == [NIGHTS[-1]]
    assert only.vintage == "assumed"
    assert only.bars["session"].to_list() == NIGHTS


def test_history_in_one_go_keeps_to_the_dates_of_its_source(tmp_path):
    bars(tmp_path)
    feed = source(tmp_path, one_delivery=True, starts=NIGHTS[1], ends=NIGHTS[1])
    assert feed.nights() == [NIGHTS[1]]
    assert by_night(feed)[0].bars["session"].to_list() == [NIGHTS[1]]


def test_a_row_whose_date_cannot_be_read_is_left_to_the_gate(tmp_path):
    bars(tmp_path, date=["2015-04-01", "soon", "2015-04-06"])
    (only,) = by_night(source(tmp_path, one_delivery=True))
    assert only.bars["session"].to_list() == [NIGHTS[0], None, NIGHTS[2]]


def test_takes_only_the_symbols_it_is_told_to(tmp_path):
    bars(tmp_path, ticker=["A", "B", "NA"])
    (only,) = by_night(source(tmp_path, one_delivery=True, symbols=["A", "NA"]))
    assert only.bars["symbol"].to_list() == ["A", "NA"]


def test_the_asset_class_of_a_row_is_said_of_its_symbol_in_our_words(tmp_path):
    bars(tmp_path, ticker=["EURUSD", "SPY", "GOLD"], kind=["Forex", "ETF", "cfd"])
    feed = source(tmp_path, one_delivery=True, columns=COLUMNS | {"asset_class": "kind"})
    (only,) = by_night(feed)
    assert only.listings.select("symbol", "asset_class", "from_session").rows() == [
        ("EURUSD", "fx", NIGHTS[0]),
        ("GOLD", "unknown", NIGHTS[2]),
        ("SPY", "fund", NIGHTS[1]),
    ]


def test_the_currency_of_a_row_stands_on_it_and_on_its_symbol(tmp_path):
    bars(tmp_path, ticker=["A", "B", "B"], money=["USD", "GBP", "GBP"])
    columns = COLUMNS | {"currency": "money"}
    (only,) = by_night(source(tmp_path, one_delivery=True, columns=columns))
    assert only.bars["currency"].to_list() == ["USD", "GBP", "GBP"]
    assert dict(only.listings.select("symbol", "currency").iter_rows()) == {"A": "USD", "B": "GBP"}


def test_a_column_that_nothing_reads_is_refused(tmp_path):
    with pytest.raises(ValueError, match="columns names colour, which nothing reads"):
        source(tmp_path, columns=COLUMNS | {"colour": "colour"})
    with pytest.raises(ValueError, match="columns lacks close"):
        source(tmp_path, columns={"symbol": "ticker", "session": "date"})


def test_a_file_without_a_night_column_says_its_night_in_its_name(tmp_path):
    rows = pl.DataFrame({"ticker": ["A"], "date": [NIGHTS[0]], "close": [1.0]})
    rows.write_parquet(tmp_path / "20150401.parquet")
    rows.write_parquet(tmp_path / "2015-04-02.parquet")
    feed = source(tmp_path, tables="20??????.parquet | 20??-??-??.parquet")
    assert feed.nights() == NIGHTS[:2]
    assert [night.bars.height for night in by_night(feed)] == [1, 1]
    rows.write_parquet(tmp_path / "20159999.parquet")
    with pytest.raises(ValueError, match=r"20159999\.parquet .* has no column 'night'"):
        feed.nights()


def test_nights_after_the_end_of_the_usual_folder_are_read(tmp_path):
    bars(tmp_path)
    assert source(tmp_path, ends=NIGHTS[0]).nights() == NIGHTS


def test_a_folder_with_bars_alone_is_enough(tmp_path):
    text = (ROOT / "conf" / "sources" / "us_deliveries.yaml").read_text()
    conf = FilesSource(**yaml.safe_load(text))
    cells = {name: [1.0] for name in list(conf.columns.values())[2:]}
    rows = {"night": [NIGHTS[0]], "symbol": ["A"], "date": [NIGHTS[0]]} | cells
    pl.DataFrame(rows).write_parquet(tmp_path / "deliveries.parquet")
    (tmp_path / "readme.txt").write_text("hello")
    (tmp_path / "backup.tar.gz").write_bytes(b"old")
    (only,) = by_night(FilesData(conf, tmp_path))
    assert only.bars.height == 1
    assert only.fundamentals.is_empty()
    assert only.members.is_empty()


# --- filings -----------------------------------------------------------------------------------


def filings(**columns: list[Any]) -> pl.DataFrame:
    usual = {
        "symbol": ["A", "A"],
        "end_date": [date(2014, 12, 31)] * 2,
        "doc_type": ["10-K"] * 2,
        "revenues": [10.0, 11.0],
        "equity": [None, 5.0],
        "known_on": [NIGHTS[0], date(2015, 4, 3)],
    }
    return pl.DataFrame(usual | columns)


def test_filings_come_on_the_night_they_became_known_and_never_early(tmp_path):
    bars(tmp_path)
    filings().write_parquet(tmp_path / "filings.parquet")
    nights = by_night(source(tmp_path, fundamentals="filings.parquet"))
    told = [night.fundamentals.select("item", "value", "known_on").rows() for night in nights]
    assert told == [
        [("revenues", 10.0, NIGHTS[0])],
        [],
        [("revenues", 11.0, date(2015, 4, 3)), ("equity", 5.0, date(2015, 4, 3))],
    ]


def test_an_amended_filing_says_so():
    told = filed_figures(filings(amend=[False, True]), night=NIGHTS[0], what="x")
    assert told["form"].to_list() == ["10-K", "10-K/A", "10-K/A"]


def test_a_filing_without_a_day_became_known_that_night():
    told = filed_figures(filings().drop("known_on"), night=NIGHTS[1], what="x")
    assert told["known_on"].unique().to_list() == [NIGHTS[1]]


def test_an_empty_cell_is_no_figure_and_a_word_is_one_without_a_value():
    told = filed_figures(filings(revenues=["n.a.", " "]), night=NIGHTS[0], what="x")
    assert told.select("item", "value").rows() == [("revenues", None), ("equity", 5.0)]


def test_filings_without_a_period_cannot_be_read():
    with pytest.raises(Unreadable, match=r"x lacks the column\(s\) end_date"):
        filed_figures(filings().drop("end_date"), night=NIGHTS[0], what="x")


# --- memberships and identities -----------------------------------------------------------------


def intervals(*rows: tuple[str, date, date | None]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["symbol", "start_date", "end_date"], orient="row")


def test_a_member_joins_on_the_first_day_and_is_gone_on_the_end_date():
    told = member_events(intervals(("A", NIGHTS[0], NIGHTS[2]), ("B", NIGHTS[1], None)), "big")
    assert told.rows() == [
        (NIGHTS[0], "big", "A", 1),
        (NIGHTS[1], "big", "B", 1),
        (NIGHTS[2], "big", "A", 0),
    ]


def test_who_leaves_and_comes_back_on_one_day_has_not_left():
    told = member_events(intervals(("A", NIGHTS[0], NIGHTS[1]), ("A", NIGHTS[1], None)), "big")
    assert told["member"].to_list() == [1, 1]


def test_memberships_come_as_they_begin_and_end(tmp_path):
    bars(tmp_path)
    rows = intervals(("A", date(2001, 1, 1), date(2015, 4, 4)), ("B", date(2016, 1, 1), None))
    rows.write_parquet(tmp_path / "members.parquet")
    feed = source(tmp_path, memberships="members.parquet", membership_of="big")
    told = [night.members.select("symbol", "member").rows() for night in by_night(feed)]
    assert told == [[("A", 1)], [], [("A", 0)]]


def test_a_rename_is_known_from_its_own_night_on(tmp_path):
    bars(tmp_path)
    last = date(2050, 12, 31)
    rows = [("X", date(2001, 1, 1), "A"), ("X", date(2015, 4, 2), "A"), ("X", last, "B")]
    names = ["permanent_id", "date", "ticker"]
    pl.DataFrame(rows, schema=names, orient="row").write_parquet(tmp_path / "who.parquet")
    nights = by_night(source(tmp_path, identities="who.parquet"))
    said = ["symbol", "vendor_id", "from_session", "to_session"]
    assert [night.listings.select(said).rows() for night in nights] == [
        [("A", "X", date(2001, 1, 1), None)],
        [("A", "X", date(2001, 1, 1), date(2015, 4, 2))],
        [("B", "X", date(2015, 4, 3), None)],
    ]


def test_what_the_bars_say_fills_the_gaps_of_names_and_identities(tmp_path):
    bars(tmp_path, ticker=["A", "B", "B"], kind=["stock", "etf", "etf"])
    rows = [("X", date(2001, 1, 1), "A"), ("X", date(2050, 12, 31), "A")]
    names = ["permanent_id", "date", "ticker"]
    pl.DataFrame(rows, schema=names, orient="row").write_parquet(tmp_path / "who.parquet")
    columns = COLUMNS | {"asset_class": "kind"}
    feed = source(tmp_path, one_delivery=True, identities="who.parquet", columns=columns)
    said = ["symbol", "vendor_id", "asset_class"]
    assert by_night(feed)[0].listings.select(said).rows() == [
        ("A", "X", "equity"),
        ("B", None, "fund"),
    ]


def test_listings_of_contracts_say_what_a_contract_is():
    table = pl.DataFrame(
        {
            "symbol": ["CLM0"],
            "name": ["Crude Oil June 2020"],
            "first_seen": [NIGHTS[0]],
            "asset_class": ["future"],
            "root": ["CL"],
            "to_session": ["2020-05-19"],
            "multiplier": ["1000"],
        }
    )
    (row,) = named_listings(table, NIGHTS[0]).iter_rows(named=True)
    assert (row["asset_class"], row["root"], row["multiplier"]) == ("future", "CL", 1000.0)
    assert (row["from_session"], row["to_session"]) == (NIGHTS[0], date(2020, 5, 19))


def test_what_comes_later_beside_the_bars_changes_no_earlier_payload(tmp_path):
    bars(tmp_path)
    beside = {"fundamentals": "filings.parquet", "memberships": "members.parquet"}
    feed = source(tmp_path, membership_of="big", **beside)
    joined = ("A", date(2001, 1, 1), None)
    filings().write_parquet(tmp_path / "filings.parquet")
    intervals(joined).write_parquet(tmp_path / "members.parquet")
    before = list(feed.pull(NIGHTS[:2]))
    late = filings(known_on=[date(2015, 4, 6)] * 2, revenues=[99.0, 99.0])
    pl.concat([filings(), late]).write_parquet(tmp_path / "filings.parquet")
    rows = intervals((*joined[:2], date(2015, 4, 5)), ("B", date(2015, 4, 3), None))
    rows.write_parquet(tmp_path / "members.parquet")
    assert list(feed.pull(NIGHTS[:2])) == before


# --- the real files -----------------------------------------------------------------------------


def test_reads_the_same_filings_from_packed_nights_as_from_the_table(shared_data):
    text = (ROOT / "conf" / "sources" / "us_deliveries.yaml").read_text()
    conf = FilesSource(**yaml.safe_load(text))
    packed = FilesData(conf, shared_data / "raw" / "us_deliveries")
    table = FilesData(conf, shared_data / "us")
    for night in (date(2015, 3, 24), date(2015, 4, 6), date(2015, 11, 16)):
        one, other = (
            feed.normalise(list(feed.pull([night]))).fundamentals.unique()
            for feed in (packed, table)
        )
        columns = one.columns
        assert one.height > 100
        assert one.sort(columns).equals(other.sort(columns))


def test_about_five_hundred_names_are_members_of_the_real_index_on_any_day(shared_data):
    rows = pl.read_parquet(shared_data / "us" / "sp500_membership.parquet")
    events = member_events(rows, "sp500")
    for day in (date(2000, 1, 3), date(2015, 3, 23), date(2024, 9, 23)):
        newest = events.filter(pl.col("session") <= day).unique("symbol", keep="last")
        assert 485 <= newest["member"].sum() <= 507
