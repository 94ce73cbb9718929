"""With a key FRED's figures are known when they were published, and so are their corrections."""

import json
import time
from datetime import date

import polars as pl
import pytest
from aiohttp import web

from tasks.market.sources.fred import FredData
from tasks.market.sources.protocol import Place
from tasks.market.sources.web import Refused, Unwelcome
from tasks.market.sources.web_data import Reach
from tests.market.sources.cases.fred import KEY, PUBLISHED, publications, rows, source
from tests.market.sources.cases.fred import ROUTES as ROUTES
from tests.market.sources.vendor import Answer

NOWHERE = "http://127.0.0.1:9"
KEYED = {"key_variable": "FRED_API_KEY", "series": {"yield_10y": "DGS10"}}


def pulled(feed: FredData, newest: date, night: date) -> pl.DataFrame:
    feed.nights(newest)
    return feed.normalise(list(feed.pull([night]))).series


def test_with_a_key_a_figure_is_known_when_it_was_published_and_so_is_its_correction(vendor):
    history = source(vendor.url, observed_from=date(2021, 3, 10), **KEYED)
    found = pulled(history, date(2021, 3, 10), date(2021, 3, 9))
    told = [
        (day.isoformat(), "yield_10y", float(value), known)
        for day, own in PUBLISHED.items()
        for known, value in own
    ]
    assert found.equals(rows(*told))


def test_with_a_key_what_is_published_later_moves_nothing(vendor):
    early = source(vendor.url, observed_from=date(2021, 3, 8), **KEYED)
    late = source(vendor.url, observed_from=date(2021, 3, 10), **KEYED)
    before = pulled(early, date(2021, 3, 8), date(2021, 3, 5))
    after = pulled(late, date(2021, 3, 10), date(2021, 3, 9))
    assert after.filter(pl.col("known_on") <= date(2021, 3, 5)).equals(before)
    assert after.height > before.height


def test_with_a_key_a_late_night_brings_what_was_published_that_day_alone(vendor):
    feed = source(vendor.url, **KEYED)
    found = pulled(feed, date(2021, 3, 10), date(2021, 3, 9))
    assert found.equals(rows(("2021-03-04", "yield_10y", 1.55, "2021-03-09")))


def test_with_a_key_what_is_published_on_a_weekend_is_known_on_monday(vendor, monkeypatch):
    monkeypatch.setitem(PUBLISHED, date(2021, 3, 4), [("2021-03-07", "1.54")])
    found = pulled(source(vendor.url, **KEYED), date(2021, 3, 10), date(2021, 3, 8))
    assert "realtime_start=2021-03-05&realtime_end=2021-03-08" in vendor.calls[-1]
    assert found.equals(rows(("2021-03-04", "yield_10y", 1.54, "2021-03-08")))


def test_the_history_is_asked_for_a_few_years_of_publication_at_a_time():
    feed = source(NOWHERE, starts=date(2013, 5, 1), **KEYED)
    assert feed.requests(Reach(date(2013, 5, 1), date(2021, 3, 1))) == [
        "vintages DGS10 2013-05-01 2016-12-31",
        "vintages DGS10 2017-01-01 2020-12-31",
        "vintages DGS10 2021-01-01 2021-03-01",
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_pages_of_any_size_give_the_same_figures(size, vendor, monkeypatch):
    night = date(2021, 3, 9)
    feed = source(vendor.url, observed_from=date(2021, 3, 10), **KEYED)
    whole = pulled(feed, night, night)
    monkeypatch.setattr("tasks.market.sources.fred.PAGE", size)
    assert pulled(
        source(vendor.url, observed_from=date(2021, 3, 10), **KEYED), night, night
    ).equals(whole)


def test_rows_that_were_promised_and_did_not_come_are_missed(vendor):
    def fewer(request: web.Request) -> Answer:
        page = json.loads(publications(request).body)
        page["observations"] = page["observations"][: 2 if request.query["offset"] == "0" else 0]
        return Answer(json.dumps(page).encode())

    vendor.routes = {"/fred/series/observations": fewer}
    feed = source(vendor.url, observed_from=date(2021, 3, 10), **KEYED)
    with pytest.raises(Unwelcome, match="2 rows came where 4 were promised"):
        pulled(feed, date(2021, 3, 9), date(2021, 3, 9))


@pytest.mark.parametrize("count", [None, "4", -1])
def test_pages_that_do_not_say_how_many_rows_there_are_are_refused(count, vendor):
    def odd(request: web.Request) -> Answer:
        page = json.loads(publications(request).body)
        return Answer(json.dumps({**page, "count": count}).encode())

    vendor.routes = {"/fred/series/observations": odd}
    feed = source(vendor.url, observed_from=date(2021, 3, 10), **KEYED)
    with pytest.raises(Unwelcome, match=f"4 rows came where {count} were promised"):
        pulled(feed, date(2021, 3, 9), date(2021, 3, 9))


def test_pages_without_an_end_are_given_up_in_the_time_of_one_answer(vendor):
    def more(request: web.Request) -> Answer:
        row = {"realtime_start": "2021-03-05", "date": "2021-03-04", "value": "1"}
        return Answer(json.dumps({"count": 10**9, "observations": [row]}).encode())

    vendor.routes = {"/fred/series/observations": more}
    feed = source(vendor.url, observed_from=date(2021, 3, 10), patience_s=0.4, **KEYED)
    began = time.monotonic()
    with pytest.raises(Refused, match=r"not done within 0.4 s"):
        pulled(feed, date(2021, 3, 9), date(2021, 3, 9))
    assert time.monotonic() - began < 2.0


def test_the_key_is_in_no_payload_and_no_error(vendor):
    feed = source(vendor.url, **KEYED)
    feed.nights(date(2021, 3, 5))
    for payload in feed.pull([date(2021, 3, 5)]):
        assert KEY not in payload.request
        assert KEY.encode() not in payload.body
    assert any(f"api_key={KEY}" in call for call in vendor.calls), "the server had it"
    vendor.routes = {"/fred/series/observations": lambda r: Answer(f"bad key {KEY}".encode(), 403)}
    with pytest.raises(Unwelcome) as caught:
        pulled(source(vendor.url, **KEYED), date(2021, 3, 5), date(2021, 3, 5))
    assert KEY not in str(caught.value)
    assert "bad key ***" in str(caught.value)


def test_without_its_key_it_says_which_variable_to_set():
    feed = FredData(source(NOWHERE, **KEYED)._conf, Place())
    feed.nights(date(2021, 3, 5))
    with pytest.raises(ValueError, match="set the environment variable FRED_API_KEY"):
        list(feed.pull([date(2021, 3, 5)]))
