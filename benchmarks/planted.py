"""Whether the champion finds an edge that is there, in simulated markets whose truth is known.

    python benchmarks/planted.py [--seeds 1 2 3] [--ic 0.03] [--folder KEEP]

Each market goes the way of the house: its history is landed and judged, features are stored as
known each night, the contest of `conf/models/lab.yaml` is trained on its schedule, and the first
candidate, LightGBM, forecasts as champion. What was planted orders the names by the trailing
return over 20 sessions. Forecasts are held against the oracle, that is what was planted, on the
same sessions and names; beside each market lies its twin in which nothing is planted. Likeness is
the mean correlation of forecasts with what was planted: the share of the oracle's IC that is left
where no noise of returns moves either, and what the exit status goes by. With
`--folder` what is there already is not made again.

What is planted is a mean, so the IC decides. The rank IC also rewards who tells names with wide
returns from others: compounded returns are skewed, so theirs have a lower median at the same mean.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
import polars as pl
import yaml
from prefect.logging import disable_run_logger
from rich.console import Console
from rich.table import Table

from conf.schema import SimulatedSource
from tasks.market.calendar import Calendar
from tasks.statistics.hac import label_lags
from tasks.statistics.tests import joint_t

ROOT = Path(__file__).parent.parent
ORACLE = "oracle"
STARTS = date(2016, 1, 4)
FIRST_FIT, REFIT_EVERY, REFITS = 1260, 126, 4  # sessions, sessions, and how many fits
AIM = 0.8  # of the oracle's IC, without the noise of returns


class Plan(NamedTuple):
    """How large the markets are, and who is to find what."""

    ic: float
    names: int
    models: tuple[str, ...]
    first_fit: int = FIRST_FIT
    refits: int = REFITS

    def sessions(self) -> list[date]:
        """Return all sessions of a market; it ends before a refit that would score nothing."""
        days, count = Calendar("XNYS"), self.first_fit - 1 + self.refits * REFIT_EVERY
        return days.sessions(STARTS, days.offset(STARTS, count - 1))


class Lived(NamedTuple):
    """One market after its last night."""

    ic: dict[str, np.ndarray]  # model -> by session, the oracle's too where there is one
    rank_ic: dict[str, np.ndarray]
    likeness: dict[str, float]  # model -> mean correlation with what was planted
    cpu_s: float


def name_of(seed: int, *, planted: bool) -> str:
    """Return what the source and the contest of a market are called."""
    return f"planted_{seed}" if planted else f"empty_{seed}"


def settle(folder: Path, plan: Plan, seeds: Sequence[int]) -> None:
    """Write a house of so many markets and their twins, and point this process at it."""
    sessions = plan.sessions()
    source = yaml.safe_load((ROOT / "conf" / "sources" / "simulated.yaml").read_text())
    contest = yaml.safe_load((ROOT / "conf" / "models" / "lab.yaml").read_text())
    source |= {"starts": sessions[0], "ends": sessions[-1], "observed_from": sessions[-1]}
    source |= {"names": plan.names, "expected_rows": int(0.95 * plan.names)}
    contest |= {"first_fit": plan.first_fit, "refit_every": REFIT_EVERY}
    contest |= {"train_sessions": None, "compare_refits": plan.refits}
    contest["candidates"] = [one for one in contest["candidates"] if one["name"] in plan.models]
    universe = (ROOT / "conf" / "universes" / "every_name.yaml").read_text()
    for kind in ("sources", "models", "universes"):
        (folder / "conf" / kind).mkdir(parents=True, exist_ok=True)
    (folder / "conf" / "universes" / "every_name.yaml").write_text(universe)
    for seed in seeds:
        for planted in (True, False):
            name = name_of(seed, planted=planted)
            own = source | {"seed": seed, "planted_ic": plan.ic if planted else 0.0}
            for kind, content in (("sources", own), ("models", contest | {"source": name})):
                text = yaml.safe_dump(content, sort_keys=False)
                (folder / "conf" / kind / f"{name}.yaml").write_text(text)
    os.environ |= {
        "AFTERCLOSE_CONF": str(folder / "conf"),
        "AFTERCLOSE_DATA": str(folder / "data"),
    }


def live(name: str) -> Lived:
    """Bring one market to its last night, and hold its forecasts against what came."""
    from tasks.forecast import forecast_contest
    from tasks.ingest import land_deliveries
    from tasks.judge import judge_deliveries
    from tasks.prepare import prepare_features
    from tasks.settings import load_source
    from tasks.train import train_contest

    began, end = time.process_time(), load_source(name).ends
    assert end is not None  # `settle` said when
    with disable_run_logger():
        for step in (land_deliveries, judge_deliveries, prepare_features, train_contest):
            step.fn(name, end)
        forecast_contest.fn(name, end)
    daily, likeness = held_against(name, end)
    by_session = {
        kind: daily.pivot("model", index="session", values=kind).sort("session")
        for kind in ("ic", "rank_ic")
    }
    ic, rank_ic = (
        {model: frame[model].to_numpy() for model in likeness} for frame in by_session.values()
    )
    return Lived(ic, rank_ic, likeness, time.process_time() - began)


def held_against(name: str, end: date) -> tuple[pl.DataFrame, dict[str, float]]:
    """Return daily ICs on the rows that all scored, and the likeness to what was planted."""
    from tasks.models.comparison import compare
    from tasks.models.evaluation import evaluate
    from tasks.panels import panel_of
    from tasks.settings import calendar, load_contest, load_source, open_lake
    from tasks.train import refits
    from tasks.walks import label_frame, walked

    rules, days = load_contest(name), calendar(load_source(name).calendar)
    compared = refits(name, end)[-rules.compare_refits :]
    # the nets of the contest look back 31 sessions and less
    panel, labels = panel_of(
        name, days.sessions(days.offset(compared[0], -40), end), end, fits={end}
    )
    champion = rules.candidates[0].name
    scores = {
        one.name: walked(name, rules, one, compared, panel, end) for one in rules.candidates[1:]
    }
    scores[champion] = (
        open_lake().read(f"forecasts/{name}").filter(pl.col("session") >= compared[0])
    )
    truth = planted(name)
    if truth["expected_return"].abs().max():
        scores[ORACLE] = truth.rename({"expected_return": "score"})
    found = compare(
        scores,
        label_frame(panel, labels[end, rules.horizon]),
        champion=champion,
        members=int(panel.member_TN.sum()),
        horizon=rules.horizon,
        min_names=rules.min_names,
        cost=0.0,
    )
    alike = truth.rename({"expected_return": "label"})
    likeness = {
        model: evaluate(frame, alike, horizon=rules.horizon, min_names=rules.min_names).metrics[
            "ic"
        ]
        for model, frame in scores.items()
    }
    return found.daily, likeness


def planted(name: str) -> pl.DataFrame:
    """Return (session, instrument, expected_return): what is planted in a market's names."""
    from tasks.market.sources.simulated import SimulatedData
    from tasks.settings import load_source, open_lake

    source = load_source(name)
    assert isinstance(source, SimulatedSource)  # `settle` wrote it
    known = open_lake().read(
        "bars", where={"source": [name]}, columns=["session", "instrument", "symbol"]
    )
    truth = SimulatedData(source).truth()
    return known.unique().join(truth, on=["session", "symbol"]).drop("symbol")


