"""Walk-forward scores of a recipe over the compared refits, and labels to hold them against."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from tasks.forecast import champion_model, score_rows
from tasks.market.history import Array
from tasks.settings import calendar, digest, load_source, load_universe, open_shelf

if TYPE_CHECKING:
    from conf.schema import Contest, Recipe
    from tasks.learning.panel import Panel


class Seen(NamedTuple):
    """The walks of recipes from `since` to `session`, and what they were worth as known then."""

    since: date
    session: date
    scores: Mapping[str, pl.DataFrame]  # by recipe: session, instrument, score
    daily: Mapping[str, pl.DataFrame]  # by recipe: session, ic, rank_ic, names
    panel: "Panel"  # may reach beyond both ends
    label_TN: Array  # on the panel's axes


def setup_of(rules: "Contest", name: str) -> str:
    """Return the hash of a recipe's settings and of all that its scores are compared by.

    That includes which names there are, and the prices that labels begin and end at.
    Of a recipe that is no candidate any more it is that of the contest alone.
    """
    own = tuple(one for one in rules.candidates if one.name == name)
    fixed = {"title": "", "compare_refits": 1, "promotion": "by_hand"}  # move no score
    source = load_source(rules.source)
    universe = load_universe(rules.universe).model_copy(update={"title": ""})
    asked = rules.model_copy(update={"candidates": own, **fixed})
    told = f"{source.calendar} {source.starts} {source.trades_at}"
    texts = asked.model_dump_json(), universe.model_dump_json(), told
    return digest(*(text.encode() for text in texts))[:16]


def walked(
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


def label_frame(panel: "Panel", label_TN: Array) -> pl.DataFrame:
    """Return the known labels on a panel's axes as (session, instrument, label)."""
    at, name = np.nonzero(np.isfinite(label_TN))
    return pl.DataFrame(
        {
            "session": [panel.sessions[place] for place in at],
            "instrument": [panel.instruments[place] for place in name],
            "label": label_TN[at, name],
        },
        schema={"session": pl.Date, "instrument": pl.String, "label": pl.Float64},
    )
