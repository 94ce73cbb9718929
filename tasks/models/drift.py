"""What is done about drift: how much of a model's skill is still believed, or that a person looks.

One drift of two costs belief. Skill that is gone leaves no alpha, and the book takes the least
risk its limits allow; features the model was not fitted to halve it. Where both are seen, the
model is no guide even to that, and the book is held as it stands.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.statistics.drift import (
    LEAST_RECENT,
    WINDOWS,
    YEAR,
    Decay,
    Stability,
    State,
    stability,
    worst,
)

RECENT, REFERENCE = 60, 500  # sessions of features that are judged, and before them, at most


class Drift(NamedTuple):
    """The verdict on a book's model at one close."""

    factor: float  # 1, 0.5 or 0: times the shrunk IC
    hold: bool  # the book keeps its last target until a person has looked
    features: State | None  # None: not known
    skill: State | None
    reason: str


def drift_of(shifts: Sequence[Stability], skill: Decay) -> Drift:
    """Return what follows from how features moved and from what became of the rank IC.

    Features and skill both drifted: hold. Skill alone: factor 0. Features alone, or a watch on
    both: 0.5. Else 1, also where one is not known: what a short record is worth, the shrinkage of
    its IC says already. `shifts` may be empty, where there was too little to judge.
    """
    furthest = worst(shifts) if shifts else None
    features = furthest.state if furthest else None
    hold = features == "drifted" and skill.state == "drifted"
    if skill.state == "drifted":
        factor = 0.0
    elif features == "drifted" or (features == "watch" and skill.state == "watch"):
        factor = 0.5
    else:
        factor = 1.0
    reason = f"{_of_features(furthest, len(shifts))}; {_of_skill(skill)}"
    return Drift(factor, hold, features, skill.state, reason)


def feature_shifts(
    features: Mapping[str, ArrayLike], sessions: Sequence[date], *, as_of: date
) -> list[Stability]:
    """Return how far each feature of the members moved in the 60 sessions up to `as_of`.

    They are held against up to 500 sessions before; empty where there are fewer than 240. Nothing
    after `as_of` is looked at, nor before its newest 560 sessions, told or not. A feature that is
    told too seldom to be judged is left out.

    Features are taken as they were stored. What a model sees of them may be their ranks, which are
    spread alike in every session and never seem to move.

    Args:
        features: Of each feature (sessions, names), NaN where unknown or the name is no member.
        sessions: What the rows stand for.
        as_of: One of them.
    """
    if as_of not in sessions:
        raise ValueError(
            f"{as_of} is no session of the features, which span {sessions[:1]} to {sessions[-1:]}."
        )
    end = sessions.index(as_of) + 1
    seen = slice(max(end - RECENT - REFERENCE, 0), end)
    tables = {name: np.asarray(values)[seen] for name, values in features.items()}
    told_FT = {name: np.isfinite(values).any(axis=1) for name, values in tables.items()}
    told = np.flatnonzero(np.any(list(told_FT.values()), axis=0)) if told_FT else np.empty(0, int)
    now, past = told[-RECENT:], told[:-RECENT]
    if past.size < WINDOWS * RECENT:
        return []
    judged = [
        name
        for name, told_T in told_FT.items()
        if (recent := int(told_T[now].sum())) >= LEAST_RECENT
        and int(told_T[past].sum()) >= WINDOWS * recent
    ]
    if not judged:
        return []
    return stability(
        {name: _finite(tables[name], past) for name in judged},
        {name: _finite(tables[name], now) for name in judged},
    )


def watch_since(reign: Sequence[date]) -> date:
    """Return when the watch of the last session began: with the reign, and anew every year.

    Args:
        reign: The sessions since the recipe got the title, in order.
    """
    return reign[(len(reign) - 1) // YEAR * YEAR]


def _finite(values: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    chosen = values[rows].astype(np.float64)
    return np.where(np.isfinite(chosen), chosen, np.nan)


def _of_features(furthest: Stability | None, count: int) -> str:
    if furthest is None:
        return "features: too few sessions to tell"
    return (
        f"features {furthest.state}: {furthest.name} moved most of {count}, stability index "
        f"{furthest.shift:.3f} against {furthest.luck:.3f} by luck, adjusted p "
        f"{furthest.adjusted_p:.2g}"
    )


def _of_skill(skill: Decay) -> str:
    if skill.state is None:
        return "skill: too short a record to tell"
    return (
        f"skill {skill.state}: rank IC fell short of {skill.mean:.3f} by a sum of "
        f"{skill.highest:.1f}, watched from {skill.watch:.1f}, drifted from {skill.alarm:.1f}"
    )
