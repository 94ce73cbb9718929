"""Factor returns of Kenneth French's data library: zipped text with prose, in percent."""

import re
from calendar import monthrange
from collections.abc import Sequence
from datetime import date, timedelta

import polars as pl

from conf.schema import FrenchSource
from tasks.market.frames import RAW_SERIES
from tasks.market.sources.answers import MIB, unzipped
from tasks.market.sources.knowledge import known_within
from tasks.market.sources.protocol import Delivery, Payload, Place, Unreadable
from tasks.market.sources.web_data import Reach, WebData, delivery

PERCENT = 0.01
MISSING = -99.99  # and -999: no return is as low
ROW = re.compile(r"\s*(\d{8}|\d{6})\s*,")  # a day or a month; years stand in later tables


class FrenchData(WebData):
    """Files of the library; each is asked for whole, since it is revised whole."""

    def __init__(self, conf: FrenchSource, place: Place):
        super().__init__(conf, place)
        self._conf = conf

    def requests(self, reach: Reach) -> list[str]:
        """Return each file, after the prefix its columns get."""
        return [f"{prefix} {file}_CSV.zip" for prefix, file in self._conf.tables.items()]

    def ask(self, request: str) -> bytes:
        """Ask for one file, and look whether it holds a table."""
        body = self.web.get(f"/{request.split()[1]}", expect="zip")
        self._read(request, body)
        return body

    def normalise(self, payloads: Sequence[Payload]) -> Delivery:
        """Read what counts as published by the night, sorted by day and name."""
        found = pl.concat([self._read(payload.request, payload.body) for payload in payloads])
        live = payloads[0].vintage == "observed"
        known = known_within(found, self.calendar, self.reach_of(payloads), live=live)
        return delivery(payloads, series=known.sort("session", "name"))

    def _read(self, request: str, body: bytes) -> pl.DataFrame:
        prefix, file = request.split()
        limit = int(self._conf.answer_mib * MIB)
        text = unzipped(body, what=file, limit=limit).decode("cp1252", "replace")
        return factor_returns(text, prefix=prefix, lag_days=self._conf.lag_days, what=file)


def factor_returns(text: str, *, prefix: str, lag_days: int, what: str) -> pl.DataFrame:
    """Return `RAW_SERIES` of the first table in a file of the library, sorted by day and name.

    Names are `<prefix>_<column>` in lower case, values natural units (1 % is 0.01); a cell marked
    as missing has no row, one that is no number is null. A month is dated on its last day. A value
    counts as known `lag_days` after its date, since the library appears about monthly. Further
    tables (years, other weights, numbers of firms) are left out: their columns have these names.

    Args:
        text: The file, unpacked.
        prefix: What our names begin with.
        lag_days: Calendar days from the date to the publication.
        what: Names the file in errors.
    """
    columns, rows = _first_table(text, what)
    names = [f"{prefix}_{_plain(column)}" for column in columns]
    if len(set(names)) < len(names):
        raise Unreadable(f"{what}: two columns have one name among {', '.join(names)}.")
    long = [
        (session, name, _value(cell), session + timedelta(days=lag_days))
        for session, cells in rows
        for name, cell in zip(names, cells, strict=True)
    ]
    table = pl.DataFrame(long, schema=RAW_SERIES, orient="row")
    said = pl.col("value").is_null() | (pl.col("value") > MISSING * PERCENT)
    return table.filter(said).sort("session", "name")


def _first_table(text: str, what: str) -> tuple[list[str], list[tuple[date, list[str]]]]:
    """Return the column names, and the rows as (day, cells), of the first table."""
    lines = text.splitlines()
    begins = next((at for at, line in enumerate(lines) if ROW.match(line)), None)
    headed = [line for line in lines[:begins] if line.strip()] if begins is not None else []
    if begins is None or not headed or "," not in headed[-1]:
        raise Unreadable(f"{what} holds no table of days or months: look at it.")
    columns = [cell.strip() for cell in headed[-1].split(",")[1:]]
    rows = []
    for line in lines[begins:]:
        if not line.strip():
            break
        if not ROW.match(line):
            raise Unreadable(f"{what}: {line.strip()[:80]!r} stands where a row should.")
        day, *cells = (cell.strip() for cell in line.split(","))
        if len(cells) != len(columns):
            raise Unreadable(f"{what}: {len(columns)} columns, but the row {line.strip()!r}.")
        rows.append((_day(day, what), cells))
    return columns, rows


def _day(digits: str, what: str) -> date:
    """Return a day, or the last day of a month."""
    year, month = int(digits[:4]), int(digits[4:6])
    try:
        if len(digits) == len("YYYYMMDD"):
            return date(year, month, int(digits[6:]))
        return date(year, month, monthrange(year, month)[1])
    except ValueError as reason:
        raise Unreadable(f"{what}: {digits!r} is no date.") from reason


def _value(cell: str) -> float | None:
    try:
        return float(cell) * PERCENT
    except ValueError:
        return None


def _plain(column: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", column.lower()).strip("_")
