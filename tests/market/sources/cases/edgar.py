"""The SEC as it answers: a list of all tickers, and the facts of one company."""

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import polars as pl
from pydantic import SecretStr

from conf.schema import EdgarSource
from tasks.market.frames import RAW_FUNDAMENTALS
from tasks.market.sources.edgar import EdgarData
from tasks.market.sources.protocol import Place
from tests.market.sources.vendor import QUICK, Answer, WebCase

NIGHT = date(2019, 5, 2)
CONTACT = "Jane Doe jane@example.com"
TICKERS = {
    "0": {"cik_str": 320193, "ticker": "AAPL", "title": "Apple Inc."},
    "1": {"cik_str": 1067983, "ticker": "BRK-B", "title": "BERKSHIRE HATHAWAY INC"},
}
ITEMS = {
    "assets": ("Assets",),
    "revenue": ("RevenueFromContractWithCustomerExcludingAssessedTax", "SalesRevenueNet"),
    "shares": ("EntityCommonStockSharesOutstanding",),
}
Fact = dict[str, object]


def fact(end: str, value: float, filed: str, form: str = "10-Q", start: str = "") -> Fact:
    """Write one fact as the SEC does; one with a start is a flow, one without a balance."""
    begun = {"start": start} if start else {}
    accession = f"0000320193-{filed[2:4]}-{filed[5:7]}{filed[8:]:0>4}"
    told = {"end": end, "val": value, "accn": accession, "fy": int(filed[:4]), "fp": "Q2"}
    return begun | told | {"form": form, "filed": filed}


def company(cik: int, name: str, facts: Mapping[str, Mapping[str, list[Fact]]]) -> Fact:
    """Write company facts: tag -> unit -> facts, `dei` where the tag begins with Entity."""
    sorted_out: dict[str, dict[str, object]] = {"dei": {}, "us-gaap": {}}
    for tag, units in facts.items():
        kind = "dei" if tag.startswith("Entity") else "us-gaap"
        sorted_out[kind][tag] = {"label": tag, "description": "As filed.", "units": units}
    return {"cik": cik, "entityName": name, "facts": sorted_out}


QUARTER = {"start": "2018-12-30", "end": "2019-03-30"}
APPLE = company(
    320193,
    "Apple Inc.",
    {
        "Assets": {
            "USD": [
                fact("2018-09-29", 365725e6, "2018-11-05", "10-K"),
                fact("2018-09-29", 365725e6, "2019-05-01"),
                fact("2019-03-30", 341998e6, "2019-05-01"),
                fact("2019-06-29", 322239e6, "2019-07-31"),
            ]
        },
        "SalesRevenueNet": {"USD": [fact("2018-03-31", 61137e6, "2018-05-02", start="2018-01-01")]},
        "RevenueFromContractWithCustomerExcludingAssessedTax": {
            "USD": [
                fact("2019-03-30", 142325e6, "2019-05-01", start="2018-09-30"),
                fact("2018-03-31", 61137e6, "2019-05-01", start="2018-01-01"),
                fact(value=58015e6, filed="2019-05-01", **QUARTER),
                fact("2019-06-29", 53809e6, "2019-07-31", start="2019-03-31"),
            ]
        },
        "EntityCommonStockSharesOutstanding": {
            "shares": [fact("2019-04-22", 4601075000, "2019-05-01")]
        },
    },
)
BERKSHIRE = company(
    1067983,
    "BERKSHIRE HATHAWAY INC",
    {"Assets": {"USD": [fact("2018-12-31", 707794e6, "2019-02-25", "10-K")]}},
)
ROUTES = {
    "/files/company_tickers.json": lambda request: Answer(json.dumps(TICKERS).encode()),
    "/api/xbrl/companyfacts/CIK0000320193.json": lambda request: Answer(json.dumps(APPLE).encode()),
    "/api/xbrl/companyfacts/CIK0001067983.json": lambda request: Answer(
        json.dumps(BERKSHIRE).encode()
    ),
}


def source(base_url: str, spool: Path | None = None, contact: str = CONTACT) -> EdgarData:
    conf = EdgarSource(
        kind="edgar",
        title="EDGAR",
        base_url=base_url,
        tickers_url=f"{base_url}/files/company_tickers.json",
        starts=date(2018, 1, 2),
        observed_from=date(2019, 4, 30),
        look_back=2,
        expected_rows=1,
        items=ITEMS,
        symbols=("AAPL", "BRK.B"),
        **QUICK,
    )
    secrets = {"EDGAR_CONTACT": SecretStr(contact)} if contact else {}
    return EdgarData(conf, Place(spool=spool, secrets=secrets))


def case(base_url: str, spool: Path) -> WebCase:
    rows = [
        (date(2018, 3, 31), "AAPL", "revenue", 61137e6, "10-Q", NIGHT),
        (date(2018, 9, 29), "AAPL", "assets", 365725e6, "10-Q", NIGHT),
        (date(2019, 3, 30), "AAPL", "assets", 341998e6, "10-Q", NIGHT),
        (date(2019, 3, 30), "AAPL", "revenue", 58015e6, "10-Q", NIGHT),
        (date(2019, 4, 22), "AAPL", "shares", 4601075000.0, "10-Q", NIGHT),
    ]
    expected = pl.DataFrame(rows, RAW_FUNDAMENTALS, orient="row")
    expected = expected.sort(expected.columns)
    return WebCase(source(base_url, spool), ROUTES, expected, "fundamentals", NIGHT)
