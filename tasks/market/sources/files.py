"""A folder of CSV, Parquet or packed nightly deliveries, told apart by vendor night.

A payload keeps what the folder held of one night: a file as it lies there, or that night's rows of
a table of many nights, in the vendor's own columns and order. Reading a kept payload back needs no
folder.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from pathlib import Path

import polars as pl

from conf.schema import FilesSource
from tasks.market.frames import RAW_ACTIONS, RAW_BARS, RAW_LISTINGS, RAW_SERIES, empty, shaped
from tasks.market.sources.archives import read_archive
from tasks.market.sources.protocol import DataSource, Delivery, Payload
from tasks.market.sources.tables import as_day, packed, raw_bars, table_of, unpacked

ROWS, FILE, ARCHIVE, NAMES = "rows", "file", "archive", "names"  # first word of a request


class FilesData(DataSource):
    """Deliveries that lie in a folder.

    Args:
        conf: Which files to read and how.
        folder: Where they lie; only listing and pulling need it.
    """

    def __init__(self, conf: FilesSource, folder: Path | None):
        self._conf = conf
        self._folder = folder

    def nights(self, until: date = date.max) -> list[date]:
        """Return the nights of the files and of the log, within the source's own dates."""
        if not self._tables():
            found = set(self._dated(self._archives(), "%Y%m%d"))
        elif self._conf.night_in_name:
            found = set(self._dated(self._tables(), self._conf.night_in_name))
        else:
            found = set(self._night_column().drop_nulls().to_list())
        found |= self._logged()
        last = self._conf.ends or date.max
        return sorted(night for night in found if self._conf.starts <= night <= last)

    def pull(self, nights: Sequence[date]) -> Iterator[Payload]:
        """Yield each night's payloads; a table of many nights is read once for all of them."""
        offered = self.nights()
        if unknown := sorted(set(nights) - set(offered)):
            raise ValueError(
                f"{self._folder} has no delivery of {', '.join(map(str, unknown))}; "
                f"it has {len(offered)} nights from {offered[0]} to {offered[-1]}."
            )
        wanted = sorted(set(nights))
        names = self._names()
        for payload in self._bars(wanted):
            yield payload
            if names is not None and payload.night in wanted:
                wanted.remove(payload.night)
                fresh = names.filter(_seen(payload.night, offered))
                request = f"{NAMES} {self._conf.listings}"
                yield Payload(payload.night, request, packed(fresh), "observed")

    def normalise(self, payloads: Sequence[Payload]) -> Delivery:
        """Read one night's payloads; names already listed before that night need not be in it."""
        if not payloads:
            raise ValueError("no payload to read: even an empty delivery has one.")
        bars, names = [empty(RAW_BARS)], [empty(RAW_LISTINGS)]
        for payload in payloads:
            kind, _, detail = payload.request.partition(" ")
            what = f"{detail} of {payload.night}"
            if kind == ARCHIVE:
                archive = read_archive(payload.body, self._conf.columns, what=what)
                bars.append(archive.bars)
                names.append(_listings(archive.names, payload.night))
            elif kind == NAMES:
                names.append(_listings(unpacked(payload.body, what=what), payload.night))
            elif kind == ROWS and payload.body:
                table = unpacked(payload.body, what=what)
                bars.append(raw_bars(table, self._conf.columns, what=what))
            elif kind == FILE:
                table = table_of(Path(detail), payload.body, list(self._conf.columns.values()))
                bars.append(raw_bars(table, self._conf.columns, what=what))
        return Delivery(
            payloads[0].night,
            payloads[0].vintage,
            bars=pl.concat(bars),
            actions=empty(RAW_ACTIONS),
            listings=pl.concat(names),
            series=empty(RAW_SERIES),
        )

    def _bars(self, wanted: list[date]) -> Iterator[Payload]:
        """Yield the payloads with prices, oldest night first; at least one for each night."""
        tables = self._tables()
        if tables and self._conf.night_column:
            yield from self._rows_by_night(list(wanted))
            return
        pattern = "%Y%m%d" if not tables else str(self._conf.night_in_name)
        kind = ARCHIVE if not tables else FILE
        by_night = self._dated(tables or self._archives(), pattern)
        for night in list(wanted):
            for path in by_night.get(night, []):
                name = path.relative_to(self._root()).as_posix()
                yield Payload(night, f"{kind} {name}", path.read_bytes(), "observed")
            if night not in by_night:
                yield Payload(night, f"{ROWS} {self._conf.log}", b"", "observed")

    def _rows_by_night(self, wanted: list[date]) -> Iterator[Payload]:
        tables = self._scan()
        table = tables.filter(self._night(tables).is_in(wanted)).collect()
        keys = table.select(night=self._night(tables)).with_row_index("row")
        rows = dict(keys.group_by("night").agg("row").iter_rows())
        for night in wanted:
            body = packed(table[rows[night]]) if night in rows else b""
            yield Payload(night, f"{ROWS} {self._conf.tables}", body, "observed")

    def _scan(self) -> pl.LazyFrame:
        """Open the tables as one, in the order of their names."""
        columns = [*self._conf.columns.values(), str(self._conf.night_column)]
        parts = [
            pl.scan_parquet(path)
            if path.suffix == ".parquet"
            else table_of(path, path.read_bytes(), columns).lazy()
            for path in self._tables()
        ]
        table = pl.concat(parts, how="vertical_relaxed")
        if self._conf.night_column not in (known := table.collect_schema().names()):
            raise ValueError(
                f"{self._conf.tables} in {self._folder} has no column {self._conf.night_column!r} "
                f"to tell the night by; it has: {', '.join(known)}."
            )
        return table

    def _night(self, tables: pl.LazyFrame) -> pl.Expr:
        name = str(self._conf.night_column)
        return as_day(pl.col(name), tables.collect_schema()[name])

    def _night_column(self) -> pl.Series:
        tables = self._scan()
        return tables.select(night=self._night(tables)).unique().collect()["night"]

    def _logged(self) -> set[date]:
        found: set[date] = set()
        for path in self._matching(self._conf.log):
            column = self._conf.log_night
            table = table_of(path, path.read_bytes(), [column])
            if column not in table.columns:
                raise ValueError(
                    f"{path.name} has no column {column!r} with the night; "
                    f"it has: {', '.join(table.columns)}."
                )
            days = table.select(as_day(pl.col(column), table.schema[column])).to_series()
            found |= set(days.drop_nulls().to_list())
        return found

    def _names(self) -> pl.DataFrame | None:
        paths = self._matching(self._conf.listings) if self._tables() else []
        needed = ["symbol", "name", "first_seen"]
        parts = [table_of(path, path.read_bytes(), needed) for path in paths]
        for path, part in zip(paths, parts, strict=True):
            if absent := sorted(set(needed) - set(part.columns)):
                raise ValueError(f"{path.name} lacks the column(s) {', '.join(absent)}.")
        if not parts:
            return None
        names = pl.concat([part.select(needed) for part in parts])
        kind = names.schema["first_seen"]
        return names.with_columns(as_day(pl.col("first_seen"), kind)).sort("first_seen", "symbol")

    def _dated(self, paths: Sequence[Path], pattern: str) -> dict[date, list[Path]]:
        """Return the files of each night, as their names say."""
        found: dict[date, list[Path]] = {}
        for path in paths:
            stem = path.name.split(".", 1)[0]
            try:
                night = datetime.strptime(stem, pattern).date()  # noqa: DTZ007 (a date, no time)
            except ValueError as reason:
                raise ValueError(
                    f"{path} does not say its night as {pattern}: rename it or move it away."
                ) from reason
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

    def _matching(self, pattern: str | None) -> list[Path]:
        return sorted(self._root().glob(pattern)) if pattern else []

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


