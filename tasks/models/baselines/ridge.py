"""Linear regression with shrinkage, in closed form; how much shrinkage, the validation says.

Hoerl & Kennard, "Ridge Regression: Biased Estimation for Nonorthogonal Problems" (1970).
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tasks.learning.model import Array, Examples, How, Learned, Setting, rows_of
from tasks.models.baselines.weighted import WeightedSum, packed, weighted
from tasks.statistics.ic import rank_ic_series


class Ridge(WeightedSum):
    """Least squares on standardised labels, shrunk by the penalty with the best rank IC."""

    known: ClassVar[Mapping[str, Setting]] = {
        "weakest": Setting(1e-3, 1e-9, 1e3, "least penalty, times the mean variance of features"),
        "strongest": Setting(10.0, 1e-9, 1e6, "greatest penalty, in the same unit"),
        "penalties": Setting(9, 1, 100, "penalties tried between the two, evenly in logarithms"),
    }
    losses: ClassVar[Sequence[str]] = ("mse",)
    refits: ClassVar[bool] = True

    def fit(self, examples: Examples, how: How, *, seed: int) -> Learned:
        """Choose the penalty on the validation sessions, then refit on these and the others.

        Of penalties with equal rank IC the strongest is taken. Nothing here is random.
        """
        gram_FF, moment_F = _sums(examples, examples.train)
        strongest, weakest = float(how.settings["strongest"]), float(how.settings["weakest"])
        penalties = np.geomspace(strongest, weakest, int(how.settings["penalties"]))
        ics = [
            _rank_ic(examples, _solution(gram_FF, moment_F, float(penalty)))
            for penalty in penalties
        ]
        best = int(np.argmax(ics))
        newer_FF, newer_F = _sums(examples, examples.valid)
        coefficient_F = _solution(gram_FF + newer_FF, moment_F + newer_F, float(penalties[best]))
        facts = {"penalty": float(penalties[best]), "valid_rank_ic": ics[best]}
        curves = {"penalty": [float(one) for one in penalties], "valid_rank_ic": ics}
        return Learned(packed(coefficient_F), facts, curves)


def _sums(examples: Examples, sessions: NDArray[np.int64]) -> tuple[Array, Array]:
    """Return X'X and X'y over the labelled rows, without BLAS: the same bits on any threads."""
    features, label, _ = rows_of(examples, sessions)
    columns = np.ascontiguousarray(features.T)
    gram_FF = np.empty((len(columns), len(columns)))
    for place, column in enumerate(columns):
        gram_FF[place, place:] = (columns[place:] * column).sum(axis=1)
        gram_FF[place:, place] = gram_FF[place, place:]
    return gram_FF, (columns * label).sum(axis=1)


def _solution(gram_FF: Array, moment_F: Array, penalty: float) -> Array:
    """Return the minimiser of |y - Xb|² + penalty · mean diagonal of X'X · |b|²."""
    scale = float(np.trace(gram_FF)) / max(len(gram_FF), 1) or 1.0
    return np.asarray(
        np.linalg.solve(gram_FF / scale + penalty * np.eye(len(gram_FF)), moment_F / scale)
    )


def _rank_ic(examples: Examples, coefficient_F: Array) -> float:
    """Return the mean rank IC over the validation sessions; 0 where none has one."""
    _, sessions, features = examples.features_NTF[:, examples.valid].shape
    valid_NTF = examples.features_NTF[:, examples.valid]
    score_NT = weighted(valid_NTF.reshape(-1, features), coefficient_F).reshape(-1, sessions)
    ic_T = rank_ic_series(score_NT.T, examples.label_TN[examples.valid], min_names=2)
    known_T = ic_T[np.isfinite(ic_T)]
    return float(known_T.mean()) if known_T.size else 0.0
