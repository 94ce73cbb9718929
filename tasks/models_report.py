"""The report on a contest's candidates: walked over the same rows, compared, and written down."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from conf.schema import BPS
from tasks.forecast import champions
from tasks.importance import rests_on
from tasks.looks import LOOKS, compared_refits
from tasks.market.history import Array
from tasks.market.lake import Lake, Span, Where
from tasks.panels import panel_of
from tasks.settings import (
    calendar,
    data_folder,
    load_contest,
    load_source,
    open_lake,
    open_shelf,
)
from tasks.titles import stored
from tasks.train import refits
from tasks.tune import trials_made
from tasks.walks import label_frame, walked

if TYPE_CHECKING:
    from conf.schema import Contest, Recipe
    from tasks.learning.panel import Panel
    from tasks.models.comparison import Comparison
    from tasks.reports.models import Champion, Told

COST = 10 * BPS  # of what is traded


class Report(NamedTuple):
    """A page that was written, and what stands in it."""

    page: Path
    table: pl.DataFrame
    told: "Told"


def report_models(contest: str, as_of: date | None = None) -> Report:
    """Compare a contest's candidates on the newest session with features up to `as_of`.

    Fits are read from the shelf, features and prices from the lake; nothing is fitted. Writes
    the page and, beside it, the table as CSV. Raises `LookupError` where nothing can be compared.
    """
    from tasks.reports.models import models_page

    rules = load_contest(contest)
    fits = _fits(contest, as_of)
    session = _newest_prepared(open_lake(), contest, rules, as_of)
    champion = _champion(open_lake(), contest, rules, session)
    compared = _compared(contest, rules, fits, session, champion.recipe)
    judged, left_out = _with_all(rules, fits, compared)
    if champion.recipe not in [recipe.name for recipe in judged]:
        raise LookupError(
            f"The champion {champion.recipe!r} of {contest!r} lacks a fit that is compared: "
            f"{left_out[champion.recipe]}. Run `afterclose train --contest {contest}`."
        )
    panel, label_TN = _panel(contest, rules, judged, compared, session)
    found = _walk_all(contest, rules, judged, compared, session, champion.recipe, panel, label_TN)
    told = _told(contest, rules, champion, found, session, compared[0], left_out)
    rests = rests_on(contest, rules, champion.recipe, compared, panel, label_TN)
    table = found.table.join(_made(judged, fits, session), on="model", maintain_order="left")
    path = data_folder() / "reports" / "models" / f"{contest}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(models_page(table, found.daily, told, rests), encoding="utf-8")
    table.write_csv(path.with_suffix(".csv"))
    return Report(path, table, told)


def _fits(contest: str, as_of: date | None) -> pl.DataFrame:
    """Return (recipe, fitted_on) of what stands on the shelf; raise where it is nothing."""
    fits = open_shelf().listing(contest).select("recipe", "fitted_on")
    fits = fits.filter(pl.col("fitted_on") <= (as_of or date.max))
    if fits.is_empty():
        when = f" up to {as_of}" if as_of else ""
        raise LookupError(
            f"Nothing of contest {contest!r} is fitted{when}: "
            f"run `afterclose train --contest {contest}` first."
        )
    return fits


def _newest_prepared(lake: Lake, contest: str, rules: "Contest", as_of: date | None) -> date:
    where: Where = {"source": [rules.source], "session": Span(date.min, as_of or date.max)}
    days = lake.read(f"features/{rules.features}", where=where, columns=["session"])["session"]
    newest = days.sort()[-1] if len(days) else None
    if not isinstance(newest, date):
        raise LookupError(
            f"No features of contest {contest!r} are stored: "
            f"run `afterclose train --contest {contest}` first."
        )
    return newest


def _champion(lake: Lake, contest: str, rules: "Contest", as_of: date) -> "Champion":
    """Return who holds the title at `as_of`, and since when without a break."""
    from tasks.reports.models import Champion

    held = champions(lake, contest, as_of)
    if held.is_empty():
        raise LookupError(
            f"No champion of {contest!r} is known at {as_of}: "
            f"run `afterclose train --contest {contest}` first."
        )
    last = held.row(-1, named=True)
    names = [recipe.name for recipe in rules.candidates]
    if last["recipe"] not in names:
        raise LookupError(
            f"{last['recipe']!r} holds the title of {contest!r} but is no candidate any more; "
            f"there is: {', '.join(names)}. Give the title to one of them."
        )
    others = held.filter(pl.col("recipe") != last["recipe"])["from_session"]
    reign = held.filter(pl.col("from_session") > others[-1]) if len(others) else held
    first = reign.row(0, named=True)
    return Champion(last["recipe"], first["from_session"], first["reason"], last["from_session"])


def _compared(
    contest: str, rules: "Contest", fits: pl.DataFrame, as_of: date, champion: str
) -> list[date]:
    """Return what a look at the champion compares, of the refits at which anything was fitted."""
    made = set(fits["fitted_on"])
    schedule = [day for day in refits(contest, as_of) if day in made]
    if not schedule:
        raise LookupError(
            f"No fit of contest {contest!r} is of a session of its schedule up to {as_of}: "
            f"run `afterclose train --contest {contest}` again."
        )
    return compared_refits(contest, rules, schedule, champion)


def _with_all(
    rules: "Contest", fits: pl.DataFrame, compared: Sequence[date]
) -> "tuple[list[Recipe], dict[str, str]]":
    """Return the recipes with a fit at each of `compared`, and why the others are left out."""
    judged, left_out = [], {}
    for recipe in rules.candidates:
        own = set(fits.filter(pl.col("recipe") == recipe.name)["fitted_on"])
        lacking = [str(day) for day in compared if day not in own]
        if lacking:
            left_out[recipe.name] = f"no fit of {', '.join(lacking)}"
        else:
            judged.append(recipe)
    return judged, left_out


def _panel(
    contest: str,
    rules: "Contest",
    judged: "Sequence[Recipe]",
    compared: Sequence[date],
    as_of: date,
) -> "tuple[Panel, Array]":
    """Return what all fits see since the first of `compared`, and the labels known at `as_of`."""
    days, shelf = calendar(load_source(rules.source).calendar), open_shelf()
    look_back = max(
        int(shelf.load(contest, recipe.name, day)[0]["look_back"])
        for recipe in judged
        for day in compared
    )
    sessions = days.sessions(days.offset(compared[0], 1 - look_back), as_of)
    panel, labels = panel_of(contest, sessions, as_of, fits={as_of})
    return panel, labels[as_of, rules.horizon]


def _walk_all(
    contest: str,
    rules: "Contest",
    judged: "Sequence[Recipe]",
    compared: Sequence[date],
    as_of: date,
    champion: str,
    panel: "Panel",
    label_TN: Array,
) -> "Comparison":
    """Return what the recipes were worth since the first of `compared`, by labels known now."""
    from tasks.models.comparison import compare

    found = compare(
        {one.name: walked(contest, rules, one, compared, panel, as_of) for one in judged},
        label_frame(panel, label_TN),
        champion=champion,
        members=int(panel.member_TN[[day >= compared[0] for day in panel.sessions]].sum()),
        horizon=rules.horizon,
        min_names=rules.min_names,
        cost=COST,
    )
    if not found.sessions:
        raise LookupError(
            f"No session since {compared[0]} has {rules.min_names} names of {contest!r} whose "
            f"label over {rules.horizon} sessions is known at {as_of}: nothing to compare yet."
        )
    return found


def _told(
    contest: str,
    rules: "Contest",
    champion: "Champion",
    found: "Comparison",
    as_of: date,
    since: date,
    left_out: dict[str, str],
) -> "Told":
    """Return what a reader should know beside the figures."""
    from tasks.models.comparison import hurdle
    from tasks.models.promotion import LEAST_SESSIONS, PREFERRED_SESSIONS
    from tasks.reports.models import Told
    from tasks.statistics.discoveries import least_sessions

    looks = stored(open_lake(), f"promotions/{contest}", LOOKS)
    looks = looks.filter(pl.col("session") <= as_of)
    trials, source = trials_made(contest), load_source(rules.source)
    return Told(
        contest=contest,
        title=rules.title,
        data=f"{source.title}, universe {rules.universe}, features {rules.features}",
        as_of=as_of,
        since=since,
        sessions=found.sessions,
        names=found.names,
        horizon=rules.horizon,
        label=rules.label,
        trades_at=source.trades_at,
        cost=COST,
        champion=champion,
        looks=looks.filter(pl.col("session") == pl.col("session").max()),
        trials=trials,
        hurdle=None if trials is None else hurdle(max(trials, found.table.height)),
        needed=max(LEAST_SESSIONS, least_sessions(rules.horizon)),
        preferred=PREFERRED_SESSIONS,
        left_out=left_out,
    )


def _made(judged: "Sequence[Recipe]", fits: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Return how each recipe is made: (model, kind, loss, seeds, last_fit).

    The losses and seeds of an ensemble are those of its members.
    """
    last = fits.filter(pl.col("fitted_on") <= as_of).group_by("recipe").agg(pl.max("fitted_on"))
    day_of = dict(last.iter_rows())
    rows = []
    for one in judged:
        fitted = one.members or (one,)
        loss = ", ".join(dict.fromkeys(each.loss for each in fitted))
        seeds = one.seeds * sum(each.seeds for each in fitted) if one.members else one.seeds
        rows.append((one.name, one.model, loss, seeds, day_of[one.name]))
    kinds = {"model": pl.String, "kind": pl.String, "loss": pl.String, "seeds": pl.Int64}
    return pl.DataFrame(rows, schema=kinds | {"last_fit": pl.Date}, orient="row")
