"""What MLflow is told about a fit, so that people can compare recipes on the same rows."""

import io
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from tasks.looks import LOOKS
from tasks.market.lake import Lake
from tasks.reports.fit import fit_page
from tasks.settings import (
    code_hash,
    constraints_hash,
    load_contest,
    load_source,
    load_universe,
    open_lake,
    open_shelf,
    settings_hash,
    threads,
    tracking_uri,
)
from tasks.titles import stored

if TYPE_CHECKING:
    from conf.schema import Contest, Recipe
    from tasks.learning.model import Value
    from tasks.models.evaluation import Evaluation

# Figures of a look.
SAID = ("difference", "error", "t", "p", "adjusted_p", "level", "detectable", "sessions", "net_t")


def log_newest_fit(
    contest: str,
    recipe: "Recipe",
    compared: Sequence[date],
    judged: "Evaluation",
    *,
    champion: bool,
    scores: pl.DataFrame,
) -> str:
    """Log the fit of `recipe` at the last of `compared`; return its run.

    Raises `TrackingError` where MLflow is away.

    Args:
        contest: Its name.
        recipe: What was fitted.
        compared: The refits it was judged over, oldest first.
        judged: What its walk over these was worth.
        champion: Whether it holds the title.
        scores: (session, instrument, score) of that walk.
    """
    from tasks.learning.tracking import log_fit

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
    files = {"figures/fit.html": page.encode(), **_tables(recipe, card, weights, judged, scores)}
    look = newest_look(open_lake(), contest, fitted_on)
    said = look.of(recipe.name)
    return log_fit(
        tracking_uri(),
        experiment=experiment_name(contest, recipe),
        recipe=recipe.name,
        run_name=name,
        params=_params(rules, recipe, card, compared),
        hashes=_hashes(rules, card),
        datasets={f"{rules.source} {rules.universe} {rules.features}": card["data_hash"]},
        metrics=judged.metrics | {f"look.{key}": said[key] for key in SAID if key in said},
        curves=card["curves"] | by_fold(judged.daily, compared, horizon=rules.horizon),
        files=files,
        card=card,
        weights=weights,
        tags={"contest": contest, "fitted_on": str(fitted_on), "champion": str(champion).lower()}
        | _told(said),
    )


def experiment_name(contest: str, recipe: "Recipe") -> str:
    """Return the experiment of a recipe's runs: its contest, and the family of its model.

    Families are trees, linear models, nets and ensembles. Experiments of one contest stand side by
    side in MLflow's list, where several can be opened as one table.
    """
    from tasks.models.baselines import BASELINES
    from tasks.models.baselines.trees import Trees
    from tasks.models.learners import ENSEMBLE

    if recipe.model == ENSEMBLE:
        return f"{contest}/ensembles"
    if recipe.model not in BASELINES:
        return f"{contest}/nets"
    return f"{contest}/{'trees' if issubclass(BASELINES[recipe.model](), Trees) else 'linear'}"


class Look(NamedTuple):
    """The last look at the challengers: against whom, and a row for each of them."""

    champion: str
    rows: dict[str, dict[str, Any]]

    def of(self, recipe: str) -> dict[str, Any]:
        """Return what was found of a challenger; nothing of who was none."""
        return self.rows.get(recipe, {})

    def closest(self) -> str:
        """Return the challenger with the greatest t; empty where none has one."""
        known = {name: row["t"] for name, row in self.rows.items() if "t" in row}
        return max(known, key=lambda name: known[name]) if known else ""


def newest_look(lake: Lake, contest: str, as_of: date) -> Look:
    """Return the last look that was taken up to `as_of`."""
    looks = stored(lake, f"promotions/{contest}", LOOKS).filter(pl.col("session") <= as_of)
    last = looks.filter(pl.col("session") == pl.col("session").max())
    rows = {
        row["recipe"]: {name: value for name, value in row.items() if value is not None}
        for row in last.iter_rows(named=True)
    }
    return Look(last["champion"][0] if rows else "", rows)


def by_fold(
    daily: pl.DataFrame, compared: Sequence[date], *, horizon: int
) -> dict[str, list[float]]:
    """Return the IC and the rank IC of each fold with their errors; NaN where there is none.

    A fold is what one refit scored: from its session to the one before the next refit.

    Args:
        daily: (session, ic, rank_ic) of a walk.
        compared: The refits, oldest first.
        horizon: Sessions the label looks ahead.
    """
    from tasks.statistics.hac import hac_mean, label_lags

    found: dict[str, list[float]] = {}
    for first, end in zip(compared, [*compared[1:], date.max], strict=True):
        fold = daily.filter(pl.col("session") >= first, pl.col("session") < end)
        for name in ("ic", "rank_ic"):
            values = fold.sort("session")[name].drop_nulls().to_numpy()
            mean = hac_mean(values, lags=label_lags(len(values), horizon=horizon))
            found.setdefault(f"fold_{name}", []).append(mean.value)
            found.setdefault(f"fold_{name}_error", []).append(mean.error)
    return found


def _tables(
    recipe: "Recipe",
    card: dict[str, Any],
    weights: bytes,
    judged: "Evaluation",
    scores: pl.DataFrame,
) -> dict[str, bytes]:
    """Return the files beside the weights: predictions, what each session was worth, importance."""
    from tasks.models.importance import told_by_weights

    buffer = io.BytesIO()
    scores.write_parquet(buffer)
    files = {
        "daily.csv": judged.daily.write_csv().encode(),
        "predictions.parquet": buffer.getvalue(),
    }
    if weighed := told_by_weights(recipe, card["columns"], weights):
        table = pl.DataFrame({"feature": list(weighed), "share": list(weighed.values())})
        ordered = table.sort("share", "feature", descending=[True, False])
        files["importance.csv"] = ordered.write_csv().encode()
    return files


def _told(said: dict[str, Any]) -> dict[str, str]:
    """Return the tags that show what the last look found of a challenger."""
    if not said:
        return {}
    return {
        "verdict": said["verdict"],
        "verdict.reason": said["reason"],
        "verdict.against": said["champion"],
        "verdict.session": str(said["session"]),
    }


def ranks(contest: str, look: Look, champion: str) -> dict[str, str]:
    """Return by alias which recipes are named beside the champion; empty where nobody is.

    The challenger is who came closest to the champion at the last look; the shadow is who would
    have the title again after a rollback, and is walked on meanwhile.
    """
    held = open_lake().read("champions", where={"contest": [contest]}).sort("from_session")
    before = [name for name in held["recipe"] if name != champion]
    closest = look.closest()
    return {
        "challenger": closest if closest != champion else "",
        "shadow": before[-1] if before else "",
    }


def params_of(
    rules: "Contest", recipe: "Recipe", settings: "Mapping[str, Value]"
) -> dict[str, Any]:
    """Return what a fit of a recipe stands on, as params of a run; members one by one."""
    fixed = rules.model_dump(mode="json", exclude={"candidates", "title"})
    own = recipe.model_dump(mode="json", exclude={"settings"})
    told = {f"contest.{name}": value for name, value in fixed.items()}
    told |= {f"recipe.{name}": value for name, value in own.items()}
    told |= {f"setting.{name}": value for name, value in settings.items()}
    for place, one in enumerate(recipe.members):
        told |= {f"member.{place}.model": one.model, f"member.{place}.loss": one.loss}
        told |= {f"member.{place}.{name}": value for name, value in one.settings.items()}
    return told


def _params(
    rules: "Contest", recipe: "Recipe", card: dict[str, Any], compared: Sequence[date]
) -> dict[str, Any]:
    return {
        **params_of(rules, recipe, card.get("settings", {})),
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
