"""Gradient-boosted trees: the model to beat.

Ke et al., "LightGBM: A Highly Efficient Gradient Boosting Decision Tree" (2017). Its weights are
the booster's own text, which is parsed as numbers and never run.
"""

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import ClassVar

import lightgbm
import numpy as np
from lightgbm.basic import LightGBMError
from numpy.typing import NDArray

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

OPENING = b"tree\nversion="
CLOSING = b"\nend of parameters"


class LightGbm(Learner):
    """Shallow boosted trees on standardised labels, stopped by the validation's squared error."""

    known: ClassVar[Mapping[str, Setting]] = {
        "trees": Setting(200, 1, 10_000, "most trees"),
        "learning_rate": Setting(0.05, 1e-4, 1.0, "weight of each tree"),
        "leaves": Setting(15, 2, 1024, "most leaves of a tree"),
        "leaf_rows": Setting(200, 1, 1_000_000, "fewest rows of a leaf; at most 2 % of all rows"),
        "feature_share": Setting(0.7, 0.05, 1.0, "share of features each tree may use"),
        "row_share": Setting(0.7, 0.05, 1.0, "share of rows each tree sees"),
        "shrinkage": Setting(1.0, 0.0, 1e6, "L2 penalty on leaf values"),
        "bins": Setting(63, 2, 255, "values a feature is rounded to"),
        "patience": Setting(
            20, 1, 10_000, "trees without a smaller validation error until it ends"
        ),
    }
    losses: ClassVar[Sequence[str]] = ("mse",)
    suffix: ClassVar[str] = "txt"

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
        """Grow trees until the validation error stops falling; the best number of them is kept."""
        train_x, train_y, _ = rows_of(examples, examples.train)
        valid_x, valid_y, _ = rows_of(examples, examples.valid)
        parameters = _parameters(settings, seed=seed, threads=threads, rows=len(train_y))
        train = lightgbm.Dataset(train_x, train_y, params=parameters)
        valid = lightgbm.Dataset(valid_x, valid_y, reference=train, params=parameters)
        history: dict[str, dict[str, list[float]]] = {}
        booster = lightgbm.train(
            parameters,
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

    def scorer(
        self, weights: bytes, *, features: int, settings: Mapping[str, Value], threads: int
    ) -> Scorer:
        """Return the sum of the trees' leaves at a name's newest features."""
        booster = _booster(weights, features)

        def scores(features_NTF: NDArray[np.float32]) -> Array:
            newest_NF = features_NTF[:, -1].astype(np.float64)
            return np.asarray(booster.predict(newest_NF, num_threads=threads), np.float64)

        return scores

    def explainer(self, weights: bytes, *, features: int, threads: int) -> Explainer | None:
        """Return LightGBM's own Shapley values, which follow the rows of each branch.

        Lundberg, Erion & Lee, "Consistent individualized feature attribution for tree ensembles"
        (2018). What is left is the mean score of the rows it was fitted to.
        """
        booster = _booster(weights, features)

        def parts(features_NTF: NDArray[np.float32]) -> tuple[Array, Array]:
            newest_NF = features_NTF[:, -1].astype(np.float64)
            found = booster.predict(newest_NF, pred_contrib=True, num_threads=threads)
            table = np.asarray(found, np.float64)
            return table[:, :-1], table[:, -1]

        return parts

    def weights_hash(self, weights: bytes) -> str:
        """Return the SHA-256 of the trees: what follows them names threads and other settings."""
        return sha256(weights.split(b"\nparameters:", 1)[0]).hexdigest()


def _parameters(
    settings: Mapping[str, Value], *, seed: int, threads: int, rows: int
) -> dict[str, float | int | str | bool]:
    return {
        "objective": "regression",
        "metric": "l2",
        "learning_rate": settings["learning_rate"],
        "num_leaves": settings["leaves"],
        "min_data_in_leaf": max(1, min(int(settings["leaf_rows"]), rows // 50)),
        "feature_fraction": settings["feature_share"],
        "bagging_fraction": settings["row_share"],
        "bagging_freq": 1,
        "lambda_l2": settings["shrinkage"],
        "max_bin": settings["bins"],
        "boost_from_average": False,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": threads,
        "seed": seed,
        "verbosity": -1,
    }


def _booster(weights: bytes, features: int) -> lightgbm.Booster:
    """Read a booster's text; refuse what is not one, is cut short, or takes other features."""
    if not weights.startswith(OPENING) or CLOSING not in weights or b"\x00" in weights:
        raise ValueError("These weights are not a whole LightGBM booster text.")
    trees = weights.split(b"\nparameters:", 1)[0]
    if re.search(rb"[=\s](nan|-?inf)\b", trees, re.IGNORECASE):
        raise ValueError("These weights hold NaN or infinity.")
    try:
        booster = lightgbm.Booster(model_str=weights.decode("utf-8"))
    except (LightGBMError, UnicodeDecodeError) as error:
        raise ValueError(f"These weights are not a LightGBM booster text: {error}.") from error
    if booster.num_feature() != features:
        raise ValueError(
            f"These weights take {booster.num_feature()} features, the card names {features}."
        )
    return booster
