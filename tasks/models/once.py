"""Fit the same thing once: a recipe may stand alone and be a member of an ensemble, too."""

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np

from tasks.learning.model import Examples, How, Learned, Learner

Made = dict[str, list[Learned]]  # what was fitted, by the hash of all that decides it


def fit_once(
    made: Made | None,
    model: str,
    learner: Learner,
    examples: Examples,
    how: How,
    *,
    seeds: Sequence[int],
    scratch: Path | None,
) -> list[Learned]:
    """Return `learner.fit_seeds` of these; what `made` holds already is not fitted again.

    Args:
        made: What was fitted so far; the fit is added. None: nothing is remembered.
        model: The learner's name in its registry.
        learner: Who fits it.
        examples: What may be learned from.
        how: Settings, loss and machine.
        seeds: Of all that is random, one a fit.
        scratch: A folder from which a broken-off training goes on.
    """
    if made is None:
        return learner.fit_seeds(examples, how, seeds=seeds, scratch=scratch)
    key = _key(model, examples, how, seeds)
    if key not in made:
        made[key] = learner.fit_seeds(examples, how, seeds=seeds, scratch=scratch)
    return made[key]


def _key(model: str, examples: Examples, how: How, seeds: Sequence[int]) -> str:
    said = [model, dict(how.settings), *how[1:], list(seeds), list(examples.columns)]
    digest = sha256(json.dumps(said, sort_keys=True).encode())
    for one in (value for value in examples if isinstance(value, np.ndarray)):
        digest.update(repr((one.shape, one.dtype)).encode())
        digest.update(np.ascontiguousarray(one).data)
    return digest.hexdigest()
