"""How well a recipe orders names it did not learn from, fold by fold, inside what is known.

Whatever a fold chooses (features, when to stop, weights) it chooses by the sessions it learns
from; labels of all others are not even there.
"""

from collections.abc import Iterator
from datetime import date
from typing import Literal, NamedTuple

import numpy as np

from conf.schema import Contest, Recipe
from tasks.learning.model import Array, Examples, How, settled
from tasks.learning.panel import Panel, standardised_labels
from tasks.learning.splits import (
    Fold,
    Indices,
    combinatorial_folds,
    purged_split,
    walk_forward_folds,
)
from tasks.models.known import as_known
from tasks.models.learners import learner_of
from tasks.models.seeds import Bundle, SeedScorer
from tasks.models.selection import choose
from tasks.statistics.ic import rank_ic_series

Kind = Literal["walk_forward", "combinatorial"]


class Validation(NamedTuple):
    """How the known sessions are cut into folds."""

    kind: Kind = "walk_forward"
    stretches: int = 5  # walking forward, that judge
    first_share: float = 0.5  # of the sessions, before the first of these
    groups: int = 6  # combinatorial: stretches in all ...
    tested: int = 2  # ... of which so many judge in each fold
    embargo: int = 10  # sessions left out after each of them, beyond the purge


class Ground(NamedTuple):
    """What a recipe is judged on; nothing in it was unknown at the close it was made for."""

    panel: Panel
    label_TN: Array  # as they are, for judging
    standard_TN: Array  # ranked in each session, for learning
    folds: tuple[Fold, ...]


class Learnt(NamedTuple):
    """What came of learning in one fold."""

    by_seed: SeedScorer
    columns: Indices  # of the panel
    look_back: int


def ground(
    panel: Panel,
    label_TN: Array,
    *,
    as_of: date,
    contest: Contest,
    validation: Validation,
    learn_TN: Array | None = None,
) -> Ground:
    """Return the newest sessions that a fit at `as_of` could learn from, cut into folds.

    Args:
        panel: Consecutive sessions; may reach past `as_of`.
        label_TN: Labels on the panel's axes as known at `as_of`, NaN where unknown.
        as_of: A session of the panel. What comes later moves nothing.
        contest: Horizon, fewest names, longest history.
        validation: How to cut.
        learn_TN: Labels to learn from, of a horizon no longer; none: those that judge.
    """
    seen, known_TN = as_known(panel, label_TN, as_of, contest)
    known_TN = np.where(seen.member_TN, known_TN, np.nan)
    learn_TN = known_TN if learn_TN is None else as_known(panel, learn_TN, as_of, contest)[1]
    standard_TN = standardised_labels(learn_TN, seen.member_TN, min_names=contest.min_names)
    labelled = np.flatnonzero(np.isfinite(standard_TN).any(axis=1))
    folds = _folds(labelled, horizon=contest.horizon, validation=validation)
    return Ground(seen, known_TN, standard_TN, tuple(folds))


def fold_rank_ics(
    recipe: Recipe, on: Ground, *, contest: Contest, threads: int, accelerator: str = "auto"
) -> Iterator[tuple[float, ...]]:
    """Yield, fold by fold, the mean rank IC of each stretch that judges.

    Of several seeds the average score is judged. A stretch in which no session has a rank IC,
    since all scores are the same, counts 0.

    Args:
        recipe: Model, loss, settings, selection and seeds.
        on: What to learn from and to judge by.
        contest: Horizon, validation share, fewest names.
        threads: CPU threads.
        accelerator: Where nets train, as Lightning names it.
    """
    learner = learner_of(recipe)
    settings = settled(recipe.settings, learner.known, model=recipe.model)
    look_back = learner.look_back(settings)
    for fold in on.folds:
        examples = _examples(on, fold, look_back, contest)
        columns = _columns(recipe, on, examples, contest)
        learned = learner.fit_seeds(
            examples._replace(
                features_NTF=np.ascontiguousarray(examples.features_NTF[:, :, columns]),
                columns=tuple(on.panel.columns[place] for place in columns),
            ),
            How(settings, recipe.loss, threads, accelerator),
            seeds=range(recipe.seed, recipe.seed + recipe.seeds),
        )
        bundle = Bundle(learner, [one.weights for one in learned])
        by_seed = bundle.scorer(features=len(columns), settings=settings, threads=threads)
        learnt = Learnt(by_seed, columns, look_back)
        yield tuple(_rank_ic(on, learnt, test, contest.min_names) for test in fold.tests)


def _folds(labelled: Indices, *, horizon: int, validation: Validation) -> list[Fold]:
    if validation.kind == "combinatorial":
        return combinatorial_folds(
            labelled,
            horizon=horizon,
            groups=validation.groups,
            tested=validation.tested,
            embargo=validation.embargo,
        )
    every = int(labelled.size * (1 - validation.first_share)) // validation.stretches
    first = labelled.size - every * validation.stretches
    return walk_forward_folds(labelled, horizon=horizon, first=first, every=every)


def _examples(on: Ground, fold: Fold, look_back: int, contest: Contest) -> Examples:
    """Return what a fold may learn from: nothing after its last session, no label of its judges."""
    train, valid = purged_split(
        fold.train[fold.train >= look_back - 1],
        horizon=contest.horizon,
        valid_share=contest.valid_share,
    )
    seen = slice(0, int(valid[-1]) + 1)
    label_TN = np.full_like(on.standard_TN, np.nan)
    for places in (train, valid):
        label_TN[places] = on.standard_TN[places]
    return Examples(
        on.panel.features_NTF[:, seen], on.panel.member_TN[seen], label_TN[seen], train, valid
    )


def _columns(recipe: Recipe, on: Ground, examples: Examples, contest: Contest) -> Indices:
    """Return the places of the features a fold learns from, chosen by what it learns from."""
    spoken = np.flatnonzero((examples.features_NTF[:, examples.train] != 0).any(axis=(0, 1)))
    chosen = choose(
        recipe.selection,
        examples._replace(features_NTF=examples.features_NTF[:, :, spoken]),
        [on.panel.columns[place] for place in spoken],
        horizon=contest.horizon,
        min_names=contest.min_names,
        seed=recipe.seed,
    )
    return spoken[chosen.places]


def _rank_ic(on: Ground, learnt: Learnt, test: Indices, min_names: int) -> float:
    """Return the mean rank IC of one stretch, scored session by session among its own members."""
    test = test[test >= learnt.look_back - 1]
    score_TN = np.full((len(test), len(on.panel.instruments)), np.nan)
    for row, place in enumerate(test):
        names_N = np.flatnonzero(on.panel.member_TN[place])
        if names_N.size:
            window_NTF = on.panel.features_NTF[names_N, place - learnt.look_back + 1 : place + 1]
            seen_NTF = np.ascontiguousarray(window_NTF[:, :, learnt.columns])
            score_TN[row, names_N] = learnt.by_seed(seen_NTF).mean(axis=1)
    ic_T = rank_ic_series(score_TN, on.label_TN[test], min_names=min_names)
    known_T = ic_T[np.isfinite(ic_T)]
    return float(known_T.mean()) if known_T.size else 0.0
