"""A recipe's seeds as one: their weights in one file, their scores averaged.

A single fit owes much of its score to chance: of its first weights, its order, its dropout. The
average over seeds keeps what they agree on, and how far they differ says how sure the score is.
"""

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors import numpy as safetensors

from tasks.learning.model import Array, Explainer, Learned, Learner, Value

ROUNDING = 1e-12  # relative differences that are none
SeedScorer = Callable[[NDArray[np.float32]], Array]  # features (N, look_back, F) -> scores (N, S)


def packed(weights: Sequence[bytes]) -> bytes:
    """Return the seeds' weights as one file; a single one stays as it is."""
    if len(weights) == 1:
        return weights[0]
    return safetensors.save(
        {_key(seed): np.frombuffer(one, np.uint8) for seed, one in enumerate(weights)}
    )


def unpacked(weights: bytes, *, seeds: int) -> list[bytes]:
    """Return the weights of each seed; refuse a file that does not hold just these."""
    if seeds == 1:
        return [weights]
    try:
        parts = safetensors.load(weights)
    except SafetensorError as error:
        raise ValueError(f"These weights are no file of {seeds} seeds: {error}.") from error
    wanted = {_key(seed): ("uint8", 1) for seed in range(seeds)}
    if (found := {name: (str(one.dtype), one.ndim) for name, one in parts.items()}) != wanted:
        raise ValueError(f"Expected the bytes of {seeds} seeds, found {found}.")
    return [parts[_key(seed)].tobytes() for seed in range(seeds)]


def told(learned: Sequence[Learned]) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """Return the facts and curves of a fit: of several seeds the means, and each one's facts."""
    if len(learned) == 1:
        return learned[0].facts, learned[0].curves
    facts: dict[str, Any] = {"seeds": [one.facts for one in learned]}
    for name, value in learned[0].facts.items():
        values = [one.facts.get(name) for one in learned]
        numbers = [each for each in values if isinstance(each, int | float)]
        facts[name] = float(np.mean(numbers)) if len(numbers) == len(values) else value
    curves = {
        name: [
            float(np.mean([value for value in step if value is not None]))
            for step in zip_longest(*(one.curves[name] for one in learned))
        ]
        for name in learned[0].curves
    }
    return facts, curves


class Bundle(NamedTuple):
    """The weights of all seeds of one fit, and the learner that reads them."""

    learner: Learner
    weights: Sequence[bytes]

    def weights_hash(self, columns: Sequence[str]) -> str:
        """Return the SHA-256 of what the weights say, all seeds in order, of which columns."""
        hashes = [self.learner.weights_hash(one) for one in self.weights]
        return sha256("\n".join([*hashes, *columns]).encode()).hexdigest()

    def scorer(self, *, features: int, settings: Mapping[str, Value], threads: int) -> SeedScorer:
        """Return what gives each seed's score; of several seeds, standardised in the session."""
        scorers = [
            self.learner.scorer(one, features=features, settings=settings, threads=threads)
            for one in self.weights
        ]

        def scores(features_NTF: NDArray[np.float32]) -> Array:
            score_NS = np.stack([one(features_NTF) for one in scorers], axis=1)
            if len(scorers) == 1:
                return score_NS
            return standardised(score_NS)

        return scores

    def explainer(self, *, features: int, threads: int) -> Explainer | None:
        """Return what tells each feature's part in the seeds' average; None where none does."""
        found = [
            self.learner.explainer(one, features=features, threads=threads) for one in self.weights
        ]
        explainers = [one for one in found if one is not None]
        if len(explainers) < len(found):
            return None
        if len(explainers) == 1:
            return explainers[0]

        def parts(features_NTF: NDArray[np.float32]) -> tuple[Array, Array]:
            each = [one(features_NTF) for one in explainers]
            base_NS = np.stack([base_N for _, base_N in each], axis=1)
            centre_S, scale_S = _scale(
                np.stack([part_NF.sum(axis=1) for part_NF, _ in each], axis=1) + base_NS
            )
            scaled = [part_NF / scale for (part_NF, _), scale in zip(each, scale_S, strict=True)]
            return np.mean(scaled, axis=0), ((base_NS - centre_S) / scale_S).mean(axis=1)

        return parts


def standardised(score_NS: Array) -> Array:
    """Return scores of mean 0 and variance 1 in each column; 0 where all are alike."""
    centre_S, scale_S = _scale(score_NS)
    return np.asarray((score_NS - centre_S) / scale_S)


def _scale(score_NS: Array) -> tuple[Array, Array]:
    """Return the mean and the deviation of each seed's scores; infinite where all are alike."""
    alike_S = np.ptp(score_NS, axis=0) <= ROUNDING * np.abs(score_NS).max(axis=0)
    scale_S = np.where(alike_S, np.inf, score_NS.std(axis=0))
    return score_NS.mean(axis=0), scale_S


def _key(seed: int) -> str:
    return f"seed_{seed:03}"
