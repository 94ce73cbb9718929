"""The store of everything known: Delta tables that are replaced by what selects their rows.

A write replaces exactly the rows that `over` selects, in one commit, so any step can be repeated.
A read sees rows, never versions: what was known on a session is told by `known_on`.
"""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from tasks.market.durable import flush_commits
from tasks.market.frames import DAY, TABLES, TEXT, Table, empty
from tasks.market.hashing import content_hash as content_hash
from tasks.market.hashing import seen_hash as seen_hash
from tasks.market.ordering import Codes, coded_by, joined, order_of, sorted_by
from tasks.market.selection import MONTH, Where, conditions, predicate, pruned
from tasks.market.selection import Span as Span

ATTEMPTS = 20  # each lost race means that another writer's commit went through
PIECE = 200_000  # rows; about so many are chosen from at once
AGE: tuple[str, ...] = ("known_on", "delivery")  # the order in which rows became known
Prints = Literal["first", "last", "all"]


class Lake:
    """Tables under one root, a local folder or an object store.

    Args:
        root: A folder, or an address such as `s3://bucket/lake`.
        storage_options: Passed on to the object store.
    """

    def __init__(self, root: str, *, storage_options: dict[str, str] | None = None):
        self.root = str(root).rstrip("/")
        self.storage_options = storage_options
        self.local = "://" not in self.root

    def replace(self, table: str, frame: pl.DataFrame, *, over: Where) -> str:
        """Replace exactly the rows of `table` that `over` selects by those of `frame`.

        An empty frame deletes them. One commit: it happens wholly or not at all, and twice is
        as once. Returns the `content_hash` of what was written.
        """
        layout = _layout(table, frame)
        frame = _shaped(table, frame, layout)
        _refuse_rows_outside(table, frame, over)
        for attempt in range(ATTEMPTS):
            try:
                self._overwrite(table, _with_month(frame, layout), layout, over)
                break
            except CommitFailedError:
                if attempt == ATTEMPTS - 1:
                    raise
        return content_hash(frame)

    def read(
        self, table: str, *, where: Where | None = None, columns: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """Return the rows that `where` selects, sorted by key; none where the table is absent."""
        layout = _layout(table)
        rows = self._scan(table)
        if rows is None:
            return _nothing(layout, columns)
        names = [name for name in rows.collect_schema().names() if name != MONTH]
        key = _sort_key(layout, rows.collect_schema())
        wanted = list(columns) if columns is not None else names
        frame = pruned(rows, where or {}, layout).select(_once([*wanted, *key])).collect()
        return sorted_by(frame, key).select(wanted)

    def known(
        self,
        table: str,
        *,
        as_of: date,
        source: str | None = None,
        since: date | None = None,
        prints: Prints = "last",
        columns: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """Return what was known at the close of `as_of`, one row a key, sorted by it.

        Of several prints of one key the one with the least ("first") or the greatest ("last")
        (known_on, delivery) is given, or "all" of them, in the order they became known.

        Args:
            table: A table with `known_on`.
            as_of: Rows known later do not exist.
            source: Only its rows; empty: each source has its own keys.
            since: Only rows whose own session (the key's first date) is not earlier.
            prints: Which of several answers to the same question.
            columns: Only these; empty: all.
        """
        layout = _layout(table)
        opened = self._open(table)
        rows = None if opened is None else pl.scan_delta(opened)
        names = list(layout.columns) if rows is None else rows.collect_schema().names()
        names = [name for name in names if name != MONTH]
        if names and "known_on" not in names:
            raise ValueError(f"Table {table!r} has no known_on: use read().")
        if opened is None or rows is None:
            return _nothing(layout, columns)
        where = _known_where(layout, names, as_of=as_of, source=source, since=since)
        key = [name for name in (*layout.key, "source") if name in names]
        age = [name for name in AGE if name in names]
        wanted = list(columns) if columns is not None else names
        needed = _once([*wanted, *key, *age])
        found = [
            _chosen(
                pruned(rows.filter(part), where, layout).select(needed).collect(), key, age, prints
            ).select(wanted)
            for part in _parts(opened, layout, prints)
        ]
        return pl.concat(found) if found else _nothing(layout, columns)

    def _address(self, table: str) -> str:
        return f"{self.root}/{table}"

    def _open(self, table: str) -> DeltaTable | None:
        try:
            return DeltaTable(self._address(table), storage_options=self.storage_options)
        except TableNotFoundError:
            return None

    def _scan(self, table: str) -> pl.LazyFrame | None:
        opened = self._open(table)
        return None if opened is None else pl.scan_delta(opened)

    def _overwrite(self, table: str, frame: pl.DataFrame, layout: Table, over: Where) -> None:
        opened = self._open(table)
        before = -1 if opened is None else opened.version()
        if opened is None:
            self._create(table, frame, layout)
        else:
            write_deltalake(
                opened,
                frame.to_arrow(compat_level=pl.CompatLevel.oldest()),
                mode="overwrite",
                predicate=predicate(over, layout),
                schema_mode=None if layout.columns else "merge",
            )
        if self.local:
            flush_commits(Path(self._address(table)), after=before)

    def _create(self, table: str, frame: pl.DataFrame, layout: Table) -> None:
        """Make the table with its first rows; losing the race to make it is a lost commit."""
        try:
            write_deltalake(
                self._address(table),
                frame.to_arrow(compat_level=pl.CompatLevel.oldest()),
                mode="error",
                partition_by=[MONTH] if layout.time else None,
                storage_options=self.storage_options,
            )
        except CommitFailedError:
            raise
        except DeltaError as error:
            if self._open(table) is None:
                raise
            raise CommitFailedError(f"{table} was made by another writer: {error}") from error


def _layout(table: str, frame: pl.DataFrame | None = None) -> Table:
    """Return how a table is laid out; those not listed in `TABLES` go by session and months."""
    top = table.split("/")[0]
    if not all(part and part not in (".", "..") for part in table.split("/")):
        raise ValueError(
            f"{table!r} is no table name: parts between '/' must not be empty or dots."
        )
    if top in TABLES:
        return TABLES[top]
    if frame is not None and "session" not in frame.columns:
        raise ValueError(f"Table {table!r} needs a `session`; found {', '.join(frame.columns)}.")
    return Table({}, ("session", "instrument"), "session")


def _shaped(table: str, frame: pl.DataFrame, layout: Table) -> pl.DataFrame:
    """Return `frame` in the columns and types of its table, or say which differ."""
    if MONTH in frame.columns:
        raise ValueError(f"Column {MONTH!r} belongs to the lake: leave it out of {table!r}.")
    if not layout.columns:
        return frame
    missing = sorted(layout.columns.keys() - set(frame.columns))
    extra = sorted(set(frame.columns) - layout.columns.keys())
    if missing or extra:
        raise ValueError(f"Columns of {table!r}: missing {missing}, unknown {extra}.")
    return frame.select(pl.col(name).cast(kind) for name, kind in layout.columns.items())


def _with_month(frame: pl.DataFrame, layout: Table) -> pl.DataFrame:
    if layout.time is None:
        return frame
    if frame[layout.time].null_count():
        raise ValueError(f"{frame[layout.time].null_count()} rows without {layout.time!r}.")
    day = pl.col(layout.time).cast(pl.Date)
    return frame.with_columns(day.dt.strftime("%Y-%m").alias(MONTH))


def _refuse_rows_outside(table: str, frame: pl.DataFrame, over: Where) -> None:
    if not over:
        raise ValueError(f"`over` is empty: it would replace all of {table!r}. Say which rows.")
    outside = frame.filter(~pl.all_horizontal(conditions(over)).fill_null(False))
    if outside.height:
        found = outside.select(list(over)).unique(maintain_order=True).head(3).to_dicts()
        raise ValueError(f"{outside.height} rows lie outside {dict(over)}, such as {found}.")


def _sort_key(layout: Table, schema: pl.Schema) -> list[str]:
    """Return what rows are sorted by; in tables of no fixed layout all that is not a float."""
    if layout.columns:
        usual = (*layout.key, "source", "known_on", "delivery")
        return [name for name in dict.fromkeys(usual) if name in schema]
    exact = [name for name, kind in schema.items() if not kind.is_float() and name != MONTH]
    return [*(name for name in layout.key if name in exact), *exact]


def _once(names: list[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _known_where(
    layout: Table, names: list[str], *, as_of: date, source: str | None, since: date | None
) -> dict[str, Sequence[str | date] | Span]:
    where: dict[str, Sequence[str | date] | Span] = {"known_on": Span(date.min, as_of)}
    if source is not None:
        where["source"] = [source]
    if since is not None:
        own = layout.time or next((n for n in layout.key if layout.columns[n] == DAY), None)
        if own is None or own not in names:
            raise ValueError(f"Rows with key {', '.join(layout.key)} have no date for `since`.")
        where[own] = Span(since, date.max)
    return where


def _chosen(frame: pl.DataFrame, key: list[str], age: list[str], prints: Prints) -> pl.DataFrame:
    """Return one row a key by its age, sorted by key; or all rows, sorted by age and key."""
    keys, ages = coded_by(frame, key), coded_by(frame, age)
    if prints == "all":
        return frame[order_of(joined(ages, keys).codes)]
    order = order_of(joined(keys, ages).codes)
    changes = np.diff(keys.codes[order]) != 0
    edge = np.ones(min(order.size, 1), dtype=bool)
    kept = np.concatenate([edge, changes] if prints == "first" else [changes, edge])
    places: Codes = order[kept]
    return frame[places]


def _parts(opened: DeltaTable, layout: Table, prints: Prints) -> list[pl.Expr]:
    """Return conditions that part the rows by months, oldest first: never all in memory at once.

    A key lies in one month, and begins with the time that sorts it. All prints in the order they
    became known are one piece, and so is a table of a few rows.
    """
    if layout.time is None or prints == "all" or layout.time != layout.key[0]:
        return [pl.lit(True)]
    files = pl.DataFrame(opened.get_add_actions(flatten=True))
    months = files.group_by(month=f"partition.{MONTH}").agg(rows=pl.col("num_records").sum())
    pieces = months.sort("month").with_columns(piece=pl.col("rows").cum_sum() // PIECE)
    return [
        pl.col(MONTH).is_in(part["month"].to_list())
        for part in pieces.partition_by("piece", maintain_order=True)
    ]


def _nothing(layout: Table, columns: Sequence[str] | None) -> pl.DataFrame:
    known = layout.columns or {"session": DAY, "instrument": TEXT}
    names = list(columns) if columns is not None else list(known)
    return empty({name: known.get(name, pl.Null) for name in names})
