"""When to fit, and which sessions to learn from, so that no label reaches into its judge.

The label of session s spans s+1 to s+1+h. Purging h+1 sessions between two stretches means that
the last label of the first is known before the second begins.
"""

from collections.abc import Sequence
from datetime import date

import numpy as np
from numpy.typing import ArrayLike, NDArray

Indices = NDArray[np.int64]


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
