"""Promote tasks: look at the challengers, and let a person give the title with a reason."""

import math
from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from prefect import get_run_logger, task

from tasks.forecast import champions
from tasks.market.lake import Lake, Where
from tasks.settings import calendar, digest, load_contest, load_source, open_lake
from tasks.titles import DECISIONS, REFITS, decisions, stored

if TYPE_CHECKING:
    from conf.schema import Contest
    from tasks.models.promotion import Verdict

# One row a challenger and look. `setup` and `champion_setup`: hashes of the recipes' settings.
LOOKS = {
    "session": pl.Date,
    "champion": pl.String,
    "champion_setup": pl.String,
    "recipe": pl.String,
    "setup": pl.String,
    "verdict": pl.String,
    "reason": pl.String,
    "difference": pl.Float64,
    "error": pl.Float64,
    "t": pl.Float64,
    "p": pl.Float64,
    "adjusted_p": pl.Float64,
    "level": pl.Float64,
    "detectable": pl.Float64,
    "sessions": pl.Int64,
    "net_t": pl.Float64,
    "trials": pl.Int64,
    "earned": pl.Float64,
    "spent": pl.Float64,
}
PEOPLE = ["promote", "rollback"]


def look_at(
    contest: str, rules: "Contest", daily: Mapping[str, pl.DataFrame], session: date, holder: str
) -> "list[Verdict]":
    """Judge the challengers of `holder` on the night of `session`, and keep what was found.

    Looking again on the same night replaces that look and counts once. By the rule of the
    contest, a challenger that is better gets the title from this very session on. Nothing has
    examined leaks or calibration of a challenger here, which withholds the title.

    Args:
        contest: Its name.
        rules: The contest.
        daily: (session, rank_ic) of each compared recipe's walk-forward, by labels known then.
        session: A scheduled session: the looks are those of the refits.
        holder: The recipe that has the title.
    """
    from tasks.models.promotion import Challenger, judge

    lake = open_lake()
    others = [name for name in daily if name != holder]
    if not others:
        return []
    series = _aligned({name: daily[name] for name in (holder, *others)})
    past = stored(lake, f"promotions/{contest}", LOOKS).filter(pl.col("session") < session)
    found = judge(
        [Challenger(name, series[name] - series[holder]) for name in others],
        horizon=rules.horizon,
        at=_place(rules, session),
        past=_verdicts(past, rules, holder),
    )
    rows = [_row(one, rules, session, holder) for one in found]
    frame = pl.DataFrame(rows, schema=LOOKS)
    lake.replace(f"promotions/{contest}", frame, over={"session": [session]})
    if rules.promotion == "rule":
        _decide_by_rule(lake, contest, session, found)
    return found


def looked(contest: str, session: date) -> bool:
    """Return whether the look of this session was taken."""
    looks = stored(open_lake(), f"promotions/{contest}", LOOKS)
    return not looks.filter(pl.col("session") == session).is_empty()


def _aligned(daily: Mapping[str, pl.DataFrame]) -> dict[str, np.ndarray]:
    """Return each recipe's rank ICs on one axis of sessions, NaN where there is none."""
    axis = pl.concat([frame.select("session") for frame in daily.values()]).unique().sort("session")
    return {
        name: axis.join(frame.select("session", "rank_ic"), on="session", how="left")
        .sort("session")["rank_ic"]
        .cast(pl.Float64)
        .fill_null(math.nan)
        .to_numpy()
        for name, frame in daily.items()
    }


def _place(rules: "Contest", session: date) -> int:
    """Return the number of a session since the source began."""
    source = load_source(rules.source)
    return len(calendar(source.calendar).sessions(source.starts, session))


def _setup(rules: "Contest", name: str) -> str:
    """Return the hash of a recipe's settings; of nothing where it is no candidate any more."""
    own = [one.model_dump_json() for one in rules.candidates if one.name == name]
    return digest(*(text.encode() for text in own))[:16]


def _verdicts(past: pl.DataFrame, rules: "Contest", holder: str) -> "list[Verdict]":
    """Return the looks against this very champion; a recipe of other settings is another one."""
    from tasks.models.promotion import Verdict

    against = past.filter(
        pl.col("champion") == holder, pl.col("champion_setup") == _setup(rules, holder)
    )
    found = []
    for row in against.sort("session").iter_rows(named=True):
        same = row["setup"] == _setup(rules, row["recipe"])
        told = {name: math.nan if row[name] is None else row[name] for name in LOOKS}
        figures: dict[str, Any] = {n: told[n] for n in Verdict._fields if n in told}
        challenger = row["recipe"] if same else f"{row['recipe']} {row['setup']}"
        found.append(Verdict(challenger=challenger, at=_place(rules, row["session"]), **figures))
    return found


def _row(one: "Verdict", rules: "Contest", session: date, holder: str) -> dict[str, Any]:
    said = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in one._asdict().items()
        if name in LOOKS
    }
    return said | {
        "session": session,
        "champion": holder,
        "champion_setup": _setup(rules, holder),
        "recipe": one.challenger,
        "setup": _setup(rules, one.challenger),
    }


