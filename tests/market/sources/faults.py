"""What a vendor can do wrong: each fault turns a good answer into what may really come."""

import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from itertools import repeat
from typing import Any, Literal, NamedTuple

from aiohttp import web

from tests.market.sources.vendor import Answer, Behaviour, Step

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
MIB = 1 << 20
Outcome = Literal["rows", "error", "either", "fewer"]


class Fault(NamedTuple):
    """One behaviour, and what a source must make of it.

    `rows`: exactly the right ones; `error`: a named one; `either` where that depends on the
    payload, but never other rows; `fewer`: an error, or some of the right rows.
    """

    behave: Behaviour
    outcome: Outcome
    waits: bool = False  # takes a second or more, by its nature


def _always(answer: Answer) -> Behaviour:
    return lambda good, request, seen: answer


def _once(answer: Answer) -> Behaviour:
    return lambda good, request, seen: good if seen else answer


def _status(status: int, body: bytes = b"no", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(body, status, named)


def _changed(change: Callable[[bytes], bytes]) -> Behaviour:
    """Change the body, where it is text."""

    def behave(good: Answer, request: web.Request, seen: int) -> Answer:
        return good if good.body.startswith(b"PK") else good._replace(body=change(good.body))

    return behave


def _scripted(script: Callable[[bytes], Iterator[Step] | list[Step]]) -> Behaviour:
    return lambda good, request, seen: good._replace(script=script(good.body))


def _http_date(good: Answer, request: web.Request, seen: int) -> Answer:
    now = datetime.now(UTC)
    later = format_datetime(now + timedelta(seconds=1), usegmt=True)
    dates = {"Date": format_datetime(now, usegmt=True), "Retry-After": later}
    return good if seen else Answer(b"", 429, dates)


def _sized(body: bytes, size: int | None = None) -> bytes:
    return HEAD + b"Content-Length: %d\r\n\r\n" % (len(body) if size is None else size) + body


def _chunk(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(body), body)


def _half(body: bytes) -> bytes:
    return body[: len(body) // 2]


def _half_the_lines(body: bytes) -> bytes:
    lines = body.splitlines(keepends=True)
    return b"".join(lines[: max(1, len(lines) // 2)])


def _drip(body: bytes) -> Iterator[Step]:
    yield HEAD + b"Content-Length: %d\r\n\r\n" % (len(body) + 1000)
    for byte in body + b" " * 1000:
        yield bytes([byte])
        yield 0.2


def _drip_of_headers(body: bytes) -> Iterator[Step]:
    yield HEAD
    for number in range(1000):
        yield b"X-Header-%d: drip\r\n" % number
        yield 0.2


def _bomb(body: bytes) -> Iterator[Step]:
    """Send half a gibibyte of spaces, gzipped to half a mebibyte."""
    press = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = press.compress(b" " * MIB) + press.flush(zlib.Z_FULL_FLUSH)
    head = gzip.compress(b"")[:10]
    yield HEAD + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n" + head
    yield from repeat(block, 512)


def _endless(body: bytes) -> Iterator[Step]:
    yield HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    yield from repeat(_chunk(b" " * 65536), 5000)


def _crumbs(body: bytes) -> Iterator[Step]:
    yield HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    for start in range(0, len(body), 97):
        yield _chunk(body[start : start + 97])
    yield b"0\r\n\r\n"


def _packed(good: Answer, request: web.Request, seen: int) -> Answer:
    return good._replace(
        body=gzip.compress(good.body), headers={**good.headers, "Content-Encoding": "gzip"}
    )


def _pack_cut_short(good: Answer, request: web.Request, seen: int) -> Answer:
    packed = _packed(good, request, seen)
    return packed._replace(body=_half(packed.body))


def _elsewhere(location: str) -> Behaviour:
    return _always(Answer(b"", 302, {"Location": location}))


def _to_itself(good: Answer, request: web.Request, seen: int) -> Answer:
    return Answer(b"", 302, {"Location": request.path_qs})


def _same_host(good: Answer, request: web.Request, seen: int) -> Answer:
    if "again" in request.query:
        return good
    joint = "&" if request.query_string else "?"
    return Answer(b"", 307, {"Location": f"{request.path_qs}{joint}again=1"})


def _clock_a_day_off(good: Answer, request: web.Request, seen: int) -> Answer:
    stamp = format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True)
    return good._replace(headers={**good.headers, "Date": stamp})


def _json(change: Callable[[Any], Any]) -> Behaviour:
    """Change every value of a JSON body, the innermost first."""

    def walked(value: Any) -> Any:
        if isinstance(value, dict):
            value = {key: walked(one) for key, one in value.items()}
        elif isinstance(value, list):
            value = [walked(one) for one in value]
        return change(value)

    def changed(body: bytes) -> bytes:
        try:
            return json.dumps(walked(json.loads(body))).encode()
        except ValueError:
            return body

    return _changed(changed)


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _with_more(value: Any) -> Any:
    return {**value, "something_new": None} if isinstance(value, dict) else value


def _with_less(value: Any) -> Any:
    """Drop the first key of each record, that is of an object that holds no other."""
    if not isinstance(value, dict) or any(isinstance(one, dict | list) for one in value.values()):
        return value
    return dict(list(value.items())[1:])


def _tomorrow(body: bytes) -> bytes:
    """Move the newest day of the text, and its rows with it, into the next year."""
    days = re.findall(rb"\d{4}-\d\d-\d\d", body)
    if not days:
        return body
    newest = max(days)
    later = date.fromisoformat(newest.decode()) + timedelta(days=364)
    return body.replace(newest, later.isoformat().encode())


PAGE = b"<!DOCTYPE html><html><body>We will be right back</body></html>"
FAULTS: dict[str, Fault] = {
    "429, wait a second": Fault(_once(_status(429, Retry_After="1")), "rows", waits=True),
    "429, wait thirty years": Fault(_always(_status(429, Retry_After="1000000000")), "error"),
    "429, wait until a date": Fault(_http_date, "rows", waits=True),
    "429, wait garbage": Fault(_once(_status(429, Retry_After="soon -1 NaN")), "rows"),
    "429 for ever": Fault(_always(_status(429)), "error"),
    "418": Fault(_always(_status(418)), "error"),
    "500 once": Fault(_once(_status(500)), "rows"),
    "502 once": Fault(_once(_status(502, PAGE)), "rows"),
    "503 once": Fault(_once(_status(503)), "rows"),
    "500 for ever": Fault(_always(_status(500)), "error"),
    "400": Fault(_always(_status(400)), "error"),
    "401": Fault(_always(_status(401, b'{"detail":"Invalid token."}')), "error"),
    "403": Fault(_always(_status(403)), "error"),
    "404": Fault(_always(_status(404, PAGE)), "error"),
    "451": Fault(_always(_status(451)), "error"),
    "204": Fault(_always(Answer(b"", 204)), "error"),
    "silence": Fault(_scripted(lambda body: [30.0]), "error", waits=True),
    "silence after the headers": Fault(_scripted(lambda body: [HEAD, 30.0]), "error", waits=True),
    "a slow drip": Fault(_scripted(_drip), "error", waits=True),
    "a slow drip of headers": Fault(_scripted(_drip_of_headers), "error", waits=True),
    "no HTTP": Fault(_scripted(lambda body: [b"SSH-2.0-OpenSSH_9.7\r\n"]), "error"),
    "closed at once": Fault(_scripted(lambda body: []), "error"),
    "a reset midway": Fault(
        _scripted(lambda body: [_sized(_half(body), len(body)), None]), "error"
    ),
    "a reset once": Fault(
        lambda good, request, seen: good if seen else good._replace(script=[HEAD, None]), "rows"
    ),
    "cut at the end of a line": Fault(_changed(_half_the_lines), "either"),
    "cut anywhere": Fault(_changed(_half), "either"),
    "longer than its length": Fault(
        _scripted(lambda body: [_sized(body, len(body) // 2)]), "error"
    ),
    "shorter than its length": Fault(
        _scripted(lambda body: [_sized(body, len(body) + 100)]), "error"
    ),
    "a length beyond reason": Fault(_scripted(lambda body: [_sized(body, 10**13)]), "error"),
    "two lengths": Fault(
        _scripted(lambda body: [HEAD + b"Content-Length: 2\r\n", _sized(body)[len(HEAD) :]]),
        "error",
    ),
    "chunks cut short": Fault(
        _scripted(lambda body: [HEAD + b"Transfer-Encoding: chunked\r\n\r\n", _chunk(_half(body))]),
        "error",
    ),
    "small chunks": Fault(_scripted(_crumbs), "rows"),
    "an endless body": Fault(_scripted(_endless), "error"),
    "a flood of headers": Fault(
        _scripted(lambda body: [HEAD, *repeat(b"X-Flood: " + b"x" * 4000 + b"\r\n", 200)]), "error"
    ),
    "gzip": Fault(_packed, "rows"),
    "a gzip bomb": Fault(_scripted(_bomb), "error"),
    "gzip that is none": Fault(
        lambda good, request, seen: good._replace(headers={"Content-Encoding": "gzip"}), "error"
    ),
    "gzip cut short": Fault(_pack_cut_short, "error"),
    "an unknown packing": Fault(
        lambda good, request, seen: good._replace(headers={"Content-Encoding": "br"}), "error"
    ),
    "a web page": Fault(_always(Answer(PAGE)), "error"),
    "an error in JSON": Fault(
        _always(Answer(b'{"code": 42910000, "message": "rate limit exceeded"}')), "error"
    ),
    "an error in text": Fault(_always(Answer(b"Exceeded the daily hits limit")), "error"),
    "a wrong content type": Fault(
        lambda good, request, seen: good._replace(headers={"Content-Type": "text/html"}), "rows"
    ),
    "an empty body": Fault(_always(Answer(b"")), "error"),
    "blanks": Fault(_always(Answer(b" \r\n" * 9)), "error"),
    "redirect to a file": Fault(_elsewhere("file:///etc/passwd"), "error"),
    "redirect to a link-local address": Fault(
        _elsewhere("http://169.254.169.254/latest/meta-data"), "error"
    ),
    "redirect to another host": Fault(_elsewhere("https://elsewhere.example/x"), "error"),
    "redirect to another port": Fault(_elsewhere("http://127.0.0.1:9/x"), "error"),
    "redirect with a user": Fault(_elsewhere("https://us:pass@127.0.0.1/x"), "error"),
    "redirect to nowhere": Fault(_elsewhere("http://[::bad/"), "error"),
    "redirect to itself": Fault(_to_itself, "error"),
    "redirect on the same host": Fault(_same_host, "rows"),
    "a clock a day off": Fault(_clock_a_day_off, "rows"),
    "rows of the future": Fault(_changed(_tomorrow), "fewer"),
    "a mark before UTF-8": Fault(_changed(lambda body: b"\xef\xbb\xbf" + body), "rows"),
    "UTF-16": Fault(_changed(lambda body: body.decode().encode("utf-16")), "either"),
    "NUL bytes": Fault(_changed(lambda body: b"\0".join([_half(body)] * 2)), "either"),
    "random bytes": Fault(_always(Answer(bytes(range(256)) * 9)), "error"),
    "a huge line": Fault(_changed(lambda body: b" " * 3 * MIB + body), "either"),
    "JSON too deep": Fault(_always(Answer(b"[" * 100_000)), "error"),
    "numbers as text": Fault(_json(_as_text), "either"),
    "unknown fields": Fault(_json(_with_more), "either"),
    "fields that are missing": Fault(_json(_with_less), "either"),
}
