"""Would more data help: models that learn from fewer names or years, judged on all names.

    python benchmarks/learning_curve.py --bars FILE --calendar FILE --json OUT

reads the files of `benchmarks/models.py`, and fits recipes of the contest as they stand on a share
of the names, drawn by chance, and on the newest years of those before the last but one. All are
judged on the same names and sessions of the last year, each beside the fit that learned from all.
"""

import argparse
import json
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.models import contest_on, given_contest, judge, parser_of, seeded
from benchmarks.models_panel import Ground, ground, settle
from conf.schema import Contest
from tasks.models.comparison import compare
from tasks.walks import label_frame

SEED = 1  # of the names that are drawn
COLUMNS = ("model", "names", "years", "rows", "rank IC", "error", "less whole", "error ", "t")


class Part(NamedTuple):
    """How much there is to learn from."""

    share: float  # of the names
    years: int  # newest of those before the last but one


def main() -> None:
    """Fit every recipe on every part, print the table and write the figures."""
    asked = _asked()
    given = given_contest(asked)
    with tempfile.TemporaryDirectory() as scratch:
        settle(asked.folder or Path(scratch), asked.bars, asked.calendar, given)
        horizons = Contest.model_validate(given).horizons
        on = ground(asked.calendar, horizons, trades_at="open", warm_up=asked.warm_up)
        rows = [row for name in asked.models for row in _curve(name, on, given, asked)]
    table = Table(title=f"{asked.bars.stem}: open to open, {asked.horizon} sessions", width=120)
    for name in COLUMNS:
        table.add_column(name, justify="left" if name == "model" else "right")
    for row in rows:
        table.add_row(*_cells(row))
    Console(width=120).print(table)
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=1, allow_nan=False))


def _asked() -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--models", nargs="+", default=["lightgbm", "mlp"], help="its recipes")
    parser.add_argument("--shares", nargs="+", type=float, default=[0.25, 0.5], help="of the names")
    parser.add_argument("--years", nargs="+", type=int, default=[1, 2], help="to learn from")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--horizon", type=int, choices=(1, 5), default=1)
    return parser.parse_args()


def _curve(
    name: str, on: Ground, given: dict[str, Any], asked: argparse.Namespace
) -> list[dict[str, Any]]:
    """Return a recipe's figures: of fewer names, of fewer years, and of all there is."""
    contest = contest_on(on, given)
    (recipe,) = [seeded(one, asked.seeds) for one in contest.candidates if one.name == name]
    all_years = on.splits["valid"][0].year - on.splits["train"][0].year
    whole = Part(1.0, all_years)
    parts = [Part(share, all_years) for share in asked.shares]
    parts += [Part(1.0, years) for years in asked.years if years < all_years]
    fits = {}
    for part in (*parts, whole):
        less = narrowed(on, part)
        fits[part] = judge(recipe, less, contest_on(less, given), asked.threads)
        Console(stderr=True).print(f"{name}, {part}: {fits[part].cpu_s:.0f} CPU s")
    found = compare(
        {str(part): one.scores for part, one in fits.items()},
        label_frame(on.panel, on.label_TN),
        champion=str(whole),
        members=fits[whole].scores.height,
        horizon=contest.horizon,
        min_names=contest.min_names,
        cost=0.0,
    )
    figures = {row["model"]: row for row in found.table.to_dicts()}
    kept = ("rank_ic", "rank_ic_error", "difference", "error", "t")
    return [
        {
            "model": name,
            "names": round(part.share * len(on.panel.instruments)),
            "years": part.years,
            "rows": one.facts["stretches"]["train_rows"],
            **{key: figures[str(part)][key] for key in kept},
        }
        for part, one in fits.items()
    ]


def narrowed(on: Ground, part: Part) -> Ground:
    """Return what is left to learn from; what judges stays.

    Names are drawn once and in one order: those of a small share are among those of a larger one.
    """
    dice = np.random.default_rng(SEED)
    count = round(part.share * len(on.panel.instruments))
    drawn = dice.permutation(len(on.panel.instruments))[:count]
    since = _first(on.splits, part.years)
    early = on.panel.sessions.index(since)
    known = {}
    for horizon, label_TN in on.known.items():
        known[horizon] = np.full_like(label_TN, np.nan)
        known[horizon][early:, drawn] = label_TN[early:, drawn]
    train = [day for day in on.splits["train"] if day >= since]
    return on._replace(known=known, splits={**on.splits, "train": train})


def _first(splits: dict[str, list[date]], years: int) -> date:
    """Return the first session of the newest so many years that are learned from."""
    begin = splits["valid"][0].year - years
    return next(day for day in splits["train"] if day.year >= begin)


def _cells(row: dict[str, Any]) -> list[str]:
    own = row["difference"] is None
    return [
        row["model"],
        f"{row['names']:,}",
        str(row["years"]),
        f"{row['rows']:,}",
        f"{row['rank_ic']:+.4f}",
        f"{row['rank_ic_error']:.4f}",
        "" if own else f"{row['difference']:+.4f}",
        "" if own else f"{row['error']:.4f}",
        "" if own else f"{row['t']:+.2f}",
    ]


if __name__ == "__main__":
    main()
