"""A folder of CSV, Parquet or packed nightly deliveries, told apart by vendor night.

A payload keeps what the folder held of one night: a file as it lies there, or that night's rows of
a table of many nights, in the vendor's own columns and order. Reading a kept payload back needs no
folder. History in one go is a single night that holds every row. Rows are bars, or values of
series where the settings name some.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from itertools import groupby
from pathlib import Path

import polars as pl

from conf.schema import FilesSource
from tasks.market.sources import side_tables as side
from tasks.market.sources.kept_nights import (
    ARCHIVE,
    FILE,
    FILINGS,
    IDENTITIES,
    MEMBERS,
    NAMES,
    ROWS,
    delivery_of,
)
from tasks.market.sources.listing_files import intervals_of
from tasks.market.sources.protocol import DataSource, Delivery, Payload
from tasks.market.sources.tables import as_day, packed, table_of
from tasks.market.sources.value_files import values_of

NIGHT_NAMES = ("%Y%m%d", "%Y-%m-%d")  # how a file may say its night where nothing else does


class FilesData(DataSource):
    """Deliveries that lie in a folder.

    Args:
        conf: Which files to read and how; a glob may be several with `|` between.
        folder: Where they lie; only listing and pulling need it.
    """

    def __init__(self, conf: FilesSource, folder: Path | None):
        if not conf.series:
            side.known_columns(conf.columns)
        self._conf = conf
        self._folder = folder

    def nights(self, until: date = date.max) -> list[date]:
        """Return the nights of the files and of the log, from where the source starts.

        `ends` cuts history in one go. It does not cut nightly deliveries: it says when this vendor
        stopped, and a folder with later nights of the same kind is read all the same.
        """
        tables = self._tables()
        if tables and self._conf.one_delivery:
            last = self._conf.ends or self._days(self._conf.columns["session"]).max()
            return [last] if isinstance(last, date) else []
        if tables and self._conf.night_column:
            found = set(self._days(self._conf.night_column).drop_nulls().to_list())
        else:
            found = set(self._dated(tables or self._archives()))
        return sorted(night for night in found | self._logged() if night >= self._conf.starts)

    def pull(self, nights: Sequence[date]) -> Iterator[Payload]:
        """Yield each night's payloads; a table of many nights is read once for all of them."""
        offered = self.nights()
        if unknown := sorted(set(nights) - set(offered)):
            held = (
                f"{len(offered)} nights from {offered[0]} to {offered[-1]}" if offered else "none"
            )
            raise ValueError(
                f"{self._folder} has no delivery of {', '.join(map(str, unknown))}; it has {held}."
            )
        eve = dict(zip(offered, [None, *offered], strict=False))
        beside = self._beside()
        for night, payloads in groupby(self._bars(sorted(set(nights))), lambda one: one.night):
            yield from payloads
            for request, table in beside.items():
                fresh = _fresh(request, table, eve[night], night)
                if not fresh.is_empty():
                    yield self._payload(night, request, packed(fresh))

    def normalise(self, payloads: Sequence[Payload]) -> Delivery:
        """Read one night's payloads; names already listed before that night need not be in it."""
        if self._conf.series:
            return values_of(payloads, self._conf)
        return delivery_of(payloads, self._conf)

    def _payload(self, night: date, request: str, body: bytes) -> Payload:
        return Payload(night, request, body, "assumed" if self._conf.one_delivery else "observed")

    def _bars(self, wanted: list[date]) -> Iterator[Payload]:
        """Yield the payloads with prices, oldest night first; at least one for each night."""
        tables = self._tables()
        if tables and self._conf.one_delivery:
            yield from self._all_rows(wanted)
            return
        if tables and self._conf.night_column:
            yield from self._rows_by_night(wanted)
            return
        kind = FILE if tables else ARCHIVE
        by_night = self._dated(tables or self._archives())
        for night in wanted:
            for path in by_night.get(night, []):
                name = path.relative_to(self._root()).as_posix()
                yield self._payload(night, f"{kind} {name}", path.read_bytes())
            if night not in by_night:
                yield self._payload(night, f"{ROWS} {self._conf.log}", b"")

    def _all_rows(self, wanted: list[date]) -> Iterator[Payload]:
        """Yield history in one go, from where the source starts to its only night.

        Of series it is whole: what was known at the start may be dated before it.
        """
        table, column = self._scan(), self._conf.columns["session"]
        day, first = self._day(table, column), self._conf.starts
        if self._conf.series:
            first = date.min
        for night in wanted:
            told = day.is_between(first, night) | day.is_null()
            body = packed(table.filter(told).collect())
            yield self._payload(night, f"{ROWS} {self._conf.tables}", body)

    def _rows_by_night(self, wanted: list[date]) -> Iterator[Payload]:
        tables, column = self._scan(), str(self._conf.night_column)
        night_of_row = self._day(tables, column)
        table = tables.filter(night_of_row.is_in(wanted)).collect()
        keys = table.select(night=night_of_row).with_row_index("row")
        rows = dict(keys.group_by("night").agg("row").iter_rows())
        for night in wanted:
            body = packed(table[rows[night]]) if night in rows else b""
            yield self._payload(night, f"{ROWS} {self._conf.tables}", body)

    def _scan(self) -> pl.LazyFrame:
        """Open the tables as one, in the order of their names."""
        columns = list(self._conf.columns.values())
        night = self._conf.night_column
        parts = []
        for path in self._tables():
            if path.suffix == ".parquet":
                part = pl.scan_parquet(path)
            else:
                names = [*columns, night] if night else columns
                part = table_of(path, path.read_bytes(), names).lazy()
            if night and night not in (known := part.collect_schema().names()):
                told = _night_in(path, NIGHT_NAMES)
                if told is None:
                    raise ValueError(
                        f"{path.name} in {self._folder} has no column {night!r} to tell the night "
                        f"by, nor a night for its name; it has: {', '.join(known)}."
                    )
                part = part.with_columns(pl.lit(told).alias(night))
            parts.append(part)
        table = pl.concat(parts, how="diagonal_relaxed")
        if self._conf.symbols:
            symbol = pl.col(self._conf.columns["symbol"]).cast(pl.String)
            table = table.filter(symbol.is_in(self._conf.symbols))
        return table

    def _day(self, tables: pl.LazyFrame, column: str) -> pl.Expr:
        schema = tables.collect_schema()
        if column not in schema:
            raise ValueError(
                f"{self._conf.tables} in {self._folder} has no column {column!r}; "
                f"it has: {', '.join(schema.names())}."
            )
        return as_day(pl.col(column), schema[column])

    def _days(self, column: str) -> pl.Series:
        tables = self._scan()
        return tables.select(day=self._day(tables, column)).unique().collect()["day"]

    def _logged(self) -> set[date]:
        column = self._conf.log_night
        log = side.side_table(self._matching(self._conf.log), [column])
        if log is None:
            return set()
        return set(side.with_days(log, column)[column].drop_nulls().to_list())

    def _beside(self) -> dict[str, pl.DataFrame]:
        """Return the tables beside the bars by request; a packed night brings its own of two."""
        conf, packed_nights = self._conf, not self._tables()
        found: dict[str, pl.DataFrame] = {}
        names = side.side_table(self._matching(conf.listings), side.NAMED)
        if names is not None and not packed_nights:
            days = side.with_days(names, "first_seen").sort("first_seen", "symbol")
            found[f"{NAMES} {conf.listings}"] = days
        history = side.side_table(self._matching(conf.identities), side.IDENTITY)
        if history is not None:
            found[f"{IDENTITIES} {conf.identities}"] = intervals_of(side.with_days(history, "date"))
        filings = side.side_table(self._matching(conf.fundamentals), [*side.FILED, "known_on"])
        if filings is not None and not packed_nights:
            found[f"{FILINGS} {conf.fundamentals}"] = side.with_days(filings, "known_on")
        intervals = side.side_table(self._matching(conf.memberships), side.MEMBER)
        if intervals is not None:
            events = side.member_events(intervals, str(conf.membership_of))
            found[f"{MEMBERS} {conf.memberships}"] = events
        return found

    def _dated(self, paths: Sequence[Path]) -> dict[date, list[Path]]:
        """Return the files of each night, as their names say."""
        patterns = (self._conf.night_in_name,) if self._conf.night_in_name else NIGHT_NAMES
        found: dict[date, list[Path]] = {}
        for path in paths:
            night = _night_in(path, patterns)
            if night is None:
                raise ValueError(
                    f"{path} does not say its night as {' or '.join(patterns)}: "
                    "rename it or move it away."
                )
            found.setdefault(night, []).append(path)
        return dict(sorted(found.items()))

    def _tables(self) -> list[Path]:
        tables = self._matching(self._conf.tables)
        if not tables and not self._archives():
            patterns = " or ".join(p for p in (self._conf.tables, self._conf.archives) if p)
            raise FileNotFoundError(
                f"No file like {patterns} in {self._root()}: point "
                f"{self._conf.folder_variable} at the folder that holds the deliveries."
            )
        return tables

    def _archives(self) -> list[Path]:
        return self._matching(self._conf.archives)

    def _matching(self, patterns: str | None) -> list[Path]:
        globs = [one.strip() for one in (patterns or "").split("|") if one.strip()]
        return sorted({path for one in globs for path in self._root().glob(one)})

    def _root(self) -> Path:
        variable = self._conf.folder_variable
        if self._folder is None:
            raise FileNotFoundError(
                f"No folder given for {self._conf.title!r}: set {variable} to the folder with "
                f"{self._conf.tables or self._conf.archives}."
            )
        if not self._folder.is_dir():
            raise FileNotFoundError(
                f"{variable} names {self._folder}, which is no folder: set it to the folder with "
                f"{self._conf.tables or self._conf.archives}."
            )
        return self._folder


def _fresh(request: str, table: pl.DataFrame, after: date | None, until: date) -> pl.DataFrame:
    """Return what of a table beside the bars became known after `after` and up to `until`."""
    kind = request.partition(" ")[0]
    if kind == IDENTITIES:
        return side.fresh_intervals(table, after, until)
    day = {NAMES: "first_seen", FILINGS: "known_on", MEMBERS: "session"}[kind]
    return table.filter(side.within(day, after, until))


def _night_in(path: Path, patterns: Sequence[str]) -> date | None:
    """Return the night that a file's name says, if one of the patterns reads it."""
    stem = path.name.split(".", 1)[0]
    for pattern in patterns:
        try:
            return datetime.strptime(stem, pattern).date()  # noqa: DTZ007 (a date, no time)
        except ValueError:
            continue
    return None
