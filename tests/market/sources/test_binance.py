"""Candles become bars of finished UTC days; a page that is not the one asked for is refused."""

import json
from datetime import date, timedelta
from itertools import pairwise

import pytest
from aiohttp import web

from tasks.market.sources.binance import BinanceData, Page, candles, pair
from tasks.market.sources.protocol import Place, Unreadable
from tasks.market.sources.web import Unwelcome
from tasks.market.sources.web_data import Reach
from tests.market.sources.cases.binance import FIRST, NIGHT, PATH, answer, candle, opens, settings
from tests.market.sources.vendor import Answer, Vendor

ROW = ("7933.58", "8136.00", "7727.00", "7894.57", "86783.443875")
PAGE = Page("BTCUSDT", FIRST, NIGHT)


def body(*days: date) -> bytes:
    return json.dumps([candle(day, ROW) for day in days]).encode()


def test_reads_a_candle_as_a_bar():
    bar = candles(body(FIRST), PAGE, night=NIGHT).row(0, named=True)
    assert bar == {
        "session": FIRST,
        "symbol": "BTCUSDT",
        "open": 7933.58,
        "high": 8136.0,
        "low": 7727.0,
        "close": 7894.57,
        "volume": 86783.443875,
        "adj_close": None,
        "currency": "USD",
    }


def test_leaves_the_unfinished_day_out_whatever_it_says():
    finished = candles(body(FIRST, NIGHT), PAGE, night=NIGHT)
    wild = [candle(FIRST, ROW), candle(NIGHT, ROW)]
    wild.append(candle(NIGHT + timedelta(days=1), ("1e9", "NaN", "0", "-5", "")))
    assert candles(json.dumps(wild).encode(), PAGE, night=NIGHT).equals(finished)


def test_what_is_no_number_is_null():
    sent = json.dumps([candle(FIRST, ("", "n/a", "7727.00", "7894.57", "0"))]).encode()
    bar = candles(sent, PAGE, night=NIGHT).row(0, named=True)
    assert bar["open"] is None
    assert bar["high"] is None
    assert bar["close"] == 7894.57


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (b'{"rows": []}', "should be a list"),
        (b"[[1, 2]]", "has 12 cells"),
        (json.dumps([[None, *candle(FIRST, ROW)[1:]]]).encode(), "no day in UTC"),
        (json.dumps([[candle(FIRST, ROW)[0] + 3600, *candle(FIRST, ROW)[1:]]]).encode(), "no day"),
        (body(FIRST - timedelta(days=1)), "were asked for"),
        (body(NIGHT + timedelta(days=2)), "were asked for"),
    ],
)
def test_names_what_is_no_page_of_candles(sent, says):
    with pytest.raises(Unreadable, match=says):
        candles(sent, PAGE, night=NIGHT)


@pytest.mark.parametrize(
    ("symbol", "parts"),
    [
        ("BTCUSDT", ("BTC", "USDT")),
        ("ETHBTC", ("ETH", "BTC")),
        ("BTCFDUSD", ("BTC", "FDUSD")),
        ("USDTTRY", ("USDT", "TRY")),
        ("EURUSDT", ("EUR", "USDT")),
    ],
)
def test_tells_what_a_pair_is_quoted_in(symbol, parts):
    assert pair(symbol) == parts


def test_a_pair_of_unknown_quote_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="USDT"):
        BinanceData(settings("https://127.0.0.1", symbols=("BTCXYZ",)), Place())


def test_pages_cover_every_day_once_and_none_is_too_long():
    source = BinanceData(settings("https://127.0.0.1", symbols=("BTCUSDT",)), Place())
    reach = Reach(date(2017, 8, 17), date(2024, 6, 1))
    spans = []
    for request in source.requests(reach):
        asked = dict(part.split("=") for part in request.split("?")[1].split("&"))
        spans.append((int(asked["startTime"]), int(asked["endTime"]) + 1))
        assert spans[-1][1] - spans[-1][0] <= 1000 * 86_400_000
    assert all(before[1] == after[0] for before, after in pairwise(spans))
    assert (spans[-1][1] - spans[0][0]) // 86_400_000 == (reach.night - reach.since).days + 1


