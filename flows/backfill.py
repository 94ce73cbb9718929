"""Bring a source's past up to date: land, judge and prepare what is missing, oldest first.

Run it here and now with `afterclose backfill --source us_deliveries --from 2015-03-23`, or from
the Prefect UI: Deployments > backfill > Custom run. It makes no target and changes none.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Any

from prefect import flow
from prefect.states import State

from flows.forms import USUAL_SOURCE, SourceName, run_name_with_session, scheduled_start
from flows.outcomes import Outcome, final_state
from flows.steps import bring_others, tried
from tasks.backfill import (
    VERDICTS,
    contests_on,
    missing_sessions,
    nights_beyond,
    verdicts_between,
    waiting_nights,
)
from tasks.ingest import land_deliveries
from tasks.judge import judge_deliveries
from tasks.prepare import prepare_features
from tasks.report import write_gate_page
from tasks.settings import load_source, resolve_session


@flow(flow_run_name=run_name_with_session)
def backfill(
    source: SourceName = USUAL_SOURCE,
    first: date | None = None,
    last: date | None = None,
    keep_going: bool = False,
) -> State:
    """Land and judge the nights that are missing, oldest first, and prepare their features.

    Args:
        source: A file name in `conf/sources`, without `.yaml`.
        first: The first night. Empty: where the source starts.
        last: The last night. Empty: the newest.
        keep_going: Go on after a night that the gate blocks. Else the first one ends the run.

    """
    name = str(source)
    end = resolve_session(name, last, scheduled_start()).night
    start = first or load_source(source).starts
    if start > end:
        words = f"the first night, {start}, lies after the last, {end}: give both"
        return final_state([Outcome(name, "failed", words, end)])
    done = _filled(name, start, end, keep_going)
    if last is None and done.status != "failed" and (beyond := nights_beyond(name, end)):
        words = f"{len(beyond)} nights lie after {end}: for them give the last night, {beyond[-1]}"
        done = done._replace(reason=f"{done.reason}; {words}")
    return final_state([done])


def _filled(source: str, start: date, end: date, keep_going: bool) -> Outcome:
    bring_others(source, end, start)
    _, failed = tried(source, end, land_deliveries, source, end, start)
    if failed:
        return failed
    if keep_going or not _blocked(source, start, end):
        _, failed = tried(source, end, judge_deliveries, source, end, not keep_going)
        if failed:
            return failed
    stop = None if keep_going else _stopped_by(source, start, end)
    good = [one["night"] for one in _verdicts(source, start, end) if one["verdict"] != "block"]
    done = [night for night in good if stop is None or night < stop["night"]]
    for contest in contests_on(source) if done else ():
        _, failed = tried(contest, end, prepare_features, contest, _session(source, done[-1]))
        if failed:
            return failed
    _, failed = tried(source, end, write_gate_page, source, end)
    return failed or _outcome(source, start, end, stop)


def _verdicts(source: str, start: date, end: date) -> list[dict[str, Any]]:
    return verdicts_between(source, start, end)


def _blocked(source: str, start: date, end: date) -> list[dict[str, Any]]:
    """Return the blocked nights, oldest first."""
    return [one for one in _verdicts(source, start, end) if one["verdict"] == "block"]


def _stopped_by(source: str, start: date, end: date) -> dict[str, Any] | None:
    """Return the blocked night that nothing is judged beyond, if there is one.

    It may lie before `start`: all that has landed is judged, oldest first.
    """
    if blocked := _blocked(source, start, end):
        return blocked[0]
    waiting = waiting_nights(source, start, end)
    before = _blocked(source, date.min, waiting[0]) if waiting else []
    return before[-1] if before else None


def _session(source: str, night: date) -> date:
    return resolve_session(source, night, None).session


def _outcome(source: str, start: date, end: date, stop: dict[str, Any] | None) -> Outcome:
    found, missing = _verdicts(source, start, end), missing_sessions(source, start, end)
    waiting = waiting_nights(source, start, end)
    told = f"{len(found)} nights judged: {_counted(found)}"
    if waiting:
        told += f"; {len(waiting)} landed and not judged, the first {waiting[0]}"
    if stop:
        reasons = "; ".join(stop["reasons"])
        words = f"{stop['night']}: {reasons}; {told}; have it sent again, or say --keep-going"
        return Outcome(source, "blocked", words, stop["night"])
    if waiting:
        return Outcome(source, "unfinished", told, end)
    if missing:
        told += f"; {len(missing)} without a delivery, the first {missing[0]}"
    return Outcome(source, "backfilled", told, end)


def _counted(found: Sequence[dict[str, Any]]) -> str:
    counts = Counter(one["verdict"] for one in found)
    return ", ".join(f"{counts[name]} {name}" for name in VERDICTS if counts[name]) or "none"
