"""Filings are known from the day they were filed; what is restated later never hides it."""

import json
import math
from datetime import date

import pytest

from tasks.market.sources.edgar import company_numbers, fundamentals
from tasks.market.sources.protocol import Delivery, Unreadable
from tests.market.sources.cases.edgar import (
    APPLE,
    CONTACT,
    ITEMS,
    NIGHT,
    ROUTES,
    Fact,
    company,
    fact,
    source,
)
from tests.market.sources.vendor import Answer, Vendor

LATE = date(2030, 1, 1)
FACTS = "/api/xbrl/companyfacts/CIK0000320193.json"
ASSETS = {"assets": ("Assets",)}
REVENUE = {"revenue": ("Revenues", "SalesRevenueNet")}


def read(
    facts: dict[str, list[Fact]], items: dict[str, tuple[str, ...]], until: date = LATE
) -> list[tuple[object, ...]]:
    told = company(1, "A", {tag: {"USD": own} for tag, own in facts.items()})
    return fundamentals(told, "A", items, until=until).rows()


def pulled(night: date, until: date = NIGHT, routes: object = ROUTES) -> Delivery:
    with Vendor(routes) as vendor:
        filings = source(vendor.url)
        filings.nights(until)
        return filings.normalise(list(filings.pull([night])))


# --- one company ---------------------------------------------------------------------------------


def test_what_is_restated_is_a_new_row_known_later():
    first = fact("2018-09-30", 100.0, "2018-11-01")
    again = fact("2018-09-30", 90.0, "2019-11-01")
    assert read({"Assets": [first, again]}, ASSETS) == [
        (date(2018, 9, 30), "A", "assets", 100.0, "10-Q", date(2018, 11, 1)),
        (date(2018, 9, 30), "A", "assets", 90.0, "10-Q", date(2019, 11, 1)),
    ]


def test_nothing_filed_later_moves_what_was_known():
    until = date(2019, 5, 1)
    before = fundamentals(APPLE, "AAPL", ITEMS, until=until)
    future = json.loads(json.dumps(APPLE))
    for tags in future["facts"].values():
        for tag in tags.values():
            for told in tag["units"].values():
                for one in told:
                    if one["filed"] > until.isoformat():
                        one["val"] = -1e12
                told.append(fact("2018-09-29", 7.0, "2020-05-01"))
    future["facts"]["us-gaap"]["SalesRevenueNet"]["units"]["USD"].append(
        fact("2019-03-30", 7.0, "2020-05-01", start="2018-12-30")
    )
    assert before.height == 7
    assert fundamentals(future, "AAPL", ITEMS, until=until).equals(before)
    assert fundamentals(future, "AAPL", ITEMS, until=LATE).height > before.height


def test_the_first_tag_with_a_value_counts_in_each_filing():
    def sold(value: float | None, filed: str) -> Fact:
        return fact("2018-03-31", value, filed, start="2018-01-01")

    old = [sold(10.0, "2018-05-01"), sold(11.0, "2019-05-01"), sold(12.0, "2020-05-01")]
    new = [sold(21.0, "2019-05-01"), sold(None, "2020-05-01")]
    rows = read({"SalesRevenueNet": old, "Revenues": new}, REVENUE)
    assert [row[3] for row in rows] == [10.0, 21.0, 12.0]


@pytest.mark.parametrize(
    ("start", "form", "counts"),
    [
        ("2018-01-01", "10-K", True),
        ("2018-01-01", "10-K/A", True),
        ("2018-01-01", "20-F", True),
        ("2018-10-01", "10-Q", True),
        ("2018-10-09", "10-Q", True),  # twelve weeks
        ("2018-10-01", "10-K", False),  # the last quarter, beside the year
        ("2018-07-01", "10-Q", False),  # half a year
        ("2018-04-01", "10-Q", False),  # nine months
        ("2018-01-01", "10-Q", False),  # the last twelve months
        ("2017-01-01", "10-K", False),  # two years
    ],
)
def test_years_count_in_annual_forms_and_quarters_in_the_others(start, form, counts):
    flow = fact("2018-12-31", 5.0, "2019-02-01", form, start=start)
    assert bool(read({"Revenues": [flow]}, REVENUE)) == counts


def test_of_two_filings_of_one_day_the_later_number_counts():
    one, other = (fact("2018-12-31", value, "2019-02-01") for value in (1.0, 2.0))
    other["accn"] = one["accn"] + "1"
    assert [row[3] for row in read({"Assets": [other, one]}, ASSETS)] == [2.0]


def test_reads_dollars_before_shares_and_no_other_money():
    units = {
        "EUR": [fact("2018-12-31", 3.0, "2019-02-01")],
        "USD": [fact("2018-12-31", 1.0, "2019-02-01")],
        "shares": [fact("2018-12-31", 2.0, "2019-02-01"), fact("2019-03-31", 4.0, "2019-05-01")],
    }
    told = company(1, "A", {"Assets": units})
    assert fundamentals(told, "A", ASSETS, until=LATE)["value"].to_list() == [1.0, 4.0]


