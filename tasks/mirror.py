"""What MLflow is told of a training: the newest fits, and which of them serves.

It mirrors the lake for people. No night reads it, and each call makes up for one that failed.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from tasks.settings import open_shelf, tracking_uri

if TYPE_CHECKING:
    from conf.schema import Contest
    from tasks.models.evaluation import Evaluation


class Fitted(NamedTuple):
    """One fit, as the shelf knows it."""

    recipe: str
    fitted_on: date


class Walked(NamedTuple):
    """A recipe's walk over the compared refits, and what it was worth by the newest labels."""

    scores: pl.DataFrame  # session, instrument, score
    judged: "Evaluation"


def tell_mlflow(
    contest: str,
    rules: "Contest",
    newest: Mapping[str, date],
    compared: Sequence[date],
    serving: Fitted,
    walks: Mapping[str, Walked],
) -> list[str]:
    """Log the newest fit of each recipe that was fitted; return what failed.

    The alias `champion` is moved to the fit that serves, also where the newest refit was refused.
    The record is for people: no book waits for it.

    Args:
        contest: Its name.
        rules: The contest.
        newest: The last session that each recipe was fitted at just now.
        compared: The refits that were compared.
        serving: The champion's fit whose weights score.
        walks: By recipe.
    """
    from tasks.learning.tracking import TrackingError, register

    warnings = []
    for name in [one.name for one in rules.candidates if one.name in newest]:
        last = newest[name]
        fits = [*compared, last] if last > compared[-1] else list(compared)
        try:
            if name in walks:
                _log(contest, rules, name, fits, walks[name], serves=serving == (name, fits[-1]))
        except TrackingError as error:
            warnings.append(f"{contest}/{name} is fitted but not logged: {error}")
    if warnings:
        return warnings
    try:
        if run := run_of(contest, serving):
            told = {"fitted_on": str(serving.fitted_on)}
            register(tracking_uri(), contest=contest, run_id=run, tags=told)
        elif serving.recipe in walks:
            fits = [day for day in compared if day < serving.fitted_on] + [serving.fitted_on]
            _log(contest, rules, serving.recipe, fits, walks[serving.recipe], serves=True)
    except TrackingError as error:
        return [f"MLflow may show an older champion of {contest}: {error}"]
    return []


def _log(
    contest: str,
    rules: "Contest",
    name: str,
    fits: Sequence[date],
    walk: Walked,
    *,
    serves: bool,
) -> None:
    from tasks.record import log_newest_fit

    recipe = next(one for one in rules.candidates if one.name == name)
    log_newest_fit(contest, recipe, fits, walk.judged, champion=serves, scores=walk.scores)


def run_of(contest: str, fit: Fitted) -> str | None:
    """Return the newest run of a fit, by the weights that stand on the shelf; None without one.

    Raises `TrackingError` where MLflow is away.
    """
    from tasks.learning.tracking import opened, runs_of

    weights = open_shelf().load(contest, fit.recipe, fit.fitted_on)[0]["weights_hash"]
    query = (
        f"tags.contest = '{contest}' and tags.recipe = '{fit.recipe}' "
        f"and tags.fitted_on = '{fit.fitted_on}'"
    )
    with opened(tracking_uri()) as client:
        for run in runs_of(client, query):
            if run.data.tags.get("hash.weights_hash") == weights:
                return str(run.info.run_id)
    return None
