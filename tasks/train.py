"""Train tasks: fit what is due, log it for comparison, and say who holds the title.

Fits follow the contest's schedule, counted from the source's first session. So the first night,
a backfill and the nights one by one make the same weights from what was known at each fit.
"""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl
from prefect import get_run_logger, task

from tasks.forecast import champion_model, score_rows
from tasks.market import frames
from tasks.market.history import Array
from tasks.market.lake import Lake, Span, Where, content_hash
from tasks.panels import panel_of
from tasks.progress import steps
from tasks.settings import (
    calendar,
    code_hash,
    load_contest,
    load_source,
    load_universe,
    open_lake,
    open_shelf,
    settings_hash,
    threads,
)

if TYPE_CHECKING:
    from conf.schema import Contest, Recipe
    from tasks.learning.panel import Panel


class Due(NamedTuple):
    """One fit to make."""

    recipe: "Recipe"
    fitted_on: date
    inputs: str  # hash of the settings and the deliveries it rests on


def refits(contest: str, as_of: date) -> list[date]:
    """Return the sessions up to `as_of` after whose close the contest's recipes are fitted."""
    from tasks.learning.splits import refit_sessions

    rules = load_contest(contest)
    source = load_source(rules.source)
    sessions = calendar(source.calendar).sessions(source.starts, as_of)
    return refit_sessions(sessions, first_fit=rules.first_fit, refit_every=rules.refit_every)


@task(task_run_name="train-{contest}-{as_of}", tags=["training"])
def train_contest(contest: str, as_of: date) -> str:
    """Fit every recipe that is due at `as_of`, and crown the first champion or refit it.

    The champion's recipe is fitted at every scheduled session; its challengers at the last few,
    where all are compared on the same rows. Raises `LookupError` where history is too short.
    """
    rules = load_contest(contest)
    schedule = refits(contest, as_of)
    if not schedule:
        raise LookupError(
            f"no champion: contest {contest!r} needs {rules.first_fit} sessions before its first "
            f"fit, and {as_of} comes too early"
        )
    due = _due(contest, rules, schedule)
    if not due:
        _crown(open_lake(), contest, rules, schedule, as_of)
        return f"{contest}: nothing due since {schedule[-1]}"
    sessions = _sessions_needed(rules, due, schedule, as_of)
    panel, labels = panel_of(contest, sessions, as_of, fits={*(d.fitted_on for d in due), as_of})
    for one in steps(due, f"training {contest}"):
        _fit(contest, rules, one, panel, labels[one.fitted_on])
    _crown(open_lake(), contest, rules, schedule, as_of)
    for recipe in rules.candidates:
        if any(one.recipe.name == recipe.name for one in due):
            _compare(contest, rules, recipe, schedule, panel, labels[as_of], as_of)
    get_run_logger().info("%s: %d fits up to %s", contest, len(due), schedule[-1])
    return f"{contest}: {len(due)} fits"


def _due(contest: str, rules: "Contest", schedule: Sequence[date]) -> list[Due]:
    shelf, verdicts = open_shelf(), open_lake().read("verdicts", where={"source": [rules.source]})
    champion = rules.candidates[0].name
    due = []
    for recipe in rules.candidates:
        own = schedule if recipe.name == champion else schedule[-rules.compare_refits :]
        for fitted_on in own:
            one = Due(recipe, fitted_on, _inputs(rules, recipe, verdicts, fitted_on))
            if not shelf.holds(contest, recipe.name, fitted_on, inputs=one.inputs):
                due.append(one)
    return due


def _inputs(rules: "Contest", recipe: "Recipe", verdicts: pl.DataFrame, fitted_on: date) -> str:
    """Return the hash of what decides a fit: settings, code, and the deliveries known by then."""
    first = pl.col("delivery") == pl.col("delivery").min()  # history that came in one go
    seen = verdicts.filter((pl.col("known_on") <= fitted_on) | first)
    bare = rules.model_copy(update={"candidates": (recipe,), "compare_refits": 1})
    settings = settings_hash(bare, load_universe(rules.universe), load_source(rules.source))
    code = code_hash("tasks/features", "tasks/learning", "tasks/models", "tasks/statistics")
    return settings + code + content_hash(seen)


