"""Series of the Federal Reserve Bank of St. Louis: yields, volatility, oil, prices, output.

Without a key a series comes as it stands today, and what was revised since is not as it was known;
with a key each figure comes with the day it was published.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import httpx
import polars as pl

from conf.schema import FredSource
from tasks.market.frames import RAW_SERIES
from tasks.market.sources.answers import day_of, days_in, list_of, number_of, table_of
from tasks.market.sources.knowledge import known_within
from tasks.market.sources.protocol import Delivery, Payload, Place, Unreadable
from tasks.market.sources.web import Unwelcome
from tasks.market.sources.web_data import Reach, WebData, delivery

PLAIN, VINTAGES = "plain", "vintages"  # first word of a request
DATES = ("observation_date", "DATE")  # what the first column is called, now and before
# Looked back further, so that even a yearly series shows its step: a figure may come a year after
# its own year is over, and just before it does the two that are there began up to four years ago.
PERIOD_DAYS = 1500
VINTAGE_YEARS = 4  # in one request: the server allows 2,000 publications
PAGE = 100_000
MONTH_DAYS = 28  # of the shortest month: a quarter has 90, a year 365
DAY = timedelta(days=1)


class FredData(WebData):
    """Series by the names of the settings; a figure that is missing has no row.

    Without a key a figure counts as known some days (`lag_days`, or its own of `lags`) after the
    end of its period: of its day, or of its month, quarter or year where the dates step so. A live
    night brings the newest one whenever it came. A series whose last row is older than it should
    be was cut short, or has ended: it is refused, since one cannot tell.
    """

    def __init__(self, conf: FredSource, place: Place):
        super().__init__(conf, place)
        self._conf = conf

    def hosts(self) -> Sequence[str]:
        """Return the host that answers with a key."""
        return [httpx.URL(self._conf.keyed_url).host]

    def requests(self, reach: Reach) -> list[str]:
        """Return one request for each series; with a key, for each few years of publication."""
        ids = list(dict.fromkeys(self._conf.series.values()))
        if self._conf.key_variable is None:
            lag_days = max(self._lag(ours) for ours in self._conf.series)
            first = reach.since - timedelta(days=PERIOD_DAYS + lag_days)
            return [f"{PLAIN} {one} {first} {reach.night}" for one in ids]
        since = reach.since
        if since > self._conf.starts:  # what was published since the session before it closed
            since = self.calendar.previous(since) + DAY
        spans = _spans(since, reach.night)
        return [f"{VINTAGES} {one} {first} {last}" for one in ids for first, last in spans]

    def ask(self, request: str) -> bytes:
        """Ask for a series, or for what was published of it in a span of days."""
        kind, series, first, last = _parts(request)
        if kind == PLAIN:
            params = {"id": series, "cosd": str(first), "coed": str(last)}
            return self.web.get("/graph/fredgraph.csv", params=params, expect="csv")
        with self.web.pages():
            return b"[" + b",".join(self._pages(series, first, last)) + b"]"

    def _pages(self, series: str, first: date, last: date) -> Iterator[bytes]:
        """Yield the pages of what was published, until as many rows came as were promised."""
        key = self.secret(str(self._conf.key_variable))
        came = 0
        while True:
            params = {
                "series_id": series,
                "file_type": "json",
                "realtime_start": str(first - DAY),
                "realtime_end": str(last),
                "limit": str(PAGE),
                "offset": str(came),
            }
            url = f"{self._conf.keyed_url.rstrip('/')}/fred/series/observations"
            body = self.web.get(url, params=params, secret_params={"api_key": key}, expect="json")
            sent = json.loads(body)
            rows = _observations(sent, what=f"What was published of {series}")
            came += len(rows)
            yield body.removeprefix(b"\xef\xbb\xbf")
            if (promised := sent.get("count")) == came:
                return
            if not rows or not isinstance(promised, int) or came > promised:
                raise Unwelcome(
                    f"What was published of {series} from {first} to {last}: {came} rows came "
                    f"where {promised} were promised."
                )

    def normalise(self, payloads: Sequence[Payload]) -> Delivery:
        """Read the figures that became known on the night's days, sorted by day and name."""
        reach = self.reach_of(payloads)
        live = payloads[0].vintage == "observed"
        found = [pl.DataFrame(schema=RAW_SERIES)]
        for payload in payloads:
            kind, series, first, _ = _parts(payload.request)
            whole = first == self._conf.starts
            for ours in (ours for ours, theirs in self._conf.series.items() if theirs == series):
                if kind == PLAIN:
                    figures = self._plain(payload.body, series, reach, lag_days=self._lag(ours))
                    figures = _with_newest(figures, reach) if live else figures
                else:
                    figures = _published(payload.body, series, first, whole=whole)
                found.append(figures.with_columns(name=pl.lit(ours)))
        known = known_within(
            pl.concat([frame.select(*RAW_SERIES) for frame in found]),
            self.calendar,
            reach,
            live=live,
        )
        newest = known.unique(["session", "name", "known_on"], keep="last", maintain_order=True)
        return delivery(payloads, series=newest.sort("session", "name", "known_on"))

    def _lag(self, ours: str) -> int:
        return self._conf.lags.get(ours, self._conf.lag_days)

    def _plain(self, body: bytes, series: str, reach: Reach, *, lag_days: int) -> pl.DataFrame:
        """Read a table of two columns: the day and the figure."""
        table = _table(body, series)
        days = table["session"].unique().sort().to_list()
        if len(days) < 2:
            raise Unreadable(
                f"The series {series} came with {len(days)} days: whether they are days, months "
                "or years cannot be told."
            )
        if days[-1] > reach.night:
            raise Unreadable(
                f"The series {series} has a row of {days[-1]}, after {reach.night}: the server's "
                "clock or its days are off."
            )
        steps = [(later - earlier).days for earlier, later in pairwise(days)]
        step = min(steps)
        monthly = step >= MONTH_DAYS and all(day.day == 1 for day in days)
        months = round(step / 30.5) if monthly else 0
        ends = pl.col("session").dt.offset_by(f"{months}mo") - DAY if months else pl.col("session")
        table = table.with_columns(known_on=ends + timedelta(days=lag_days))
        slack = timedelta(days=2 * max(steps[-20:]) + 14)
        if table["known_on"].to_list()[-1] + slack < reach.night:
            raise Unreadable(
                f"The series {series} ends on {days[-1]}, long before {reach.night}: the answer "
                "was cut short, or the series has ended; then take it out of the settings."
            )
        return table.filter(~pl.col("missing"))


