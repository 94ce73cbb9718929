"""What an answer looks like: whether it is what was asked for, and how it is opened."""

import json
import reprlib
import zipfile
import zlib
from codecs import getincrementaldecoder
from collections import Counter
from collections.abc import Callable
from datetime import date
from io import BytesIO
from typing import Any, Literal
from xml.parsers import expat

import polars as pl

from tasks.market.sources.protocol import Unreadable

Expected = Literal["json", "csv", "zip", "xml", "text"]
MIB = 1 << 20
MOST_VALUES = 1_500_000  # in one JSON answer: small ones take up to forty times their text
MOST_MARKS = 500_000  # tags and attributes of one XML answer: each takes some two hundred bytes
MOST_COLUMNS = 1_000  # of one table
MOST_CELLS = 1_500_000  # of one table: small ones take up to forty times their text
MOST_TABLE = 16 * MIB  # bytes of one table: a long cell takes up to ten times its text
SHOWN = 120  # characters of an answer that an error may show
# What errors that come with status 200 call themselves, at the top of a JSON object.
ERROR_KEYS = ("error", "errors", "error_message", "quandl_error", "detail", "message", "msg")
# How a zip may be packed: the other ways give out a whole read at once, whatever size was told.
PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
HTML = (b"<!doctype html", b"<html", b"<head", b"<script", b"<body")


def shown(body: bytes) -> str:
    """Return the start of an answer on one line, fit for an error."""
    text = body[: 4 * SHOWN].decode("utf-8", "replace")
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return repr(line if len(line) <= SHOWN else line[:SHOWN] + "…")


def complaint(
    body: bytes, expect: Expected, *, limit: int, show: Callable[[bytes], str] = shown
) -> str | None:
    """Say what is wrong with an answer where `expect` was asked for; None where nothing is.

    Args:
        body: The answer.
        expect: What it should be.
        limit: The most bytes that a zip file may hold once unpacked.
        show: Makes of an answer what an error may tell of it.
    """
    if not body.strip():
        return "an empty body"
    if expect == "zip":
        return _zip_complaint(body, limit, show)
    if wrong := _text_complaint(body):
        return wrong
    start = body.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start[:15].lower().startswith(HTML) or b"<html" in start[:2000].lower():
        return f"a web page, not {expect}: {show(start)}"
    if expect == "xml":
        return _xml_complaint(start, show)
    if expect == "json":
        return _json_complaint(body, show)
    if start.startswith(b"{"):
        return f"a JSON object, not {expect}: {show(start)}"
    if expect == "csv" and b"," not in start.split(b"\n", 1)[0]:
        return f"no comma in the first line of what should be CSV: {show(start)}"
    return None


def values_in(body: bytes) -> int:
    """Return about how many values a JSON answer holds, before it is built."""
    return sum(body.count(mark) for mark in (b",", b"[", b"{"))


def json_of(body: bytes, *, what: str) -> Any:
    """Return a kept JSON answer; numbers may be NaN or infinite, as some vendors write them."""
    try:
        return json.loads(text_of(body, what=what))
    except (ValueError, RecursionError) as reason:
        raise Unreadable(f"{what} is no JSON ({reason}).") from reason


def list_of(body: bytes, *, what: str) -> list[Any]:
    """Return a kept JSON answer that must be a list."""
    sent = json_of(body, what=what)
    if not isinstance(sent, list):
        raise Unreadable(f"{what} should be a list; found {reprlib.repr(sent):.80}.")
    return sent


def text_of(body: bytes, *, what: str) -> str:
    """Return a kept answer as text, without the mark that some put before UTF-8."""
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as reason:
        raise Unreadable(f"{what} is no UTF-8 text ({reason}).") from reason


def table_of(body: bytes, *, what: str) -> pl.DataFrame:
    """Return a kept CSV answer, every cell as text and names without blanks around them.

    It is measured before it is read. Two columns of one name are refused: which was meant?
    """
    if len(body) > MOST_TABLE:
        raise Unreadable(f"{what} has {len(body)} bytes where {MOST_TABLE} are the most.")
    text = body.removeprefix(b"\xef\xbb\xbf").lstrip()
    header = text.split(b"\n", 1)[0]
    columns = header.count(b",") + 1
    if columns > MOST_COLUMNS:
        raise Unreadable(f"{what} has {columns} columns where {MOST_COLUMNS} are the most.")
    if (cells := columns * (text.count(b"\n") + 1)) > MOST_CELLS:
        raise Unreadable(f"{what} has some {cells} cells where {MOST_CELLS} are the most.")
    names = Counter(name.strip(b' "\t\r') for name in header.split(b","))
    if twice := [name for name, times in names.items() if name and times > 1]:
        raise Unreadable(f"{what} has more than one column named {shown(twice[0])}.")
    try:
        table = pl.read_csv(text, infer_schema=False)
        return table.rename(lambda name: name.strip() or name)  # several may be blank
    except pl.exceptions.PolarsError as reason:
        said = shown(str(reason).encode())
        raise Unreadable(f"{what} is no table ({said}).") from reason


