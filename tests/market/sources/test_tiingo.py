"""Tiingo's rows become bars as traded, and the actions of their own day."""

import json
from datetime import date
from typing import Any

import pytest

from tasks.market.adjust import is_nothing
from tasks.market.sources.protocol import Payload, Place, Unreadable
from tasks.market.sources.tiingo import TiingoData
from tasks.market.sources.web import Unwelcome
from tests.market.sources.cases.tiingo import KEY, NAMES, NIGHT, ROUTES, ROWS, source
from tests.market.sources.vendor import Answer

NOWHERE = "http://127.0.0.1:9"


def pulled(feed: TiingoData, newest: date, night: date) -> Any:
    feed.nights(newest)
    return feed.normalise(list(feed.pull([night])))


def row(**changes: object) -> dict[str, object]:
    numbers = dict(zip(NAMES, ROWS["AAPL"][3][1:], strict=True))
    return {"date": "2020-09-01T00:00:00.000Z", **numbers, **changes}


def read(*rows: dict[str, object]) -> Any:
    body = json.dumps(rows).encode()
    payload = Payload(NIGHT, "prices AAPL 2020-08-28 2020-09-01", body, "observed")
    return source(NOWHERE).normalise([payload])


def test_bars_are_as_traded_across_a_split(vendor):
    bars = pulled(source(vendor.url), NIGHT, NIGHT).bars
    apple = {
        day: close
        for day, name, close in bars.select("session", "symbol", "close").rows()
        if name == "AAPL"
    }
    assert apple[date(2020, 8, 28)] == 499.23
    assert apple[date(2020, 8, 31)] == 129.04


def test_actions_are_of_their_own_day(vendor):
    actions = pulled(source(vendor.url), NIGHT, NIGHT).actions
    assert actions.filter(~is_nothing()).rows() == [
        (date(2020, 8, 31), "AAPL", "split", 4.0),
        (date(2020, 8, 31), "MSFT", "dividend", 0.51),
    ]


def test_a_split_and_a_dividend_of_one_day_are_two_actions():
    assert read(row(divCash=0.2, splitFactor=0.1)).actions.select("kind", "value").rows() == [
        ("dividend", 0.2),
        ("split", 0.1),
    ]


def test_a_live_night_says_where_there_was_none(vendor, monkeypatch):
    found = pulled(source(vendor.url), NIGHT, NIGHT)
    keys = found.bars.select(ex_session="session", symbol="symbol")
    for kind in ("split", "dividend"):
        said = found.actions.filter(kind=kind).select("ex_session", "symbol")
        assert said.equals(keys)
    late = pulled(source(vendor.url), NIGHT, date(2020, 8, 31)).actions
    assert late.filter(is_nothing()).is_empty(), "a late night has nothing to take back"


def test_a_share_class_is_asked_for_with_a_hyphen_and_comes_back_as_ours(vendor):
    found = pulled(source(vendor.url, symbols=("BRK.B",)), NIGHT, NIGHT)
    assert vendor.calls[-1].startswith("/tiingo/daily/BRK-B/prices?")
    assert found.bars["symbol"].unique().to_list() == ["BRK.B"]


def test_a_late_night_brings_its_own_session_and_the_history_all_before(vendor):
    feed = source(vendor.url)
    late = pulled(feed, NIGHT, date(2020, 8, 31))
    assert late.vintage == "assumed"
    assert late.bars["session"].unique().to_list() == [date(2020, 8, 31)]
    history = pulled(feed, NIGHT, date(2020, 8, 27))
    assert history.bars["session"].unique().to_list() == [date(2020, 8, 27)]
    assert history.actions.is_empty()


def test_prices_of_after_the_night_move_nothing(vendor, monkeypatch):
    before = pulled(source(vendor.url), date(2020, 8, 31), date(2020, 8, 31))
    changed = {name: [*own[:-1], (own[-1][0], *[9.9] * 8)] for name, own in ROWS.items()}
    for name, own in changed.items():
        monkeypatch.setitem(ROWS, name, own)
    after = pulled(source(vendor.url), date(2020, 8, 31), date(2020, 8, 31))
    assert after.bars.equals(before.bars)
    assert after.actions.equals(before.actions)
    assert pulled(source(vendor.url), NIGHT, NIGHT).bars["close"].max() < 500


def test_a_symbol_without_rows_leaves_the_others(vendor):
    vendor.routes = {**ROUTES, "/tiingo/daily/MSFT/prices": lambda request: Answer(b"[]")}
    found = pulled(source(vendor.url), NIGHT, NIGHT)
    assert found.bars["symbol"].unique().sort().to_list() == ["AAPL", "BRK.B"]


def test_a_row_after_the_night_is_refused():
    with pytest.raises(Unreadable, match="rows after the night, the last of 2020-09-02"):
        read(row(), row(date="2020-09-02T00:00:00.000Z"))


def test_rows_before_those_asked_for_are_left_out():
    assert read(row(date="2020-08-03"), row()).bars["session"].to_list() == [NIGHT]


def test_what_is_no_number_or_no_day_is_null():
    bars = read(row(close=None, open="1.5", high="-", volume=True), row(date="soon")).bars
    assert bars["session"].to_list() == [None, NIGHT]
    assert bars.row(1)[2:] == (1.5, None, 130.53, None, None, 134.18, None)


def test_fields_that_are_missing_are_named():
    short = {key: value for key, value in row().items() if key not in ("close", "divCash")}
    with pytest.raises(Unreadable, match="lacks close, divCash in a row"):
        read(row(), short)
    with pytest.raises(Unreadable, match="lacks adjClose, close, date, divCash, high"):
        read(row(), {})


def test_the_key_goes_to_the_server_and_nowhere_else(vendor):
    feed = source(vendor.url)
    feed.nights(NIGHT)
    payloads = list(feed.pull([NIGHT]))
    assert vendor.headers[-1]["Authorization"] == f"Token {KEY}"
    assert all(KEY not in payload.request for payload in payloads)
    assert KEY not in repr(feed.web) + str(vars(feed.web))
    vendor.routes = dict.fromkeys(ROUTES, lambda request: Answer(f"who is {KEY}?".encode(), 401))
    with pytest.raises(Unwelcome, match="check the key") as caught:
        pulled(source(vendor.url), NIGHT, NIGHT)
    assert KEY not in str(caught.value)


def test_without_its_key_it_says_which_variable_to_set():
    feed = TiingoData(source(NOWHERE)._conf, Place())
    feed.nights(NIGHT)
    with pytest.raises(ValueError, match="set the environment variable TIINGO_API_KEY"):
        list(feed.pull([NIGHT]))


def test_a_pull_that_broke_off_goes_on_where_it_was(vendor, tmp_path):
    vendor.routes = {k: v for k, v in ROUTES.items() if "MSFT" not in k}
    feed = source(vendor.url, tmp_path)
    with pytest.raises(Unwelcome, match="404"):
        pulled(feed, NIGHT, NIGHT)
    vendor.routes, asked = ROUTES, len(vendor.calls)
    again = source(vendor.url, tmp_path)
    assert pulled(again, NIGHT, NIGHT).bars.height == 9
    assert len(vendor.calls) == asked + 1
    again.landed([NIGHT])
    assert list(tmp_path.iterdir()) == []
