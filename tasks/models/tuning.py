"""From a recipe to the settings of it that order names best, on folds inside what is known."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from hashlib import sha256
from typing import NamedTuple

import numpy as np

from conf.schema import Contest, Recipe
from tasks.learning.model import Array, Value, settled
from tasks.learning.panel import Panel
from tasks.learning.splits import combinatorial_paths
from tasks.learning.tuning import Effort, Trial, best_of, search, space_of
from tasks.models.known import data_hash
from tasks.models.learners import learner_of
from tasks.models.validation import Ground, Validation, fold_rank_ics, ground


class Tuned(NamedTuple):
    """What a search came to."""

    recipe: Recipe  # with the best settings
    best: Trial
    trials: tuple[Trial, ...]
    study: str  # its name, by all that makes trials comparable
    paths: tuple[float, ...]  # mean rank IC of the best on each path through combinatorial folds


def tune(
    recipe: Recipe,
    panel: Panel,
    label_TN: Array,
    *,
    as_of: date,
    contest: Contest,
    validation: Validation,
    effort: Effort,
    learn_TN: Array | None = None,
    inputs: str = "",
    threads: int = 1,
    accelerator: str = "auto",
    told: Callable[[str, list[Trial]], None] = lambda study, trials: None,
) -> Tuned:
    """Search the settings of `recipe` on folds of what a fit at `as_of` could learn from.

    The same search again goes on where it stood; with enough trials it only says what it found.
    The value of the best is the greatest of many, so it flatters: judge it on later sessions.

    Args:
        recipe: The recipe as it stands; its settings are the first trial.
        panel: Consecutive sessions; may reach past `as_of`.
        label_TN: Labels on the panel's axes as known at `as_of`, NaN where unknown.
        as_of: A session of the panel. What comes later moves nothing.
        contest: Horizon, validation share, fewest names, longest history.
        validation: How the known sessions are cut into folds.
        effort: When to end, and where to remember.
        learn_TN: Labels to learn from, of a horizon no longer; none: those that judge.
        inputs: Hash of whatever else trials rest on, such as the code.
        threads: CPU threads.
        accelerator: Where nets train, as Lightning names it.
        told: Called after each trial with the study's name and all trials, the new one last.
    """
    learner = learner_of(recipe)
    settings = settled(recipe.settings, learner.known, model=recipe.model)
    on = ground(
        panel, label_TN, as_of=as_of, contest=contest, validation=validation, learn_TN=learn_TN
    )
    seen = data_hash(on.panel, on.label_TN), repr(validation), inputs, str(threads)
    study = _study_name(recipe, contest, as_of, *seen)

    def judge(proposed: Mapping[str, Value]) -> Iterator[tuple[float, ...]]:
        changed = recipe.model_copy(update={"settings": dict(proposed)})
        return fold_rank_ics(changed, on, contest=contest, threads=threads, accelerator=accelerator)

    found = search(
        judge,
        space_of(learner.known, settings, model=recipe.model),
        settings,
        folds=len(on.folds),
        name=study,
        effort=effort,
        seed=recipe.seed,
        told=lambda trials: told(study, trials),
    )
    best = best_of(found)
    tuned = recipe.model_copy(update={"settings": {**recipe.settings, **best.settings}})
    paths = path_means(on, best) if validation.kind == "combinatorial" else ()
    return Tuned(tuned, best, tuple(found), study, paths)


def path_means(on: Ground, trial: Trial) -> tuple[float, ...]:
    """Return a whole trial's mean rank IC on each path through combinatorial folds."""
    stretch_of = [
        dict(zip(fold.groups, values, strict=True))
        for fold, values in zip(on.folds, trial.folds, strict=True)
    ]
    return tuple(
        float(np.mean([stretch_of[fold][number] for number, fold in enumerate(path)]))
        for path in combinatorial_paths(on.folds).tolist()
    )


def _study_name(recipe: Recipe, contest: Contest, as_of: date, *parts: str) -> str:
    """Return the recipe, the session, and a digest of all that makes trials comparable."""
    fixed = contest.model_dump_json(exclude={"candidates", "title"})
    whole = "\n".join([recipe.model_dump_json(), fixed, *parts])
    return f"{recipe.name}-{as_of}-{sha256(whole.encode()).hexdigest()[:16]}"
