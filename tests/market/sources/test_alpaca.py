"""Alpaca's bars are put together from pages that cut across symbols, or not at all."""

import json
import time
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from aiohttp import web

from tasks.market.sources.alpaca import AlpacaData
from tasks.market.sources.protocol import Payload, Unreadable
from tasks.market.sources.web import Refused, Unwelcome
from tasks.market.sources.web_data import Reach
from tests.market.sources.cases.alpaca import NIGHT, STAMPS, bar, bars, page, source
from tests.market.sources.cases.alpaca import ROUTES as ROUTES
from tests.market.sources.vendor import Answer

REQUEST = "bars 2022-03-11 2022-03-15 2022-03-15 AAPL,MSFT"
NOWHERE = "http://127.0.0.1:9"


def pulled(feed: AlpacaData, newest: date, night: date) -> Any:
    feed.nights(newest)
    return feed.normalise(list(feed.pull([night]))).bars


def sent(*pages: dict[str, Any], night: date = NIGHT) -> list[Payload]:
    return [Payload(night, REQUEST, json.dumps(pages).encode(), "observed")]


def one(change: Callable[[dict[str, Any]], dict[str, Any]]) -> list[Payload]:
    row = change(bar("AAPL", "2022-03-15"))
    return sent({"bars": {"AAPL": [row]}, "next_page_token": None})


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 9, 10, 1000])
def test_pages_of_any_size_give_the_same_bars(size, vendor):
    found = pulled(source(vendor.url, page=size), NIGHT, NIGHT)
    assert found.sort(found.columns).equals(bars("2022-03-11", "2022-03-15"))


@pytest.mark.parametrize("chunk", [1, 2, 3])
def test_chunks_of_any_size_give_the_same_bars(chunk, vendor):
    found = pulled(source(vendor.url, chunk=chunk), NIGHT, NIGHT)
    assert found.sort(found.columns).equals(bars("2022-03-11", "2022-03-15"))


def test_midnight_in_new_york_is_the_session_before_and_after_the_clocks_change():
    rows = [bar("AAPL", day) for day in STAMPS]
    feed = source(NOWHERE, look_back=3)
    found = feed.normalise(sent({"bars": {"AAPL": rows}, "next_page_token": None}))
    assert [day.isoformat() for day in found.bars["session"]] == list(STAMPS)


def test_a_late_night_brings_its_own_session_and_the_history_all_before(vendor):
    feed = source(vendor.url)
    late = pulled(feed, NIGHT, date(2022, 3, 14))
    assert late.sort(late.columns).equals(bars("2022-03-14", "2022-03-14"))
    history = pulled(feed, NIGHT, date(2022, 3, 11))
    assert history.sort(history.columns).equals(bars("2022-03-10", "2022-03-11"))


def test_the_history_is_asked_for_year_by_year_with_the_symbols_of_the_night():
    found = source(NOWHERE, chunk=2).requests(Reach(date(2020, 6, 1), date(2022, 3, 11)))
    assert found == [
        "bars 2020-06-01 2020-12-31 2022-03-11 AAPL,BRK.B",
        "bars 2021-01-01 2021-12-31 2022-03-11 AAPL,BRK.B",
        "bars 2022-01-01 2022-03-11 2022-03-11 AAPL,BRK.B",
        "bars 2020-06-01 2020-12-31 2022-03-11 MSFT",
        "bars 2021-01-01 2021-12-31 2022-03-11 MSFT",
        "bars 2022-01-01 2022-03-11 2022-03-11 MSFT",
    ]


def test_sends_its_keys_and_asks_for_raw_prices(vendor):
    pulled(source(vendor.url), NIGHT, NIGHT)
    assert vendor.headers[-1]["APCA-API-KEY-ID"] == "PK0123"
    assert vendor.headers[-1]["APCA-API-SECRET-KEY"] == "s3cret"
    assert "adjustment=raw" in vendor.calls[-1]
    assert "s3cret" not in vendor.calls[-1]


def altered(change: Callable[[dict[str, Any], str], dict[str, Any]]) -> dict[str, Any]:
    """Return routes whose every page went through `change` (page, the token it was asked by)."""

    def route(request: web.Request) -> Answer:
        good = json.loads(page(request).body)
        return Answer(json.dumps(change(good, request.query.get("page_token", ""))).encode())

    return {"/v2/stocks/bars": route}


def test_an_empty_page_that_was_promised_is_missed(vendor):
    nothing = {"bars": {}, "next_page_token": None}
    vendor.routes = altered(lambda good, token: nothing if token else good)
    with pytest.raises(Unwelcome, match="came empty, twice"):
        pulled(source(vendor.url), NIGHT, NIGHT)


def test_an_empty_page_after_full_ones_is_an_end(vendor):
    """Nine bars: three pages of three end with a fourth that is empty; pages of two do not."""

    def route(request: web.Request) -> Answer:
        good = json.loads(page(request).body)
        start, limit = int(request.query.get("page_token", "0")), int(request.query["limit"])
        if sum(map(len, good["bars"].values())) == limit:
            good["next_page_token"] = str(start + limit)
        return Answer(json.dumps(good).encode())

    vendor.routes = {"/v2/stocks/bars": route}
    found = pulled(source(vendor.url, page=3), NIGHT, NIGHT)
    assert found.sort(found.columns).equals(bars("2022-03-11", "2022-03-15"))