def _seen(night: date, offered: Sequence[date]) -> pl.Expr:
    """Choose names first seen after the night before and up to `night`."""
    earlier = [other for other in offered if other < night]
    seen = pl.col("first_seen")
    return (seen <= night) & (seen > earlier[-1]) if earlier else seen <= night


def _listings(names: pl.DataFrame, night: date) -> pl.DataFrame:
    """Return `RAW_LISTINGS` of (symbol, name, perhaps first_seen): one row a symbol, sorted.

    A vendor that lists a symbol twice means the later row.
    """
    from tasks.market.universe import asset_class_of

    since = pl.col("first_seen") if "first_seen" in names.columns else pl.lit(night)
    listed = (
        names.select(
            pl.col("symbol").cast(pl.String).str.strip_chars(),
            pl.col("name").cast(pl.String).str.strip_chars(),
            from_session=since.cast(pl.Date),
        )
        .filter(pl.col("symbol").is_not_null() & (pl.col("symbol") != ""))
        .unique(["symbol", "from_session"], keep="last", maintain_order=True)
        .sort("symbol", "from_session")
    )
    kinds = [asset_class_of(name or "") for name in listed["name"].to_list()]
    return shaped(listed.with_columns(asset_class=pl.Series(kinds, dtype=pl.String)), RAW_LISTINGS)
