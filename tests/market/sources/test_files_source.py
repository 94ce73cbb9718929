"""Deliveries in a folder: each night as the vendor sent it, bad cells as nulls, names as text."""

import gzip
import io
import tarfile
from datetime import date
from pathlib import Path

import polars as pl
import pytest
import yaml

from conf.schema import FilesSource
from tasks.market.sources.archives import read_archive
from tasks.market.sources.files import FilesData
from tasks.market.sources.protocol import Delivery, Unreadable
from tasks.market.sources.tables import raw_bars

ROOT = Path(__file__).parents[3]
SHARED = ROOT.parent / "shared" / "data"
COLUMNS = {
    "symbol": "symbol",
    "session": "date",
    "open": "open",
    "high": "high",
    "low": "low",
    "close": "close",
    "volume": "volume",
    "adj_close": "adj_close",
}
HEADER = b"symbol,date,open,high,low,close,volume,adj_close\n"
ROW = b"NA,2015-04-06,1,2,0.5,1.5,100,1.5\n"


def us(folder: Path | None) -> FilesData:
    text = (ROOT / "conf" / "sources" / "us_deliveries.yaml").read_text()
    return FilesData(FilesSource(**yaml.safe_load(text)), folder)


def archive(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, body in members.items():
            info = tarfile.TarInfo(name.replace("_", "."))
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    return packed.getvalue()


def bars_in(body: bytes) -> pl.DataFrame:
    """Return the bars of an archive."""
    return raw_bars(read_archive(body, COLUMNS, what="x").prices, COLUMNS, what="x")


def only(source: FilesData, night: date) -> Delivery:
    return source.normalise(list(source.pull([night])))


def table(folder: Path) -> None:
    nights = {"night": [date(2015, 4, 2), date(2015, 4, 6), date(2015, 4, 2)]}
    cells = {name: [1.0, 2.0, 3.0] for name in list(COLUMNS.values())[2:]}
    rows = {"symbol": ["TRUE", "NA", "A"], "date": [date(2015, 4, 1)] * 3}
    pl.DataFrame(nights | rows | cells).write_parquet(folder / "deliveries_1.parquet")
    log = pl.DataFrame({"drop": [date(2015, 4, 2), date(2015, 4, 3), date(2015, 4, 6)]})
    log.write_parquet(folder / "delivery_log_1.parquet")
    names = {
        "symbol": ["A", "A", "NA", "XIV"],
        "name": ["Agilent", "Agilent Inc.", "Nano", "region"],
        "first_seen": [date(2015, 3, 23), date(2015, 4, 4), date(2015, 4, 6), date(2016, 1, 4)],
        "last_seen": [date(2016, 6, 30)] * 4,
    }
    pl.DataFrame(names).write_parquet(folder / "listings_1.parquet")


def test_splits_a_table_by_night_and_keeps_the_order_sent(tmp_path):
    table(tmp_path)
    first = only(us(tmp_path), date(2015, 4, 2))
    assert first.bars.select("symbol", "close").rows() == [("TRUE", 1.0), ("A", 3.0)]
    assert first.vintage == "observed"


def test_a_night_in_the_log_without_rows_is_an_empty_delivery(tmp_path):
    table(tmp_path)
    source = us(tmp_path)
    assert source.nights() == [date(2015, 4, 2), date(2015, 4, 3), date(2015, 4, 6)]
    assert next(iter(source.pull([date(2015, 4, 3)]))).body == b""
    assert only(source, date(2015, 4, 3)).bars.is_empty()


def test_names_arrive_as_they_are_first_seen_and_never_early(tmp_path):
    table(tmp_path)
    source = us(tmp_path)
    seen = {night: only(source, night).listings for night in source.nights()}
    assert [list(frame["name"]) for frame in seen.values()] == [
        ["Agilent"],
        [],
        ["Agilent Inc.", "Nano"],
    ]
    assert all((frame["from_session"] <= night).all() for night, frame in seen.items())


def test_what_comes_later_changes_no_earlier_payload(tmp_path):
    table(tmp_path)
    before = list(us(tmp_path).pull([date(2015, 4, 2), date(2015, 4, 3)]))
    path = tmp_path / "deliveries_1.parquet"
    late = pl.read_parquet(path).with_columns(night=pl.lit(date(2015, 5, 4)), close=99.0)
    pl.concat([pl.read_parquet(path), late]).write_parquet(path)
    assert list(us(tmp_path).pull([date(2015, 4, 2), date(2015, 4, 3)])) == before


def test_a_kept_payload_is_read_without_the_folder(tmp_path):
    table(tmp_path)
    kept = list(us(tmp_path).pull([date(2015, 4, 6)]))
    assert us(None).normalise(kept).bars["symbol"].to_list() == ["NA"]


def test_reads_packed_nights_where_no_table_is(tmp_path):
    body = archive(prices_csv=HEADER + ROW, symbols_txt=b'NA\tNano "X" Co\nTRUE\tTrueCar\n')
    (tmp_path / "20150406.tar.gz").write_bytes(body)
    delivery = only(us(tmp_path), date(2015, 4, 6))
    assert delivery.bars.row(0) == (
        "2015-04-06" and date(2015, 4, 6),
        "NA",
        1,
        2,
        0.5,
        1.5,
        100,
        1.5,
        None,
    )
    assert delivery.listings["name"].to_list() == ['Nano "X" Co', "TrueCar"]


def test_a_repeated_header_is_a_row_of_nulls_and_odd_cells_are_null():
    rows = b"ODD,soon,1e3,-,nan,inf,,7\n"
    bars = bars_in(archive(prices_csv=HEADER + ROW + HEADER + rows))
    assert bars["symbol"].to_list() == ["NA", "symbol", "ODD"]
    assert bars["session"].to_list() == [date(2015, 4, 6), None, None]
    assert bars["open"].to_list() == [1.0, None, 1000.0]
    assert bars["high"].to_list() == [2.0, None, None]
    assert bars["close"].to_list() == [1.5, None, float("inf")]


def test_prices_without_a_header_come_in_the_order_of_the_settings():
    bars = bars_in(archive(prices_csv=ROW + ROW))
    assert bars.height == 2
    assert bars["adj_close"].to_list() == [1.5, 1.5]


def test_a_header_that_lost_a_column_is_named():
    body = archive(prices_csv=b"symbol,open,high,low,close,volume,adj_close\nA,1,1,1,1,1,1\n")
    with pytest.raises(Unreadable, match=r"lacks the column\(s\) date"):
        bars_in(body)


def test_short_and_long_lines_stay_rows():
    rows = b"AAA,2015-04-06,1\nBBB,2015-04-06,1,2,3,4,5,6,7,8\n"
    bars = bars_in(archive(prices_csv=HEADER + rows))
    assert bars.select("symbol", "open", "adj_close").rows() == [("AAA", 1, None), ("BBB", 1, 6)]


def test_an_empty_archive_is_an_empty_delivery():
    body = archive(prices_csv=b"", symbols_txt=b"")
    assert bars_in(body).is_empty()
    assert read_archive(body, COLUMNS, what="x").names.is_empty()


def test_links_and_members_under_paths_are_ignored():
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        link = tarfile.TarInfo("prices.csv")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tar.addfile(link)
        for name in ("../prices.csv", "/prices.csv", "deep/symbols.txt"):
            info = tarfile.TarInfo(name)
            info.size = len(HEADER + ROW)
            tar.addfile(info, io.BytesIO(HEADER + ROW))
    assert bars_in(packed.getvalue()).is_empty()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (archive(prices_csv=HEADER + ROW)[:-20], "ends too early"),
        (b"<html>Service unavailable</html>", "no readable gzip"),
        (gzip.compress(b"no archive " * 200, mtime=0), "no readable archive"),
    ],
)
def test_a_damaged_archive_is_named(body, reason):
    with pytest.raises(Unreadable, match=reason):
        read_archive(body, COLUMNS, what="20150406.tar.gz")


