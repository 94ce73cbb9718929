"""Who holds the title: what was decided is read, refits are judged, champions are written."""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from tasks.forecast import champion_model, score_rows
from tasks.market import frames
from tasks.market.lake import Lake, Span, Where
from tasks.panels import panel_of
from tasks.settings import calendar, load_contest, load_source, open_lake, open_shelf

if TYPE_CHECKING:
    from conf.schema import Contest
    from tasks.learning.panel import Panel
    from tasks.models.titles import Sanity, Title

# One row a decision; the last of a session counts. `kind`: promote, rollback, or rule.
DECISIONS = {
    "session": pl.Date,  # on whose night it was taken
    "from_session": pl.Date,
    "recipe": pl.String,
    "kind": pl.String,
    "reason": pl.String,
    "decided_by": pl.String,
}
# One row a refit of the champion, beside the weights that it was to replace.
REFITS = {
    "session": pl.Date,
    "recipe": pl.String,
    "weights_hash": pl.String,
    "before": pl.String,
    "loss": pl.Float64,
    "loss_before": pl.Float64,
    "correlation": pl.Float64,
    "names": pl.Int64,
    "fault": pl.String,  # empty where the refit was believed
}


def stored(lake: Lake, table: str, columns: dict[str, Any]) -> pl.DataFrame:
    """Return all rows of a table that may not be there yet; null where it lacks a column."""
    rows = lake.read(table)
    if rows.is_empty():
        return frames.empty(columns)
    lacking = {name: kind for name, kind in columns.items() if name not in rows.columns}
    return rows.with_columns(pl.lit(None, kind).alias(n) for n, kind in lacking.items()).select(
        list(columns)
    )


def decisions(lake: Lake, contest: str, as_of: date) -> pl.DataFrame:
    """Return what had been decided at `as_of`, oldest first, one row a session it counts from."""
    return in_force(stored(lake, f"decisions/{contest}", DECISIONS), as_of)


