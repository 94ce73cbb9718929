"""What sources over the web bring in a live night passes the gate, what they tell again too."""

import json
from datetime import date

import polars as pl
import pytest
from aiohttp import web

from expectations.desk import Desk
from tasks.market import frames
from tasks.market.calendar import Calendar
from tests.market.sources.cases import tiingo, yahoo
from tests.market.sources.test_faults import NAMES, case_of, delivered
from tests.market.sources.vendor import Answer, Route, WebCase

pytestmark = pytest.mark.slow

KEYS = {
    "bars": ["session", "symbol", "close"],
    "series": ["session", "name", "value"],
    "fundamentals": ["period_end", "symbol", "item", "value"],
}
PAID = "2020-08-31"


def desk_of(name: str, case: WebCase) -> Desk:
    """Return a desk that knows nothing yet."""
    conf = case.source._web_conf
    return Desk(
        name,
        conf,
        Calendar(conf.calendar),
        bars=frames.empty(frames.BARS),
        listings=frames.empty(frames.LISTINGS),
    )


def all_nights(case: WebCase) -> list[date]:
    """Return the history, the night before that of the case if there is one between, and its."""
    nights = case.source.nights(case.night)
    return sorted({nights[0], *nights[-2:]})


@pytest.mark.parametrize("name", NAMES)
def test_a_live_night_passes_the_gate_and_agrees_with_what_was_known(name, vendor, tmp_path):
    case = case_of(name)(vendor.url, tmp_path)
    vendor.routes = case.routes
    desk, nights = desk_of(name, case), all_nights(case)
    found = [desk.judge(delivered(case._replace(night=night))) for night in nights]
    verdict = found[-1].verdicts
    assert verdict["verdict"].item() == "pass", verdict["reasons"].item()
    assert found[-1].quarantine.is_empty()
    *key, value = KEYS[case.frame]
    told = [getattr(night, case.frame).select(*key, value) for night in found]
    known = pl.concat(told).unique(key, keep="last", maintain_order=True)
    assert case.expected.join(known, on=[*key, value], how="anti").is_empty()
    before = pl.concat([known.clear(), *told[:-1]])
    again = case.expected.join(before, on=key, how="semi")
    assert again.is_empty() == (len(nights) == 1), "a night after others tells something again"


def tiingo_paid(cash: float) -> dict[str, Route]:
    """Return routes by which a share of Microsoft paid `cash` on the 31st, and its prices with."""
    path = "/tiingo/daily/MSFT/prices"

    def route(request: web.Request) -> Answer:
        rows = json.loads(tiingo.ROUTES[path](request).body)
        for row in rows:
            paid = row["date"][:10] == PAID
            row["divCash"] = cash if paid else 0.0
            row["adjClose"] = row["close"] * (1.0 if row["date"] >= PAID else 1 - cash / 228.91)
        return Answer(json.dumps(rows).encode())

    return {**tiingo.ROUTES, path: route}


def yahoo_paid(cash: float) -> dict[str, Route]:
    """Return routes by which a share of Apple paid `cash` on the 31st, and its prices with."""
    rows = []
    for day, *prices, volume, _ in yahoo.APPLE:
        factor = 1 - cash / 124.8075 if day < PAID else 1.0
        rows.append((day, *prices, volume, prices[3] * factor))
    events = {"splits": [yahoo.SPLIT]}
    if cash:
        events["dividends"] = [{"date": PAID, "amount": cash}]
    chart = yahoo.told("AAPL", rows, events=events)
    return {**yahoo.ROUTES, "/v8/finance/chart/AAPL": yahoo.answer(chart)}


@pytest.mark.parametrize(("name", "paid"), [("tiingo", tiingo_paid), ("yahoo", yahoo_paid)])
def test_a_dividend_that_is_told_no_more_is_taken_back_and_nothing_else(
    name, paid, vendor, tmp_path
):
    case = case_of(name)(vendor.url, tmp_path)
    desk, (first, before, last) = desk_of(name, case), all_nights(case)
    found = {}
    for night, cash in ((first, 0.5), (before, 0.5), (last, 0.0)):
        vendor.routes = paid(cash)
        found[night] = desk.judge(delivered(case._replace(night=night)))
    assert found[last].verdicts["verdict"].item() != "block"
    assert found[last].quarantine.is_empty()
    day = date.fromisoformat(PAID)
    told, taken = (
        found[night].actions.select("ex_session", "kind", "value").rows()
        for night in (before, last)
    )
    assert sorted(told) == [(day, "dividend", 0.5), (day, "split", 4.0)]
    assert sorted(taken) == [(day, "dividend", 0.0), (day, "split", 4.0)]
