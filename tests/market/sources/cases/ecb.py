"""The European Central Bank as it answers: a small file each night, all fixings for the history."""

import zipfile
from datetime import date
from io import BytesIO
from pathlib import Path

import polars as pl

from conf.schema import EcbSource
from tasks.market.frames import RAW_SERIES
from tasks.market.sources.ecb import EcbData
from tasks.market.sources.protocol import Place
from tests.market.sources.vendor import QUICK, Answer, WebCase

NIGHT = date(2023, 4, 11)
# Good Friday (the 7th) has neither a fixing nor a session; Easter Monday has a session alone.
FIXED = {
    "2023-04-03": {"USD": 1.087, "JPY": 144.95, "GBP": 0.87828},
    "2023-04-04": {"USD": 1.0901, "JPY": 145.35, "GBP": 0.8728},
    "2023-04-05": {"USD": 1.0957, "JPY": 143.63, "GBP": 0.8778},
    "2023-04-06": {"USD": 1.0915, "JPY": 143.37, "GBP": 0.87533},
    "2023-04-11": {"USD": 1.0905, "JPY": 145.48, "GBP": 0.8784},
    "2023-04-12": {"USD": 1.0922, "JPY": 146.13, "GBP": 0.8792},
}
XML = """<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01"
 xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
<gesmes:subject>Reference rates</gesmes:subject>
<gesmes:Sender><gesmes:name>European Central Bank</gesmes:name></gesmes:Sender>
<Cube>
{days}
</Cube>
</gesmes:Envelope>
"""


def quarter() -> bytes:
    """Return the file of 90 days, newest first."""
    days = [
        "\n".join(
            [
                f'<Cube time="{day}">',
                *(f'<Cube currency="{name}" rate="{rate}"/>' for name, rate in rates.items()),
                "</Cube>",
            ]
        )
        for day, rates in reversed(FIXED.items())
    ]
    return XML.format(days="\n".join(days)).encode()


def everything() -> bytes:
    """Return the zipped table of all fixings, newest first, with an empty last column."""
    lines = ["Date,USD,JPY,CYP,GBP,"]
    for day, rates in reversed(FIXED.items()):
        lines.append(f"{day},{rates['USD']},{rates['JPY']},N/A,{rates['GBP']},")
    return zipped("\n".join(lines) + "\n")


def zipped(table: str) -> bytes:
    """Return a table as the one file of a zip."""
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo("eurofxref-hist.csv", (2023, 4, 12, 16, 0, 0))
        archive.writestr(entry, table)
    return packed.getvalue()


def fixings(first: str, last: str, *, live: bool = False) -> pl.DataFrame:
    """Return the pounds and dollars of some days, known on their own or, live, on the last."""
    rows = [
        (date.fromisoformat(day), f"EUR{name}", rates[name], date.fromisoformat(known))
        for day, rates in FIXED.items()
        if first <= day <= last
        for name in ("GBP", "USD")
        for known in [last if live else day]
    ]
    return pl.DataFrame(rows, RAW_SERIES, orient="row")


def source(base_url: str, spool: Path | None = None, **settings: object) -> EcbData:
    given: dict[str, object] = {
        "kind": "ecb",
        "title": "Fixings",
        "currency": "EUR",
        "base_url": base_url,
        "starts": date(2023, 4, 3),
        "observed_from": date(2023, 4, 6),
        "look_back": 2,
        "expected_rows": 2,
        "currencies": ("EUR", "GBP", "USD"),
        **QUICK,
        **settings,
    }
    return EcbData(EcbSource(**given), Place(spool=spool))


ROUTES = {
    "/stats/eurofxref/eurofxref-hist-90d.xml": lambda request: Answer(quarter()),
    "/stats/eurofxref/eurofxref-hist.zip": lambda request: Answer(everything()),
}


def case(base_url: str, spool: Path) -> WebCase:
    expected = fixings("2023-04-06", "2023-04-11", live=True)
    return WebCase(source(base_url, spool), ROUTES, expected, "series", NIGHT)
