"""Linear regression with shrinkage, in closed form; how much shrinkage, the validation says.

Hoerl & Kennard, "Ridge Regression: Biased Estimation for Nonorthogonal Problems" (1970).
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors import numpy as safetensors

from tasks.learning.model import (
    Array,
    Examples,
    Explainer,
    Learned,
    Learner,
    Scorer,
    Setting,
    Value,
    rows_of,
)
from tasks.statistics.ic import rank_ic_series

KEY = "coefficient"


class Ridge(Learner):
    """Least squares on standardised labels, shrunk by the penalty with the best rank IC."""

    known: ClassVar[Mapping[str, Setting]] = {
        "weakest": Setting(1e-3, 1e-9, 1e3, "least penalty, times the mean variance of features"),
        "strongest": Setting(10.0, 1e-9, 1e6, "greatest penalty, in the same unit"),
        "penalties": Setting(9, 1, 100, "penalties tried between the two, evenly in logarithms"),
    }
    losses: ClassVar[Sequence[str]] = ("mse",)
    suffix: ClassVar[str] = "safetensors"

    def look_back(self, settings: Mapping[str, Value]) -> int:
        """Return 1: the newest session alone."""
        return 1

    def fit(
        self,
        examples: Examples,
        *,
        settings: Mapping[str, Value],
        loss: str,
        seed: int,
        threads: int,
        accelerator: str,
    ) -> Learned:
        """Choose the penalty on the validation sessions, then refit on these and the others.

        Of penalties with equal rank IC the strongest is taken. Nothing here is random.
        """
        gram_FF, moment_F = _sums(examples, examples.train)
        penalties = np.geomspace(
            float(settings["strongest"]), float(settings["weakest"]), int(settings["penalties"])
        )
        ics = [
            _rank_ic(examples, _solution(gram_FF, moment_F, float(penalty)))
            for penalty in penalties
        ]
        best = int(np.argmax(ics))
        newer_FF, newer_F = _sums(examples, examples.valid)
        coefficient_F = _solution(gram_FF + newer_FF, moment_F + newer_F, float(penalties[best]))
        facts = {"penalty": float(penalties[best]), "valid_rank_ic": ics[best]}
        curves = {"penalty": [float(one) for one in penalties], "valid_rank_ic": ics}
        return Learned(safetensors.save({KEY: coefficient_F}), facts, curves)

    def scorer(
        self, weights: bytes, *, features: int, settings: Mapping[str, Value], threads: int
    ) -> Scorer:
        """Return the weighted sum of a name's newest features."""
        coefficient_F = _coefficient(weights, features)
        return lambda features_NTF: _weighted(features_NTF[:, -1], coefficient_F)

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
            return part_NF, np.full(len(newest_NF), _weighted(newest_NF, coefficient_F).mean())

        return parts


def _weighted(features_NF: NDArray[np.floating], coefficient_F: Array) -> Array:
    """Return features · coefficient, feature by feature: no row's bits depend on other rows."""
    score_N = np.zeros(len(features_NF))
    for column, coefficient in enumerate(coefficient_F):
        score_N += features_NF[:, column].astype(np.float64) * coefficient
    return score_N


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
    score_NT = _weighted(valid_NTF.reshape(-1, features), coefficient_F).reshape(-1, sessions)
    ic_T = rank_ic_series(score_NT.T, examples.label_TN[examples.valid], min_names=2)
    known_T = ic_T[np.isfinite(ic_T)]
    return float(known_T.mean()) if known_T.size else 0.0


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
