"""Forecast tasks: score the names with the champion of the day, and say how sure that is."""

import logging
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl
from prefect import get_run_logger, task

from tasks.drift import judge_drift
from tasks.locks import source_lock
from tasks.market import frames
from tasks.market.lake import Lake, Span, Where
from tasks.panels import panel_of
from tasks.progress import steps
from tasks.realised import Realised, forget_forecasts, record_known
from tasks.settings import calendar, load_contest, load_source, open_lake, open_shelf

if TYPE_CHECKING:
    from conf.schema import Contest
    from tasks.learning.panel import Panel
    from tasks.models.fitting import Model


@task(task_run_name="forecast-{contest}-{as_of}")
def forecast_contest(contest: str, as_of: date) -> str:
    """Score every session up to `as_of` that its champion has not scored yet, and keep records.

    The record of a session is its information coefficient, measured once, on the first night its
    label is known. What then stands of the record and of the features is the verdict on drift.

    Its source is held meanwhile, so that no delivery changes what the scores rest on. Raises
    `LookupError` where no champion is known at `as_of`.
    """
    lake, rules = open_lake(), load_contest(contest)
    titles = champions(lake, contest, as_of)
    if titles.is_empty():
        raise LookupError(f"no champion of contest {contest!r} is known at {as_of}")
    with source_lock(rules.source):
        scored, measured = _brought_up(lake, contest, rules, titles, as_of)
        verdict = judge_drift(lake, contest, [as_of])[as_of]
    get_run_logger().info("%s: %d sessions scored, %d measured", contest, scored, measured)
    level = logging.INFO if verdict["factor"] == 1 else logging.WARNING
    get_run_logger().log(level, "%s: %s", contest, verdict["reason"])
    return f"forecasts/{contest}: {scored} sessions"


def champions(lake: Lake, contest: str, as_of: date) -> pl.DataFrame:
    """Return the champions known at `as_of`, one row from each session on, oldest first."""
    return titles_known(lake.read("champions", where={"contest": [contest]}), as_of)


