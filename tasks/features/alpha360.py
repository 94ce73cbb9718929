"""Alpha360: the last 60 bars of qlib, each price over the newest close, volume over the newest.

The definitions are those of Microsoft's qlib 0.9.7 (`Alpha360`). CLOSE5 is the close five sessions
back over the newest. A name needs its whole window, as everywhere, unless windows may be partial.
"""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from tasks.features.alpha import TINY
from tasks.features.block import Block
from tasks.features.engine import Feature, FeatureSet

Array = NDArray[np.float64]
SESSIONS = 60
PRICES = ("close", "open", "high", "low", "vwap")


def _price(block: Block, *, name: str, lag: int) -> Array:
    ratio_TN = block.back(block.price(name), lag) / block.raw("close", 1)
    return block.where(block.complete("close", lag + 1), ratio_TN)


def _volume(block: Block, *, lag: int) -> Array:
    ratio_TN = block.back(block.volume(), lag) / (block.raw("volume", 1) + TINY)
    return block.where(block.complete("volume", lag + 1), ratio_TN)


def _features(name: str) -> list[Feature]:
    features = []
    for lag in range(SESSIONS - 1, -1, -1):
        volumes = name == "volume"
        compute = partial(_volume, lag=lag) if volumes else partial(_price, name=name, lag=lag)
        inputs = (name,) if volumes or name == "close" else (name, "close")
        features.append(Feature(f"{name.upper()}{lag}", "bars", inputs, lag + 1, compute))
    return features


ALPHA360 = FeatureSet(
    "alpha360", tuple(one for name in (*PRICES, "volume") for one in _features(name))
)
