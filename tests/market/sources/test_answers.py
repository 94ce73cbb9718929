"""An answer is looked at before it is opened, and opened only as far as it may be."""

import zipfile
from datetime import date
from io import BytesIO

import polars as pl
import pytest

from tasks.market.sources.answers import complaint, days_in, table_of, unzipped
from tasks.market.sources.protocol import Unreadable


@pytest.mark.parametrize(
    ("body", "expect", "wrong"),
    [
        (b'{"error": "no"}', "json", "an error in JSON"),
        (b'{"quandl_error": {"code": "QELx01"}}', "json", "an error in JSON"),
        (b'{"code": -1121, "msg": "Invalid symbol."}', "json", "an error in JSON"),
        (b'{"detail": "Not found."}', "json", "an error in JSON"),
        (b"12", "json", "neither a JSON object nor a list"),
        (b"<HTML><body>", "csv", "a web page"),
        (b"\n  <!doctype html>", "text", "a web page"),
        (b'{"a": 1}', "csv", "a JSON object, not csv"),
        (b"Too many requests", "csv", "no comma"),
        (b"\xff\xfea\0,\0", "csv", "NUL"),
        (b"a,b\xff\n", "csv", "no UTF-8"),
        (b"a,b", "xml", "no XML"),
        (b"<a><b></a>", "xml", "not all of it"),
        (b'<?xml version="1.0" encoding="utf-7"?><a/>', "xml", "multi-byte encodings"),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', "xml", "unknown encoding: klingon"),
        (b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "y">]><a/>', "xml", "entities"),
        (b"PK not really", "zip", "cannot be opened"),
        (b"a,b", "zip", "no zip file"),
        (b"  ", "text", "an empty body"),
    ],
)
def test_an_answer_that_is_not_what_was_asked_for_is_noticed(body, expect, wrong):
    assert wrong in str(complaint(body, expect, limit=1 << 20))


@pytest.mark.parametrize(
    ("body", "expect"),
    [
        (b'{"chart": {"error": null}, "error": null}', "json"),
        (b"[]", "json"),
        (b"\xef\xbb\xbfa,b\n1,2\n", "csv"),
        (b"\xef\xbb\xbf<a/>", "xml"),
        ("é,ü\n".encode(), "csv"),
        (b"any words", "text"),
    ],
)
def test_a_good_answer_is_not_complained_about(body, expect):
    assert complaint(body, expect, limit=1 << 20) is None


def test_json_of_very_many_small_values_is_not_built():
    assert "2000001 values" in str(complaint(b"[" + b"[]," * 1_000_000 + b"1]", "json", limit=1))
    assert complaint(b"[" + b"[]," * 1_000 + b"1]", "json", limit=1) is None


@pytest.mark.parametrize("tag", [b"<a/>", b"<a b=''/>", b"<a b='' c=''/>"])
def test_xml_of_very_many_tags_or_attributes_is_not_built(tag):
    body = b"<x>" + tag * 600_000 + b"</x>"
    assert "tags and attributes where 500000 are the most" in str(complaint(body, "xml", limit=1))
    assert complaint(b"<x>" + tag * 1_000 + b"</x>", "xml", limit=1) is None


def test_a_table_of_very_many_columns_is_not_built():
    with pytest.raises(Unreadable, match="The file has 2000 columns where 1000 are the most"):
        table_of(b"\n" + b"a," * 1_999 + b"a\n1", what="The file")
    assert table_of(b"a,b\n1,x\n", what="The file").rows() == [("1", "x")]


@pytest.mark.parametrize("row", [b",\n", b"\n", b"1\n", b"\r\n"])
def test_a_table_of_very_many_small_cells_is_not_built(row):
    with pytest.raises(Unreadable, match="some 1600004 cells where 1500000 are the most"):
        table_of(b"a,b\n" + row * 800_000, what="The file")


def test_a_table_of_few_long_cells_is_not_built():
    with pytest.raises(Unreadable, match="16777222 bytes where 16777216 are the most"):
        table_of(b"a,b\n1," + b"x" * (16 << 20), what="The file")


@pytest.mark.parametrize("header", [b"Date,USD, USD", b"Date,USD,USD", b'Date,"USD",USD\r'])
def test_a_table_with_two_columns_of_one_name_is_refused(header):
    with pytest.raises(Unreadable, match="The file has more than one column named 'USD'"):
        table_of(header + b"\n2020-01-02,1.1,1.2\n", what="The file")


def test_names_have_no_blanks_around_them_and_several_may_be_blank():
    found = table_of(b"\xef\xbb\xbf Date, USD ,, \r\n2020-01-02, 1.1,,\r\n", what="The file")
    assert found.columns == ["Date", "USD", "", " "]
    assert found.row(0) == ("2020-01-02", " 1.1", None, None)


def test_what_is_wrong_with_a_table_is_said_on_a_line():
    with pytest.raises(Unreadable, match="The file is no table") as caught:
        table_of(b'a,b\n1,"' + b"x\n" * 9_000, what="The file")
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)


def test_days_are_those_of_the_calendar():
    told = ["2020-12-31", " 2020-12-31", "2020-02-30", "", None, "0000-01-01", "-500-01-01"]
    days = pl.DataFrame({"day": [*told, "+12345-01-01", "9999-12-31"]}).select(days_in("day"))
    assert days["day"].to_list() == [date(2020, 12, 31)] * 2 + [None] * 6 + [date.max]


def test_a_daily_series_of_a_lifetime_and_a_century_of_many_rates_are_tables():
    assert table_of(b"a,b\n" + b"1950-01-03,4.21\n" * 28_000, what="The file").height == 28_000
    names = ",".join(f"X{number}" for number in range(42))
    rows = b"1999-01-04" + b",1.1789" * 42 + b",\n"
    table = table_of(f"Date,{names},\n".encode() + rows * 26_000, what="The file")
    assert table.shape == (26_000, 44)


def packed(method: int = zipfile.ZIP_DEFLATED, **files: bytes) -> bytes:
    body = BytesIO()
    with zipfile.ZipFile(body, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return body.getvalue()


def test_a_zip_that_holds_too_much_is_not_opened():
    bomb = packed(a=b" " * 2_000_000)
    assert len(bomb) < 10_000
    assert "2000000 bytes where 1048576" in str(complaint(bomb, "zip", limit=1 << 20))
    with pytest.raises(Unreadable, match="where 1048576 are the most"):
        unzipped(bomb, what="The file", limit=1 << 20)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_that_gives_out_more_than_it_says_is_not_opened(method, monkeypatch):
    body = packed(method, a=b"0" * 1_000_000)
    small = body.replace((1_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))

    def opened(*_: object) -> None:
        raise AssertionError("it was unpacked")

    monkeypatch.setattr(zipfile.ZipFile, "open", opened)
    assert f"method {method}" in str(complaint(small, "zip", limit=100))
    with pytest.raises(Unreadable, match=f"method {method}"):
        unzipped(small, what="The file", limit=100)


def test_a_zip_that_tells_less_than_it_holds_is_broken():
    body = packed(a=b"0" * 1_000_000)
    small = body.replace((1_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    assert "broken" in str(complaint(small, "zip", limit=100))
    assert unzipped(packed(zipfile.ZIP_STORED, a=b"x"), what="The file", limit=10) == b"x"


def test_a_zip_holds_one_file():
    assert unzipped(packed(a=b"x"), what="The file", limit=10) == b"x"
    with pytest.raises(Unreadable, match="holds 2 files"):
        unzipped(packed(a=b"x", b=b"y"), what="The file", limit=10)