@pytest.mark.parametrize(
    ("padding", "pause", "message"),
    [(600_000, 0.0, "more than answer_mib"), (0, 0.3, "not done within 0.8 s")],
)
def test_pages_of_both_sizes_share_the_time_and_size_of_one_answer(padding, pause, message, vendor):
    def change(good: dict[str, Any], token: str) -> dict[str, Any]:
        time.sleep(pause)
        if token:
            return {"bars": {}, "next_page_token": None}
        return {**good, "next_page_token": "1", "pad": "x" * padding}

    vendor.routes = altered(change)
    feed = source(vendor.url, answer_mib=1.0, patience_s=0.8, timeout_s=0.7)
    with pytest.raises((Refused, Unwelcome), match=message):
        pulled(feed, NIGHT, NIGHT)


def test_a_page_that_comes_twice_is_refused(vendor):
    vendor.routes = altered(lambda good, token: {**good, "next_page_token": "0"})
    with pytest.raises(Unwelcome, match="bars of AAPL came on two pages"):
        pulled(source(vendor.url, page=9), NIGHT, NIGHT)


def test_pages_that_lead_in_a_circle_are_refused(vendor):
    def change(good: dict[str, Any], token: str) -> dict[str, Any]:
        row = {**bar("AAPL", NIGHT.isoformat()), "t": token}
        return {"bars": {f"X{token}": [row]}, "next_page_token": {"": "1"}.get(token, "1")}

    vendor.routes = altered(change)
    with pytest.raises(Unwelcome, match=r"lead back to an earlier one|came on two pages"):
        pulled(source(vendor.url), NIGHT, NIGHT)


def endless(padding: int) -> dict[str, Any]:
    """Return routes whose pages each have one bar and lead to another page."""

    def route(request: web.Request) -> Answer:
        number = int(request.query.get("page_token", "0"))
        row = {**bar("AAPL", "2022-03-15"), "t": f"{number}"}
        sent = {"bars": {"AAPL": [row]}, "next_page_token": f"{number + 1}", "pad": "x" * padding}
        return Answer(json.dumps(sent).encode())

    return {"/v2/stocks/bars": route}


def test_pages_without_an_end_are_given_up_in_the_time_of_one_answer(vendor):
    vendor.routes = endless(padding=0)
    began = time.monotonic()
    with pytest.raises(Refused, match=r"not done within 0.4 s"):
        pulled(source(vendor.url, patience_s=0.4), NIGHT, NIGHT)
    assert time.monotonic() - began < 2.0


def test_pages_are_together_no_larger_than_one_answer(vendor):
    vendor.routes = endless(padding=300_000)
    vendor.calls.clear()
    with pytest.raises(Unwelcome, match="more than answer_mib"):
        pulled(source(vendor.url, answer_mib=1.0), NIGHT, NIGHT)
    assert len(vendor.calls) == 4


def test_bars_of_a_symbol_that_was_not_asked_for_are_refused():
    page_of_another = {"bars": {"TSLA": [bar("AAPL", "2022-03-15")]}, "next_page_token": None}
    with pytest.raises(Unreadable, match="'TSLA' was not asked for"):
        source(NOWHERE).normalise(sent(page_of_another))


def test_a_bar_after_the_night_is_refused():
    with pytest.raises(Unreadable, match="of 2022-03-16, after the night"):
        source(NOWHERE).normalise(one(lambda row: {**row, "t": "2022-03-16T04:00:00Z"}))


def test_fields_that_are_missing_are_named():
    with pytest.raises(Unreadable, match="a bar of 'AAPL' lacks c, v"):
        source(NOWHERE).normalise(one(lambda row: {k: row[k] for k in row if k not in "cv"}))


def test_what_is_no_number_or_no_day_is_null():
    strange = {"o": "", "h": None, "l": True, "c": "155.09", "v": [], "t": "2022-03-15"}
    found = source(NOWHERE).normalise(one(lambda row: {**row, **strange})).bars
    assert found.row(0) == (None, "AAPL", None, None, None, 155.09, None, None, None)


@pytest.mark.parametrize("stamp", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00"])
def test_a_time_that_no_calendar_has_in_new_york_is_null(stamp):
    found = source(NOWHERE).normalise(one(lambda row: {**row, "t": stamp})).bars
    assert found["session"].to_list() == [None]


def test_half_a_letter_in_a_symbol_is_refused_by_name():
    page_of_another = {"bars": {"\ud800": [bar("AAPL", "2022-03-15")]}, "next_page_token": None}
    with pytest.raises(Unreadable, match="was not asked for"):
        source(NOWHERE).normalise(sent(page_of_another))


@pytest.mark.parametrize(
    "sent_page",
    [
        [],
        {"bars": {}},
        {"bars": [], "next_page_token": 1},
        {"bars": {"A": 1}, "next_page_token": None},
        {"bars": {}, "next_page_token": "\ud800"},
    ],
)
def test_pages_of_another_shape_are_refused(sent_page):
    with pytest.raises(Unreadable, match=r"lacks bars|another shape"):
        source(NOWHERE).normalise(sent(sent_page))
