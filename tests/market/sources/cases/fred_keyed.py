"""FRED with a key: figures by the day they were published."""

from datetime import date
from pathlib import Path

from tests.market.sources.cases.fred import NIGHT, ROUTES, rows, source
from tests.market.sources.vendor import WebCase


def case(base_url: str, spool: Path) -> WebCase:
    expected = rows(
        ("2021-03-02", "yield_10y", 1.42, "2021-03-05"),
        ("2021-03-03", "yield_10y", 1.47, "2021-03-05"),
        ("2021-03-04", "yield_10y", 1.54, "2021-03-05"),
    )
    feed = source(
        base_url,
        spool,
        key_variable="FRED_API_KEY",
        series={"yield_10y": "DGS10"},
        observed_from=date(2021, 3, 3),
    )
    return WebCase(feed, ROUTES, expected, "series", NIGHT)
