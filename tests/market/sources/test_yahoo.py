"""Charts become bars as they were traded: what Yahoo restated for later splits is put back."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import date

import pytest

from tasks.market.adjust import is_nothing
from tasks.market.sources.protocol import Delivery, Unreadable
from tasks.market.sources.yahoo import Chart, chart
from tests.market.sources.cases.yahoo import (
    APPLE,
    NIGHT,
    ROUTES,
    SPLIT,
    answer,
    source,
    stamp,
    told,
)
from tests.market.sources.vendor import Answer, Vendor

FIRST, LAST = date(2020, 8, 3), date(2020, 9, 2)
EVE, EX = "2020-08-28", "2020-08-31"
PRICES = ["open", "high", "low", "close", "volume"]
Row = Sequence[object]


def read(
    rows: Sequence[Row] = APPLE,
    events: Mapping[str, Sequence[Mapping[str, object]]] | None = None,
    *,
    last: date = LAST,
    **meta: object,
) -> Chart:
    happened = {"splits": [SPLIT]} if events is None else events
    body = json.dumps(told("AAPL", rows, events=happened, **meta)).encode()
    return chart(body, symbol="AAPL", first=FIRST, last=last)


def restated(rows: Sequence[Row], ratio: float) -> list[Row]:
    """Write rows as Yahoo does once every share has become `ratio` shares."""
    return [
        (day, *(price / ratio for price in prices), volume * ratio, adjusted / ratio)
        for day, *prices, volume, adjusted in rows
    ]


def altered(**changes: object) -> bytes:
    """Return a chart whose one result has other parts."""
    whole = told("AAPL", APPLE)
    whole["chart"]["result"][0].update(changes)
    return json.dumps(whole).encode()


def meta(**changes: object) -> bytes:
    """Return a chart of something else, or from elsewhere."""
    return json.dumps(told("AAPL", APPLE, **changes)).encode()


def split(*numerators: float) -> dict[str, object]:
    """Return splits of one day long ago."""
    told = [{"date": 1, "numerator": number, "denominator": 1} for number in numerators]
    return {"splits": {str(at): event for at, event in enumerate(told)}}


def pulled(night: date = NIGHT, until: date = NIGHT, **settings: object) -> Delivery:
    with Vendor(ROUTES) as vendor:
        charts = source(vendor.url, **settings)
        charts.nights(until)
        return charts.normalise(list(charts.pull([night])))


# --- bars as traded ------------------------------------------------------------------------------


def test_bars_before_a_split_are_as_they_traded():
    eve = read().bars.filter(session=date.fromisoformat(EVE)).row(0, named=True)
    assert [eve[name] for name in PRICES[:4]] == [504.05, 505.77, 498.31, 499.23]
    assert eve["volume"] == 46907479
    assert eve["adj_close"] == 122.252, "as sent"
    day = read().bars.filter(session=date.fromisoformat(EX)).row(0, named=True)
    assert (day["close"], day["volume"]) == (129.04, 225702700)


def test_a_later_split_moves_nothing_that_was_traded_or_paid():
    paid = {"date": EVE, "amount": 0.205}
    before = read(events={"splits": [SPLIT], "dividends": [paid]})
    later = {"date": "2024-06-10", "numerator": 10.0, "denominator": 1.0}
    events = {"splits": [later, SPLIT], "dividends": [{**paid, "amount": 0.0205}]}
    after = read(restated(APPLE, 10.0), events)
    assert after.bars["session"].equals(before.bars["session"])
    for name in PRICES:
        assert after.bars[name].to_list() == pytest.approx(before.bars[name].to_list())
    assert after.actions.drop("value").equals(before.actions.drop("value"))
    assert after.actions["value"].to_list() == pytest.approx(before.actions["value"].to_list())


def test_nothing_after_the_night_moves_what_was_known():
    until = date.fromisoformat(EX)
    before = read(last=until)
    garbage = [("2020-09-01", 1e9, 1e9, -5.0, 0.0, 0, 1.0), ("2020-09-02", *[None] * 5, 3.0)]
    events = {"splits": [SPLIT], "dividends": [{"date": "2020-09-02", "amount": 99.0}]}
    after = read([*APPLE[:3], *garbage], events, last=until)
    for mine, theirs in zip(after, before, strict=True):
        assert mine.equals(theirs)
    assert before.bars["session"].max() == until


def test_a_reverse_split_is_put_back_too():
    reverse = {"date": EX, "numerator": 1.0, "denominator": 10.0}
    found = read([(EVE, 50.0, 50.0, 50.0, 50.0, 100, 50.0)], {"splits": [reverse]})
    assert found.bars.select(PRICES).row(0) == pytest.approx((5.0, 5.0, 5.0, 5.0, 1000.0))
    assert found.actions.rows() == [(date.fromisoformat(EX), "AAPL", "split", 0.1)]


def test_rows_without_a_number_say_nothing_and_others_keep_their_gaps():
    rows = [(EVE, *[None] * 6), (EX, None, 131.0, 126.0, 129.04, None, 126.5)]
    bars = read(rows).bars
    assert bars["session"].to_list() == [date.fromisoformat(EX)]
    assert bars.select(PRICES).row(0) == (None, 131.0, 126.0, 129.04, None)


def test_a_live_row_after_that_of_its_day_replaces_it():
    live = (APPLE[-1][0], 137.59, 137.98, 127.0, 131.45, 200119001, 131.45)
    bars = read([*APPLE, live]).bars
    assert bars["session"].is_unique().all()
    assert bars["close"].to_list()[-1] == 131.45


def test_an_infinite_adjusted_close_is_kept_for_the_gate():
    rows = [(EX, 127.58, 131.0, 126.0, 129.04, 225702700, float("inf"))]
    assert read(rows).bars["adj_close"].to_list() == [float("inf")]


@pytest.mark.parametrize(
    ("zone", "stamped", "session"),
    [
        ("America/New_York", stamp("2020-08-31", hour=9), "2020-08-31"),
        ("America/New_York", stamp("2020-08-31", hour=16, minute=0), "2020-08-31"),
        ("Asia/Tokyo", stamp("2020-08-31", "Asia/Tokyo", 9, 0), "2020-08-31"),
        ("Europe/London", stamp("2020-08-31", "Europe/London", 0, 0), "2020-08-31"),
        ("Europe/London", stamp("2020-08-30", "Europe/London", 23, 0), "2020-08-31"),
        ("Australia/Sydney", stamp("2020-08-31", "Australia/Sydney", 10, 0), "2020-08-31"),
    ],
)
def test_stamps_become_the_exchanges_date(zone, stamped, session):
    meta = {"symbol": "AAPL", "currency": "USD", "exchangeTimezoneName": zone}
    indicators = {"quote": [{"close": [129.04]}]}
    body = altered(meta=meta, timestamp=[stamped], indicators=indicators)
    bars = chart(body, symbol="AAPL", first=FIRST, last=LAST).bars
    assert bars["session"].to_list() == [date.fromisoformat(session)]


# --- actions and listings ------------------------------------------------------------------------


def test_dividends_are_per_share_as_traded_on_their_day():
    events = {
        "splits": [SPLIT],
        "dividends": [{"date": EVE, "amount": 0.205}, {"date": EX, "amount": 0.205}],
        "capitalGains": [{"date": EX, "amount": 0.1}],
    }
    found = read(events=events).actions
    assert found["kind"].to_list() == ["dividend", "dividend", "split"]
    assert found["value"].to_list() == pytest.approx([0.82, 0.305, 4.0])
    assert found["ex_session"].to_list() == [date.fromisoformat(day) for day in (EVE, EX, EX)]


def test_what_is_paid_in_another_currency_has_no_value():
    events = {"dividends": [{"date": EX, "amount": 500.0, "currency": "VND"}]}
    assert read(events=events).actions["value"].to_list() == [None]


def test_prices_in_pence_say_so_by_their_multiplier():
    found = read(currency="GBp", exchangeTimezoneName="Europe/London")
    assert set(found.bars["currency"]) == {"GBP"}
    listed = found.listings.row(0, named=True)
    assert (listed["currency"], listed["multiplier"]) == ("GBP", 0.01)
    assert read().listings.row(0, named=True)["multiplier"] is None


@pytest.mark.parametrize(("day", "since"), [("1980-12-12", date(1980, 12, 12)), (EX, None)])
def test_lists_since_when_it_trades_unless_that_lies_ahead(day, since):
    listed = read(last=date(2020, 8, 28), firstTradeDate=stamp(day)).listings
    assert listed["from_session"].to_list() == [since]


# --- what is no chart ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"finance": {}}', "at chart: Field required"),
        (b'{"chart": {"result": null, "error": null}}', "lacks what a chart has"),
        (b'{"chart": {"result": [], "error": {"code": "Not Found"}}}', "Not Found"),
        (altered(timestamp=[1, 2]), "2 days but"),
        (altered(timestamp=["soon"] * 5), "where seconds should be"),
        (altered(timestamp=[1e30] * 5), "has a time of"),
        (altered(timestamp=[stamp(row[0]) for row in APPLE[::-1]]), "order of time"),
        (altered(indicators={"quote": []}), r"at indicators\.quote: List should have at least 1"),
        (altered(indicators={"quote": [{"open": 5}]}), r"at indicators\.quote\.0\.open.* found 5"),
        (altered(timestamp=5), "at timestamp: .*list; found 5"),
        (altered(events=[1]), "at events: .*dictionary"),
        (altered(events={"splits": [1]}), r"at events\.splits: .*dictionary"),
        (altered(events={"dividends": [1]}), r"at events\.dividends: .*dictionary"),
        (meta(currency=["USD"]), r"at meta\.currency: .*string; found \['USD'\]"),
        (meta(exchangeName=["NMS"]), r"at meta\.exchangeName: .*string"),
        (meta(longName="Apple \ud800"), r"at meta\.longName: .*surrogates not allowed"),
        (
            altered(meta={"symbol": "AAPL", "exchangeTimezoneName": "America"}),
            "unknown time zone, 'America'",
        ),
        (altered(events=split(10**400)), "split of AAPL cannot be read"),
        (altered(events=split(1e-200, 1e-200)), "from 1969-12-31 on give 0.0 shares"),
        (meta(exchangeTimezoneName="UTC", firstTradeDate=253402300799), "has a time of"),
        (altered(events={"splits": {"1": {"date": 1, "numerator": 4}}}), "split of AAPL"),
        (altered(events={"splits": {"1": {**SPLIT, "date": 1, "numerator": 0}}}), "0.0 shares"),
        (altered(events={"dividends": {"1": {"amount": 1}}}), "dividend of AAPL"),
        (json.dumps(told("MSFT", APPLE)).encode(), "that of 'MSFT'"),
        (altered(meta={"symbol": "AAPL", "exchangeTimezoneName": "Mars/Base"}), "Mars/Base"),
    ],
)
def test_names_what_is_no_chart(body, says):
    with pytest.raises(Unreadable, match=says):
        chart(body, symbol="AAPL", first=FIRST, last=LAST)


# --- a source ------------------------------------------------------------------------------------


def test_a_live_night_reaches_back_and_not_beyond():
    found = pulled()
    assert found.vintage == "observed"
    days = found.bars.filter(symbol="AAPL")["session"].to_list()
    assert days == [date(2020, 8, 28), date(2020, 8, 31), date(2020, 9, 1)]
    assert found.listings["asset_class"].to_list() == ["equity", "index"]
    split = (date(2020, 8, 31), "AAPL", "split", 4.0)
    assert found.actions.filter(~is_nothing()).rows() == [split]
    assert found.actions.height == 2 * found.bars.height, "where there was none it says so"


def test_a_late_night_brings_its_own_session_alone():
    found = pulled(date(2020, 8, 31))
    assert found.vintage == "assumed"
    assert set(found.bars["session"]) == {date(2020, 8, 31)}
    assert found.actions.rows() == [(date(2020, 8, 31), "AAPL", "split", 4.0)]


def test_asks_as_a_browser_would():
    with Vendor(ROUTES) as vendor:
        charts = source(vendor.url)
        charts.nights(NIGHT)
        list(charts.pull([NIGHT]))
    assert all("Chrome" in headers["User-Agent"] for headers in vendor.headers)
    assert [call.partition("?")[0] for call in vendor.calls] == [
        "/v8/finance/chart/AAPL",
        "/v8/finance/chart/%5EGSPC",
    ]


def test_a_chart_that_is_none_is_not_kept(tmp_path):
    failing = {**ROUTES, "/v8/finance/chart/AAPL": lambda request: Answer(b'{"finance": 1}')}
    with Vendor(failing) as vendor:
        charts = source(vendor.url, tmp_path)
        charts.nights(NIGHT)
        with pytest.raises(Unreadable, match="AAPL"):
            list(charts.pull([NIGHT]))
        vendor.routes = {**ROUTES, "/v8/finance/chart/AAPL": answer(told("AAPL", APPLE))}
        assert len(list(charts.pull([NIGHT]))) == 2


def test_says_what_to_install_where_yfinance_lacks(monkeypatch):
    monkeypatch.setitem(sys.modules, "yfinance", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'afterclose\[yahoo\]'"):
        pulled()
