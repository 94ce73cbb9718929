"""What went down comes back: the newest short return, reversed. It learns nothing.

Jegadeesh, "Evidence of predictable behavior of security returns" (1990); Lehmann, "Fads,
martingales, and market efficiency" (1990).
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from tasks.learning.model import Examples, How, Learned, Setting
from tasks.models.baselines.weighted import WeightedSum, packed

COLUMNS = {"return_{}": -1.0, "ROC{}": 1.0}  # ROC is the old close over the new one


class Reversal(WeightedSum):
    """Score names by minus their return over the last sessions, as the feature set tells it."""

    known: ClassVar[Mapping[str, Setting]] = {
        "sessions": Setting(5, 1, 60, "sessions of the return that is reversed"),
    }
    losses: ClassVar[Sequence[str]] = ("mse",)

    def fit(self, examples: Examples, how: How, *, seed: int) -> Learned:
        """Find the return among the features; the others count nothing."""
        sessions = how.settings["sessions"]
        names = {pattern.format(sessions): sign for pattern, sign in COLUMNS.items()}
        column = next((name for name in names if name in examples.columns), None)
        if column is None:
            raise ValueError(
                f"reversal needs the feature {' or '.join(names)}, found: "
                f"{', '.join(examples.columns) or 'no names of features'}. Name a set that has it, "
                "other `sessions`, or select no features."
            )
        coefficient_F = np.zeros(len(examples.columns))
        coefficient_F[examples.columns.index(column)] = names[column]
        return Learned(packed(coefficient_F), {"column": column}, {})
