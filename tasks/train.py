"""Train tasks: fit what is due, log it for comparison, and say who holds the title.

Fits follow the contest's schedule, counted from the source's first session. So the first night,
a backfill and the nights one by one make the same weights from what was known at each fit.
"""

import shutil
from collections.abc import Collection, Sequence
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from prefect import get_run_logger, task

from tasks.due import Due, due_fits
from tasks.locks import source_lock
from tasks.looks import compared_refits, look_at, looked, withhold_look
from tasks.market.history import Array
from tasks.mirror import Fitted, Walked, tell_mlflow
from tasks.panels import Labels, panel_of
from tasks.progress import steps
from tasks.settings import (
    calendar,
    data_folder,
    load_contest,
    load_source,
    open_shelf,
    threads,
)
from tasks.titles import titles_of, write_titles
from tasks.untold import owe_training, training_can_be_told
from tasks.walks import Seen, label_frame, walked

if TYPE_CHECKING:
    from conf.schema import Contest, Recipe
    from tasks.learning.panel import Panel
    from tasks.models.evaluation import Evaluation
    from tasks.models.once import Made
    from tasks.models.titles import Title


def refits(contest: str, as_of: date) -> list[date]:
    """Return the sessions up to `as_of` after whose close the contest's recipes are fitted."""
    from tasks.learning.splits import refit_sessions

    rules = load_contest(contest)
    source = load_source(rules.source)
    sessions = calendar(source.calendar).sessions(source.starts, as_of)
    return refit_sessions(sessions, first_fit=rules.first_fit, refit_every=rules.refit_every)


@task(task_run_name="train-{contest}-{as_of}", tags=["training"])
def train_contest(contest: str, as_of: date) -> str:
    """Fit every recipe that is due at `as_of`, look at the challengers, and write who is champion.

    The recipe with the title is fitted at every scheduled session; all others at the last few,
    where all are compared on the same rows. Raises `LookupError` where history is too short.
    One process at a time trains a contest: who comes second finds the work done.
    """
    with source_lock(f"training-{contest}"):
        return _trained(contest, as_of)


def _trained(contest: str, as_of: date) -> str:
    rules = load_contest(contest)
    schedule = refits(contest, as_of)
    if not schedule:
        raise LookupError(
            f"no champion: contest {contest!r} needs {rules.first_fit} sessions before its first "
            f"fit, and {as_of} comes too early"
        )
    held = titles_of(contest, rules, schedule, as_of)
    holder = titles_of(contest, rules, schedule, schedule[-1], ruled=False)[-1].recipe
    fits = compared_refits(contest, rules, schedule, holder)
    due = due_fits(contest, rules, fits, held)
    panel, compared = None, None
    looking = len(rules.candidates) > 1 and not looked(contest, schedule[-1])
    telling = training_can_be_told(contest)
    if due or looking or telling:
        sessions = _sessions_needed(rules, due, fits[0], as_of)
        labelled = {*(one.fitted_on for one in due), schedule[-1], as_of}
        panel, labels = panel_of(contest, sessions, as_of, fits=labelled)
        failed = _fit_all(contest, rules, due, held, panel, labels)
        able = [recipe for recipe in rules.candidates if recipe.name not in failed]
        looking = looking or bool({one.recipe.name for one in due} - failed)
        if looking or telling:
            compared = _compare(contest, rules, able, fits, holder, panel, labels, looking=looking)
    champion = _crown(contest, rules, schedule, as_of, panel)
    if compared and (warning := tell_mlflow(contest, rules, fits, champion, compared)):
        get_run_logger().warning("%s", warning)
    if not due:
        return f"{contest}: nothing due since {schedule[-1]}"
    get_run_logger().info("%s: %d fits up to %s", contest, len(due), schedule[-1])
    return f"{contest}: {len(due)} fits"


def _sessions_needed(
    rules: "Contest", due: Sequence[Due], compared_since: date, as_of: date
) -> list[date]:
    """Return the sessions of the panel: what the oldest due fit, or the comparison, looks at."""
    source = load_source(rules.source)
    days = calendar(source.calendar).sessions(source.starts, as_of)
    first = days.index(min([compared_since, *(one.fitted_on for one in due)]))
    reach = rules.train_sessions or first
    return days[max(first - reach - LOOK_BACK, 0) :]


LOOK_BACK = 260  # sessions before the training stretch, for nets that look back


def _fit_all(
    contest: str,
    rules: "Contest",
    due: Sequence[Due],
    held: "Sequence[Title]",
    panel: "Panel",
    labels: Labels,
) -> set[str]:
    """Fit what is due; return the challengers that could not be fitted.

    A challenger that fails is named and left out of tonight's comparison: no book waits for it.
    The failure of a fit that holds a title stops the training.
    """
    titled = {(title.recipe, title.session) for title in held}
    failed: set[str] = set()
    waiting = [_scratch(contest, one) for one in due]
    made: Made = {}  # a recipe may be a member of an ensemble, too
    for place, one in enumerate(steps(due, f"training {contest}"), start=1):
        try:
            label_TN = labels[one.fitted_on, rules.horizon_of(one.recipe)]
            _fit(contest, rules, one, panel, label_TN, waiting[place:], made)
        except Exception as error:
            if (one.recipe.name, one.fitted_on) in titled:
                raise
            failed.add(one.recipe.name)
            get_run_logger().warning(
                "%s/%s could not be fitted on %s and is not compared: %s",
                *(contest, one.recipe.name, one.fitted_on, error),
            )
    return failed


