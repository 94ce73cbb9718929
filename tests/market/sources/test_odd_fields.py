"""Whatever stands in a field of an answer, it becomes rows or is named: nothing else is raised."""

import json
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest

from tasks.market.sources.binance import BinanceData
from tasks.market.sources.edgar import company_numbers
from tasks.market.sources.protocol import Payload, Place, Unreadable
from tasks.market.sources.web_data import WebData
from tests.market.sources.cases import alpaca, binance, edgar, fred, tiingo, yahoo

NOWHERE = "http://127.0.0.1:9"
ODD = [  # as JSON writes them
    "[]",
    "{}",
    '{"x": {}}',
    '"x"',
    '"America"',
    r'"\ud800"',
    "null",
    "true",
    "0",
    "-5",
    "1e-200",
    "1e400",
    "-Infinity",
    "NaN",
    "9" * 400,
    "253402300799",  # the last second of the year 9999
]
HERE = "the place of the odd one"
PAID = {"date": "2020-08-28", "amount": 0.205, "currency": "USD"}
NAMED = {"longName": "Apple Inc.", "exchangeName": "NMS", "firstTradeDate": 345479400}
EVENTS = {"splits": [yahoo.SPLIT], "dividends": [PAID]}
PUBLISHED = {"realtime_start": "2021-03-05", "date": "2021-03-04", "value": "1.54"}
FLOW = edgar.fact("2019-03-30", 58015e6, "2019-05-01", start="2018-12-30")
ROW = {"date": "2020-08-31", **dict(zip(tiingo.NAMES, tiingo.ROWS["AAPL"][2][1:], strict=True))}


def reading(source: WebData, night: date, request: str) -> Callable[[bytes], object]:
    return lambda body: source.normalise([Payload(night, request, body, "observed")])


def asked(source: WebData, night: date) -> Callable[[bytes], object]:
    """Return what reads the answer to the first request of a live night."""
    source.nights(night)
    return reading(source, night, source.requests(source._reach(night))[0])


# whose answer -> a good one, and what reads it
ANSWERS: dict[str, tuple[Any, Callable[[bytes], object]]] = {
    "yahoo": (
        yahoo.told("AAPL", yahoo.APPLE[1:3], events=EVENTS, **NAMED),
        reading(yahoo.source(NOWHERE), yahoo.NIGHT, "/v8/finance/chart/AAPL?period1=0"),
    ),
    "edgar": (
        edgar.company(320193, "Apple Inc.", {"SalesRevenueNet": {"USD": [FLOW]}}),
        reading(edgar.source(NOWHERE), edgar.NIGHT, "AAPL CIK0000320193"),
    ),
    "edgar tickers": (edgar.TICKERS, company_numbers),
    "tiingo": (
        [ROW],
        reading(tiingo.source(NOWHERE), tiingo.NIGHT, "prices AAPL 2020-08-28 2020-09-01"),
    ),
    "alpaca": (
        [{"bars": {"AAPL": [alpaca.bar("AAPL", "2022-03-15")]}, "next_page_token": None}],
        asked(alpaca.source(NOWHERE), alpaca.NIGHT),
    ),
    "binance": (
        [binance.candle(binance.NIGHT, binance.ROWS["BTCUSDT"][5])],
        asked(BinanceData(binance.settings(NOWHERE), Place()), binance.NIGHT),
    ),
    "fred": (
        [{"count": 1, "observations": [PUBLISHED]}],
        asked(fred.source(NOWHERE, key_variable="FRED_API_KEY"), fred.NIGHT),
    ),
}


def complaint(read: Callable[[bytes], object], body: bytes) -> str:
    try:
        read(body)
    except Unreadable as error:
        return str(error)
    return ""


def altered(tree: Any) -> Iterator[tuple[str, Any]]:
    """Yield a tree once for each of its places, with what it holds there replaced."""
    yield "", HERE
    for key, child in tree.items() if isinstance(tree, dict) else enumerate(tree):
        whole = dict(tree) if isinstance(tree, dict) else list(tree)
        inner = altered(child) if isinstance(child, dict | list) else [("", HERE)]
        for place, other in inner:
            whole[key] = other
            yield f"{key}.{place}", whole


@pytest.mark.parametrize("name", ANSWERS)
def test_the_answers_can_be_read_as_they_are(name):
    good, read = ANSWERS[name]
    assert read(json.dumps(good).encode())


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd[:12])
@pytest.mark.parametrize("name", ANSWERS)
def test_an_odd_field_gives_rows_or_is_named(name, odd):
    good, read = ANSWERS[name]
    for place, tree in altered(good):
        body = json.dumps(tree).replace(json.dumps(HERE), odd).encode()
        try:
            said = complaint(read, body)
        except Exception as error:
            error.add_note(f"{odd[:12]} stood at {place}")
            raise
        assert len(said.encode()) < 600, "an error is a line, not a page"
