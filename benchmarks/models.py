"""Models on one panel: every one fitted on the same features and judged on the same sessions.

    python benchmarks/models.py --bars FILE --calendar FILE --json OUT

reads a file of bars (date, symbol, open, high, low, close, volume) and one of its sessions
(exchange, date), lets the gate judge it, makes the features of the contest, and fits each of the
contest's recipes, as they stand in `conf/models`, on all years but the last two, stopped by the
last but one. What needs no stopping (ridge, forest, support vectors) learns from that year too, and
so do recipes with `refit`, once it has stopped them; the yardstick has none. The last year judges.
LightGBM is tuned first, on folds before the test year. To choose settings without that year, let
`--until` end the one before.

A file of names that were chosen at its end holds survivors: it says which model orders names
better, not what would have been earned.
"""

import argparse
import json
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))

import polars as pl
import yaml
from rich.console import Console
from rich.table import Table

from benchmarks.models_panel import NAME, ROOT, Ground, ground, settle
from conf.schema import Contest, Recipe
from tasks.models.comparison import Comparison, compare
from tasks.models.fitting import fit_recipe, load_fit, score_sessions
from tasks.models.once import Made
from tasks.walks import label_frame

YARDSTICK = "lightgbm"  # the recipe that others are compared with, tuned on the spot
COST = 0.0010  # of what is traded
WIDTH = 130  # of the table, also where no terminal is
NOT_LEARNED = ("ridge", "linear_svm", "reversal", "equal")  # nothing in them is random
COLUMNS = (
    "model", "IC", "ICIR", "rank IC", "error", "t", "less LightGBM", "error ", "t ", "spread net",
    "turnover", "CPU s",
)  # fmt: skip


class Judged(NamedTuple):
    """One model, and what it was worth in the last year."""

    recipe: Recipe
    scores: pl.DataFrame
    cpu_s: float
    facts: dict[str, Any]


def main() -> None:
    """Fit, judge, print the table and write the figures."""
    asked = _asked()
    given = given_contest(asked)
    with tempfile.TemporaryDirectory() as scratch:
        folder = asked.folder or Path(scratch)
        settle(folder, asked.bars, asked.calendar, given)
        horizons = Contest.model_validate(given).horizons
        until = asked.until or date.max
        on = ground(
            asked.calendar, horizons, trades_at=asked.label, warm_up=asked.warm_up, until=until
        )
        contest = contest_on(on, given)
        recipes = _recipes(contest, asked)
        judged: dict[str, Judged] = {}
        made: Made = {}
        for recipe in recipes:
            chosen = _tuned(recipe, on, contest, folder, asked) if asked.trials else recipe
            judged[recipe.name] = judge(chosen, on, contest, asked.threads, made)
            cpu_s = judged[recipe.name].cpu_s
            Console(stderr=True).print(f"{recipe.name} is fitted: {cpu_s:.0f} CPU s")
            found = _compared(judged, on, contest, YARDSTICK)  # it comes first
            figures = _figures(found, judged, asked, on)
            _write(asked.json, figures)  # a run that is broken off leaves what it has
        others = {name: _compared(judged, on, contest, name) for name in asked.against}
    Console(width=WIDTH).print(_table(found, judged, asked, on))
    for name, one in others.items():
        Console(width=WIDTH).print(_differences(name, one))
    _write(asked.json, figures | {"against": {name: _pairs(one) for name, one in others.items()}})


def _write(path: Path | None, figures: dict[str, Any]) -> None:
    if path:
        path.write_text(json.dumps(figures, indent=1, allow_nan=False))


def _asked() -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--models", nargs="*", help="recipes of the contest; none: all")
    parser.add_argument("--against", nargs="*", default=[], help="models to compare with, too")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--horizon", type=int, choices=(1, 5), default=5)
    parser.add_argument("--label", choices=("open", "close"), default="open")
    parser.add_argument("--trials", type=int, default=20, help="of tuning LightGBM; 0: none")
    parser.add_argument("--until", type=date.fromisoformat, help="last session looked at")
    return parser.parse_args()


def parser_of(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser of what every benchmark on a file of bars is told."""
    parser = argparse.ArgumentParser(description=(doc or "").split("\n")[0])
    parser.add_argument("--bars", type=Path, required=True)
    parser.add_argument("--calendar", type=Path, required=True)
    parser.add_argument("--contest", default="nasdaq", help="a file of conf/models")
    parser.add_argument("--warm-up", type=int, default=60, help="first sessions to leave out")
    parser.add_argument("--min-names", type=int, help="of a session; none: as the contest says")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="keep the house here; none: throw it away")
    parser.add_argument("--json", type=Path)
    return parser


def given_contest(asked: argparse.Namespace) -> dict[str, Any]:
    """Return the contest's file with what was asked for in its place."""
    given = yaml.safe_load((ROOT / "conf" / "models" / f"{asked.contest}.yaml").read_text())
    changed = {"horizon": asked.horizon, "min_names": asked.min_names or given["min_names"]}
    return dict(given | changed)


def contest_on(on: Ground, given: dict[str, Any]) -> Contest:
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
    if unknown := sorted(set(asked.against) - set(chosen)):
        raise SystemExit(f"Nothing to hold {', '.join(unknown)} against: name it in --models.")
    return [seeded(named[name], asked.seeds) for name in chosen]


def seeded(recipe: Recipe, seeds: int) -> Recipe:
    """Return the recipe with so many seeds; an ensemble leaves them to its members."""
    if recipe.members:
        members = tuple(seeded(one, seeds) for one in recipe.members)
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
        on.known[contest.horizon],
        as_of=on.splits["valid"][-1],
        contest=contest,
        validation=Validation(stretches=2),
        effort=Effort(storage=folder / "tuning.db", trials=asked.trials, budget_s=None),
        threads=asked.threads,
    )
    return found.recipe.model_copy(update={"seeds": recipe.seeds})


