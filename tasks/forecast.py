"""Forecast tasks: score the names with the champion of the day, and keep its record.

The record of a session is its information coefficient, measured once, on the first night its
label is known. What later corrections would say does not restate it.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from prefect import get_run_logger, task

from tasks.locks import source_lock
from tasks.market import frames
from tasks.market.history import Array, View
from tasks.market.lake import Lake, Span, Where
from tasks.market.windows import tail
from tasks.panels import history_of, panel_of, total_returns
from tasks.progress import steps
from tasks.roster import Roster
from tasks.settings import calendar, load_contest, load_source, open_lake, open_shelf

if TYPE_CHECKING:
    from conf.schema import Contest
    from tasks.learning.panel import Panel
    from tasks.models.fitting import Model

RECORDS = {
    "session": pl.Date,
    "known_on": pl.Date,
    "horizon": pl.Int64,
    "ic": pl.Float64,
    "rank_ic": pl.Float64,
    "names": pl.Int64,
}


@task(task_run_name="forecast-{contest}-{as_of}")
def forecast_contest(contest: str, as_of: date) -> str:
    """Score every session up to `as_of` that its champion has not scored yet, and keep records.

    Its source is held meanwhile, so that no delivery changes what the scores rest on. Raises
    `LookupError` where no champion is known at `as_of`.
    """
    lake, rules = open_lake(), load_contest(contest)
    titles = champions(lake, contest, as_of)
    if titles.is_empty():
        raise LookupError(f"no champion of contest {contest!r} is known at {as_of}")
    with source_lock(rules.source):
        scored = _score_missing(lake, contest, rules, titles, as_of)
        measured = _measure_missing(lake, contest, rules, as_of)
    get_run_logger().info("%s: %d sessions scored, %d measured", contest, scored, measured)
    return f"forecasts/{contest}: {scored} sessions"


def champions(lake: Lake, contest: str, as_of: date) -> pl.DataFrame:
    """Return the champions known at `as_of`, one row from each session on, oldest first."""
    rows = lake.read("champions", where={"contest": [contest]})
    rows = rows.filter(pl.col("known_on") <= as_of, pl.col("from_session") <= as_of)
    return rows.sort("from_session", "known_on").unique(
        "from_session", keep="last", maintain_order=True
    )


class Reign(NamedTuple):
    """The sessions that one fit has still to score."""

    title: dict[str, Any]
    sessions: list[date]


def _reigns(
    lake: Lake, contest: str, rules: "Contest", titles: pl.DataFrame, as_of: date
) -> list[Reign]:
    """Return what each champion has still to score: the sessions after the last it scored."""
    days = calendar(load_source(rules.source).calendar)
    stored = lake.read(f"forecasts/{contest}", columns=["session", "weights_hash", "fitted_on"])
    scored = stored.group_by("fitted_on", "weights_hash").agg(pl.col("session").max())
    last = {(fitted, weights): day for fitted, weights, day in scored.iter_rows()}
    starts = titles["from_session"].to_list()
    ends = [days.previous(start) for start in starts[1:]] + [as_of]
    reigns = []
    for title, start, end in zip(titles.iter_rows(named=True), starts, ends, strict=True):
        done = last.get((start, title["weights_hash"]))
        sessions = days.sessions(days.next(done) if done else start, end)
        if sessions:
            reigns.append(Reign(title, sessions))
    return reigns


def _score_missing(
    lake: Lake, contest: str, rules: "Contest", titles: pl.DataFrame, as_of: date
) -> int:
    """Score, reign by reign, what is missing; each reign is one write."""
    reigns = _reigns(lake, contest, rules, titles, as_of)
    if not reigns:
        return 0
    models = [champion_model(contest, reign.title) for reign in reigns]
    days = calendar(load_source(rules.source).calendar)
    first = days.offset(reigns[0].sessions[0], 1 - max(model.look_back for model in models))
    panel, _ = panel_of(contest, days.sessions(first, as_of), as_of)
    _drop_records(lake, contest, reigns[0].sessions[0])
    for model, reign in steps(list(zip(models, reigns, strict=True)), f"scoring {contest}"):
        scores = score_rows(model, panel, reign.sessions).with_columns(
            recipe=pl.lit(reign.title["recipe"]),
            weights_hash=pl.lit(reign.title["weights_hash"]),
            fitted_on=pl.lit(reign.title["from_session"]),
        )
        over: Where = {"session": Span(reign.sessions[0], reign.sessions[-1])}
        lake.replace(f"forecasts/{contest}", frames.shaped(scores, frames.FORECASTS), over=over)
    return sum(len(reign.sessions) for reign in reigns)


def _drop_records(lake: Lake, contest: str, since: date) -> None:
    """Forget what was measured of scores from `since` on: they are about to be replaced."""
    over: Where = {"session": Span(since, date.max)}
    stale = lake.read(f"records/{contest}", where=over)
    if not stale.is_empty():
        lake.replace(f"records/{contest}", stale.clear(), over=over)


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


def _measure_missing(lake: Lake, contest: str, rules: "Contest", as_of: date) -> int:
    """Measure each scored session whose label has become known and that has no record yet."""
    table, source = f"records/{contest}", load_source(rules.source)
    days = calendar(source.calendar)
    scores = lake.read(f"forecasts/{contest}")
    if scores.is_empty():
        return 0
    kept = lake.read(table)
    if not kept.is_empty() and (kept["horizon"] != rules.horizon).any():
        _drop_records(lake, contest, date.min)
    reach = rules.horizon + 1
    last_known = days.offset(as_of, -reach)
    done = lake.read(table, columns=["session"])["session"].sort().to_list()
    first = days.next(done[-1]) if done else scores["session"].sort()[0]
    due = days.sessions(first, last_known) if first <= last_known else []
    if not due:
        return 0
    history = history_of(lake, rules.source, as_of, since=due[0])
    by_sector = rules.label == "sector_neutral"
    roster = Roster(lake, rules.source, rules.universe, as_of) if by_sector else None
    by_session = scores.filter(pl.col("session").is_in(due)).partition_by(
        "session", as_dict=True, include_key=True
    )
    rows = []
    for session in due:
        view = history.roll(days.offset(session, reach))
        if (session,) in by_session:
            sectors = roster.sectors_at(session) if roster else {}
            peers = _peers(lake, rules, by_session[(session,)], sectors)
            rows.append(_record(by_session[(session,)], view, rules, peers))
    records = pl.DataFrame(rows, schema=RECORDS, orient="row")
    lake.replace(table, records, over={"session": Span(due[0], due[-1])})
    return len(rows)


class Peers(NamedTuple):
    """What the labels of the scored names are cleared of, as known at their session; (1, N)."""

    sector_TN: NDArray[np.int64] | None
    beta_TN: Array | None


def _peers(lake: Lake, rules: "Contest", scores: pl.DataFrame, sectors: Mapping[str, str]) -> Peers:
    from tasks.learning.neutral import sector_codes

    sector_TN, beta_TN = None, None
    if rules.label == "sector_neutral":
        sector_TN = sector_codes([sectors.get(name) for name in scores["instrument"]])[None]
    if rules.label == "beta_neutral" and rules.beta:
        session = scores["session"][0]
        where: Where = {"source": [rules.source], "session": Span(session, session)}
        columns = ["instrument", rules.beta]
        told = lake.read(f"features/{rules.features}", where=where, columns=columns)
        beta_of = dict(told.iter_rows())
        beta_TN = np.array([[beta_of.get(name) for name in scores["instrument"]]], np.float64)
    return Peers(sector_TN, beta_TN)


def _record(
    scores: pl.DataFrame, view: View, rules: "Contest", peers: Peers
) -> tuple[date, date, int, float, float, int]:
    """Return the IC and rank IC of one session, its label known at `view.as_of` and not before."""
    from tasks.learning.neutral import neutral_labels
    from tasks.statistics.ic import ic_series, rank_ic_series

    label_N = total_returns(tail(view, rules.horizon + 2), rules)[0]
    place = {name: number for number, name in enumerate(view.instruments)}
    label_TN = label_N[None, [place[name] for name in scores["instrument"]]]
    everyone_TN = np.ones(label_TN.shape, bool)
    label_TN = neutral_labels(label_TN, everyone_TN, kind=rules.label, **peers._asdict())
    score_TN = scores["score"].to_numpy()[None]
    both = np.flatnonzero(np.isfinite(score_TN[0]) & np.isfinite(label_TN[0]))
    pair = score_TN[:, both], label_TN[:, both]
    ic = float(ic_series(*pair, min_names=rules.min_names)[0])
    rank_ic = float(rank_ic_series(*pair, min_names=rules.min_names)[0])
    return scores["session"][0], view.as_of, rules.horizon, ic, rank_ic, both.size


def record_known(lake: Lake, contest: str, as_of: date) -> pl.DataFrame:
    """Return the contest's records known at `as_of`: (session, known_on, ic, rank_ic, names)."""
    records = lake.read(f"records/{contest}")
    if records.is_empty():
        return pl.DataFrame(schema=RECORDS)
    return records.filter(pl.col("known_on") <= as_of).sort("session")
