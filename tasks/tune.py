"""Tune a recipe of a contest on what was known at a session, every trial told to MLflow.

What nights have stored is read, nothing is fetched; the shelf and the contest's file stay as they
are. A search that was broken off goes on when it is asked for again.
"""

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Literal, NamedTuple

from tasks.due import CODE
from tasks.locks import source_lock
from tasks.market.lake import Lake, Span, Where
from tasks.panels import panel_of
from tasks.settings import (
    calendar,
    code_hash,
    data_folder,
    load_contest,
    load_source,
    open_lake,
    resolve_session,
    threads,
    tracking_uri,
)
from tasks.train import LOOK_BACK
from tasks.untold import Untold, owe_trials, settle_trials

if TYPE_CHECKING:
    from conf.schema import Contest, Recipe
    from tasks.learning.trials import Study
    from tasks.learning.tuning import Trial
    from tasks.models.tuning import Tuned


class Search(NamedTuple):
    """What to search, and how long."""

    contest: str
    recipe: str
    validation: Literal["walk_forward", "combinatorial"]
    trials: int
    budget_s: float | None


class Answer(NamedTuple):
    """What a search came to."""

    tuned: "Tuned"
    as_of: date
    ever: int | None  # trials ever made for the contest; None where MLflow does not say
    warning: str  # why trials are not in MLflow; empty else


def tune_recipe(
    wanted: Search, as_of: date | None, told: "Callable[[list[Trial]], None]"
) -> Answer:
    """Search the settings of one candidate at `as_of` (empty: the newest session with features).

    Args:
        wanted: Contest, recipe, folds, trials and seconds.
        as_of: The last session whose close may be used.
        told: Called after each trial with all that ended.
    """
    from tasks.learning.tuning import Effort
    from tasks.models.tuning import tune
    from tasks.models.validation import Validation

    rules = load_contest(wanted.contest)
    recipe = _candidate(wanted, rules)
    session = _newest_prepared(open_lake(), wanted.contest, rules, as_of)
    panel, labels = panel_of(wanted.contest, _sessions(rules, session), session, fits={session})
    record = _Record(wanted.contest, rules, recipe)

    def after(study: str, trials: "list[Trial]") -> None:
        told(trials)
        record.log(study, trials)

    with source_lock(f"tuning-{wanted.contest}"):
        tuned = tune(
            recipe,
            panel,
            labels[session, rules.horizon],
            learn_TN=labels[session, rules.horizon_of(recipe)],
            as_of=session,
            contest=rules,
            validation=Validation(wanted.validation),
            effort=Effort(data_folder() / "tuning.db", wanted.trials, wanted.budget_s),
            inputs=f"{wanted.contest} {code_hash(*CODE)}",
            threads=threads(),
            told=after,
        )
    record.log(tuned.study, list(tuned.trials), last=True)
    return Answer(tuned, session, trials_made(wanted.contest), record.warning)


def trials_made(contest: str) -> int | None:
    """Return how many choices were ever tried for a contest; None where MLflow does not say."""
    from tasks.learning.patience import bounded
    from tasks.learning.tracking import TrackingError
    from tasks.learning.trials import trials_ever

    try:
        return bounded(lambda: trials_ever(tracking_uri(), contest))
    except TrackingError:
        return None


def study_of(contest: str, rules: "Contest", recipe: "Recipe", name: str) -> "Study":
    """Return how MLflow names a search: with the params that a fit of the recipe would have."""
    from tasks.learning.model import settled
    from tasks.learning.trials import Study
    from tasks.models.learners import learner_of
    from tasks.record import experiment_name, params_of

    settings = settled(recipe.settings, learner_of(recipe).known, model=recipe.model)
    params = params_of(rules, recipe, settings)
    experiment = experiment_name(contest, recipe)
    return Study(name, contest, experiment, recipe.name, params, {"hash.code": code_hash()})


class _Record:
    """What MLflow is told of a search; where it is away, the search goes on without it."""

    def __init__(self, contest: str, rules: "Contest", recipe: "Recipe") -> None:
        self.contest, self.rules, self.recipe = contest, rules, recipe
        self.warning = ""

    def log(self, study: str, trials: "list[Trial]", *, last: bool = False) -> None:
        """Log what is missing; after a failure only the last time, which makes up for all."""
        from tasks.learning.tracking import TrackingError
        from tasks.learning.trials import log_trials

        owe_trials(self.contest, study, Untold(self.recipe.name, self.recipe.model, len(trials)))
        if self.warning and not last:
            return
        try:
            log_trials(
                tracking_uri(), study_of(self.contest, self.rules, self.recipe, study), trials
            )
            self.warning = ""
            settle_trials(self.contest, study)
        except TrackingError as error:  # the record is for people: no search waits for it
            self.warning = f"The trials are kept but not in MLflow: {error}"


def _candidate(wanted: Search, rules: "Contest") -> "Recipe":
    for recipe in rules.candidates:
        if recipe.name == wanted.recipe:
            return recipe
    known = ", ".join(recipe.name for recipe in rules.candidates)
    raise LookupError(
        f"Contest {wanted.contest!r} has no recipe {wanted.recipe!r}; there is: {known}."
    )


def _newest_prepared(lake: Lake, contest: str, rules: "Contest", as_of: date | None) -> date:
    """Return the session to tune at; raise where no night has prepared its features."""
    last = resolve_session(rules.source, as_of, None).session
    where: Where = {"source": [rules.source], "session": Span(date.min, last)}
    stored = lake.read(f"features/{rules.features}", where=where, columns=["session"])
    sessions: list[date] = stored["session"].unique().sort().to_list()
    newest = sessions[-1] if sessions else None
    if newest is None or (as_of is not None and newest != last):
        raise LookupError(
            f"No features of contest {contest!r} are stored for {last}, the newest before are of "
            f"{newest or 'no session'}: run `afterclose train --contest {contest}` first."
        )
    return newest


def _sessions(rules: "Contest", as_of: date) -> list[date]:
    """Return the sessions that a fit at `as_of` may learn from, and what nets look back at."""
    source = load_source(rules.source)
    days = calendar(source.calendar).sessions(source.starts, as_of)
    return days[-(rules.train_sessions + LOOK_BACK) :] if rules.train_sessions else days
