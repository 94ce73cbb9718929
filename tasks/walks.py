"""Walk-forward scores of a recipe over the compared refits, and labels to hold them against."""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tasks.forecast import champion_model, score_rows
from tasks.market.history import Array
from tasks.settings import calendar, load_source, open_shelf

if TYPE_CHECKING:
    from conf.schema import Contest, Recipe
    from tasks.learning.panel import Panel


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