def in_force(rows: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Return the decisions known at `as_of`; of several from one session on the last counts."""
    known = rows.filter(pl.col("session") <= as_of).sort("from_session", "session")
    return known.unique("from_session", keep="last", maintain_order=True)


def titles_of(
    contest: str,
    rules: "Contest",
    schedule: Sequence[date],
    as_of: date,
    *,
    ruled: bool = True,
) -> "list[Title]":
    """Return the titles up to `as_of` by what had been decided then.

    The recipe that was first stays the first, whatever is listed first later. Without `ruled`
    they are those before the look of `as_of`: what it decided does not count. Raises `LookupError`
    where one that was given the title is no candidate any more.
    """
    from tasks.models.titles import Decision, titles

    lake, names = open_lake(), [recipe.name for recipe in rules.candidates]
    crowned = lake.read("champions", where={"contest": [contest]}, columns=["recipe"])["recipe"]
    first = crowned[0] if len(crowned) else names[0]
    rows = stored(lake, f"decisions/{contest}", DECISIONS)
    if not ruled:
        rows = rows.filter((pl.col("session") < as_of) | (pl.col("kind") != "rule"))
    rows = in_force(rows, as_of).filter(pl.col("from_session") <= as_of)
    taken = [
        Decision(one["from_session"], one["recipe"], one["reason"])
        for one in rows.iter_rows(named=True)
    ]
    try:
        return titles(schedule, taken, first=first, candidates=names)
    except LookupError as error:
        raise LookupError(f"contest {contest!r}: {error}") from None


def weights_told(contest: str) -> dict[tuple[str, date], str]:
    """Return by (recipe, session) the hash of all weights that held the title or were to hold it.

    Whoever can write to the shelf can write a card that vouches for other weights: what the lake
    knows is what was fitted.
    """
    lake = open_lake()
    crowned = lake.read("champions", where={"contest": [contest]})
    judged = stored(lake, f"refits/{contest}", REFITS)
    rows = [*judged.select("recipe", "session", "weights_hash").rows()]
    rows += crowned.select("recipe", "from_session", "weights_hash").rows()
    return {(recipe, session): weights_hash for recipe, session, weights_hash in rows}


class Crowned(NamedTuple):
    """The champion at the end, and what is wrong with refits that were judged just now."""

    champion: dict[str, Any]
    faults: list[str]


def write_titles(
    contest: str, held: "Sequence[Title]", as_of: date, panel: "Panel | None"
) -> Crowned:
    """Write the champions up to `as_of`; a refit at fault leaves the weights before it in place.

    A refit is judged once, beside the weights that it would replace. `panel` saves making one,
    where it holds what both score.
    """
    lake, shelf = open_lake(), open_shelf()
    known = stored(lake, f"refits/{contest}", REFITS).filter(pl.col("session") <= as_of)
    judged = {(one["session"], one["weights_hash"], one["before"]): one for one in known.to_dicts()}
    rows: list[dict[str, Any]] = []
    refits: list[dict[str, Any]] = []
    faults: list[str] = []
    for title in held:
        row = {
            "contest": contest,
            "from_session": title.session,
            "known_on": title.session,
            "recipe": title.recipe,
            "weights_hash": shelf.load(contest, title.recipe, title.session)[0]["weights_hash"],
            "reason": title.reason,
        }
        if rows and rows[-1]["recipe"] == title.recipe:
            key = title.session, row["weights_hash"], rows[-1]["weights_hash"]
            refits.append(judged.get(key) or _judged(contest, row, rows[-1], panel))
            if fault := refits[-1]["fault"]:
                if key not in judged:
                    faults.append(_told(row, rows[-1], fault))
                continue
        rows.append(row)
    told = pl.DataFrame(refits, schema=REFITS).sort("session")
    if not told.equals(known.sort("session"), null_equal=True):
        lake.replace(f"refits/{contest}", told, over={"session": Span(date.min, as_of)})
    _write(lake, contest, pl.DataFrame(rows, schema=frames.CHAMPIONS), as_of)
    return Crowned(rows[-1], faults)


def _told(fresh: dict[str, Any], last: dict[str, Any], fault: str) -> str:
    return (
        f"the refit of {fresh['recipe']} on {fresh['from_session']} is not used, and the weights "
        f"of {last['from_session']} stay: {fault}"
    )


def _write(lake: Lake, contest: str, champions: pl.DataFrame, as_of: date) -> None:
    over: Where = {"contest": [contest], "from_session": Span(date.min, as_of)}
    if not lake.read("champions", where=over).equals(champions.sort("contest", "from_session")):
        lake.replace("champions", champions, over=over)


def _judged(
    contest: str, fresh: dict[str, Any], last: dict[str, Any], panel: "Panel | None"
) -> dict[str, Any]:
    """Return the row of one refit: its numbers, and what is wrong with it, if anything is."""
    found = _sanity(contest, fresh, last, panel)
    numbers = {
        name: value if np.isfinite(value) else None
        for name, value in found._asdict().items()
        if name in ("loss", "loss_before", "correlation")
    }
    return {
        "session": fresh["from_session"],
        "recipe": fresh["recipe"],
        "weights_hash": fresh["weights_hash"],
        "before": last["weights_hash"],
        **numbers,
        "names": found.names,
        "fault": found.fault,
    }


def _sanity(
    contest: str, fresh: dict[str, Any], last: dict[str, Any], panel: "Panel | None"
) -> "Sanity":
    """Return what is said of a refit, beside the last fit, by the names of its own session."""
    from tasks.models.titles import Refit, Sanity, sane

    session, shelf = fresh["from_session"], open_shelf()
    models = [champion_model(contest, title) for title in (fresh, last)]
    days = calendar(load_source(load_contest(contest).source).calendar)
    first = days.offset(session, 1 - max(model.look_back for model in models))
    if panel is None or panel.sessions[0] > first or panel.sessions[-1] < session:
        panel, _ = panel_of(contest, days.sessions(first, session), session)
    before = score_rows(models[1], panel, [session])
    try:
        scores = score_rows(models[0], panel, [session])
    except ValueError as error:  # it says which scores are not finite
        return Sanity(np.nan, np.nan, np.nan, before.height, str(error))
    both = scores.join(before, on="instrument", suffix="_before")
    cards = [shelf.load(contest, one["recipe"], one["from_session"])[0] for one in (fresh, last)]
    return sane(
        Refit(cards[0], both["score"].to_numpy()), Refit(cards[1], both["score_before"].to_numpy())
    )
