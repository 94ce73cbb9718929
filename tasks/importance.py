"""What the weights of a contest rest on, asked on sessions that came after their fit."""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tasks.forecast import champion_model
from tasks.market.history import Array
from tasks.settings import open_shelf

if TYPE_CHECKING:
    from conf.schema import Contest
    from tasks.learning.panel import Panel
    from tasks.reports.importance import Rests

DEALT, FEWEST = 63, 20  # newest sessions on which features are dealt anew, and the fewest
DRAWS = 2  # deals of each feature in a session


def rests_on(
    contest: str,
    rules: "Contest",
    recipe: str,
    compared: Sequence[date],
    panel: "Panel",
    label_TN: Array,
) -> "Rests | None":
    """Return what the weights of `recipe` lose without each feature, on sessions after its fit.

    The newest fit with enough of them is asked; None where there is none.
    """
    from tasks.models.importance import contributions, permutation_importance
    from tasks.reports.importance import Rests

    known = np.flatnonzero(np.isfinite(label_TN).any(axis=1))
    labelled = [panel.sessions[place] for place in known]
    for fitted_on in reversed(compared):
        sessions = [day for day in labelled if day >= fitted_on][-DEALT:]
        if len(sessions) >= FEWEST:
            break
    else:
        return None
    card, _ = open_shelf().load(contest, recipe, fitted_on)
    title = {"recipe": recipe, "from_session": fitted_on, "weights_hash": card["weights_hash"]}
    model = champion_model(contest, title)
    found = permutation_importance(
        model,
        panel,
        label_TN,
        sessions,
        horizon=rules.horizon,
        min_names=rules.min_names,
        seed=model.recipe.seed,
        draws=DRAWS,
    )
    table = pl.DataFrame(
        {
            "feature": found.columns,
            "lost": [one.value for one in found.lost],
            "error": [one.error for one in found.lost],
            "t": [one.t for one in found.lost],
        }
    )
    if model.explainer() is not None:
        strength_F = contributions(model, panel, sessions).strength()
        table = table.with_columns(part=strength_F / (strength_F.sum() or 1.0))
    else:
        table = table.with_columns(part=pl.lit(None, pl.Float64))
    table = table.fill_nan(None).sort("lost", "feature", descending=[True, False], nulls_last=True)
    return Rests(table, fitted_on, len(sessions), found.rank_ic.value)