def titles_known(rows: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Return those `CHAMPIONS` that were known at `as_of`, one from each session on."""
    known = rows.filter(pl.col("known_on") <= as_of, pl.col("from_session") <= as_of)
    return known.sort("from_session", "known_on").unique(
        "from_session", keep="last", maintain_order=True
    )


class Reign(NamedTuple):
    """The sessions that one fit has still to score."""

    title: dict[str, Any]
    sessions: list[date]


def _reigns(
    lake: Lake, contest: str, rules: "Contest", titles: pl.DataFrame, as_of: date
) -> list[Reign]:
    """Return what is still to be scored: from the first session that its champion has not scored.

    How sure a forecast is rests on those before it, so that all after it are made anew.
    """
    days = calendar(load_source(rules.source).calendar)
    stored = lake.read(f"forecasts/{contest}", columns=["session", "weights_hash", "fitted_on"])
    scored = stored.group_by("fitted_on", "weights_hash").agg(pl.col("session").max())
    last = {(fitted, weights): day for fitted, weights, day in scored.iter_rows()}
    starts = titles["from_session"].to_list()
    ends = [days.previous(start) for start in starts[1:]] + [as_of]
    reigns: list[Reign] = []
    for title, start, end in zip(titles.iter_rows(named=True), starts, ends, strict=True):
        done = None if reigns else last.get((start, title["weights_hash"]))
        sessions = days.sessions(days.next(done) if done else start, end)
        if sessions:
            reigns.append(Reign(title, sessions))
    return reigns


def _refuse_older(lake: Lake, contest: str) -> None:
    sessions = lake.read(f"forecasts/{contest}", columns=["session"])["session"]
    if sessions.is_empty():
        return
    newest = lake.read(f"forecasts/{contest}", where={"session": [sessions[-1]]})
    if lost := sorted(frames.FORECASTS.keys() - set(newest.columns)):
        raise ValueError(
            f"The forecasts of {contest!r} in the lake were made by an earlier version and lack "
            f"{', '.join(lost)}. Delete the folders forecasts/{contest} and records/{contest} of "
            "the lake: this night then makes them anew. No release changes."
        )


def _brought_up(
    lake: Lake, contest: str, rules: "Contest", titles: pl.DataFrame, as_of: date
) -> tuple[int, int]:
    """Score what is missing, and meet the labels that have become known; return the sessions.

    Session by session, as the nights would have: what is known at a close says how sure its
    forecast is. Each reign is one write.
    """
    _refuse_older(lake, contest)
    if (record_known(lake, contest, date.max)["horizon"] != rules.horizon).any():
        forget_forecasts(lake, contest, date.min)
    reigns = _reigns(lake, contest, rules, titles, as_of)
    days = calendar(load_source(rules.source).calendar)
    first = reigns[0].sessions[0] if reigns else days.next(as_of)
    if reigns:
        forget_forecasts(lake, contest, first)
    models = [champion_model(contest, reign.title) for reign in reigns]
    realised = Realised(lake, contest, first, as_of)
    measured = 0
    if reigns:
        reach = max(model.look_back for model in models)
        panel, _ = panel_of(contest, days.sessions(days.offset(first, 1 - reach), as_of), as_of)
    for model, reign in steps(list(zip(models, reigns, strict=True)), f"scoring {contest}"):
        scores = _sure_scores(model, panel, reign.sessions, realised).with_columns(
            recipe=pl.lit(reign.title["recipe"]),
            weights_hash=pl.lit(reign.title["weights_hash"]),
            fitted_on=pl.lit(reign.title["from_session"]),
        )
        over: Where = {"session": Span(reign.sessions[0], reign.sessions[-1])}
        lake.replace(f"forecasts/{contest}", frames.shaped(scores, frames.FORECASTS), over=over)
        measured += realised.keep()
    realised.roll(as_of)
    return sum(len(reign.sessions) for reign in reigns), measured + realised.keep()


def _sure_scores(
    model: "Model", panel: "Panel", sessions: Sequence[date], realised: Realised
) -> pl.DataFrame:
    """Return scores, how far seeds differ, what is expected, and how sure that is."""
    from tasks.models.uncertainty import SPREADS, scores_and_spreads

    held = set(panel.sessions)
    scores = scores_and_spreads(model, panel, [one for one in sessions if one in held])
    told = [pl.DataFrame(schema=SPREADS)]
    for part in scores.partition_by("session", maintain_order=True):
        realised.roll(part["session"][0])
        told.append(realised.sure(part))
    return pl.concat(told, how="diagonal")


def champion_model(contest: str, title: dict[str, Any]) -> "Model":
    """Return the champion that `title` names, loaded from the shelf, its hash checked."""
    from tasks.models.fitting import load_fit

    rules = load_contest(contest)
    recipe = next((each for each in rules.candidates if each.name == title["recipe"]), None)
    if recipe is None:
        known = ", ".join(each.name for each in rules.candidates)
        raise LookupError(
            f"no champion: {title['recipe']!r} holds the title of {contest!r} since "
            f"{title['from_session']} but is no candidate; there is: {known}"
        )
    card, weights = open_shelf().load(contest, recipe.name, title["from_session"])
    if card["weights_hash"] != title["weights_hash"]:
        raise ValueError(
            f"The weights of {contest}/{recipe.name} fitted on {title['from_session']} are not "
            "those of the champion: train the contest again."
        )
    return load_fit(recipe, card, weights)


def score_rows(model: "Model", panel: "Panel", sessions: Sequence[date]) -> pl.DataFrame:
    """Return (session, instrument, score) for those of `sessions` that the panel holds."""
    from tasks.models.fitting import score_sessions

    held = set(panel.sessions)
    return score_sessions(model, panel, [session for session in sessions if session in held])
