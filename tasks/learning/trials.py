"""Every trial of a search as a run in MLflow, and how many there ever were of a contest.

A search is one run, its trials are nested in it. A figure that is the best of many says less than
it seems: whoever states one asks here of how many.
"""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tasks.learning.tracking import experiment_of, log_numbers, opened, runs_of

if TYPE_CHECKING:
    from tasks.learning.tracking import MlflowClient, Run
    from tasks.learning.tuning import Trial

KIND, STUDY, SEARCH, TRIAL = "kind", "study", "search", "trial"  # tags, and what `kind` may be
PARENT = "mlflow.parentRunId"  # MLflow's own tag: it shows such runs nested
CHOICES = (  # how the params begin that tell one choice from another
    *(f"contest.{name}" for name in ("universe", "features", "transform", "neutral_to", "beta")),
    *(f"contest.{name}" for name in ("label", "horizon", "train_sessions")),
    *(f"recipe.{name}" for name in ("model", "loss", "learn_horizon", "selection")),
    "setting.",
    "member.",
)


class Study(NamedTuple):
    """One search, as MLflow shows it."""

    name: str
    contest: str
    experiment: str  # where the fits of the recipe's family stand
    recipe: str
    params: Mapping[str, Any]  # as fits have them: `contest.…`, `recipe.…`, `setting.…`
    tags: Mapping[str, str]


def log_trials(uri: str, study: Study, trials: "Sequence[Trial]") -> int:
    """Log the trials that are not in MLflow yet under the run of their study; return how many.

    So the trials that a killed search left unlogged are made up for by the next call. Raises
    `TrackingError` where MLflow is away.

    Args:
        uri: `sqlite:///path` or the address of a server.
        study: Found by its name; made when first needed.
        trials: All that ended so far.
    """
    with opened(uri) as client:
        experiment = experiment_of(client, uri, study.experiment)
        parent = _parent(client, experiment, study)
        there = _logged(client, study.name)
        missing = [trial for trial in trials if trial.number not in there]
        for trial in missing:
            _log(client, experiment, parent, study, trial)
        if missing:
            _sum_up(client, parent, trials)
    return len(missing)


def trials_ever(uri: str, contest: str) -> int:
    """Return how many choices were ever tried for a contest, deleted runs counted too.

    Each trial of a search is one: a search at another session looks at other data. Of fits, each
    choice of names, features, label, model, loss, settings and members that was no trial is one
    more, however often it was refitted and with whatever seeds. Raises `TrackingError` where MLflow
    is away: then it is unknown.
    """
    with opened(uri) as client:
        trials, tried, fitted = set(), set(), set()
        for run in runs_of(client, f"tags.contest = '{contest}'", deleted=True):
            kind = run.data.tags.get(KIND)
            if kind == TRIAL and run.info.status != "RUNNING":
                trials.add((run.data.tags[STUDY], run.data.tags[TRIAL]))
                tried.add(_choice(run))
            elif kind is None:
                fitted.add(_choice(run))
    return len(trials) + len(fitted - tried)


def _choice(run: "Run") -> frozenset[tuple[str, str]]:
    params = run.data.params.items()
    return frozenset((name, value) for name, value in params if name.startswith(CHOICES))


def _parent(client: "MlflowClient", experiment: str, study: Study) -> str:
    """Return the run of the study; make it where there is none."""
    query = f"tags.{KIND} = '{SEARCH}' and tags.{STUDY} = '{study.name}'"
    for run in runs_of(client, query):
        return str(run.info.run_id)
    made = client.create_run(experiment, run_name=study.name, tags=_tags(study, SEARCH))
    log_numbers(client, made.info.run_id, made.info.start_time, study.params, {}, {})
    client.set_terminated(made.info.run_id)
    return str(made.info.run_id)


def _logged(client: "MlflowClient", study: str) -> set[int]:
    """Return the numbers of the trials that are logged whole; forget those that are not."""
    there = set()
    for run in runs_of(client, f"tags.{KIND} = '{TRIAL}' and tags.{STUDY} = '{study}'"):
        if run.info.status == "RUNNING":  # its process was killed while it logged
            client.delete_run(run.info.run_id)
        else:
            there.add(int(run.data.tags[TRIAL]))
    return there


def _log(
    client: "MlflowClient", experiment: str, parent: str, study: Study, trial: "Trial"
) -> None:
    tags = _tags(study, TRIAL) | {PARENT: parent, TRIAL: str(trial.number), "state": trial.state}
    if trial.why:
        tags["why"] = trial.why
    run = client.create_run(experiment, run_name=f"{study.recipe}-{trial.number}", tags=tags)
    chosen = {f"setting.{name}": value for name, value in trial.settings.items()}
    metrics = {"seconds": trial.seconds}
    if trial.value is not None:
        metrics["rank_ic"] = trial.value
    log_numbers(
        client,
        run.info.run_id,
        run.info.start_time,
        {**study.params, **chosen},
        metrics,
        {"fold_rank_ic": [float(np.mean(stretches)) for stretches in trial.folds]},
    )
    ended = "FAILED" if trial.state == "failed" else "FINISHED"
    client.set_terminated(run.info.run_id, ended)


def _sum_up(client: "MlflowClient", parent: str, trials: "Sequence[Trial]") -> None:
    """Tell on the study's run how many trials there were, and the best of them.

    None of these figures ever falls, and of several at one time MLflow shows the greatest.
    """
    at = client.get_run(parent).info.start_time
    whole = [trial for trial in trials if trial.state == "complete"]
    metrics = {"trials": float(len(trials)), "seconds": sum(trial.seconds for trial in trials)}
    if whole:
        best = max(whole, key=lambda trial: trial.value or 0.0)
        metrics["rank_ic"] = best.value or 0.0
        client.set_tag(parent, "best", json.dumps(best.settings, sort_keys=True))
    log_numbers(client, parent, at, {}, metrics, {})


def _tags(study: Study, kind: str) -> dict[str, str]:
    named = {"contest": study.contest, "recipe": study.recipe, STUDY: study.name, KIND: kind}
    return {**study.tags, **named}