def _with_newest(figures: pl.DataFrame, reach: Reach) -> pl.DataFrame:
    """Let the newest figure that is due count as due within `reach`, however late it came.

    A month's figure that appears weeks after it was due would else never be told.
    """
    newest = figures.filter(pl.col("known_on") <= reach.night)["session"].max()
    due = pl.col("known_on")
    late = (pl.col("session") == newest) & (due < reach.since)
    return figures.with_columns(known_on=pl.when(late).then(pl.lit(reach.since)).otherwise(due))


def _table(body: bytes, series: str) -> pl.DataFrame:
    """Return (session, value, missing) of an answer, by day; a dot or a blank is missing."""
    what = f"The series {series}"
    table = table_of(body, what=what)
    names = table.columns
    if len(names) != 2 or names[0] not in DATES or names[1].upper() != series.upper():
        raise Unreadable(
            f"{what} came with the columns {', '.join(names)[:80]}; "
            f"expected {DATES[0]} and {series}."
        )
    cell = pl.col(names[1]).str.strip_chars()
    read = table.select(
        session=days_in(names[0]),
        value=cell.cast(pl.Float64, strict=False),
        missing=cell.is_null() | cell.is_in(["", "."]),
    )
    if unread := read["session"].null_count():
        raise Unreadable(f"{what} has {unread} rows without a date like 2020-12-31.")
    return read.sort("session", maintain_order=True)


def _published(body: bytes, series: str, first: date, *, whole: bool) -> pl.DataFrame:
    """Return what was published from `first` on, and, if `whole`, what was known before it."""
    what = f"What was published of {series}"
    rows: list[tuple[date | None, float | None, date | None]] = []
    for page in list_of(body, what=what):
        for row in _observations(page, what=what):
            known = day_of(row["realtime_start"])
            if known is not None and known < first:
                if not whole:
                    continue
                known = first
            if row["value"] not in (".", "", None):
                rows.append((day_of(row["date"]), number_of(row["value"]), known))
    schema = {name: RAW_SERIES[name] for name in ("session", "value", "known_on")}
    found = pl.DataFrame(rows, schema, orient="row")
    if unread := max(found["session"].null_count(), found["known_on"].null_count()):
        raise Unreadable(f"{what} has {unread} rows without their dates.")
    return found


def _observations(page: Any, *, what: str) -> list[dict[str, Any]]:
    rows = page.get("observations") if isinstance(page, dict) else None
    needed = {"realtime_start", "date", "value"}
    if not isinstance(rows, list) or not all(
        isinstance(row, dict) and row.keys() >= needed for row in rows
    ):
        raise Unreadable(f"{what}: a page lacks observations with {', '.join(sorted(needed))}.")
    return rows


def _spans(since: date, night: date) -> list[tuple[date, date]]:
    """Return the days from `since` to `night` in stretches of a few years."""
    starts = [since]
    while (later := date(starts[-1].year + VINTAGE_YEARS, 1, 1)) <= night:
        starts.append(later)
    ends = [start - DAY for start in starts[1:]] + [night]
    return list(zip(starts, ends, strict=True))


def _parts(request: str) -> tuple[str, str, date, date]:
    kind, rest = request.split(" ", 1)
    series, first, last = rest.rsplit(" ", 2)
    return kind, series, date.fromisoformat(first), date.fromisoformat(last)