def judge(
    recipe: Recipe, on: Ground, contest: Contest, threads: int, made: Made | None = None
) -> Judged:
    """Fit a recipe by what was known at the end of the validation, and score the test.

    A member of an ensemble that is in `made` is not fitted again, and costs it no CPU seconds.
    """
    began = time.process_time()
    fit = fit_recipe(
        recipe,
        on.panel,
        on.known[contest.horizon_of(recipe)],
        fitted_on=on.splits["valid"][-1],
        contest=contest,
        threads=threads,
        made=made,
    )
    cpu_s = time.process_time() - began
    model = load_fit(recipe, fit.card, fit.weights, threads=threads)
    scores = score_sessions(model, on.panel, on.splits["test"])
    stretches = {name: told for name, told in fit.card.items() if name[:5] in ("train", "valid")}
    return Judged(recipe, scores, cpu_s, {"stretches": stretches} | fit.card["facts"])


def _compared(judged: dict[str, Judged], on: Ground, contest: Contest, champion: str) -> Comparison:
    return compare(
        {name: one.scores for name, one in judged.items()},
        label_frame(on.panel, on.label_TN),
        champion=champion,
        members=max(one.scores.height for one in judged.values()),
        horizon=contest.horizon,
        min_names=contest.min_names,
        cost=COST,
    )


def _table(
    found: Comparison, judged: dict[str, Judged], asked: argparse.Namespace, on: Ground
) -> Table:
    days, label = on.splits["test"], f"{asked.label} to {asked.label}, {asked.horizon} sessions"
    tuned = f"LightGBM tuned by {asked.trials} trials" if asked.trials else "LightGBM untuned"
    title = f"{asked.bars.stem}: {label}, {days[0]} to {days[-1]}, {asked.seeds} seeds, {tuned}"
    table = Table(title=title)
    for name in COLUMNS:
        table.add_column(name, justify="left" if name == "model" else "right")
    for row in found.table.iter_rows(named=True):
        table.add_row(
            row["model"], _told(row["ic"], "+.4f"), _told(row["icir"], "+.2f"),
            _told(row["rank_ic"], "+.4f"), _told(row["rank_ic_error"], ".4f"),
            _told(row["rank_ic_t"], "+.2f"), _told(row["difference"], "+.4f"),
            _told(row["error"], ".4f"), _told(row["t"], "+.2f"), _told(row["net"], "+.2%"),
            _told(row["turnover"], ".0%"), f"{judged[row['model']].cpu_s:.0f}",
        )  # fmt: skip
    return table


def _pairs(found: Comparison) -> dict[str, dict[str, float]]:
    """Return by model its mean daily rank IC less that of one of them, the error and the t."""
    rows = found.table.select("model", "difference", "error", "t").drop_nulls().to_dicts()
    return {row.pop("model"): row for row in rows}


def _differences(name: str, found: Comparison) -> Table:
    table = Table(title=f"rank IC less that of {name}")
    for column in ("model", "difference", "error", "t"):
        table.add_column(column, justify="left" if column == "model" else "right")
    for model, row in _pairs(found).items():
        figures = f"{row['difference']:+.4f}", f"{row['error']:.4f}", f"{row['t']:+.2f}"
        table.add_row(model, *figures)
    return table


def _told(figure: float | None, form: str) -> str:
    return "" if figure is None else format(figure, form)


def _figures(
    found: Comparison, judged: dict[str, Judged], asked: argparse.Namespace, on: Ground
) -> dict[str, Any]:
    rows = {row.pop("model"): row for row in found.table.to_dicts()}
    daily = found.daily.with_columns(pl.col("session").cast(pl.String)).fill_nan(None)
    models = {
        name: {
            "recipe": one.recipe.model_dump(mode="json"),
            "figures": rows[name],
            "cpu_s": one.cpu_s,
            "facts": one.facts,
            "daily": daily.filter(pl.col("model") == name).drop("model").to_dict(as_series=False),
        }
        for name, one in judged.items()
    }
    spans = {name: [str(days[0]), str(days[-1])] for name, days in on.splits.items()}
    about = {"bars": asked.bars.name, "label": asked.label, "horizon": asked.horizon}
    about |= {"seeds": asked.seeds, "trials": asked.trials, "splits": spans}
    return about | {"sessions": found.sessions, "gate": on.verdict, "models": models}


if __name__ == "__main__":
    main()
