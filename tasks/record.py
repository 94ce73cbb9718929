"""What MLflow is told about a fit, so that people can compare recipes on the same rows."""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from tasks.reports.fit import fit_page
from tasks.settings import (
    code_hash,
    constraints_hash,
    load_contest,
    load_source,
    load_universe,
    open_shelf,
    settings_hash,
    threads,
    tracking_uri,
)

if TYPE_CHECKING:
    from conf.schema import Contest, Recipe
    from tasks.models.evaluation import Evaluation


def log_newest_fit(
    contest: str,
    recipe: "Recipe",
    compared: Sequence[date],
    judged: "Evaluation",
    *,
    champion: bool,
) -> str:
    """Log the fit of `recipe` at the last of `compared`; the champion's becomes a version.

    Raises `TrackingError` where MLflow is away.
    """
    from tasks.learning.tracking import log_fit, register

    rules, fitted_on = load_contest(contest), compared[-1]
    card, weights = open_shelf().load(contest, recipe.name, fitted_on)
    name = f"{recipe.name}-{fitted_on}"
    page = fit_page(
        f"{contest}: {name}",
        judged.daily,
        judged.deciles,
        card["curves"],
        horizon=rules.horizon,
    )
    run_id = log_fit(
        tracking_uri(),
        contest=contest,
        recipe=recipe.name,
        run_name=name,
        params=_params(rules, recipe, card, compared),
        hashes=_hashes(rules, card),
        metrics=judged.metrics,
        curves=card["curves"],
        figures={"fit": page},
        card=card,
        weights=weights,
        tags={"contest": contest, "fitted_on": str(fitted_on), "champion": str(champion).lower()},
    )
    if champion:
        register(tracking_uri(), contest=contest, run_id=run_id, tags={"fitted_on": str(fitted_on)})
    return run_id


def _params(
    rules: "Contest", recipe: "Recipe", card: dict[str, Any], compared: Sequence[date]
) -> dict[str, Any]:
    fixed = rules.model_dump(mode="json", exclude={"candidates", "title"})
    own = recipe.model_dump(mode="json", exclude={"settings"})
    return {
        **{f"contest.{name}": value for name, value in fixed.items()},
        **{f"recipe.{name}": value for name, value in own.items()},
        **{f"setting.{name}": value for name, value in card.get("settings", {}).items()},
        "columns": len(card["columns"]),  # their names stand in the card, beside the weights
        "fitted_on": str(card["fitted_on"]),
        "compared_since": str(compared[0]),
        "threads": threads(),
    }


def _hashes(rules: "Contest", card: dict[str, Any]) -> dict[str, str]:
    found = {name: card[name] for name in ("data_hash", "weights_hash") if name in card}
    config = settings_hash(rules, load_universe(rules.universe), load_source(rules.source))
    return found | {
        "inputs": card["inputs"],
        "config": config,
        "code": code_hash(),
        "constraints": constraints_hash(),
    }
