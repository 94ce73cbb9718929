"""A linear support vector machine for regression: small misses cost nothing.

Drucker, Burges, Kaufman, Smola & Vapnik, "Support vector regression machines" (1997); solved by
LIBLINEAR in the primal (Ho & Lin, "Large-scale linear support vector regression", 2012), whose
squared loss beyond the tolerance has one solution, found without randomness.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import ClassVar

from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVR

from tasks.learning.model import Examples, How, Learned, Setting, rows_of
from tasks.models.baselines.weighted import WeightedSum, packed

STEPS = 1000  # Newton steps at most; a few dozen are usual


class LinearSvm(WeightedSum):
    """Squared misses beyond a tolerance on standardised labels, shrunk by a penalty."""

    known: ClassVar[Mapping[str, Setting]] = {
        "penalty": Setting(
            1.0, 1e-9, 1e6, "shrinkage, times the mean variance of features", (1e-3, 1e2), True
        ),
        "tolerance": Setting(0.5, 0.0, 10.0, "miss that costs nothing, in deviations", (0.0, 1.5)),
    }
    losses: ClassVar[Sequence[str]] = ("mse",)
    refits: ClassVar[bool] = True

    def fit(self, examples: Examples, how: How, *, seed: int) -> Learned:
        """Learn from all labelled sessions: it has nothing to stop by. Nothing here is random.

        Features and labels are centred in each session, so there is no intercept.
        """
        features, label, _ = rows_of(examples, examples.whole().train)
        scale = float((features**2).sum()) / features.shape[1] or 1.0
        penalty = float(how.settings["penalty"])
        machine = LinearSVR(
            C=1 / (2 * penalty * scale),  # |b|²/2 + C Σ loss, as ridge counts
            epsilon=float(how.settings["tolerance"]),
            loss="squared_epsilon_insensitive",
            dual=False,
            fit_intercept=False,
            tol=1e-6,
            max_iter=STEPS,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            try:
                machine.fit(features, label)
            except ConvergenceWarning:
                raise ValueError(
                    f"The linear SVM found no solution in {STEPS} steps: raise its penalty, now "
                    f"{penalty}."
                ) from None
        return Learned(
            packed(machine.coef_), {"rows": len(label), "steps": int(machine.n_iter_)}, {}
        )
