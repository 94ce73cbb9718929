"""Looks at a contest's challengers, on the nights of its refits: taken, kept, and acted upon."""

import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl
from prefect import runtime
from prefect.artifacts import create_table_artifact

from tasks.market.frames import shaped
from tasks.market.lake import Lake, Where
from tasks.proofs import proof_of, trials_since, untold_since
from tasks.settings import calendar, load_source, open_lake
from tasks.titles import DECISIONS, stored
from tasks.walks import Seen, setup_of

if TYPE_CHECKING:
    from conf.schema import Contest
    from tasks.models.years import Verdict

# One row a challenger and look. `setup` and `champion_setup`: hashes of the recipes' settings.
LOOKS = {
    "session": pl.Date,
    "since": pl.Date,  # the first session compared
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
NOT_TAKEN = "not taken"  # the verdict of a look that could not be: it spends nothing


def compared_refits(
    contest: str, rules: "Contest", schedule: Sequence[date], holder: str
) -> list[date]:
    """Return the refits that the look at the last of `schedule` compares, against `holder`.

    Within a year of looks they begin where the year's first look began, and grow by one a refit.
    """
    from tasks.models.years import compared_since

    number = _numbers(rules, schedule[-1])
    numbers = [number[day] for day in schedule]
    past = _past(open_lake(), contest, rules, schedule[-1], holder, number)
    since = compared_since(numbers, past, refits=rules.compare_refits)
    return [day for day in schedule if number[day] >= since]


def look_at(
    contest: str, rules: "Contest", seen: Seen, holder: str, as_of: date
) -> "list[Verdict]":
    """Judge the challengers of `holder` by what was known at `seen.session`, and keep it.

    Looking again at the same session replaces that look and counts once; with a challenger less
    it would not, so then the look stands. By the rule of the
    contest, a challenger that is better gets the title from this very session on, unless a night
    before that of `as_of` has scored it. Raises `LookupError` where there is nobody to compare, or
    who was compared before is missing.
    """
    from tasks.models.promotion import Challenger, judge

    lake, session = open_lake(), seen.session
    others = [name for name in seen.daily if name != holder]
    if len(rules.candidates) == 1:
        return []
    if holder not in seen.daily:
        raise LookupError(f"champion {holder} lacks a fit that is compared")
    if not others:
        raise LookupError("no challenger could be fitted and walked")
    if gone := sorted(_looked_at(lake, contest, session, holder) - set(others)):
        raise LookupError(f"{', '.join(gone)} cannot be compared now, so the look before stands")
    number = _numbers(rules, session)
    series, trials = _aligned(seen.daily), _trials(lake, contest, rules, seen)
    found = judge(
        [Challenger(name, series[name] - series[holder], trials.of[name]) for name in others],
        horizon=rules.horizon,
        at=number[session],
        since=number[seen.since],
        past=_past(lake, contest, rules, session, holder, number),
        examine=lambda name: proof_of(contest, rules, seen, name, holder),
    )
    refused = ""
    if rules.promotion == "rule":
        refused = _decide_by_rule(lake, contest, session, found, as_of)
    aside = "".join(f"; {told}" for told in (trials.aside, refused) if told)
    found = [one._replace(reason=one.reason + aside) for one in found]
    rows = [_row(one, rules, seen, holder) for one in found]
    frame = pl.DataFrame(rows, schema=LOOKS)
    lake.replace(f"promotions/{contest}", frame, over={"session": [session]})
    if runtime.flow_run.id:
        create_table_artifact(
            frame.with_columns(pl.col(pl.Date).cast(pl.String)).to_dicts(),
            key=f"promotion-{contest.replace('_', '-')}",
            description=f"{contest}: the challengers of {holder}, looked at on {session}",
        )
    return found


def withhold_look(contest: str, rules: "Contest", seen: Seen, holder: str, why: str) -> None:
    """Keep that a look could not be taken, and why: no night tries again in vain.

    A look that was taken before stands.
    """
    if looked(contest, seen.session):
        return
    told = {"session": seen.session, "since": seen.since, "verdict": NOT_TAKEN, "reason": why}
    told |= {"champion": holder, "champion_setup": setup_of(rules, holder)}
    told |= {"sessions": 0, "earned": 0.0, "spent": 0.0}
    names = [one.name for one in rules.candidates if one.name != holder]
    rows = [told | {"recipe": name, "setup": setup_of(rules, name)} for name in names]
    frame = shaped(pl.DataFrame(rows), LOOKS)
    open_lake().replace(f"promotions/{contest}", frame, over={"session": [seen.session]})


def looked(contest: str, session: date) -> bool:
    """Return whether the look of this session was taken, or told to be impossible."""
    looks = stored(open_lake(), f"promotions/{contest}", LOOKS)
    return not looks.filter(pl.col("session") == session).is_empty()


def _looked_at(lake: Lake, contest: str, session: date, holder: str) -> set[str]:
    """Return whom a look at `session` compared with `holder`, if it was taken."""
    looks = stored(lake, f"promotions/{contest}", LOOKS).filter(
        pl.col("session") == session, pl.col("champion") == holder, pl.col("verdict") != NOT_TAKEN
    )
    return set(looks["recipe"])


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


class _Trials(NamedTuple):
    """How many trials chose each recipe on the compared sessions; None where that is unknown."""

    of: dict[str, int | None]
    aside: str  # where MLflow did not say; empty else


def _trials(lake: Lake, contest: str, rules: "Contest", seen: Seen) -> _Trials:
    """Count the trials that saw compared sessions; where MLflow is away, those known without it.

    Some of these may then count twice, as told last time and as untold: never too few.
    """
    from tasks.learning.patience import bounded
    from tasks.learning.tracking import TrackingError

    looks = stored(lake, f"promotions/{contest}", LOOKS).filter(
        pl.col("session") < seen.session, pl.col("trials").is_not_null()
    )
    # A window that began earlier had these trials in it, and perhaps more.
    wider = looks.filter(pl.col("since") <= seen.since).sort("session")
    last: dict[str, int] = dict(wider.select("recipe", "trials").iter_rows())
    try:
        counted = bounded(lambda: trials_since(contest, rules, seen.since))
    except TrackingError as error:
        untold = untold_since(contest, rules, seen.since)
        most = {name: last[name] + untold[name] if name in last else None for name in seen.daily}
        return _Trials(most, f"trials as known: {error}")
    alike = dict(wider.filter(pl.col("since") == seen.since).select("recipe", "trials").iter_rows())
    counts = {name: max(1, counted.get(name, 0), alike.get(name, 0)) for name in seen.daily}
    return _Trials(dict(counts), "")


def _numbers(rules: "Contest", session: date) -> dict[date, int]:
    """Return the number of each session up to this one since the source began, from 1."""
    source = load_source(rules.source)
    days = calendar(source.calendar).sessions(source.starts, session)
    return {day: number for number, day in enumerate(days, start=1)}


def _past(
    lake: Lake,
    contest: str,
    rules: "Contest",
    session: date,
    holder: str,
    number: Mapping[date, int],
) -> "list[Verdict]":
    """Return the looks before `session` against this very champion; other settings are another."""
    from tasks.models.years import Verdict

    against = stored(lake, f"promotions/{contest}", LOOKS).filter(
        pl.col("session") < session,
        pl.col("champion") == holder,
        pl.col("champion_setup") == setup_of(rules, holder),
        pl.col("verdict") != NOT_TAKEN,
    )
    found = []
    for row in against.sort("session").iter_rows(named=True):
        same = row["setup"] == setup_of(rules, row["recipe"])
        told = {name: math.nan if row[name] is None else row[name] for name in LOOKS}
        figures: dict[str, Any] = {n: told[n] for n in Verdict._fields if n in told}
        figures["since"] = number[row["since"]]
        challenger = row["recipe"] if same else f"{row['recipe']} {row['setup']}"
        found.append(Verdict(challenger=challenger, at=number[row["session"]], **figures))
    return found


def _row(one: "Verdict", rules: "Contest", seen: Seen, holder: str) -> dict[str, Any]:
    said = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in one._asdict().items()
        if name in LOOKS
    }
    return said | {
        "session": seen.session,
        "since": seen.since,
        "champion": holder,
        "champion_setup": setup_of(rules, holder),
        "recipe": one.challenger,
        "setup": setup_of(rules, one.challenger),
    }


def _decide_by_rule(
    lake: Lake, contest: str, session: date, found: "list[Verdict]", as_of: date
) -> str:
    """Let the rule's decision of this session be what this look found, and no other.

    Returns why it stays what it was, where that would give the title of sessions that are scored.
    """
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
    if not rows and before.is_empty():
        return ""
    scored = lake.read(f"forecasts/{contest}", columns=["session"])["session"].sort()
    if len(scored) and (scored[-1] > session or scored[-1] == session < as_of):
        same = before["recipe"].to_list() == [row["recipe"] for row in rows]
        told = f"sessions up to {scored[-1]} are scored, so the title from {session} on stays as "
        return "" if same else told + "it was: the next look may give it"
    lake.replace(f"decisions/{contest}", pl.DataFrame(rows, schema=DECISIONS), over=over)
    return ""
