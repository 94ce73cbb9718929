"""The same score for every name: what a model is worth that knows nothing.

It orders nothing, so its information coefficients are unknown (NaN), not 0, and sessions of it
count nowhere. A book that follows it weighs its names by risk and costs alone.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from tasks.learning.model import Examples, How, Learned, Setting
from tasks.models.baselines.weighted import WeightedSum, packed


class Equal(WeightedSum):
    """Score every name 0."""

    known: ClassVar[Mapping[str, Setting]] = {}
    losses: ClassVar[Sequence[str]] = ("mse",)

    def fit(self, examples: Examples, how: How, *, seed: int) -> Learned:
        """Give every feature the coefficient 0."""
        return Learned(packed(np.zeros(examples.features_NTF.shape[2])), {}, {})
