"""A server is asked politely, within bounds, and with suspicion of what it says."""

import gzip
import json
import logging
from datetime import date

import pytest
from pydantic import SecretStr, ValidationError

from conf.schema import TiingoSource, WebSource
from tasks.market.sources.spool import Spool
from tasks.market.sources.web import Refused, Unwelcome, Web
from tests.market.sources.vendor import QUICK, Answer

NIGHT = date(2020, 1, 2)
ROUTES = {"/x": lambda request: Answer(b'{"a": 1}')}


class Clock:
    """Time that passes only in sleep."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def settings(url: str, **changes: object) -> TiingoSource:
    given: dict[str, object] = {
        "kind": "tiingo",
        "title": "Some vendor",
        "base_url": url,
        "starts": date(2019, 1, 2),
        "observed_from": date(2020, 1, 2),
        "expected_rows": 1,
        "symbols": ("AAPL",),
        **QUICK,
        **changes,
    }
    return TiingoSource(**given)


def web(url: str, clock: Clock | None = None, **changes: object) -> Web:
    clock = clock or Clock()
    return Web(settings(url, **changes), sleep=clock.sleep, clock=clock, random=lambda: 1.0)


def busy(times: int, status: int = 503, **headers: str) -> object:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda good, request, seen: good if seen >= times else Answer(b"", status, named)


def test_pauses_double_and_are_random_shares_of_the_longest(vendor):
    clock = Clock()
    vendor.routes = {"/pauses": vendor.routes["/x"]}
    vendor.fault = busy(3)
    web(vendor.url, clock, attempts=4, patience_s=60.0).get("/pauses", expect="json")
    assert clock.slept == [1.0, 2.0, 4.0]


def test_waits_as_long_as_the_server_asks(vendor):
    clock = Clock()
    vendor.routes = {"/asked": vendor.routes["/x"]}
    vendor.fault = busy(1, 429, Retry_After="17")
    web(vendor.url, clock, patience_s=60.0).get("/asked", expect="json")
    assert clock.slept == [17.0]


def test_waits_until_a_date_by_the_servers_own_clock(vendor):
    clock = Clock()
    vendor.routes = {"/date": vendor.routes["/x"]}
    dates = {"Date": "Thu, 02 Jan 2020 00:00:00 GMT"}
    vendor.fault = busy(1, 429, Retry_After="Thu, 02 Jan 2020 00:00:09 GMT", **dates)
    web(vendor.url, clock, patience_s=60.0).get("/date", expect="json")
    assert clock.slept == [9.0]


def test_does_not_wait_beyond_its_patience_and_says_how_long_was_asked(vendor):
    clock = Clock()
    vendor.fault = busy(9, 429, Retry_After="61")
    with pytest.raises(Refused, match="it asks to wait 61 s, after 1 of 3 tries"):
        web(vendor.url, clock, patience_s=60.0).get("/x", expect="json")
    assert clock.slept == []


def test_refusals_may_be_asked_again_and_what_is_unwelcome_may_not(vendor):
    assert issubclass(Refused, ConnectionError)
    assert not issubclass(Unwelcome, ConnectionError)


def test_a_status_that_waiting_does_not_mend_is_asked_once(vendor):
    for status in (400, 401, 403, 404, 410, 418, 451, 501):
        vendor.calls.clear()
        vendor.fault = busy(9, status)
        with pytest.raises(Unwelcome, match=f"status {status}"):
            web(vendor.url).get("/x", expect="json")
        assert len(vendor.calls) == 1


@pytest.mark.parametrize(("pace", "gap"), [(60.0, 1.0), (6.0, 10.0)])
def test_keeps_its_pace_between_requests_and_tries(pace, gap, vendor):
    clock = Clock()
    vendor.routes = {f"/{pace}/{n}": vendor.routes["/x"] for n in range(3)}
    feed = web(vendor.url, clock, per_minute=pace, patience_s=60.0)
    feed.get(f"/{pace}/0", expect="json")
    vendor.fault = busy(1, 429, Retry_After="0")
    feed.get(f"/{pace}/1", expect="json")
    vendor.heal()
    feed.get(f"/{pace}/2", expect="json")
    assert clock.now >= 3 * gap
    assert len(vendor.calls) == 4


def nine_pages(feed: Web) -> None:
    with feed.pages():
        for _ in range(9):
            feed.get("/x", expect="json")


def test_pages_share_the_patience_of_one_answer(vendor):
    clock = Clock()
    feed = web(vendor.url, clock, per_minute=6.0, patience_s=25.0)
    with pytest.raises(Refused, match=r"not done within 25 s .*, after 0 of 3 tries"):
        nine_pages(feed)
    assert (len(vendor.calls), clock.now) == (3, 20.0)
    feed.get("/x", expect="json")  # a question of its own has its own time
    with feed.pages():
        feed.get("/x", expect="json")
    assert len(vendor.calls) == 5


@pytest.mark.parametrize("kind", WebSource.__subclasses__(), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(("size", "refused"), [(0, True), (64, False), (64.1, True)])
def test_no_source_may_be_set_to_take_larger_answers_than_fit(size, refused, kind):
    with pytest.raises(ValidationError) as caught:  # of what else it lacks, in any case
        kind(answer_mib=size)
    assert (("answer_mib",) in {error["loc"] for error in caught.value.errors()}) == refused


@pytest.mark.parametrize("packing", ["identity", "gzip"])
def test_pages_share_the_size_of_one_answer(packing, vendor):
    body = json.dumps(["x" * 400_000]).encode()
    sent = gzip.compress(body) if packing == "gzip" else body
    vendor.routes = {"/x": lambda request: Answer(sent, headers={"Content-Encoding": packing})}
    feed = web(vendor.url, answer_mib=1.0)
    with pytest.raises(Unwelcome, match="answer_mib"):
        nine_pages(feed)
    assert len(vendor.calls) == 3
    assert feed.get("/x", expect="json") == body


def test_pages_of_json_share_the_values_of_one_answer(vendor):
    body = b"[" + b"1," * 600_000 + b"1]"
    vendor.routes = {"/x": lambda request: Answer(body)}
    feed = web(vendor.url)
    with pytest.raises(Unwelcome, match="more than 1500000 values together"):
        nine_pages(feed)
    assert len(vendor.calls) == 3


def test_secrets_are_in_no_error_no_log_and_no_repr(vendor, caplog):
    caplog.set_level(logging.DEBUG)
    key, token = "k-very-secret", "t-very-secret"
    vendor.fault = lambda good, request, seen: Answer(f"{key} {token}?".encode(), 403)
    feed = Web(settings(vendor.url), headers={"Authorization": SecretStr(token)})
    with pytest.raises(Unwelcome) as caught:
        feed.get("/x", params={"q": "1"}, secret_params={"key": SecretStr(key)}, expect="json")
    assert vendor.calls == [f"/x?q=1&key={key}"]
    assert "/x?q=1:" in str(caught.value)
    assert "*** ***?" in str(caught.value)
    told = str(caught.value) + repr(feed) + str(vars(feed).get("_headers")) + caplog.text
    assert key not in told
    assert token not in told
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("before", [0, 60, 85, 95, 110])
def test_no_piece_of_a_secret_is_left_where_an_answer_is_cut(before, vendor):
    key = "abcdef0123456789" * 2
    for answer in (
        Answer(b"." * before + key.encode()),
        Answer(json.dumps({"detail": "." * before + key}).encode()),
        Answer(b"", 302, {"Location": f"http://[::{'p' * before}{key}"}),
        Answer(b"." * before + key.encode(), 401),
        Answer(b"{}", 200, {"Content-Encoding": "x" * (before // 6) + key}),
    ):
        vendor.routes = {"/x": lambda request, answer=answer: answer}
        feed = Web(settings(vendor.url), headers={"Key": SecretStr(key)})
        with pytest.raises(Unwelcome) as caught:
            feed.get("/x", expect="json")
        assert "abcd" not in str(caught.value)


def test_a_secret_that_cannot_be_sent_is_not_shown():
    with pytest.raises(ValueError, match="The header Key holds characters") as caught:
        Web(settings("http://127.0.0.1:9"), headers={"Key": SecretStr("secret\n")})
    assert "secret" not in str(caught.value)


def test_nothing_of_the_environment_is_trusted(vendor, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert web(vendor.url).get("/x", expect="json") == b'{"a": 1}'


@pytest.mark.parametrize(
    "url",
    [
        "http://elsewhere.example/x",
        "https://elsewhere.example/x",
        "https://api.example:8443/x",
        "http://api.example/x",
        "ftp://api.example/x",
        "https://u:p@api.example/x",
    ],
)
def test_only_listed_hosts_are_asked_and_only_by_https(url, vendor):
    feed = Web(settings(vendor.url), hosts=["api.example"])
    with pytest.raises(Unwelcome, match=r"may not be asked|is not allowed"):
        feed.get(url, expect="json")


def test_secrets_do_not_follow_a_redirect_to_another_host(monkeypatch):
    asked: list[tuple[str, set[str]]] = []

    def ask(self: Web, url: object, *, own: bool) -> object:
        asked.append((str(url), own))
        return b'{"a": 1}' if len(asked) == 2 else __import__("httpx").URL("https://b.example/y")

    monkeypatch.setattr(Web, "_ask", ask)
    feed = Web(settings("https://a.example"), hosts=["b.example"])
    feed.get("/x", expect="json")
    assert asked == [("https://a.example/x", True), ("https://b.example/y", False)]


def test_asks_for_nothing_but_what_it_can_open(vendor):
    web(vendor.url).get("/x", expect="json")
    assert vendor.headers[0]["Accept-Encoding"] == "gzip"
    assert "python" not in vendor.headers[0]["User-Agent"].lower()


def test_a_spool_keeps_whole_answers_by_night_and_forgets_them(tmp_path):
    spool = Spool(tmp_path)
    spool.keep(NIGHT, "a/../b", b"one")
    assert spool.get(NIGHT, "a/../b") == b"one"
    assert spool.get(NIGHT, "other") is None
    assert spool.get(date(2020, 1, 3), "a/../b") is None
    spool.forget([NIGHT, date(2020, 1, 3)])
    assert spool.get(NIGHT, "a/../b") is None
    assert list(tmp_path.iterdir()) == []


def test_a_spool_that_was_broken_off_midway_has_nothing_to_give(tmp_path, monkeypatch):
    spool = Spool(tmp_path)

    def half(path: object, body: bytes) -> None:
        path.write_bytes(body[:1])
        raise OSError("disk full")

    monkeypatch.setattr("tasks.market.sources.spool.write", half)
    with pytest.raises(OSError, match="disk full"):
        spool.keep(NIGHT, "a", b"one")
    assert spool.get(NIGHT, "a") is None


def test_without_a_folder_a_spool_keeps_nothing():
    spool = Spool(None)
    spool.keep(NIGHT, "a", b"one")
    assert spool.get(NIGHT, "a") is None
    spool.forget([NIGHT])
