"""What is done about drift: how much of a model's skill is still believed, or that a person looks.

One drift of two costs belief. Skill that is gone leaves no alpha, and the book takes the least
risk its limits allow; features the model was not fitted to halve it. Where both are seen, the
model is no guide even to that, and the book is held as it stands.
"""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import numpy as np

from tasks.learning.panel import Panel
from tasks.statistics.drift import WINDOWS, Decay, Stability, State, stability, worst

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


def feature_shifts(panel: Panel, *, as_of: date) -> list[Stability]:
    """Return how far each feature of the members moved in the 60 sessions up to `as_of`.

    They are held against up to 500 sessions before; empty where there are fewer than 240. Nothing
    after `as_of` is looked at, and no name on a session on which it is no member.
    """
    if as_of not in panel.sessions:
        raise ValueError(
            f"{as_of} is no session of the panel, which spans {panel.sessions[:1]} to "
            f"{panel.sessions[-1:]}."
        )
    end = panel.sessions.index(as_of) + 1
    seen = panel.member_TN[:end].any(axis=1)
    told = np.flatnonzero(seen)
    now, past = told[-RECENT:], told[:-RECENT][-REFERENCE:]
    if past.size < WINDOWS * RECENT:
        return []
    tables = {
        column: np.where(panel.member_TN[:end], panel.features_NTF[:, :end, place].T, np.nan)
        for place, column in enumerate(panel.columns)
    }
    return stability(
        {column: table[past] for column, table in tables.items()},
        {column: table[now] for column, table in tables.items()},
    )


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
