"""Gradient-boosted trees: the model to beat.

Ke et al., "LightGBM: A Highly Efficient Gradient Boosting Decision Tree" (2017).
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import lightgbm

from tasks.learning.model import REFIT, REFIT_LOSS, Examples, How, Learned, Setting, rows_of
from tasks.models.baselines.trees import Parameters, Trees, parameters, text_of


class LightGbm(Trees):
    """Shallow boosted trees on standardised labels, stopped by the validation's squared error."""

    known: ClassVar[Mapping[str, Setting]] = {
        "trees": Setting(200, 1, 10_000, "most trees"),
        "learning_rate": Setting(0.05, 1e-4, 1.0, "weight of each tree", (0.01, 0.2), True),
        "leaves": Setting(15, 2, 1024, "most leaves of a tree", (4, 128), True),
        "leaf_rows": Setting(
            200, 1, 1_000_000, "fewest rows of a leaf; at most 2 % of all rows", (20, 5_000), True
        ),
        "feature_share": Setting(0.7, 0.05, 1.0, "share of features each tree may use", (0.2, 1.0)),
        "row_share": Setting(0.7, 0.05, 1.0, "share of rows each tree sees", (0.3, 1.0)),
        "shrinkage": Setting(1.0, 0.0, 1e6, "L2 penalty on leaf values", (0.1, 1e4), True),
        "bins": Setting(63, 2, 255, "values a feature is rounded to"),
        "patience": Setting(
            20, 1, 10_000, "trees without a smaller validation error until it ends"
        ),
        "refit": REFIT,
    }
    losses: ClassVar[Sequence[str]] = ("mse",)

    def fit(self, examples: Examples, how: How, *, seed: int) -> Learned:
        """Grow trees until the validation error stops falling; the best number of them is kept."""
        stopping = lightgbm.early_stopping(int(how.settings["patience"]), verbose=False)
        most = int(how.settings["trees"])
        booster, curves = _grown(examples, how, seed, trees=most, callbacks=[stopping])
        text = text_of(booster)
        facts = {"trees": booster.best_iteration, "valid_loss": min(curves["valid_loss"])}
        if not how.settings["refit"]:
            return Learned(text, facts, curves)
        again, after = _grown(examples.whole(), how, seed, trees=booster.best_iteration)
        facts[REFIT_LOSS] = after["valid_loss"][-1]
        return Learned(text_of(again), facts, curves, stopped=text)


def _grown(
    examples: Examples, how: How, seed: int, *, trees: int, callbacks: Sequence[Any] = ()
) -> tuple[lightgbm.Booster, dict[str, list[float]]]:
    """Return so many trees, or as many as the callbacks allow, and how both errors went."""
    train_x, train_y, _ = rows_of(examples, examples.train)
    valid_x, valid_y, _ = rows_of(examples, examples.valid)
    given = _parameters(how, seed, rows=len(train_y))
    train = lightgbm.Dataset(train_x, train_y, params=given)
    valid = lightgbm.Dataset(valid_x, valid_y, reference=train, params=given)
    history: dict[str, dict[str, list[float]]] = {}
    booster = lightgbm.train(
        given,
        train,
        num_boost_round=trees,
        valid_sets=[train, valid],
        valid_names=["train", "valid"],
        callbacks=[*callbacks, lightgbm.record_evaluation(history)],
    )
    curves = {
        f"{name}_loss": [float(loss) for loss in history[name]["l2"]] for name in ("train", "valid")
    }
    return booster, curves


def _parameters(how: How, seed: int, *, rows: int) -> Parameters:
    more: Parameters = {
        "learning_rate": how.settings["learning_rate"],
        "feature_fraction": how.settings["feature_share"],
        "lambda_l2": how.settings["shrinkage"],
    }
    return parameters(how.settings, seed=seed, threads=how.threads, rows=rows, more=more)
