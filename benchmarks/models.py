"""Models on one panel: every one fitted on the same features and judged on the same sessions.

    python benchmarks/models.py --bars FILE --calendar FILE --json OUT

reads a file of bars (date, symbol, open, high, low, close, volume) and one of its sessions
(exchange, date), lets the gate judge it, makes the features of the contest, and fits each of the
contest's recipes, as they stand in `conf/models`, on all years but the last two, stopped by the
last but one. The last year judges. LightGBM is tuned first, on folds before the test year.

A file of names that were chosen at its end holds survivors: it says which model orders names
better, not what would have been earned.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
import polars as pl
import yaml
from rich.console import Console
from rich.table import Table

from benchmarks.models_panel import NAME, ROOT, Ground, ground, settle
from conf.schema import Contest, Recipe
from tasks.models.evaluation import Evaluation, evaluate
from tasks.models.fitting import fit_recipe, load_fit, score_sessions
from tasks.statistics.hac import Mean, hac_mean, label_lags

YARDSTICK = "lightgbm"  # the recipe that others are compared with, tuned on the spot
COST = 0.0010  # of what is traded
WIDTH = 130  # of the table, also where no terminal is
NOT_LEARNED = ("ridge", "reversal", "equal")  # nothing in them is random
COLUMNS = (
    "model", "IC", "ICIR", "rank IC", "error", "t", "less tuned LightGBM", "t ", "spread net",
    "turnover", "CPU s",
)  # fmt: skip


class Judged(NamedTuple):
    """One model, and what it was worth in the last year."""

    recipe: Recipe
    found: Evaluation
    scores: pl.DataFrame
    cpu_s: float
    facts: dict[str, Any]


def main() -> None:
    """Fit, judge, print the table and write the figures."""
    asked = _asked()
    given = yaml.safe_load((ROOT / "conf" / "models" / f"{asked.contest}.yaml").read_text())
    given["horizon"] = asked.horizon
    given["min_names"] = asked.min_names or given["min_names"]
    with tempfile.TemporaryDirectory() as scratch:
        folder = asked.folder or Path(scratch)
        settle(folder, asked.bars, asked.calendar, given)
        on = ground(
            asked.calendar,
            horizon=asked.horizon,
            trades_at=asked.label,
            warm_up=asked.warm_up,
        )
        contest = _contest(given, on)
        recipes = _recipes(contest, asked)
        judged = {}
        for recipe in recipes:
            chosen = _tuned(recipe, on, contest, folder, asked) if asked.trials else recipe
            judged[recipe.name] = _judged(chosen, on, contest, asked.threads)
            _say(judged[recipe.name])
    Console(width=WIDTH).print(_table(judged, contest.horizon, asked, on))
    if asked.json:
        asked.json.write_text(json.dumps(_figures(judged, contest.horizon, asked, on), indent=1))


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--bars", type=Path, required=True)
    parser.add_argument("--calendar", type=Path, required=True)
    parser.add_argument("--contest", default="nasdaq", help="a file of conf/models")
    parser.add_argument("--models", nargs="*", help="recipes of the contest; none: all")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--horizon", type=int, choices=(1, 5), default=5)
    parser.add_argument("--label", choices=("open", "close"), default="open")
    parser.add_argument("--trials", type=int, default=20, help="of tuning LightGBM; 0: none")
    parser.add_argument("--warm-up", type=int, default=60, help="first sessions to leave out")
    parser.add_argument("--min-names", type=int, help="of a session; none: as the contest says")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="keep the house here; none: throw it away")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def _contest(given: dict[str, Any], on: Ground) -> Contest:
    """Return the contest, whose validation is the last year but one."""
    first = on.panel.sessions.index(on.splits["train"][0])
    last = on.panel.sessions.index(on.splits["valid"][-1])
    known = last + 1 - first - given["horizon"] - 1
    valid = len(on.splits["valid"]) - given["horizon"] - 1
    changed = {"source": NAME, "valid_share": valid / known, "train_sessions": last + 1 - first}
    return Contest.model_validate(given | changed)


def _recipes(contest: Contest, asked: argparse.Namespace) -> list[Recipe]:
    named = {recipe.name: recipe for recipe in contest.candidates}
    if unknown := sorted(set(asked.models or ()) - set(named)):
        raise SystemExit(f"No recipe {', '.join(unknown)}; there is: {', '.join(named)}.")
    chosen = [YARDSTICK, *(name for name in asked.models or named if name != YARDSTICK)]
    return [_seeded(named[name], asked.seeds) for name in chosen]


def _seeded(recipe: Recipe, seeds: int) -> Recipe:
    """Return the recipe with so many seeds; an ensemble leaves them to its members."""
    if recipe.members:
        members = tuple(_seeded(one, seeds) for one in recipe.members)
        return recipe.model_copy(update={"members": members})
    return recipe if recipe.model in NOT_LEARNED else recipe.model_copy(update={"seeds": seeds})


def _tuned(
    recipe: Recipe, on: Ground, contest: Contest, folder: Path, asked: argparse.Namespace
) -> Recipe:
    """Return the yardstick with the settings that a search finds best; others as they are."""
    if recipe.name != YARDSTICK:
        return recipe
    from tasks.learning.tuning import Effort
    from tasks.models.tuning import tune
    from tasks.models.validation import Validation

    found = tune(
        recipe.model_copy(update={"seeds": 1}),
        on.panel,
        on.known_TN,
        as_of=on.splits["valid"][-1],
        contest=contest,
        validation=Validation(stretches=2),
        effort=Effort(storage=folder / "tuning.db", trials=asked.trials, budget_s=None),
        threads=asked.threads,
    )
    return found.recipe.model_copy(update={"seeds": recipe.seeds})


def _judged(recipe: Recipe, on: Ground, contest: Contest, threads: int) -> Judged:
    began = time.process_time()
    fit = fit_recipe(
        recipe,
        on.panel,
        on.known_TN,
        fitted_on=on.splits["valid"][-1],
        contest=contest,
        threads=threads,
    )
    cpu_s = time.process_time() - began
    model = load_fit(recipe, fit.card, fit.weights, threads=threads)
    scores = score_sessions(model, on.panel, on.splits["test"])
    found = evaluate(scores, _labels(on), horizon=contest.horizon, min_names=contest.min_names)
    told = {"stretches": {k: v for k, v in fit.card.items() if k[:5] in ("train", "valid")}}
    return Judged(recipe, found, scores, cpu_s, told | fit.card["facts"])


def _labels(on: Ground) -> pl.DataFrame:
    at, name = np.nonzero(np.isfinite(on.label_TN))
    return pl.DataFrame(
        {
            "session": [on.panel.sessions[place] for place in at],
            "instrument": [on.panel.instruments[place] for place in name],
            "label": on.label_TN[at, name],
        },
        schema={"session": pl.Date, "instrument": pl.String, "label": pl.Float64},
    )


def _paired(one: Evaluation, other: Evaluation, horizon: int) -> Mean:
    """Return the mean daily difference of two rank ICs, with its error."""
    both = one.daily.join(other.daily, on="session", suffix="_other").sort("session")
    difference = (both["rank_ic"] - both["rank_ic_other"]).to_numpy()
    return hac_mean(difference, lags=label_lags(difference.size, horizon=horizon))


def _net(metrics: dict[str, float]) -> float:
    """Return the spread of the outer deciles less the cost of renewing both every horizon."""
    return metrics["decile_spread"] - COST * 4 * metrics["turnover"]


def _say(judged: Judged) -> None:
    metrics = judged.found.metrics
    Console(stderr=True).print(
        f"{judged.recipe.name}: rank IC {metrics['rank_ic']:+.4f}, {judged.cpu_s:.0f} CPU s"
    )


def _table(judged: dict[str, Judged], horizon: int, asked: argparse.Namespace, on: Ground) -> Table:
    days, test = on.splits["test"], f"{asked.label} to {asked.label}, {horizon} sessions"
    table = Table(title=f"{asked.bars.stem}: {test}, {days[0]} to {days[-1]}, {asked.seeds} seeds")
    for name in COLUMNS:
        table.add_column(name, justify="left" if name == "model" else "right")
    for name, one in judged.items():
        m, paired = one.found.metrics, _paired(one.found, judged[YARDSTICK].found, horizon)
        own = name == YARDSTICK
        table.add_row(
            name, f"{m['ic']:+.4f}", f"{m['icir']:+.2f}", f"{m['rank_ic']:+.4f}",
            f"{m['rank_ic_error']:.4f}", f"{m['rank_ic_t']:+.2f}",
            "" if own else f"{paired.value:+.4f} ± {paired.error:.4f}",
            "" if own else f"{paired.t:+.2f}", f"{_net(m):+.2%}", f"{m['turnover']:.0%}",
            f"{one.cpu_s:.0f}",
        )  # fmt: skip
    return table


def _figures(
    judged: dict[str, Judged], horizon: int, asked: argparse.Namespace, on: Ground
) -> dict[str, Any]:
    models = {}
    for name, one in judged.items():
        paired = _paired(one.found, judged[YARDSTICK].found, horizon)
        daily = one.found.daily.with_columns(pl.col("session").cast(pl.String))
        models[name] = {
            "recipe": one.recipe.model_dump(mode="json"),
            "metrics": one.found.metrics | {"spread_net": _net(one.found.metrics)},
            "paired": paired._asdict(),
            "cpu_s": one.cpu_s,
            "facts": one.facts,
            "daily": daily.to_dict(as_series=False),
        }
    spans = {name: [str(days[0]), str(days[-1])] for name, days in on.splits.items()}
    about = {"bars": asked.bars.name, "label": asked.label, "horizon": horizon, "splits": spans}
    return about | {"gate": on.verdict, "models": models}


if __name__ == "__main__":
    main()
