"""What MLflow is told of a training: the newest fits, and which of them serves.

It mirrors the lake for people, and what it was not told of is owed: each later call makes up.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from tasks.settings import open_lake, open_shelf, tracking_uri
from tasks.untold import ask, settle_training

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
    compared: Sequence[date],
    serving: Fitted,
    walks: Mapping[str, Walked],
) -> str:
    """Log the newest fit of each recipe that has no run yet; return why that failed, or nothing.

    The aliases are moved to who holds them now: `champion` to the fit that serves, also where the
    newest refit was refused.
    The record is for people: no book waits for it. Where MLflow is away, that ends it, and the
    rest is owed and made up for once it answers.

    Args:
        contest: Its name.
        rules: The contest.
        compared: The refits that were compared.
        serving: The champion's fit whose weights score.
        walks: By recipe.
    """
    from tasks.learning.patience import bounded
    from tasks.learning.tracking import TrackingError

    try:
        failed = bounded(lambda: _tell(contest, rules, compared, serving, walks))
    except TrackingError as error:
        return f"MLflow is not told of all fits of {contest}, a later night makes up: {error}"
    settle_training(contest)
    return f"MLflow is not told of all fits of {contest}: {'; '.join(failed)}" if failed else ""


def _tell(
    contest: str,
    rules: "Contest",
    compared: Sequence[date],
    serving: Fitted,
    walks: Mapping[str, Walked],
) -> list[str]:
    """Tell of each newest fit and of the one that serves; return what cannot be told at all."""
    failed: list[str] = []
    for name in [one.name for one in rules.candidates if one.name in walks]:
        with _told(name, failed):
            newest = Fitted(name, compared[-1])
            if run_of(contest, newest) is None:
                _log(contest, rules, name, compared, walks[name], serves=serving == newest)
    with _told(serving.recipe, failed):
        if run_of(contest, serving) is None and serving.recipe in walks:
            fits = [day for day in compared if day < serving.fitted_on] + [serving.fitted_on]
            _log(contest, rules, serving.recipe, fits, walks[serving.recipe], serves=True)
    with _told("aliases", failed):
        _name_ranks(contest, serving, compared[-1], walks)
    return list(dict.fromkeys(failed))


def _name_ranks(contest: str, serving: Fitted, newest: date, walks: Mapping[str, Walked]) -> None:
    """Move the aliases: to the fit that serves, and to the newest fits of who is named beside it.

    An alias that nobody holds any more goes; that of one that could not be walked stays.
    """
    from tasks.learning.tracking import register, unname
    from tasks.record import newest_look, ranks

    beside = ranks(contest, newest_look(open_lake(), contest, newest), serving.recipe)
    named = {alias: Fitted(name, newest) for alias, name in beside.items() if name in walks}
    for alias, fit in ({"champion": serving} | named).items():
        if run := run_of(contest, fit):
            tags = {"fitted_on": str(fit.fitted_on)}
            register(tracking_uri(), contest=contest, run_id=run, alias=alias, tags=tags)
    for alias in [alias for alias, name in beside.items() if not name]:
        unname(tracking_uri(), contest=contest, alias=alias)


@contextmanager
def _told(name: str, failed: list[str]) -> Iterator[None]:
    """Add to `failed` what cannot be told of a recipe; raise `TrackingError` where MLflow is away.

    A server that answers and refuses, or a figure that cannot be drawn, will not do better on a
    later night.
    """
    from tasks.learning.tracking import TrackingError

    try:
        yield
    except TrackingError as error:
        ask()  # raises where nothing answers
        failed.append(f"{name}: {error}")
    except Exception as error:  # noqa: BLE001
        failed.append(f"{name}: {error}")


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
    """Return the newest whole run of a fit, by the weights on the shelf; None without one.

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
            whole = run.info.status == "FINISHED"
            if whole and run.data.tags.get("hash.weights_hash") == weights:
                return str(run.info.run_id)
    return None
