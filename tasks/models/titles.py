"""Who holds a contest's title from which session on, and when a refit may keep it.

Titles follow from the schedule and from what was decided, each decision from its session on. A
title of the past stays what it was whatever is decided later.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tasks.learning.model import REFIT_LOSS
from tasks.statistics.ic import rank_ic_series

LOSS_BAND = 2.0  # times as much or as little as the last fit's, and a refit is not believed
REFIT, FIRST = "scheduled refit", "first candidate of the contest"


class Decision(NamedTuple):
    """A recipe gets the title."""

    from_session: date
    recipe: str
    reason: str


class Title(NamedTuple):
    """A recipe holds the title with the weights that are fitted on `session`."""

    session: date
    recipe: str
    reason: str


def titles(
    schedule: Sequence[date],
    decisions: Sequence[Decision],
    *,
    first: str,
    candidates: Sequence[str],
) -> list[Title]:
    """Return the titles, oldest first: one for each scheduled session and each change of recipe.

    Between two scheduled sessions a decision asks for a fit of its own. One for the holder, or
    from before the first fit, changes nothing. Who was given a title must still be a candidate:
    without it the past could not be told. Raises `LookupError` where it is none.

    >>> days = [date(2024, 1, 2), date(2024, 2, 1)]
    >>> decided = [Decision(date(2024, 1, 9), "ridge", "simpler")]
    >>> [(str(one.session), one.recipe) for one in titles(
    ...     days, decided, first="tcn", candidates=["tcn", "ridge"])]
    [('2024-01-02', 'tcn'), ('2024-01-09', 'ridge'), ('2024-02-01', 'ridge')]
    """
    if not schedule:
        return []
    taken = {one.from_session: one for one in decisions if one.from_session >= schedule[0]}
    given = {first: schedule[0]}
    for one in taken.values():
        given.setdefault(one.recipe, one.from_session)
    if gone := {recipe: day for recipe, day in given.items() if recipe not in candidates}:
        who = ", ".join(f"{recipe!r} (since {day})" for recipe, day in gone.items())
        raise LookupError(
            f"The title was given to {who}, no candidate any more; there is: "
            f"{', '.join(candidates)}. Without it the titles of the past would change: put it back "
            "into the contest's file, where it need not hold the title, or begin a contest of "
            "another name."
        )
    found: list[Title] = []
    holder = first
    for session in sorted({*schedule, *taken}):
        decided = taken.get(session)
        if decided and decided.recipe != holder:
            holder = decided.recipe
            found.append(Title(session, holder, decided.reason))
        elif session in schedule:
            found.append(Title(session, holder, REFIT if found else FIRST))
    return found


class Refit(NamedTuple):
    """What a refit is judged by: its card, and its scores of one session's names."""

    card: Mapping[str, Any]
    score_N: ArrayLike


class Sanity(NamedTuple):
    """Whether a refit may replace the weights before it, and by which numbers."""

    loss: float  # on validation, of the weights that serve; NaN where the recipe has none
    loss_before: float
    correlation: float  # of the ranks of both fits' scores
    names: int
    fault: str  # empty where there is none


def sane(fresh: Refit, last: Refit) -> Sanity:
    """Return whether a refit's scores can be believed, beside those of the fit before it.

    Both score the names of one session. A refit is at fault where they have no two names in
    common, where a score or a loss is not finite, where all scores are the same though the last
    fit's were not, where it orders the names the other way round (a rank correlation two errors
    below zero), or where its loss is not within a factor `LOSS_BAND` of the last. Less is no
    fault: a market that changes changes its models.
    """
    score_N, before_N = np.asarray(fresh.score_N, float), np.asarray(last.score_N, float)
    loss, loss_before = _loss(fresh.card), _loss(last.card)
    same = rank_ic_series(score_N[None], before_N[None], min_names=2)[0]
    found = Sanity(loss, loss_before, float(same), score_N.size, "")
    if not np.isfinite(score_N).all():
        unknown = int((~np.isfinite(score_N)).sum())
        return found._replace(fault=f"{unknown} of {score_N.size} scores are not finite")
    if score_N.size < 2:
        told = "no name is" if not score_N.size else "one name alone is"
        return found._replace(fault=f"{told} scored by it and by the fit before: nothing to judge")
    if not np.isfinite(_losses(fresh.card)).all():
        return found._replace(fault="its loss on validation is not finite")
    if np.ptp(score_N) == 0 and np.ptp(before_N) > 0:
        return found._replace(fault=f"all {score_N.size} scores are {score_N[0]:g}")
    if same < -2 / np.sqrt(max(score_N.size - 1, 1)):
        return found._replace(
            fault=f"it turns the order of names round (rank correlation {same:.2f})"
        )
    if loss > 0 and loss_before > 0 and not 1 / LOSS_BAND <= loss / loss_before <= LOSS_BAND:
        told = f"its loss is {loss:.3g}, that of the fit before {loss_before:.3g}"
        return found._replace(fault=told)
    return found


def _losses(card: Mapping[str, Any]) -> list[float]:
    """Return a fit's losses on validation; of one that learned from it, too, what came of that."""
    facts, curves = card.get("facts", {}), card.get("curves", {})
    told = [facts[REFIT_LOSS]] if REFIT_LOSS in facts else curves.get("valid_loss") or []
    return [float("nan") if loss is None else float(loss) for loss in told]


def _loss(card: Mapping[str, Any]) -> float:
    """Return the least loss; NaN where there is none, or one is no number."""
    return float(np.min(_losses(card) or [float("nan")]))
