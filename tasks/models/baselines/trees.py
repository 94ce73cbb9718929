"""What baselines share that are LightGBM's trees, boosted or as a forest.

Their weights are the booster's own text, checked number by number before LightGBM reads it.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import ClassVar

import lightgbm
import numpy as np
from numpy.typing import NDArray

from tasks.learning.model import Array, Explainer, OneByOne, Scorer, Value
from tasks.models.baselines.booster_text import checked

Parameters = dict[str, float | int | str | bool]


class Trees(OneByOne):
    """A learner whose fit is a booster's text; how its trees are grown, it says itself."""

    suffix: ClassVar[str] = "txt"

    def look_back(self, settings: Mapping[str, Value]) -> int:
        """Return 1: the newest session alone."""
        return 1

    def scorer(
        self, weights: bytes, *, features: int, settings: Mapping[str, Value], threads: int
    ) -> Scorer:
        """Return the sum of the leaves, of a forest their mean, at a name's newest features."""
        booster, _ = _booster(weights, features)

        def scores(features_NTF: NDArray[np.float32]) -> Array:
            newest_NF = features_NTF[:, -1].astype(np.float64)
            return np.asarray(booster.predict(newest_NF, num_threads=threads), np.float64)

        return scores

    def explainer(self, weights: bytes, *, features: int, threads: int) -> Explainer | None:
        """Return LightGBM's own Shapley values, which follow the rows of each branch.

        Lundberg, Erion & Lee, "Consistent individualized feature attribution for tree ensembles"
        (2018). What is left is the mean score of the rows it was fitted to. LightGBM adds them up
        over the trees of a forest, too, whose score is the mean.
        """
        booster, counted = _booster(weights, features)

        def parts(features_NTF: NDArray[np.float32]) -> tuple[Array, Array]:
            newest_NF = features_NTF[:, -1].astype(np.float64)
            found = booster.predict(newest_NF, pred_contrib=True, num_threads=threads)
            table = np.asarray(found, np.float64) / counted
            return table[:, :-1], table[:, -1]

        return parts

    def weights_hash(self, weights: bytes) -> str:
        """Return the SHA-256 of the trees: what follows them names threads and other settings."""
        return sha256(weights.split(b"\nparameters:", 1)[0]).hexdigest()


def parameters(
    settings: Mapping[str, Value], *, seed: int, threads: int, rows: int, more: Parameters
) -> Parameters:
    """Return LightGBM's parameters: what all trees share, and `more`."""
    shared: Parameters = {
        "objective": "regression",
        "metric": "l2",
        "num_leaves": settings["leaves"],
        "min_data_in_leaf": max(1, min(int(settings["leaf_rows"]), rows // 50)),
        "bagging_fraction": settings["row_share"],
        "bagging_freq": 1,
        "max_bin": settings["bins"],
        "boost_from_average": False,
        "deterministic": True,
        "force_col_wise": True,
        "num_threads": threads,
        "seed": seed,
        "verbosity": -1,
    }
    return shared | more


def text_of(booster: lightgbm.Booster) -> bytes:
    """Return the text of the best trees, which is sure to be read back."""
    text = booster.model_to_string(num_iteration=booster.best_iteration).encode()
    checked(text, features=booster.num_feature())
    return text


def _booster(weights: bytes, features: int) -> tuple[lightgbm.Booster, int]:
    """Read a booster's text; return it and of how many trees its score is the mean, 1 of a sum."""
    told = checked(weights, features=features)
    return lightgbm.Booster(model_str=told.text), told.trees if told.averaged else 1
