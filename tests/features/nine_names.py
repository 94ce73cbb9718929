"""A market of nine names, with gaps, splits and all that is told beside bars, for every set."""

import functools
from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import polars as pl

from tasks.features import FEATURE_SETS
from tasks.features.engine import FeatureSet, features_over
from tasks.market.context import Context
from tasks.market.frames import FUNDAMENTALS, SERIES, shaped
from tasks.market.history import History, View

SESSIONS = [date(2019, 1, 1) + timedelta(days=i) for i in range(300)]
NAMES = 9
TAIL = SESSIONS[-6:]


def market() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return bars and actions of nine names: gaps, splits, a late listing and a delisting."""
    generator = np.random.default_rng(11)
    shape = len(SESSIONS), NAMES
    close = 40 * np.exp(np.cumsum(generator.normal(0, 0.02, shape), axis=0))
    opened = close * np.exp(generator.normal(0, 0.01, shape))
    traded = generator.random(shape) > 0.03
    traded[-8:] = True
    traded[:120, 1] = False  # listed late
    traded[-3:, 2] = False  # delisted
    traded[-40:-25, 3] = False  # suspended
    rows, names = np.nonzero(traded)
    bars = pl.DataFrame(
        {
            "session": [SESSIONS[row] for row in rows],
            "instrument": [f"N{name}" for name in names],
            "open": opened[rows, names],
            "high": np.maximum(opened, close)[rows, names] * 1.01,
            "low": np.minimum(opened, close)[rows, names] * 0.99,
            "close": close[rows, names],
            "volume": np.exp(generator.normal(12, 1, rows.size)).round(),
        }
    ).with_columns(known_on="session", delivery="session")
    return bars, acted([(290, "N0", 1.5), (150, "N0", 1 / 3), (297, "N4", 3.0)])


def acted(splits: list[tuple[int, str, float]]) -> pl.DataFrame:
    days = [SESSIONS[row] for row, _, _ in splits]
    return pl.DataFrame(
        {
            "ex_session": days,
            "instrument": [name for _, name, _ in splits],
            "kind": ["split"] * len(splits),
            "value": [value for _, _, value in splits],
            "known_on": days,
            "delivery": days,
        }
    )


def series() -> pl.DataFrame:
    """Return `SERIES` of all that a set reads, told on their own day or, some, on the next."""
    generator = np.random.default_rng(12)
    parts = []
    for place, name in enumerate(sorted(read_beside("series/"))):
        values = 20 * np.exp(np.cumsum(generator.normal(0, 0.02, len(SESSIONS) - 1)))
        told = SESSIONS[place % 2 :][: len(values)]
        frame = pl.DataFrame({"session": SESSIONS[:-1], "value": values, "known_on": told})
        parts.append(frame.with_columns(name=pl.lit(name), delivery="known_on"))
    return shaped(pl.concat(parts), SERIES)


def filings() -> pl.DataFrame:
    """Return `FUNDAMENTALS` of all names but N2: quarters and years from 2016 on."""
    generator = np.random.default_rng(13)
    items = {item.removesuffix(":year") for item in read_beside("figure/")}
    rows = []
    for name in (f"N{i}" for i in range(NAMES) if i != 2):
        for end in (date(2016 + i // 4, i % 4 * 3 + 3, 30) for i in range(15)):
            form = "10-K" if end.month == 12 else "10-Q"
            known = end + timedelta(days=int(generator.integers(20, 60)))
            rows += [
                (
                    end,
                    name,
                    item,
                    generator.uniform(80, 120) * (1 + 3 * (form == "10-K")),
                    form,
                    known,
                )
                for item in sorted(items)
            ]
    names = ["period_end", "instrument", "item", "value", "form", "known_on"]
    frame = pl.DataFrame(rows, schema=names, orient="row")
    return shaped(frame.with_columns(delivery="known_on"), FUNDAMENTALS)


@functools.cache
def read_beside(kind: str) -> list[str]:
    """Return the series or items that the sets read."""
    read = {name for make in FEATURE_SETS.values() for name in make().reach}
    return [name.removeprefix(kind) for name in read if name.startswith(kind)]


@functools.cache
def usual_context() -> Context:
    return Context(series(), filings(), market()[1])


def computed_over(
    told: History, chosen: FeatureSet, sessions: Sequence[date], context: Context | None = None
) -> pl.DataFrame:
    return features_over(told, chosen, sessions, context=context or usual_context())


def history(
    bars: pl.DataFrame, actions: pl.DataFrame, *, skipped: int = 0, own_market: bool = False
) -> History:
    """Return a history, with the market of all nine names unless it shall have its own."""
    made = History(bars, actions, SESSIONS[skipped:], prints="first")
    if not own_market:
        made.market = whole_market()[skipped:]
    return made


@functools.cache
def whole_market() -> np.ndarray:
    return history(*market(), own_market=True).market


@functools.cache
def whole_beside() -> dict[str, np.ndarray]:
    wanted = [f"{kind}{name}" for kind in ("series/", "figure/") for name in read_beside(kind)]
    found = usual_context().inputs(wanted, SESSIONS, [f"N{i}" for i in range(NAMES)])
    return found | {"market": whole_market()[:, None]}


def beside(view: View) -> dict[str, np.ndarray]:
    """Return what is known beside bars at the sessions of a view."""
    first = SESSIONS.index(view.sessions[0])
    rows = slice(first, first + len(view.sessions))
    names = [int(name.removeprefix("N")) for name in view.instruments]
    return {
        name: values[rows] if values.shape[1] == 1 else values[rows, names]
        for name, values in whole_beside().items()
    }