def _fit(
    contest: str,
    rules: "Contest",
    one: Due,
    panel: "Panel",
    label_TN: Array,
    going_on: Collection[Path],
    made: "Made",
) -> None:
    """Fit one recipe, from where a run that was broken off left it, and put it on the shelf.

    What broken off fits of the recipe left is removed, but for those of `going_on`, still to come.
    """
    from tasks.models.fitting import fit_recipe

    scratch = _scratch(contest, one)
    fit = fit_recipe(
        one.recipe,
        panel,
        label_TN,
        fitted_on=one.fitted_on,
        contest=rules,
        threads=threads(),
        scratch=scratch,
        made=made,
    )
    owe_training(contest)
    open_shelf().save(contest, fit, inputs=one.inputs)
    for unfinished in scratch.parent.iterdir() if scratch.parent.is_dir() else ():
        if unfinished not in going_on:
            shutil.rmtree(unfinished, ignore_errors=True)


def _scratch(contest: str, one: Due) -> Path:
    """Return where a fit keeps what it needs to go on after it was broken off."""
    name = f"{one.fitted_on}-{sha256(one.inputs.encode()).hexdigest()[:16]}"
    return data_folder() / "unfinished" / contest / one.recipe.name / name


def _crown(
    contest: str, rules: "Contest", schedule: Sequence[date], as_of: date, panel: "Panel | None"
) -> Fitted:
    """Write the champions by all that is decided, and return the fit that serves."""
    held = titles_of(contest, rules, schedule, as_of)
    crowned = write_titles(contest, held, as_of, panel)
    for fault in crowned.faults:
        get_run_logger().warning("%s: %s", contest, fault)
    return Fitted(crowned.champion["recipe"], crowned.champion["from_session"])


def _compare(
    contest: str,
    rules: "Contest",
    recipes: "Sequence[Recipe]",
    compared: Sequence[date],
    holder: str,
    panel: "Panel",
    labels: Labels,
    *,
    looking: bool,
) -> dict[str, Walked]:
    """Return what each recipe's walk since the compared refits was worth, and take the look.

    The look is that of the last compared refit, by the labels that were known then; none where
    MLflow alone wants to know. A challenger that cannot be walked is named and left out: no book
    waits for it.
    """
    session, as_of = compared[-1], max(day for day, _ in labels)
    known = {day: label_frame(panel, labels[day, rules.horizon]) for day in {session, as_of}}
    worth: dict[date, dict[str, Evaluation]] = {day: {} for day in known}
    scores: dict[str, pl.DataFrame] = {}
    for recipe in recipes:
        try:
            rows = walked(contest, rules, recipe, compared, panel, as_of)
            judged = {day: _worth(rows, rules, day, frame) for day, frame in known.items()}
        except Exception as error:
            if recipe.name == holder:
                raise
            get_run_logger().warning(
                "%s/%s could not be walked and is not compared: %s", contest, recipe.name, error
            )
            continue
        scores[recipe.name] = rows
        for day, one in judged.items():
            worth[day][recipe.name] = one
    if looking:
        owe_training(contest)  # a title that changes hands is told, too
        daily = {name: one.daily for name, one in worth[session].items()}
        then = {name: rows.filter(pl.col("session") <= session) for name, rows in scores.items()}
        seen = Seen(compared[0], session, then, daily, panel, labels[session, rules.horizon])
        _look(contest, rules, seen, holder, as_of)
    return {name: Walked(scores[name], one) for name, one in worth[as_of].items()}


def _worth(scores: pl.DataFrame, rules: "Contest", day: date, known: pl.DataFrame) -> "Evaluation":
    """Return what a walk up to `day` was worth by the labels known then."""
    from tasks.models.evaluation import evaluate

    upto = scores.filter(pl.col("session") <= day)
    return evaluate(upto, known, horizon=rules.horizon, min_names=rules.min_names)


def _look(contest: str, rules: "Contest", seen: Seen, holder: str, as_of: date) -> None:
    """Take the look and tell what was found; one that fails is withheld, and the title stays."""
    log = get_run_logger()
    try:
        found = look_at(contest, rules, seen, holder, as_of)
    except Exception as error:  # noqa: BLE001  # no book waits for a look
        log.warning("%s: no look on %s: %s", contest, seen.session, error)
        withhold_look(contest, rules, seen, holder, str(error))
        return
    for one in found:
        log.info(
            "%s: %s against %s: %s, %s; difference %+.4f ± %.4f, %.4f would be found",
            *(contest, one.challenger, holder, one.verdict, one.reason),
            *(one.difference, one.error, one.detectable),
        )
