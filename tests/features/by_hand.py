"""One name's bars as plain lists, and the features of its last session, for tests by hand."""

import itertools
import math
from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np

from tasks.features.engine import Feature, FeatureSet, grid_features
from tasks.features.grid import grid_of
from tasks.market.history import View

ROWS = 253
GENERATOR = np.random.default_rng(8)
MARKET = [math.nan, *GENERATOR.normal(0.0004, 0.011, ROWS - 1).tolist()]
OWN = [1.2 * m + e for m, e in zip(MARKET, GENERATOR.normal(0, 0.015, ROWS), strict=True)]
CLOSE = list(
    itertools.accumulate(OWN[1:], lambda price, change: price * (1 + change), initial=30.0)
)
OPEN = [
    close / (1 + gap) for close, gap in zip(CLOSE, GENERATOR.normal(0, 0.01, ROWS), strict=True)
]
UP, DOWN = (GENERATOR.uniform(0, 0.01, ROWS) for _ in range(2))
HIGH = [max(pair) * (1 + up) for *pair, up in zip(OPEN, CLOSE, UP, strict=True)]
LOW = [min(pair) * (1 - down) for *pair, down in zip(OPEN, CLOSE, DOWN, strict=True)]
VOLUME = GENERATOR.integers(1_000, 9_000, ROWS).astype(float).tolist()
RETURN = [math.nan, *(now / before - 1 for before, now in itertools.pairwise(CLOSE))]
NIGHT = [math.nan, *(OPEN[i] / CLOSE[i - 1] - 1 for i in range(1, ROWS))]
DAY = [close / opened - 1 for opened, close in zip(OPEN, CLOSE, strict=True)]
DOLLARS = [close * volume for close, volume in zip(CLOSE, VOLUME, strict=True)]


def mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def deviation(values: Sequence[float]) -> float:
    """Return the standard deviation (n)."""
    centre = mean(values)
    return math.sqrt(mean([(value - centre) ** 2 for value in values]))


def rms(values: Sequence[float]) -> float:
    return math.sqrt(mean([value**2 for value in values]))


def newest(
    features: Sequence[Feature], *, gap: Sequence[int] = (), **changed: Sequence[float]
) -> dict[str, float | None]:
    """Return the features of the last session; those in `gap` (from -1 back) have no bar.

    Args:
        features: Which.
        gap: Sessions without a bar.
        changed: Other opens, highs, lows, closes, volumes or markets than the usual ones.
    """
    usual = {"open": OPEN, "high": HIGH, "low": LOW, "close": CLOSE, "volume": VOLUME}
    arrays = {name: np.array(changed.get(name, usual[name]), float)[:, None] for name in usual}
    for array in arrays.values():
        array[list(gap)] = np.nan
    sessions = tuple(date(2020, 1, 1) + timedelta(days=i) for i in range(ROWS))
    none = np.ones((ROWS, 1)), np.zeros((ROWS, 1))
    market = np.array(changed.get("market", MARKET), float)[:, None]
    view = View(sessions[-1], sessions, ("N",), *arrays.values(), *none)
    grid = grid_of(view, {"market": market})
    frame = next(grid_features(grid, FeatureSet("test", tuple(features)), [sessions[-1]]))
    return frame.drop("session", "instrument").row(0, named=True)
