"""A random forest: deep trees that know nothing of each other, averaged.

Breiman, "Random Forests" (2001), grown by LightGBM, whose text is safe to read back. So features
are rounded to bins, trees grow leaf by leaf, and each sees rows drawn without replacement.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import lightgbm

from tasks.learning.model import Examples, How, Learned, Setting, rows_of
from tasks.models.baselines.trees import Trees, parameters, text_of


class RandomForest(Trees):
    """The mean of trees on standardised labels, each on some rows, each split on some features."""

    known: ClassVar[Mapping[str, Setting]] = {
        "trees": Setting(200, 1, 10_000, "number of trees"),
        "leaves": Setting(63, 2, 4096, "most leaves of a tree", (8, 512), True),
        "leaf_rows": Setting(
            100, 1, 1_000_000, "fewest rows of a leaf; at most 2 % of all rows", (20, 5_000), True
        ),
        "feature_share": Setting(
            0.33, 0.01, 1.0, "share of features each split may use", (0.05, 1.0)
        ),
        "row_share": Setting(0.63, 0.01, 0.99, "share of rows each tree sees", (0.1, 0.9)),
        "bins": Setting(63, 2, 255, "values a feature is rounded to"),
    }
    losses: ClassVar[Sequence[str]] = ("mse",)
    refits: ClassVar[bool] = True

    def fit(self, examples: Examples, how: How, *, seed: int) -> Learned:
        """Learn from all labelled sessions: a forest does not grow worse, so nothing stops it."""
        features, label, _ = rows_of(examples, examples.whole().train)
        given = parameters(
            how.settings,
            seed=seed,
            threads=how.threads,
            rows=len(label),
            more={"boosting": "rf", "feature_fraction_bynode": how.settings["feature_share"]},
        )
        trees = lightgbm.Dataset(features, label, params=given)
        booster = lightgbm.train(given, trees, num_boost_round=int(how.settings["trees"]))
        facts = {"trees": booster.num_trees(), "rows": len(label)}
        return Learned(text_of(booster), facts, {})