def listed_for_years(request: web.Request) -> Answer:
    """Answer as a pair that has traded since 2017."""
    first, last = (int(request.query[name]) // 86_400_000 for name in ("startTime", "endTime"))
    days = [date(1970, 1, 1) + timedelta(days=at) for at in range(first, last + 1)]
    return Answer(body(*days))


def history(url: str) -> BinanceData:
    return BinanceData(settings(url, symbols=("BTCUSDT",), starts=date(2014, 1, 1)), Place())


def test_the_history_comes_in_pages_and_each_day_once():
    with Vendor({PATH: listed_for_years}) as vendor:
        source = history(vendor.url)
        night = source.nights(NIGHT)[0]
        found = source.normalise(list(source.pull([night])))
    assert night == date(2020, 3, 13)
    assert len(vendor.calls) == 3
    assert found.bars["session"].is_unique().all()
    assert found.bars["session"].min() == date(2014, 1, 1)
    assert found.bars["session"].max() == night
    assert found.vintage == "assumed"


@pytest.mark.parametrize("fault", ["a page twice", "a page lost"])
def test_pages_that_are_lost_or_sent_twice_are_found(fault):
    def sent(request: web.Request) -> Answer:
        if request.query["startTime"] != str(opens(date(2016, 9, 27))):  # of the second page
            return listed_for_years(request)
        return Answer(b"[]") if fault == "a page lost" else Answer(body(date(2014, 1, 1)))

    with Vendor({PATH: sent}) as vendor:
        source = history(vendor.url)
        night = source.nights(NIGHT)[0]
        with pytest.raises(Unreadable, match="pull it again"):
            source.normalise(list(source.pull([night])))


def test_a_server_that_sends_less_than_a_page_is_found_out():
    def capped(request: web.Request) -> Answer:
        return Answer(json.dumps(json.loads(listed_for_years(request).body)[:500]).encode())

    with Vendor({PATH: capped}) as vendor:
        source = history(vendor.url)
        night = source.nights(NIGHT)[0]
        with pytest.raises(Unwelcome, match="ends on 2015-05-15, and more follow: the server cuts"):
            list(source.pull([night]))


def test_a_pair_that_has_ended_is_no_page_that_was_cut():
    end = date(2018, 2, 8)

    def ended(request: web.Request) -> Answer:
        sent = json.loads(listed_for_years(request).body)
        return Answer(json.dumps([one for one in sent if one[0] <= opens(end)]).encode())

    with Vendor({PATH: ended}) as vendor:
        source = history(vendor.url)
        night = source.nights(NIGHT)[0]
        found = source.normalise(list(source.pull([night])))
    assert found.bars["session"].max() == end
    assert len(vendor.calls) == 3 + 1, "what follows its last candle was asked for"


def test_a_pair_that_is_not_there_is_named():
    with Vendor({PATH: answer}) as vendor:
        source = BinanceData(settings(vendor.url, symbols=("NOPEUSDT",)), Place())
        source.nights(NIGHT)
        with pytest.raises(Unwelcome, match=r"NOPEUSDT.*Invalid symbol"):
            list(source.pull([NIGHT]))


def test_lists_what_is_traded_by_its_very_token():
    with Vendor({PATH: answer}) as vendor:
        source = BinanceData(settings(vendor.url), Place())
        source.nights(NIGHT)
        listings = source.normalise(list(source.pull([NIGHT]))).listings
    columns = ["symbol", "name", "asset_class", "currency"]
    assert listings.select(columns).rows() == [
        ("BTCUSDT", "BTC in USDT", "crypto", "USD"),
        ("ETHEUR", "ETH in EUR", "crypto", "EUR"),
    ]
