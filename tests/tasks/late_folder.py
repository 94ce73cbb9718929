"""A folder of small deliveries that come late, are cleared or are sealed by a release.

A release is stood for by its session alone: what seals is tested with true ones elsewhere.
"""

import logging
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tasks.market.lake import seen_hash
from tasks.market.sources.protocol import DataSource, Delivery
from tasks.settings import calendar, open_lake

SOURCE = """
kind: files
title: A folder of closes
actions: {actions}
starts: 2020-01-02
expected_rows: 30
folder_variable: FOLDER_OF_TESTS
tables: "*.csv"
{nights}
columns: {{symbol: symbol, session: date, close: close, volume: volume, adj_close: adjusted}}
"""
CONTEST = """
title: A small contest
source: folder
universe: everyone
features: price
horizon: 3
first_fit: 30
refit_every: 40
compare_refits: 2
min_names: 10
candidates:
  - {name: ridge, model: ridge}
"""
NAMES = 30
NOON = datetime(2021, 1, 4, 12, tzinfo=UTC)
TABLES = ("bars", "actions", "listings", "series", "fundamentals", "members")


def sessions(count: int) -> list[date]:
    return calendar("XNYS").sessions(date(2020, 1, 2), date(2020, 12, 30))[:count]


def market(count: int) -> pl.DataFrame:
    """Return (date, symbol, close, volume, adjusted) of quiet names over the first sessions."""
    dice = np.random.default_rng(3)
    moves_TN = dice.normal(0, 0.01, (count, NAMES))
    closes_TN = np.round(dice.uniform(20, 100, NAMES) * np.exp(moves_TN.cumsum(axis=0)), 2)
    days = [day for day in sessions(count) for _ in range(NAMES)]
    frame = pl.DataFrame({"date": days, "symbol": [f"S{n:02d}" for n in range(NAMES)] * count})
    volume = dice.integers(100_000, 200_000, count * NAMES).astype(float)
    closes = pl.Series("close", closes_TN.ravel())
    return frame.with_columns(closes, volume=pl.Series(volume), adjusted=closes)


def of(frame: pl.DataFrame, symbol: str, *days: date) -> pl.Series:
    """Return which rows are those of `symbol` on `days`, or on all days."""
    rows = (pl.col("symbol") == symbol) & (pl.col("date").is_in(days) if days else True)
    return frame.select(rows).to_series()


def times(frame: pl.DataFrame, factor: float, rows: pl.Series) -> pl.DataFrame:
    prices = pl.col("close", "adjusted")
    return frame.with_columns(pl.when(rows).then(prices * factor).otherwise(prices))


class Folder:
    """Deliveries in a folder, and the lake they go to.

    Args:
        base: Where settings, deliveries and data lie.
        patch: Undone at the end of the test.
        actions: As the source's settings say.
        one: Whether the folder holds history in one go.
    """

    def __init__(
        self, base: Path, patch: pytest.MonkeyPatch, *, actions: str = "inferred", one: bool = False
    ) -> None:
        from tasks import ingest, prepare, quarantine

        self._patch, self._folder, self._one = patch, base / "deliveries", one
        self._folder.mkdir(parents=True)
        nights = "one_delivery: true" if one else 'night_in_name: "%Y-%m-%d"'
        texts = {
            "sources/folder": SOURCE.format(actions=actions, nights=nights),
            "universes/everyone": "kind: all\ntitle: Everyone with a bar\n",
            "models/small": CONTEST,
        }
        for name, text in texts.items():
            path = base / "conf" / f"{name}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (base / "conf" / "books").mkdir()
        for variable, place in {"CONF": "conf", "DATA": "data"}.items():
            patch.setenv(f"AFTERCLOSE_{variable}", str(base / place))
        patch.setenv("FOLDER_OF_TESTS", str(self._folder))
        for module in (ingest, prepare, quarantine):
            patch.setattr(module, "get_run_logger", lambda: logging.getLogger("night"))

    def send(self, rows: pl.DataFrame, *nights: date, tells: int = 2) -> None:
        """Let deliveries lie in the folder: of each night its last `tells` sessions of `rows`."""
        days = rows["date"].unique().sort().to_list()
        for night in nights:
            told = [day for day in days if day <= night][-tells:]
            part = rows.filter(pl.col("date").is_in(told))
            (self._folder / f"{night}.csv").write_text(part.write_csv())

    def send_all(self, rows: pl.DataFrame) -> None:
        """Let history in one go lie in the folder."""
        (self._folder / "all.csv").write_text(rows.write_csv())

    def judge(self, as_of: date, *, stop_at_block: bool = False) -> str:
        from tasks import ingest, judge

        ingest.land_deliveries.fn("folder", as_of)
        return judge.judge_deliveries.fn("folder", as_of, stop_at_block)

    def reads(self, change: Callable[[Delivery], Delivery]) -> None:
        """Let each delivery be read as `change` makes it."""
        from tasks import judge, quarantine

        opened = judge.open_source

        def open_source(name: str) -> DataSource:
            feed = opened(name)
            normalise = feed.normalise
            read = lambda payloads: change(normalise(payloads))  # noqa: E731
            self._patch.setattr(feed, "normalise", read)
            return feed

        for module in (judge, quarantine):
            self._patch.setattr(module, "open_source", open_source, raising=False)

    def clear(self, symbol: str, night: date, reason: str = "so it was", by: str = "Ada") -> str:
        from tasks.quarantine import clear_rows

        return clear_rows.fn("folder", night, symbol, None, reason, by, NOON)

    def seal(self, session: date) -> None:
        """Let a release have read `session`."""
        from tasks import judge, quarantine

        for module in (judge, quarantine):
            self._patch.setattr(module, "sealed_until", lambda _: session, raising=False)


def seen(as_of: date) -> dict[str, str]:
    """Return the hashes of all that a release of `as_of` can have read."""
    lake = open_lake()
    return {
        f"{table} {prints}": seen_hash(
            lake.known(table, as_of=as_of, source="folder", prints=prints)
        )
        for table in TABLES
        for prints in ("first", "last", "all")
    }


def told(table: str, symbol: str) -> pl.DataFrame:
    rows = open_lake().read(table, where={"source": ["folder"]})
    return rows.filter(pl.col("symbol") == symbol)
