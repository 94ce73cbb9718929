"""Factor returns of Kenneth French's data library: zipped text with prose, in percent."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from io import BytesIO
from itertools import chain, takewhile

import polars as pl

from conf.schema import FrenchSource
from tasks.market.frames import RAW_SERIES
from tasks.market.sources.answers import MIB, MOST_CELLS, MOST_COLUMNS, MOST_TABLE, unzipped
from tasks.market.sources.knowledge import known_within
from tasks.market.sources.protocol import Delivery, Payload, Place, Unreadable
from tasks.market.sources.web_data import Reach, WebData, delivery

PERCENT = 0.01
MISSING = -99.99  # and -999: no return is as low
LONGEST = MIB  # bytes of one line: the rest of it counts as another
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
        table = unzipped(body, what=file, limit=limit)
        return factor_returns(table, prefix=prefix, lag_days=self._conf.lag_days, what=file)


def factor_returns(body: bytes, *, prefix: str, lag_days: int, what: str) -> pl.DataFrame:
    """Return `RAW_SERIES` of the first table in a file of the library, sorted by day and name.

    Names are `<prefix>_<column>` in lower case, values natural units (1 % is 0.01); a cell marked
    as missing has no row, one that is no number is null. A month is dated on its last day. A value
    counts as known `lag_days` after its date, since the library appears about monthly. Further
    tables (years, other weights, numbers of firms) are left out: their columns have these names.

    Args:
        body: The file, unpacked.
        prefix: What our names begin with.
        lag_days: Calendar days from the date to the publication.
        what: Names the file in errors.
    """
    columns, rows = _first_table(body, what)
    names = [f"{prefix}_{_plain(column)}" for column in columns]
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise Unreadable(f"{what} has more than one column named {twice[0][:80]!r}.")
    table = pl.read_csv(
        rows,
        has_header=False,
        new_columns=["digits", *names],
        infer_schema=False,
        quote_char=None,
    ).with_columns(pl.all().str.strip_chars())
    said = pl.col("value").is_null() | (pl.col("value") > MISSING * PERCENT)
    return (
        table.select(_day(), pl.col(names).cast(pl.Float64, strict=False) * PERCENT)
        .pipe(_dated, table["digits"], what)
        .unpivot(index="session", variable_name="name")
        .filter(said)
        .with_columns(known_on=pl.col("session") + timedelta(days=lag_days))
        .select(*RAW_SERIES)
        .sort("session", "name")
    )


def _first_table(body: bytes, what: str) -> tuple[list[str], bytes]:
    """Return the column names, and the rows as they stand, of the first table."""
    lines = _lines(body)
    header, first = "", ""
    for line in lines:
        if ROW.match(line):
            first = line
            break
        header = line if line.strip() else header
    if not first or "," not in header:
        raise Unreadable(f"{what} holds no table of days or months: look at it.")
    columns = [cell.strip() for cell in header.split(",")[1:]]
    if len(columns) > MOST_COLUMNS:
        raise Unreadable(f"{what} has {len(columns)} columns where {MOST_COLUMNS} are the most.")
    rows, cells = BytesIO(), 0
    for line in takewhile(str.strip, chain([first], lines)):
        if not ROW.match(line):
            raise Unreadable(f"{what}: {line.strip()[:80]!r} stands where a row should.")
        if line.count(",") != len(columns):
            row = line.strip()[:200]
            raise Unreadable(f"{what}: {len(columns)} columns, but the row {row!r}.")
        rows.write(line.strip().encode() + b"\n")
        cells += len(columns) + 1
        if cells > MOST_CELLS or rows.tell() > MOST_TABLE:
            raise Unreadable(
                f"{what} has a table of {cells} cells, {rows.tell()} bytes, or more, where "
                f"{MOST_CELLS} cells, {MOST_TABLE} bytes, are the most."
            )
    return columns, rows.getvalue()


def _lines(body: bytes) -> Iterator[str]:
    """Yield the lines one by one: a file holds several tables, and one of them is wanted."""
    file = BytesIO(body)
    while line := file.readline(LONGEST):
        yield line.decode("cp1252", "replace")


def _day() -> pl.Expr:
    """Return the day that `digits` mean, or the last day of their month."""
    digits = pl.col("digits")
    day = digits.str.to_date("%Y%m%d", strict=False)
    month = (digits + "01").str.to_date("%Y%m%d", strict=False).dt.month_end()
    whole = digits.str.len_chars() == len("YYYYMMDD")
    return pl.when(whole).then(day).otherwise(month).alias("session")


def _dated(table: pl.DataFrame, digits: pl.Series, what: str) -> pl.DataFrame:
    """Return `table` once each of its rows has a day."""
    if strange := digits.filter(table["session"].is_null()).to_list():
        raise Unreadable(f"{what}: {strange[0]!r} is no date.")
    return table


def _plain(column: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", column.lower()).strip("_")
