"""Gradient-boosted trees: the model to beat.

Ke et al., "LightGBM: A Highly Efficient Gradient Boosting Decision Tree" (2017).
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import lightgbm

from tasks.learning.model import Examples, Learned, Setting, Value, rows_of
from tasks.models.baselines.trees import Trees, parameters


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
    }
    losses: ClassVar[Sequence[str]] = ("mse",)

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
        """Grow trees until the validation error stops falling; the best number of them is kept."""
        train_x, train_y, _ = rows_of(examples, examples.train)
        valid_x, valid_y, _ = rows_of(examples, examples.valid)
        given = parameters(
            settings,
            seed=seed,
            threads=threads,
            rows=len(train_y),
            more={
                "learning_rate": settings["learning_rate"],
                "feature_fraction": settings["feature_share"],
                "lambda_l2": settings["shrinkage"],
            },
        )
        train = lightgbm.Dataset(train_x, train_y, params=given)
        valid = lightgbm.Dataset(valid_x, valid_y, reference=train, params=given)
        history: dict[str, dict[str, list[float]]] = {}
        booster = lightgbm.train(
            given,
            train,
            num_boost_round=int(settings["trees"]),
            valid_sets=[train, valid],
            valid_names=["train", "valid"],
            callbacks=[
                lightgbm.early_stopping(int(settings["patience"]), verbose=False),
                lightgbm.record_evaluation(history),
            ],
        )
        text = booster.model_to_string(num_iteration=booster.best_iteration)
        curves = {
            f"{name}_loss": [float(loss) for loss in history[name]["l2"]]
            for name in ("train", "valid")
        }
        facts = {"trees": booster.best_iteration, "valid_loss": min(curves["valid_loss"])}
        return Learned(text.encode(), facts, curves)