@pytest.mark.parametrize(
    "facts", [{"us-gaap": []}, {"us-gaap": {"Assets": {}}}, {"dei": {"Assets": {"units": []}}}]
)
def test_facts_of_another_shape_are_named(facts):
    with pytest.raises(Unreadable, match="A"):
        fundamentals({"facts": facts}, "A", ASSETS, until=LATE)


@pytest.mark.parametrize("key", ["end", "filed"])
def test_a_fact_without_its_days_is_named(key):
    broken = fact("2018-12-31", 1.0, "2019-02-01")
    broken[key] = "soon"
    with pytest.raises(Unreadable, match=f"{key}.*soon"):
        read({"Assets": [broken]}, ASSETS)


@pytest.mark.parametrize("form", ["10-\ud800", 10, ["10-Q"]])
def test_a_form_that_is_no_text_is_named(form):
    with pytest.raises(Unreadable, match=r"A fact of A \(Assets\).* at form: "):
        read({"Assets": [fact("2018-12-31", 1.0, "2019-02-01", form)]}, ASSETS)


def test_reads_the_list_of_tickers():
    told = {"0": {"cik_str": 320193, "ticker": "AAPL", "title": "Apple Inc."}}
    assert company_numbers(json.dumps(told).encode()) == {"AAPL": 320193}
    for other in (b'{"data": [[320193]]}', b'{"0": {"cik_str": Infinity, "ticker": "AAPL"}}'):
        with pytest.raises(Unreadable, match="tickers_url"):
            company_numbers(other)


# --- a source ------------------------------------------------------------------------------------


def test_the_history_is_known_filing_by_filing():
    found = pulled(date(2019, 4, 29))
    assert found.vintage == "assumed"
    rows = found.fundamentals.select("symbol", "item", "value", "known_on").rows()
    assert rows == [
        ("AAPL", "revenue", 61137e6, date(2018, 5, 2)),
        ("AAPL", "assets", 365725e6, date(2018, 11, 5)),
        ("BRK.B", "assets", 707794e6, date(2019, 2, 25)),
    ]


def test_a_late_night_brings_what_was_filed_on_it_alone():
    found = pulled(date(2019, 5, 1), until=NIGHT)
    assert found.vintage == "assumed"
    assert found.fundamentals.height == 5
    assert set(found.fundamentals["known_on"]) == {date(2019, 5, 1)}
    assert pulled(date(2019, 4, 30), until=NIGHT).fundamentals.is_empty()


def test_what_a_live_night_repeats_is_known_from_that_night():
    found = pulled(NIGHT)
    assert found.vintage == "observed"
    assert found.fundamentals.height == 5, "all of it was filed the day before"
    assert set(found.fundamentals["known_on"]) == {NIGHT}


def test_a_filing_of_a_day_without_a_session_is_known_on_the_next():
    told = company(
        320193, "Apple", {"Assets": {"USD": [fact("2019-03-31", 1.0, "2019-04-19")]}}
    )  # Good Friday: the SEC is open, New York's exchange is not
    routes = {**ROUTES, FACTS: lambda request: Answer(json.dumps(told).encode())}
    found = pulled(date(2019, 4, 29), routes=routes).fundamentals
    assert found.filter(symbol="AAPL")["known_on"].to_list() == [date(2019, 4, 22)]


def test_lists_the_companies_by_their_lasting_number():
    listed = pulled(NIGHT).listings.select("symbol", "name", "asset_class", "vendor_id")
    assert listed.rows() == [
        ("AAPL", "Apple Inc.", "equity", "CIK0000320193"),
        ("BRK.B", "BERKSHIRE HATHAWAY INC", "equity", "CIK0001067983"),
    ]


def test_says_who_asks():
    with Vendor(ROUTES) as vendor:
        filings = source(vendor.url)
        filings.nights(NIGHT)
        payloads = list(filings.pull([NIGHT]))
    assert [headers["User-Agent"] for headers in vendor.headers] == [CONTACT] * 3
    assert [payload.request for payload in payloads] == [
        "AAPL CIK0000320193",
        "BRK.B CIK0001067983",
    ]


def test_asks_nothing_until_somebody_says_who_asks():
    with Vendor(ROUTES) as vendor:
        silent = source(vendor.url, contact="")
        silent.nights(NIGHT)
        with pytest.raises(ValueError, match=r"EDGAR_CONTACT.*e-mail"):
            list(silent.pull([NIGHT]))
        assert vendor.calls == []


def test_a_company_that_is_not_listed_is_named():
    routes = {
        "/files/company_tickers.json": lambda request: Answer(
            b'{"0": {"cik_str": 1, "ticker": "AAPL"}}'
        )
    }
    with pytest.raises(ValueError, match=r"BRK\.B"):
        pulled(NIGHT, routes=routes)


@pytest.mark.parametrize(
    "change",
    [{"cik": 1067983}, {"cik": None}, {"cik": math.inf}, {"facts": []}, {"entityName": "\ud800"}],
)
def test_facts_that_are_not_the_companys_own_are_refused(change):
    other = {**APPLE, **change}
    routes = {**ROUTES, FACTS: lambda request: Answer(json.dumps(other).encode())}
    with pytest.raises(Unreadable, match="CIK0000320193"):
        pulled(NIGHT, routes=routes)