def share(
    own: Sequence[np.ndarray], oracle: Sequence[np.ndarray], *, lags: int
) -> tuple[float, float]:
    """Return the share of the oracle's mean IC that a model has, over independent markets.

    Its error is that of a ratio of means: of the daily differences to the oracle's times the share.
    """
    most = joint_t(oracle, lags=lags).value
    found = joint_t(own, lags=lags).value / most
    gaps = [mine - found * best for mine, best in zip(own, oracle, strict=True)]
    return found, joint_t(gaps, lags=lags).error / most


def figures(lived: Mapping[str, Lived], seeds: Sequence[int], horizon: int) -> list[dict[str, Any]]:
    """Return a row a model: what it was worth where an edge is planted, and where none is."""
    there = [lived[name_of(seed, planted=True)] for seed in seeds]
    without = [lived[name_of(seed, planted=False)] for seed in seeds]
    lags = label_lags(len(there[0].ic[ORACLE]), horizon=horizon)
    oracle = [one.ic[ORACLE] for one in there]
    rows = []
    for model in there[0].ic:
        row: dict[str, Any] = {"model": model}
        row["share"], row["share_error"] = share(
            [one.ic[model] for one in there], oracle, lags=lags
        )
        row["likeness"] = float(np.mean([one.likeness[model] for one in there]))
        for where, markets in (("planted", there), ("empty", without)):
            for kind in ("ic", "rank_ic"):
                series = [getattr(one, kind)[model] for one in markets if model in one.ic]
                if series:
                    found = joint_t(series, lags=lags)
                    row |= {f"{where}_{kind}": found.value, f"{where}_{kind}_error": found.error}
        rows.append(row)
    return sorted(rows, key=lambda row: -row["planted_ic"])


