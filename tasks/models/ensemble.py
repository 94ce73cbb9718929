"""Several recipes as one: their standardised scores, weighted by what the validation says.

Wolpert, "Stacked generalization" (1992), with weights that are never negative: Breiman, "Stacked
regressions" (1996). Each member is fitted as it would be alone.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors import numpy as safetensors
from scipy.optimize import nnls

from conf.schema import Recipe
from tasks.learning.model import (
    Array,
    Examples,
    How,
    Learned,
    Learner,
    Scorer,
    Setting,
    Value,
    settled,
)
from tasks.models.once import Made, fit_once
from tasks.models.seeds import Bundle, packed, standardised, unpacked

WEIGHT = "weight"


class Ensemble(Learner):
    """The weighted mean of its members' scores, each of mean 0 and variance 1 in a session.

    Args:
        members: Recipes and what fits them.
        made: Fits that are not made again, and to which those of members are added.
    """

    known: ClassVar[Mapping[str, Setting]] = {
        "equal": Setting(
            0.5, 0.0, 1.0, "how far weights are drawn from what the validation says to equal ones"
        )
    }
    losses: ClassVar[Sequence[str]] = ("mse",)
    suffix: ClassVar[str] = "safetensors"

    def __init__(self, members: Sequence[tuple[Recipe, Learner]], made: Made | None = None):
        if refitted := [recipe.name for recipe, learner in members if learner.refits]:
            raise ValueError(
                f"{', '.join(refitted)} learns from the validation, which then cannot weigh it: "
                "leave it out of the ensemble."
            )
        self.made = made
        self.members = [
            (recipe, learner, settled(recipe.settings, learner.known, model=recipe.model))
            for recipe, learner in members
        ]

    def look_back(self, settings: Mapping[str, Value]) -> int:
        """Return the longest look-back of the members."""
        return max(learner.look_back(own) for _, learner, own in self.members)

    def fit_seeds(
        self, examples: Examples, how: How, *, seeds: Sequence[int], scratch: Path | None = None
    ) -> list[Learned]:
        """Fit the ensemble once for each seed; a member's seeds count on from there."""
        learned = []
        for number, seed in enumerate(seeds):
            fitted = [
                self._fitted(
                    place, examples, how, seed, scratch / f"{number}_{place}" if scratch else None
                )
                for place in range(len(self.members))
            ]
            weight_M = self._weights(fitted, examples, how)
            tensors = {WEIGHT: weight_M}
            for place, one in enumerate(fitted):
                weights = packed([each.weights for each in one])
                tensors[_key(place)] = np.frombuffer(weights, np.uint8)
            names = [recipe.name for recipe, _, _ in self.members]
            facts = {f"weight_{name}": float(w) for name, w in zip(names, weight_M, strict=True)}
            learned.append(Learned(safetensors.save(tensors), facts, {}))
        return learned

    def _fitted(
        self, place: int, examples: Examples, how: How, seed: int, scratch: Path | None
    ) -> list[Learned]:
        recipe, learner, own = self.members[place]
        first = recipe.seed + (seed - 1) * recipe.seeds
        return fit_once(
            self.made,
            recipe.model,
            learner,
            examples,
            how._replace(settings=own, loss=recipe.loss),
            seeds=range(first, first + recipe.seeds),
            scratch=scratch,
        )

    def _weights(self, fitted: Sequence[Sequence[Learned]], examples: Examples, how: How) -> Array:
        """Return the members' weights; they add up to 1, and are equal where none is of use.

        A member that learned from the validation in the end is weighed as it was before.
        """
        scorers = [
            _averaged(
                Bundle(learner, [each.stopped or each.weights for each in one]),
                own,
                examples.features_NTF.shape[2],
                how.threads,
            )
            for one, (_, learner, own) in zip(fitted, self.members, strict=True)
        ]
        look_backs = [learner.look_back(own) for _, learner, own in self.members]
        parts, labels = [], []
        for session in examples.valid:
            names_N = np.flatnonzero(examples.member_TN[session])
            label_N = examples.label_TN[session, names_N]
            score_NM = np.stack(
                [
                    scorer(examples.features_NTF[names_N, session - reach + 1 : session + 1])
                    for scorer, reach in zip(scorers, look_backs, strict=True)
                ],
                axis=1,
            )
            known_N = np.isfinite(label_N)
            parts.append(score_NM[known_N])
            labels.append(label_N[known_N])
        count = len(self.members)
        equal_M = np.full(count, 1 / count)
        found_M, _ = nnls(np.concatenate(parts), np.concatenate(labels))
        if not found_M.sum() > 0:
            return equal_M
        share = float(how.settings["equal"])
        return np.asarray(share * equal_M + (1 - share) * found_M / found_M.sum())

    def scorer(
        self, weights: bytes, *, features: int, settings: Mapping[str, Value], threads: int
    ) -> Scorer:
        """Return the weighted mean of the members' standardised scores."""
        weight_M, parts = self._read(weights)
        scorers = [
            _averaged(Bundle(learner, unpacked(part, seeds=recipe.seeds)), own, features, threads)
            for part, (recipe, learner, own) in zip(parts, self.members, strict=True)
        ]
        look_backs = [learner.look_back(own) for _, learner, own in self.members]

        def scores(features_NTF: NDArray[np.float32]) -> Array:
            each = [
                weight * scorer(np.ascontiguousarray(features_NTF[:, -reach:]))
                for weight, scorer, reach in zip(weight_M, scorers, look_backs, strict=True)
            ]
            return np.asarray(np.sum(each, axis=0))

        return scores

    def _read(self, weights: bytes) -> tuple[Array, list[bytes]]:
        """Return the members' weights and bytes; refuse a file that does not hold just these."""
        try:
            tensors = safetensors.load(weights)
        except SafetensorError as error:
            raise ValueError(f"These weights are not safetensors bytes: {error}.") from error
        count = len(self.members)
        wanted = {WEIGHT: "float64"} | {_key(place): "uint8" for place in range(count)}
        found = {name: str(one.dtype) for name, one in tensors.items()}
        if found != wanted or tensors[WEIGHT].shape != (count,):
            raise ValueError(f"Expected the weights of {count} members, found {found}.")
        if not np.isfinite(tensors[WEIGHT]).all():
            raise ValueError("These weights hold NaN or infinity.")
        return tensors[WEIGHT], [tensors[_key(place)].tobytes() for place in range(count)]


def _averaged(bundle: Bundle, settings: Mapping[str, Value], features: int, threads: int) -> Scorer:
    by_seed = bundle.scorer(features=features, settings=settings, threads=threads)

    def scores(features_NTF: NDArray[np.float32]) -> Array:
        return standardised(by_seed(features_NTF).mean(axis=1, keepdims=True))[:, 0]

    return scores


def _key(place: int) -> str:
    return f"member_{place:03}"
