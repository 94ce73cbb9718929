"""What baselines share whose score is a weighted sum of a name's newest features.

Their weights are one float64 a feature, as safetensors: nothing in them can be run.
"""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors import numpy as safetensors

from tasks.learning.model import Array, Explainer, OneByOne, Scorer, Value

KEY = "coefficient"


class WeightedSum(OneByOne):
    """A learner whose fit is one coefficient a feature; how they are found, it says itself."""

    suffix: ClassVar[str] = "safetensors"

    def look_back(self, settings: Mapping[str, Value]) -> int:
        """Return 1: the newest session alone."""
        return 1

    def scorer(
        self, weights: bytes, *, features: int, settings: Mapping[str, Value], threads: int
    ) -> Scorer:
        """Return the weighted sum of a name's newest features."""
        coefficient_F = _coefficient(weights, features)
        return lambda features_NTF: weighted(features_NTF[:, -1], coefficient_F)

    def explainer(self, weights: bytes, *, features: int, threads: int) -> Explainer | None:
        """Return coefficient · (feature - its mean over the names scored together).

        These are the Shapley values of a linear score against those names: Lundberg & Lee, "A
        unified approach to interpreting model predictions" (2017), corollary 1. What is left is
        the mean score.
        """
        coefficient_F = _coefficient(weights, features)

        def parts(features_NTF: NDArray[np.float32]) -> tuple[Array, Array]:
            newest_NF = features_NTF[:, -1].astype(np.float64)
            part_NF = (newest_NF - newest_NF.mean(axis=0)) * coefficient_F
            return part_NF, np.full(len(newest_NF), weighted(newest_NF, coefficient_F).mean())

        return parts


def packed(coefficient_F: Array) -> bytes:
    """Return the weights that hold these coefficients."""
    return safetensors.save({KEY: np.ascontiguousarray(coefficient_F, np.float64)})


def weighted(features_NF: NDArray[np.floating], coefficient_F: Array) -> Array:
    """Return features · coefficient, feature by feature: no row's bits depend on other rows."""
    score_N = np.zeros(len(features_NF))
    for column, coefficient in enumerate(coefficient_F):
        score_N += features_NF[:, column].astype(np.float64) * coefficient
    return score_N


def _coefficient(weights: bytes, features: int) -> Array:
    try:
        tensors = safetensors.load(weights)
    except SafetensorError as error:
        raise ValueError(f"These weights are not safetensors bytes: {error}.") from error
    shapes = {name: (one.shape, str(one.dtype)) for name, one in tensors.items()}
    if shapes != {KEY: ((features,), "float64")}:
        raise ValueError(f"Expected {features} float64 weights named {KEY!r}, found {shapes}.")
    if not np.isfinite(tensors[KEY]).all():
        raise ValueError("These weights hold NaN or infinity.")
    return np.asarray(tensors[KEY])