def recovers(rows: Sequence[Mapping[str, Any]], champion: str) -> bool:
    """Return whether the champion's forecasts are as much like what was planted as is aimed at."""
    return next(bool(row["likeness"] >= AIM) for row in rows if row["model"] == champion)


def shown(rows: Sequence[Mapping[str, Any]], title: str) -> Table:
    """Return the figures as a table."""
    table = Table(title=title)
    heads = ("model", "IC", "of the oracle's", "rank IC", "likeness", "empty: IC", "rank IC")
    for head in heads:
        table.add_column(head, justify="left" if head == "model" else "right")

    def told(row: Mapping[str, Any], kind: str) -> str:
        if kind not in row:
            return ""
        return f"{row[kind]:+.4f} ± {row[f'{kind}_error']:.4f}"

    for row in rows:
        part = "" if row["model"] == ORACLE else f"{row['share']:.0%} ± {row['share_error']:.0%}"
        table.add_row(
            *(row["model"], told(row, "planted_ic"), part, told(row, "planted_rank_ic")),
            *(f"{row['likeness']:.2f}", told(row, "empty_ic"), told(row, "empty_rank_ic")),
        )
    return table


def main() -> int:
    """Live through every market and print the table; 1 where the champion finds too little."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--ic", type=float, default=0.03, help="that is planted")
    parser.add_argument("--names", type=int, default=1000)
    parser.add_argument("--first-fit", type=int, default=FIRST_FIT, help="sessions before it")
    parser.add_argument("--models", nargs="+", default=["lightgbm", "ridge"])
    parser.add_argument("--folder", type=Path, help="keep the house here; none: throw it away")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    plan = Plan(asked.ic, asked.names, tuple(asked.models), asked.first_fit)
    with tempfile.TemporaryDirectory() as scratch:
        settle((asked.folder or Path(scratch)).resolve(), plan, asked.seeds)
        lived = {}
        for seed in asked.seeds:
            for there in (True, False):
                name = name_of(seed, planted=there)
                lived[name] = live(name)
                sys.stderr.write(f"{name}: {lived[name].cpu_s:.0f} CPU s\n")
        from tasks.settings import load_contest

        contest = load_contest(name_of(asked.seeds[0], planted=True))
    rows = figures(lived, asked.seeds, contest.horizon)
    title = f"{len(asked.seeds)} markets of {asked.names} names, and as many without an edge"
    Console(width=130).print(shown(rows, title))
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=1))
    return 0 if recovers(rows, contest.candidates[0].name) else 1


if __name__ == "__main__":
    sys.exit(main())