def _decide_by_rule(lake: Lake, contest: str, session: date, found: "list[Verdict]") -> None:
    """Let the rule's decision of this session be what this look found, and no other."""
    rows = [
        {
            "session": session,
            "from_session": session,
            "recipe": one.challenger,
            "kind": "rule",
            "reason": f"promoted by the rule: {one.reason}",
            "decided_by": "rule",
        }
        for one in found
        if one.verdict == "promote"
    ]
    over: Where = {"session": [session], "kind": ["rule"]}
    stands = stored(lake, f"decisions/{contest}", DECISIONS)
    before = stands.filter(pl.col("session") == session, pl.col("kind") == "rule")
    if rows or before.height:
        lake.replace(f"decisions/{contest}", pl.DataFrame(rows, schema=DECISIONS), over=over)


@task(task_run_name="promote-{recipe}-{contest}-{as_of}")
def promote_recipe(contest: str, recipe: str, as_of: date, reason: str, decided_by: str) -> str:
    """Give `recipe` the title from the session after `as_of` on, for a reason that is kept.

    Its weights are fitted on that session's night. Raises `ValueError` without a reason and
    `LookupError` where it cannot be done, both for whoever asks.
    """
    rules = load_contest(contest)
    names = [one.name for one in rules.candidates]
    if recipe not in names:
        raise LookupError(
            f"{recipe!r} is no candidate of {contest!r}; there is: {', '.join(names)}."
        )
    holder = _holder(open_lake(), contest, as_of)
    if recipe == holder:
        raise LookupError(f"{recipe!r} holds the title of {contest!r} already.")
    return _decide(contest, recipe, as_of, "promote", reason, decided_by)


@task(task_run_name="rollback-{contest}-{as_of}")
def rollback_title(contest: str, as_of: date, reason: str, decided_by: str) -> str:
    """Take back the last change of the title, from the session after `as_of` on, for a reason.

    A change that has not come into force is called off; else the recipe that held the title
    before gets it again. Raises as `promote_recipe` does.
    """
    lake, rules = open_lake(), load_contest(contest)
    holder = _holder(lake, contest, as_of)
    waiting = decisions(lake, contest, as_of).filter(pl.col("from_session") > as_of)
    if waiting.height and waiting["recipe"][-1] != holder:
        return _decide(contest, holder, as_of, "rollback", reason, decided_by)
    names = [one.name for one in rules.candidates]
    held = [name for name in champions(lake, contest, as_of)["recipe"] if name != holder]
    if not held or held[-1] not in names:
        there = f"{held[-1]!r}, which is no candidate any more" if held else "no other"
        raise LookupError(f"Before {holder!r}, {there} held the title of {contest!r}.")
    return _decide(contest, held[-1], as_of, "rollback", reason, decided_by)


def _holder(lake: Lake, contest: str, as_of: date) -> str:
    """Return who holds the title, or say why it cannot be given now."""
    held = champions(lake, contest, as_of)
    if held.is_empty():
        raise LookupError(f"No champion of {contest!r} is known at {as_of}: train it first.")
    scored = lake.read(f"forecasts/{contest}", columns=["session"])["session"]
    if len(scored) and scored[-1] > as_of:
        raise LookupError(
            f"{contest!r} is scored up to {scored[-1]}: a title of the past stays as it was. "
            "Decide as of that session or a later one."
        )
    return str(held["recipe"][-1])


def _decide(contest: str, recipe: str, as_of: date, kind: str, reason: str, decided_by: str) -> str:
    """Keep a person's decision; of several on one session the last counts."""
    if not reason.strip():
        raise ValueError("A title changes for a reason: say which.")
    days = calendar(load_source(load_contest(contest).source).calendar)
    start = days.next(as_of)
    said = {
        "session": as_of,
        "from_session": start,
        "recipe": recipe,
        "kind": kind,
        "reason": f"{kind} by {decided_by}: {reason.strip()}",
        "decided_by": decided_by,
    }
    over: Where = {"session": [as_of], "kind": PEOPLE}
    open_lake().replace(f"decisions/{contest}", pl.DataFrame([said], schema=DECISIONS), over=over)
    get_run_logger().info("%s: %s from %s on, says %s", contest, recipe, start, decided_by)
    return f"{recipe} holds the title of {contest} from {start} on"


def overview(contest: str) -> dict[str, pl.DataFrame]:
    """Return a contest's titles, decisions, last look and refits at fault, oldest first."""
    lake = open_lake()
    load_contest(contest)  # it names those there are
    looks = stored(lake, f"promotions/{contest}", LOOKS)
    refits = stored(lake, f"refits/{contest}", REFITS)
    return {
        "titles": champions(lake, contest, date.max).drop("contest"),
        "decisions": decisions(lake, contest, date.max),
        "last look": looks.filter(pl.col("session") == pl.col("session").max()),
        "refits that are not used": refits.filter(pl.col("fault") != ""),
    }
