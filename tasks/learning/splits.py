"""When to fit, and which sessions to learn from, so that no label reaches into its judge.

The label of session s spans s+1 to s+1+h. Purging h+1 sessions between two stretches means that
the last label of the first is known before the second begins.
"""

from collections.abc import Sequence
from datetime import date
from itertools import combinations
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Indices = NDArray[np.int64]


class Fold(NamedTuple):
    """Sessions to learn from, and the stretches that judge what was learned."""

    train: Indices
    tests: tuple[Indices, ...]
    groups: tuple[int, ...]  # the number of each stretch of `tests` among all there are


def refit_sessions(sessions: Sequence[date], *, first_fit: int, refit_every: int) -> list[date]:
    """Return the sessions on whose night a recipe is fitted, oldest first.

    The first is the `first_fit`-th of `sessions`, then every `refit_every`-th; empty while there
    are fewer. Later sessions never move earlier refits.

    >>> days = [date(2020, 1, day) for day in range(1, 11)]
    >>> [day.day for day in refit_sessions(days, first_fit=4, refit_every=3)]
    [4, 7, 10]
    """
    return list(sessions[first_fit - 1 :: refit_every])


def purged_split(
    labelled: ArrayLike, *, horizon: int, valid_share: float
) -> tuple[Indices, Indices]:
    """Return the sessions to learn from and the newer ones to stop by, `horizon` + 1 apart.

    Args:
        labelled: Places of the sessions with known labels, on one axis of consecutive sessions.
        horizon: Sessions the label looks ahead.
        valid_share: Newest share of the labelled sessions, at least one.

    >>> train, valid = purged_split(range(20), horizon=5, valid_share=0.2)
    >>> train.tolist(), valid.tolist()
    ([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [16, 17, 18, 19])
    """
    places = np.unique(np.asarray(labelled, np.int64))
    newest = max(1, round(valid_share * places.size))
    valid = places[places.size - newest :]
    train = places[places < valid[0] - (horizon + 1)] if places.size else places
    if not train.size:
        raise ValueError(
            f"{places.size} labelled sessions are too few: after {newest} to stop by and a purge "
            f"of {horizon + 1} none is left to learn from. Fit later, or use a shorter horizon."
        )
    return train, valid


def walk_forward_folds(labelled: ArrayLike, *, horizon: int, first: int, every: int) -> list[Fold]:
    """Return folds that learn from the past and are judged by the next stretch, oldest first.

    Each stretch is judged once, `horizon` + 1 sessions after the last that was learned from.
    Later sessions never move earlier folds, and those that do not fill a stretch judge nothing
    yet. Nothing that follows a stretch is learned from, so there is nothing to embargo.

    Args:
        labelled: Places of the sessions with known labels, on one axis of consecutive sessions.
        horizon: Sessions the label looks ahead.
        first: Labelled sessions before the first stretch, purged ones included.
        every: Labelled sessions of a stretch.

    >>> for fold in walk_forward_folds(range(20), horizon=1, first=10, every=5):
    ...     print(fold.train[-1], fold.tests[0].tolist())
    7 [10, 11, 12, 13, 14]
    12 [15, 16, 17, 18, 19]
    """
    places = np.unique(np.asarray(labelled, np.int64))
    if first < 1 or not 1 <= every <= places.size - first:
        raise ValueError(
            f"{places.size} labelled sessions make no stretch of {every} after the first {first}: "
            "use fewer or shorter stretches, or come later."
        )
    folds = []
    for number, start in enumerate(range(first, places.size - every + 1, every)):
        test = places[start : start + every]
        train = _told(places[places < test[0] - (horizon + 1)], places, horizon)
        folds.append(Fold(train, (test,), (number,)))
    return folds


def combinatorial_folds(
    labelled: ArrayLike, *, horizon: int, groups: int, tested: int, embargo: int
) -> list[Fold]:
    """Return a fold for every way to judge by `tested` of `groups` stretches, learning from others.

    Purged are `horizon` + 1 sessions before and after each stretch that judges, and `embargo`
    further ones after it. López de Prado, *Advances in Financial Machine Learning* (2018),
    chapter 12: every stretch is judged equally often, and the folds make as many whole pasts
    (`combinatorial_paths`). Folds learn from what came after their judge: they tell how much of a
    score is luck, not what a night could have known.

    Args:
        labelled: Places of the sessions with known labels, on one axis of consecutive sessions.
        horizon: Sessions the label looks ahead.
        groups: Stretches of nearly equal length that the sessions are cut into.
        tested: How many of them judge in each fold.
        embargo: Sessions left out after each stretch that judges, beyond the purge.
    """
    places = np.unique(np.asarray(labelled, np.int64))
    if not 1 <= tested < groups <= places.size:
        raise ValueError(
            f"Expected fewer stretches that judge ({tested}) than there are ({groups}), and no "
            f"more of these than labelled sessions ({places.size})."
        )
    stretches = np.array_split(places, groups)
    folds = []
    for chosen in combinations(range(groups), tested):
        keep = np.ones(places.size, bool)
        for test in (stretches[number] for number in chosen):
            first, last = test[0] - (horizon + 1), test[-1] + (horizon + 1) + embargo
            keep &= (places < first) | (places > last)
        tests = tuple(stretches[number] for number in chosen)
        folds.append(Fold(_told(places[keep], places, horizon), tests, chosen))
    return folds


def combinatorial_paths(folds: Sequence[Fold]) -> Indices:
    """Return, as (paths, groups), which fold judges each stretch on each path through the past.

    With n groups of which k judge there are C(n-1, k-1) = k / n · C(n, k) paths.

    >>> folds = combinatorial_folds(range(24), horizon=1, groups=4, tested=2, embargo=0)
    >>> combinatorial_paths(folds).tolist()
    [[0, 0, 1, 2], [1, 3, 3, 4], [2, 4, 5, 5]]
    """
    groups = 1 + max(number for fold in folds for number in fold.groups)
    judges = [
        [place for place, fold in enumerate(folds) if number in fold.groups]
        for number in range(groups)
    ]
    paths = comb(groups - 1, len(folds[0].groups) - 1)
    if {len(one) for one in judges} != {paths}:
        raise ValueError(f"{len(folds)} folds do not judge all {groups} stretches equally often.")
    return np.array(judges, np.int64).T


def _told(train: Indices, places: Indices, horizon: int) -> Indices:
    """Return the sessions to learn from; raise where the purge left none."""
    if not train.size:
        raise ValueError(
            f"{places.size} labelled sessions are too few: after purges of {horizon + 1} some fold "
            "has none left to learn from. Use fewer or shorter stretches, or come later."
        )
    return train
