"""Kept payloads of a folder read back: one night's bars, names, filings and memberships."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from conf.schema import FilesSource
from tasks.market import frames
from tasks.market.sources import side_tables as side
from tasks.market.sources.archives import read_archive
from tasks.market.sources.protocol import Delivery, Payload
from tasks.market.sources.tables import raw_bars, table_of, unpacked

# First word of a request: for bars, and for the tables beside them.
ROWS, FILE, ARCHIVE = "rows", "file", "archive"
NAMES, IDENTITIES, FILINGS, MEMBERS = "names", "identities", "filings", "members"


def delivery_of(payloads: Sequence[Payload], conf: FilesSource) -> Delivery:
    """Read one night's payloads; of the source's `symbols` only, where it names some."""
    if not payloads:
        raise ValueError("no payload to read: even an empty delivery has one.")
    night = _Night(conf.columns)
    for payload in payloads:
        night.add(payload)
    chosen = pl.col("symbol").is_in(conf.symbols) if conf.symbols else pl.lit(True)
    return Delivery(
        payloads[0].night,
        payloads[0].vintage,
        bars=pl.concat(night.bars).filter(chosen),
        actions=frames.empty(frames.RAW_ACTIONS),
        listings=night.listings().filter(chosen),
        series=frames.empty(frames.RAW_SERIES),
        fundamentals=pl.concat(night.filings).filter(chosen),
        members=pl.concat(night.members),
    )


class _Night:
    """What one night's payloads hold, by kind."""

    def __init__(self, columns: dict[str, str]):
        self._columns = columns
        self._told = [frames.empty(frames.RAW_LISTINGS)]
        self._intervals = [frames.empty(frames.RAW_LISTINGS)]
        self._names = [frames.empty(frames.RAW_LISTINGS)]
        self.bars = [frames.empty(frames.RAW_BARS)]
        self.filings = [frames.empty(frames.RAW_FUNDAMENTALS)]
        self.members = [frames.empty(frames.RAW_MEMBERS)]

    def add(self, payload: Payload) -> None:
        """Read one payload."""
        kind, _, detail = payload.request.partition(" ")
        what = f"{detail} of {payload.night}"
        if kind == ARCHIVE:
            archive = read_archive(payload.body, self._columns, what=what)
            self._priced(archive.prices, what)
            self._names.append(side.named_listings(archive.names, payload.night))
            figures = side.filed_figures(archive.reports, night=payload.night, what=what)
            self.filings.append(figures)
        elif kind == FILE:
            self._priced(table_of(Path(detail), payload.body, list(self._columns.values())), what)
        elif payload.body:
            self._add_rows(kind, unpacked(payload.body, what=what), payload, what)

    def listings(self) -> pl.DataFrame:
        """Return what all of it says about symbols."""
        told = pl.concat(self._told).unique("symbol", keep="first", maintain_order=True)
        return side.listings_of(told, pl.concat(self._intervals), pl.concat(self._names))

    def _add_rows(self, kind: str, table: pl.DataFrame, payload: Payload, what: str) -> None:
        if kind == ROWS:
            self._priced(table, what)
        elif kind == NAMES:
            self._names.append(side.named_listings(table, payload.night))
        elif kind == IDENTITIES:
            self._intervals.append(table)
        elif kind == FILINGS:
            self.filings.append(side.filed_figures(table, night=payload.night, what=what))
        elif kind == MEMBERS:
            self.members.append(table)
        else:
            raise ValueError(f"{payload.request!r} is no request of a folder.")

    def _priced(self, table: pl.DataFrame, what: str) -> None:
        bars = raw_bars(table, self._columns, what=what)
        self.bars.append(bars)
        self._told.append(side.described(table, bars, self._columns))
