"""A panel from any file of bars, by way of the gate and the features of the house."""

import os
import shutil
import subprocess
import sys
from collections.abc import Collection
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import yaml

from tasks.learning.model import Array
from tasks.learning.panel import Panel

ROOT = Path(__file__).parent.parent
NAME = "panel"
EXCHANGES = {"NASDAQ": "XNYS", "NYSE": "XNYS", "AMEX": "XNYS"}  # ours: by ISO code, as others are


class Ground(NamedTuple):
    """What models are compared on."""

    panel: Panel
    known: dict[int, Array]  # horizon: labels as known at the last session of the validation
    label_TN: Array  # labels of the contest's horizon as known at the end
    splits: dict[str, list[date]]  # train, valid and test sessions
    verdict: str  # what the gate said of the file


def settle(folder: Path, bars: Path, calendar: Path, contest: dict[str, Any]) -> None:
    """Make a house in `folder` whose one source is the file, and point this process at it."""
    shutil.copytree(ROOT / "conf", folder / "conf", dirs_exist_ok=True)
    days = pl.read_parquet(bars, columns=["date"])["date"]
    names = pl.read_parquet(bars, columns=["symbol"])["symbol"].n_unique()
    source = {
        "kind": "files",
        "title": f"{bars.stem}, of names that were chosen at its end where it does not say else",
        "calendar": exchange_of(calendar),
        "asset_class": "equity",
        "starts": days.min(),
        "ends": days.max(),
        "expected_rows": names,
        "folder_variable": "AFTERCLOSE_PANEL",
        "tables": bars.name,
        "one_delivery": True,
        "columns": {"session": "date"}
        | {name: name for name in ("symbol", "open", "high", "low", "close", "volume")},
    }
    for kind, content in (("sources", source), ("models", contest | {"source": NAME})):
        text = yaml.safe_dump(content, sort_keys=False)
        (folder / "conf" / kind / f"{NAME}.yaml").write_text(text)
    os.environ |= {
        "AFTERCLOSE_CONF": str(folder / "conf"),
        "AFTERCLOSE_DATA": str(folder / "data"),
        "AFTERCLOSE_PANEL": str(bars.resolve().parent),
        "PYTHONPATH": str(ROOT),
    }


def exchange_of(calendar: Path) -> str:
    """Return the calendar that a file of an exchange's days is of."""
    named = pl.read_parquet(calendar, columns=["exchange"])["exchange"].unique().to_list()
    if len(named) != 1:
        raise ValueError(f"{calendar} names the exchanges {named}: expected one.")
    return EXCHANGES.get(named[0], str(named[0]))


def ground(
    calendar: Path,
    horizons: Collection[int],
    *,
    trades_at: str,
    warm_up: int,
    until: date = date.max,
) -> Ground:
    """Judge the file, make its features, and cut its sessions into train, validation and test.

    The last year of the calendar is for the test, the one before for the validation, and all
    before these, from `warm_up` sessions on, to learn from. Models are judged by labels of the
    last of `horizons`. What comes after `until` is not looked at.
    """
    command = [sys.executable, "-m", "flows.cli", "backfill", "--source", NAME]
    told = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    from tasks.features.labels import labels
    from tasks.learning.panel import aligned
    from tasks.panels import history_of, panel_of
    from tasks.settings import calendar as calendar_of
    from tasks.settings import load_source, open_lake

    source = load_source(NAME)
    as_of = source.ends or date.max
    sessions = calendar_of(source.calendar).sessions(source.starts, min(as_of, until))
    splits = split(sessions, calendar, warm_up=warm_up)
    panel, _ = panel_of(NAME, sessions, as_of)
    history = history_of(open_lake(), NAME, as_of)

    def known(day: date, horizon: int) -> Array:
        view = history.roll(day)
        found = labels(view, horizon=horizon, trades_at="open" if trades_at == "open" else "close")
        if trades_at == "close":  # as others measure it: from the close of the decision itself
            found = earlier(found)
        return aligned(found, view.sessions, view.instruments, panel)

    learned = {horizon: known(splits["valid"][-1], horizon) for horizon in sorted(horizons)}
    return Ground(panel, learned, known(sessions[-1], max(horizons)), splits, told.strip())


def earlier(label_TN: Array) -> Array:
    """Return labels that begin one session earlier: at the close that a forecast is made at."""
    import numpy as np

    return np.vstack([np.full((1, label_TN.shape[1]), np.nan), label_TN[:-1]])


def split(sessions: list[date], calendar: Path, *, warm_up: int) -> dict[str, list[date]]:
    """Return the sessions of each part; only those that the calendar file lists."""
    listed = set(pl.read_parquet(calendar, columns=["date"])["date"].to_list())
    days = [day for day in sessions if day in listed]
    test, valid = days[-1].year, days[-1].year - 1
    parts = {
        "train": [day for day in sessions[warm_up:] if day.year < valid],
        "valid": [day for day in days if day.year == valid],
        "test": [day for day in days if day.year == test],
    }
    if short := [name for name, part in parts.items() if len(part) < 60]:
        raise ValueError(f"Too few sessions for {', '.join(short)}: expected three years or more.")
    if len(parts["train"]) <= len(parts["valid"]):
        raise ValueError(
            f"{len(parts['train'])} sessions to learn from and {len(parts['valid'])} to stop by: "
            "expected more to learn from, which takes four years of bars or a shorter warm-up."
        )
    return parts
