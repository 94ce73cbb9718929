"""Why a book wants what it wants of one name: from the release back to the rows it rests on."""

from datetime import date
from typing import Any, NamedTuple

import polars as pl

from tasks.execution.release import current, manifest_of
from tasks.execution.standing import Released, verify
from tasks.market import frames
from tasks.realised import record_known
from tasks.releases import release_at
from tasks.settings import data_folder, load_book, open_lake


class Reasons(NamedTuple):
    """What stands behind one target."""

    released: Released
    target: dict[str, Any] | None  # the row, or None where the book holds none of it
    order: dict[str, Any] | None
    manifest: dict[str, Any]
    bars: pl.DataFrame  # the name's last rows as known then
    quarantine: pl.DataFrame  # what the gate set aside of the symbol
    forecast: dict[str, Any] | None  # score, seed_spread, expected, half_width: of the session
    record: pl.DataFrame  # the contest's last information coefficients known then


def reasons(book: str, symbol: str, as_of: date | None) -> Reasons:
    """Return what stands behind the target of `symbol` in the release of `as_of`, or the newest."""
    released = _release_of(book, as_of)
    verify(released.path)
    lake, mandate, session = open_lake(), load_book(book), released.session
    known = lake.known("listings", as_of=session, source=mandate.source)
    names = known.filter(pl.col("symbol") == symbol)["instrument"].unique().to_list()
    if not names:
        like = sorted(set(known["symbol"]))[:20]
        raise LookupError(
            f"No {symbol!r} was known to source {mandate.source!r} at {session}; "
            f"it knew {len(set(known['symbol']))} symbols, among them {', '.join(like)}."
        )
    bars = lake.known("bars", as_of=session, source=mandate.source, prints="all")
    mine = bars.filter(pl.col("instrument").is_in(names)).sort("session", "known_on", "delivery")
    aside = lake.read("quarantine", where={"source": [mandate.source]})
    forecasts = lake.read(f"forecasts/{mandate.contest}", where={"session": [session]})
    return Reasons(
        released=released,
        target=_row(pl.read_parquet(released.path / "targets.parquet"), names),
        order=_row(pl.read_parquet(released.path / "orders.parquet"), names),
        manifest=manifest_of(released.path),
        bars=mine.tail(5),
        quarantine=aside.filter(pl.col("symbol") == symbol, pl.col("delivery") <= session).tail(5),
        forecast=_row(frames.shaped(forecasts, frames.FORECASTS), names),
        record=record_known(lake, mandate.contest, session).tail(5),
    )


def _release_of(book: str, as_of: date | None) -> Released:
    newest = current(data_folder(), book)
    if newest is None:
        raise LookupError(f"Book {book!r} has no release yet: run `afterclose night {book}`.")
    if as_of is None:
        return newest
    found = release_at(book, as_of)
    if found is None:
        raise LookupError(f"Book {book!r} has no release of {as_of}; the newest: {newest.session}.")
    return found


def _row(frame: pl.DataFrame, names: list[str]) -> dict[str, Any] | None:
    rows = frame.filter(pl.col("instrument").is_in(names))
    return None if rows.is_empty() else rows.row(0, named=True)