def days_in(column: str) -> pl.Expr:
    """Return the days of a column of text like 2020-12-31; null for all else."""
    day = pl.col(column).str.strip_chars().str.to_date("%Y-%m-%d", strict=False)
    return pl.when(day.is_between(date.min, date.max)).then(day)  # polars knows other years too


def unzipped(body: bytes, *, what: str, limit: int) -> bytes:
    """Return the one file that a kept zip holds; it may be `limit` bytes long."""
    if wrong := _zip_complaint(body, limit, shown):
        raise Unreadable(f"{what} is {wrong}.")
    with zipfile.ZipFile(BytesIO(body)) as archive:
        names = archive.namelist()
        if len(names) != 1:
            raise Unreadable(f"{what} holds {len(names)} files where one was expected.")
        return archive.read(names[0])


def number_of(value: Any) -> float | None:
    """Return a number that came as one or as text; None for all else, as raw frames want it.

    >>> number_of("1.5"), number_of(2), number_of("."), number_of(None), number_of(True)
    (1.5, 2.0, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def day_of(value: Any) -> date | None:
    """Return the day that a date, or a time whose date is meant, begins with; None for all else.

    >>> day_of("2020-01-02T00:00:00.000Z"), day_of("soon")
    (datetime.date(2020, 1, 2), None)
    """
    try:
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None


def _text_complaint(body: bytes) -> str | None:
    if b"\0" in body:
        return "text with NUL bytes (UTF-16, or broken)"
    decoder, view = getincrementaldecoder("utf-8")(), memoryview(body)
    try:
        for start in range(0, len(view), MIB):  # piece by piece: text takes up to four times more
            decoder.decode(view[start : start + MIB])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as reason:
        return f"no UTF-8 text ({reason.reason})"
    return None


def _json_complaint(body: bytes, show: Callable[[bytes], str]) -> str | None:
    if (values := values_in(body)) > MOST_VALUES:
        return f"JSON of about {values} values where {MOST_VALUES} are the most"
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as reason:
        return f"no JSON, or not all of it ({reason}): {show(body)}"
    if isinstance(found, dict):
        said = {key: found[key] for key in ERROR_KEYS if found.get(key)}
        if said:
            return f"an error in JSON: {show(json.dumps(said).encode())}"
    if not isinstance(found, dict | list):
        return f"neither a JSON object nor a list: {show(body)}"
    return None


def _xml_complaint(start: bytes, show: Callable[[bytes], str]) -> str | None:
    if not start.startswith(b"<"):
        return f"no XML: {show(start)}"
    if b"<!DOCTYPE" in start or b"<!ENTITY" in start:  # what a billion laughs are made of
        return "XML that defines entities of its own"
    if (marks := start.count(b"<") + start.count(b"=")) > MOST_MARKS:
        return f"XML of about {marks} tags and attributes where {MOST_MARKS} are the most"
    try:
        expat.ParserCreate().Parse(start, True)
    except (expat.ExpatError, LookupError, ValueError) as reason:  # or a strange encoding
        return f"no XML, or not all of it ({reason}): {show(start)}"
    return None


def _zip_complaint(body: bytes, limit: int, show: Callable[[bytes], str]) -> str | None:
    if not body.startswith(b"PK"):
        return f"no zip file: {show(body)}"
    try:
        with zipfile.ZipFile(BytesIO(body)) as archive:
            members = archive.infolist()
            if odd := {member.compress_type for member in members} - {*PACKINGS}:
                return f"a zip file packed in a way that is not opened (method {min(odd)})"
            if (size := sum(member.file_size for member in members)) > limit:
                return f"a zip file that holds {size} bytes where {limit} are the most"
            if broken := archive.testzip():
                return f"a zip file whose {show(broken.encode())} is broken"
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError) as reason:
        # a RuntimeError is a strange method, or a password
        return f"a zip file that cannot be opened ({reason})"
    return None
