"""The first night of the European Central Bank's fixings: all of them, in a zip file."""

from datetime import date
from pathlib import Path

from tests.market.sources.cases.ecb import ROUTES, fixings, source
from tests.market.sources.vendor import WebCase


def case(base_url: str, spool: Path) -> WebCase:
    expected = fixings("2023-04-03", "2023-04-05")
    return WebCase(source(base_url, spool), ROUTES, expected, "series", date(2023, 4, 5))