def _sessions_needed(
    rules: "Contest", due: Sequence[Due], schedule: Sequence[date], as_of: date
) -> list[date]:
    """Return the sessions of the panel: what the oldest due fit, or the comparison, looks at."""
    source = load_source(rules.source)
    days = calendar(source.calendar).sessions(source.starts, as_of)
    oldest = min(one.fitted_on for one in due)
    first = days.index(min(oldest, schedule[-rules.compare_refits :][0]))
    reach = rules.train_sessions or first
    return days[max(first - reach - LOOK_BACK, 0) :]


LOOK_BACK = 260  # sessions before the training stretch, for nets that look back


def _fit(contest: str, rules: "Contest", one: Due, panel: "Panel", label_TN: Array) -> None:
    from tasks.models.fitting import fit_recipe

    fit = fit_recipe(
        one.recipe,
        panel,
        label_TN,
        fitted_on=one.fitted_on,
        contest=rules,
        threads=threads(),
    )
    open_shelf().save(contest, fit, inputs=one.inputs)


def _crown(
    lake: Lake, contest: str, rules: "Contest", schedule: Sequence[date], as_of: date
) -> None:
    """Write the champion of every scheduled session: the first candidate, refitted."""
    recipe, shelf = rules.candidates[0].name, open_shelf()
    rows = [
        {
            "contest": contest,
            "from_session": fitted_on,
            "known_on": fitted_on,
            "recipe": recipe,
            "weights_hash": shelf.load(contest, recipe, fitted_on)[0]["weights_hash"],
            "reason": "scheduled refit" if number else "first candidate of the contest",
        }
        for number, fitted_on in enumerate(schedule)
    ]
    frame = pl.DataFrame(rows, schema=frames.CHAMPIONS)
    over: Where = {"contest": [contest], "from_session": Span(date.min, as_of)}
    stands = lake.read("champions", where=over)
    if not stands.equals(frame.sort("contest", "from_session")):
        lake.replace("champions", frame, over=over)


def _compare(
    contest: str,
    rules: "Contest",
    recipe: "Recipe",
    schedule: Sequence[date],
    panel: "Panel",
    label_TN: Array,
    as_of: date,
) -> None:
    """Log the newest fit of `recipe`, judged on the sessions since the compared refits."""
    from tasks.learning.tracking import TrackingError
    from tasks.models.evaluation import evaluate
    from tasks.record import log_newest_fit

    compared = list(schedule[-rules.compare_refits :])
    judged = evaluate(
        _walked(contest, rules, recipe, compared, panel, as_of),
        _label_frame(panel, label_TN),
        horizon=rules.horizon,
        min_names=rules.min_names,
    )
    try:
        log_newest_fit(contest, recipe, compared, judged)
    except TrackingError as error:  # the record is for people: no book waits for it
        get_run_logger().warning("%s/%s is fitted but not logged: %s", contest, recipe.name, error)


def _walked(
    contest: str,
    rules: "Contest",
    recipe: "Recipe",
    compared: Sequence[date],
    panel: "Panel",
    as_of: date,
) -> pl.DataFrame:
    """Return walk-forward scores since the first of `compared`, each by the weights of its time."""
    days = calendar(load_source(rules.source).calendar)
    ends = [days.previous(start) for start in compared[1:]] + [as_of]
    scores = []
    for start, end in zip(compared, ends, strict=True):
        card, _ = open_shelf().load(contest, recipe.name, start)
        title = {"recipe": recipe.name, "from_session": start, "weights_hash": card["weights_hash"]}
        scores.append(score_rows(champion_model(contest, title), panel, days.sessions(start, end)))
    return pl.concat(scores)


def _label_frame(panel: "Panel", label_TN: Array) -> pl.DataFrame:
    at, name = np.nonzero(np.isfinite(label_TN))
    return pl.DataFrame(
        {
            "session": [panel.sessions[place] for place in at],
            "instrument": [panel.instruments[place] for place in name],
            "label": label_TN[at, name],
        },
        schema={"session": pl.Date, "instrument": pl.String, "label": pl.Float64},
    )
