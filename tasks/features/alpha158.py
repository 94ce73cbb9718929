"""Alpha158: the 158 price and volume features of qlib, cell by cell the same numbers.

The letters of a name say what it is, its number says over how many sessions. Where qlib gives
numbers on windows that are not full yet, this gives null, unless windows may be partial.
32 columns are combinations of others: `ALPHA126` is without them. Where no window has a gap, RESI
is one more, 1 - MA - BETA (n - 1) / 2; it stays, since with gaps it is not.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.features import alpha
from tasks.features.block import Block
from tasks.features.engine import Feature, FeatureSet

Array = NDArray[np.float64]
WINDOWS = (5, 10, 20, 30, 60)
CLOSE, VOLUME, BOTH = ("close",), ("volume",), ("close", "volume")


class Kind(NamedTuple):
    """A statistic over windows: what it needs, and how many sessions before the window."""

    name: str
    family: str
    inputs: tuple[str, ...]
    before: int
    compute: Callable[..., Array]


KINDS = (
    Kind("ROC", "momentum", CLOSE, 1, alpha.ago),
    Kind("MA", "level", CLOSE, 0, alpha.mean_close),
    Kind("STD", "volatility", CLOSE, 0, alpha.deviation),
    Kind("BETA", "trend", CLOSE, 0, alpha.slope),
    Kind("RSQR", "trend", CLOSE, 0, alpha.fit),
    Kind("RESI", "trend", CLOSE, 0, alpha.residual),
    Kind("MAX", "level", ("high", "close"), 0, alpha.highest),
    Kind("MIN", "level", ("low", "close"), 0, alpha.lowest),
    Kind("QTLU", "level", CLOSE, 0, partial(alpha.quantile, place=1)),
    Kind("QTLD", "level", CLOSE, 0, partial(alpha.quantile, place=0)),
    Kind("RANK", "level", CLOSE, 0, alpha.rank),
    Kind("RSV", "level", ("high", "low", "close"), 0, alpha.range_place),
    Kind("IMAX", "level", ("high", "close"), 0, alpha.highest_place),
    Kind("IMIN", "level", ("low", "close"), 0, alpha.lowest_place),
    Kind("IMXD", "level", ("high", "low", "close"), 0, alpha.places_apart),
    Kind("CORR", "volume", BOTH, 0, partial(alpha.correlation, pairs=alpha.log_volumes)),
    Kind("CORD", "volume", BOTH, 1, partial(alpha.correlation, pairs=alpha.changes)),
    Kind("CNTP", "momentum", CLOSE, 1, partial(alpha.share, make=alpha.rose)),
    Kind("CNTN", "momentum", CLOSE, 1, partial(alpha.share, make=alpha.fell)),
    Kind("CNTD", "momentum", CLOSE, 1, alpha.share_apart),
    Kind("SUMP", "momentum", CLOSE, 1, partial(alpha.sum_share, name="close", up=1, down=0)),
    Kind("SUMN", "momentum", CLOSE, 1, partial(alpha.sum_share, name="close", up=0, down=1)),
    Kind("SUMD", "momentum", CLOSE, 1, partial(alpha.sum_share, name="close", up=1, down=-1)),
    Kind("VMA", "volume", VOLUME, 0, alpha.mean_volume),
    Kind("VSTD", "volume", VOLUME, 0, alpha.volume_deviation),
    Kind("WVMA", "volume", BOTH, 1, alpha.weighted_deviation),
    Kind("VSUMP", "volume", VOLUME, 1, partial(alpha.sum_share, name="volume", up=1, down=0)),
    Kind("VSUMN", "volume", VOLUME, 1, partial(alpha.sum_share, name="volume", up=0, down=1)),
    Kind("VSUMD", "volume", VOLUME, 1, partial(alpha.sum_share, name="volume", up=1, down=-1)),
)
COMBINED = re.compile(r"KSFT2?|(IMXD|CNTD|V?SUM[ND])\d+")  # of the columns beside them


def _windowed(block: Block, *, kind: Kind, rows: int) -> Array:
    """Return a statistic where the windows of all its inputs are complete."""
    complete_TN = block.complete(kind.inputs[0], rows + kind.before)
    for name in kind.inputs[1:]:
        complete_TN = complete_TN & block.complete(name, rows + kind.before)
    return block.where(complete_TN, kind.compute(block, rows=rows))


def _feature(kind: Kind, rows: int) -> Feature:
    compute = partial(_windowed, kind=kind, rows=rows)
    return Feature(f"{kind.name}{rows}", kind.family, kind.inputs, rows + kind.before, compute)


def _bar(name: str, compute: Callable[..., Array]) -> Feature:
    inputs = ("open", "high", "low", "close")
    return Feature(name, "bar", inputs, 1, partial(compute, part=name[1:].rstrip("2")))


def _over_close(name: str) -> Feature:
    compute = partial(alpha.over_close, name=name)
    return Feature(f"{name.upper()}0", "bar", (name, "close"), 1, compute)


ALPHA158 = FeatureSet(
    "alpha158",
    (
        _bar("KMID", alpha.bar_over_open),
        _bar("KLEN", alpha.bar_over_open),
        _bar("KMID2", alpha.bar_over_range),
        _bar("KUP", alpha.bar_over_open),
        _bar("KUP2", alpha.bar_over_range),
        _bar("KLOW", alpha.bar_over_open),
        _bar("KLOW2", alpha.bar_over_range),
        _bar("KSFT", alpha.bar_over_open),
        _bar("KSFT2", alpha.bar_over_range),
        *(_over_close(name) for name in ("open", "high", "low", "vwap")),
        *(_feature(kind, rows) for kind in KINDS for rows in WINDOWS),
    ),
)
ALPHA126 = FeatureSet(
    "alpha126",
    tuple(one for one in ALPHA158.features if not COMBINED.fullmatch(one.name)),
)