def test_an_archive_that_inflates_beyond_all_bounds_is_refused(monkeypatch):
    monkeypatch.setattr("tasks.market.sources.archives.MOST_UNPACKED", 100_000)
    with pytest.raises(Unreadable, match="inflates beyond 100000 bytes"):
        read_archive(archive(prices_csv=HEADER + ROW * 10_000), COLUMNS, what="x")


def test_reads_one_file_a_night_by_its_name(tmp_path):
    (tmp_path / "bars-2015-04-06.csv").write_bytes(HEADER + ROW)
    source = FilesData(
        FilesSource(
            kind="files",
            title="Folder",
            expected_rows=1,
            starts=date(2015, 1, 1),
            folder_variable="SOME_FOLDER",
            tables="bars-*.csv",
            night_in_name="bars-%Y-%m-%d",
            columns=COLUMNS,
        ),
        tmp_path,
    )
    assert source.nights() == [date(2015, 4, 6)]
    assert only(source, date(2015, 4, 6)).bars["symbol"].to_list() == ["NA"]
    (tmp_path / "bars-latest.csv").write_bytes(HEADER)
    with pytest.raises(ValueError, match=r"bars-latest\.csv does not say its night"):
        source.nights()


def test_says_what_it_looked_for_and_where(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"deliveries\*\.parquet .* or 20.*\.tar\.gz .* in"):
        us(tmp_path).nights()
    with pytest.raises(FileNotFoundError, match=r"AFTERCLOSE_DELIVERIES names .*gone"):
        us(tmp_path / "gone").nights()
    with pytest.raises(FileNotFoundError, match="set AFTERCLOSE_DELIVERIES"):
        us(None).nights()


@pytest.mark.skipif(not (SHARED / "us").is_dir(), reason="the real deliveries are not here")
@pytest.mark.slow
def test_reads_all_real_nights_the_empty_one_too():
    source = us(SHARED / "us")
    assert len(source.nights()) == 324
    assert only(source, date(2015, 6, 10)).bars.is_empty()
    tripled = only(source, date(2015, 4, 6))
    assert tripled.bars.height == 36_261
    assert tripled.bars["session"].null_count() == 1
    assert tripled.listings.height == 3


@pytest.mark.skipif(not (SHARED / "raw").is_dir(), reason="the packed deliveries are not here")
def test_reads_real_packed_nights_like_the_table():
    source = us(SHARED / "raw" / "us_deliveries")
    assert len(source.nights()) == 36
    assert only(source, date(2015, 6, 10)).bars.is_empty()
    holiday = only(source, date(2015, 7, 3)).bars
    assert holiday.filter(session=date(2015, 7, 3)).height == 22
    assert only(source, date(2015, 4, 6)).bars.height == 36_261
