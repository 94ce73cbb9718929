"""Backfill tasks: which nights a source still owes, and what became of those that were judged."""

from datetime import date
from typing import Any

from prefect import task

from conf.schema import FilesSource
from tasks.market.lake import Lake
from tasks.settings import (
    calendar,
    load_contest,
    load_source,
    names_in,
    open_lake,
    open_source,
)
from tasks.verdicts import history_spans, landed_nights, verdicts_of

VERDICTS = ("pass", "warn", "skip", "block")


@task(task_run_name="missing-{source}-{first}-{last}")
def missing_sessions(source: str, first: date, last: date) -> list[date]:
    """Return the sessions from `first` to `last` that no delivery covers, oldest first."""
    return holes(open_lake(), source, first, last)


def holes(lake: Lake, source: str, first: date, last: date) -> list[date]:
    """Return the sessions from `first` to `last` of which nothing has landed, oldest first.

    History in one go covers what it speaks of; a night that was late only its own session.
    """
    settings, spans = load_source(source), history_spans(lake, source)
    there = {*landed_nights(lake, source), *verdicts_of(lake, source)["delivery"]}
    owed = calendar(settings.calendar).sessions(max(first, settings.starts), last)
    silent = [session for session in owed if session not in there]
    return [one for one in silent if not any(since <= one <= until for since, until in spans)]


@task(task_run_name="waiting-{source}-{first}-{last}")
def waiting_nights(source: str, first: date, last: date) -> list[date]:
    """Return the nights from `first` to `last` that landed and were not judged, oldest first."""
    lake = open_lake()
    judged = set(verdicts_of(lake, source)["delivery"])
    waiting = set(landed_nights(lake, source)) - judged
    return sorted(night for night in waiting if first <= night <= last)


@task(task_run_name="beyond-{source}-{last}")
def nights_beyond(source: str, last: date) -> list[date]:
    """Return the nights after `last` that lie in the folder of a source, which no one asked for.

    A folder may hold other nights than `ends` of its settings knew of. Other kinds have none.
    """
    if not isinstance(load_source(source), FilesSource):
        return []
    return [night for night in open_source(source).nights() if night > last]


@task(task_run_name="verdicts-{source}-{first}-{last}")
def verdicts_between(source: str, first: date, last: date) -> list[dict[str, Any]]:
    """Return (night, verdict, reasons, …) of the nights from `first` to `last`, oldest first."""
    return verdict_list(open_lake(), source, first, last)


def verdict_list(
    lake: Lake, source: str, first: date = date.min, last: date = date.max
) -> list[dict[str, Any]]:
    """Return one plain record for each judged night, oldest first."""
    return [
        {
            "source": source,
            "night": row["delivery"],
            "verdict": row["verdict"],
            "reasons": row["reasons"].split("; ") if row["reasons"] else [],
            "known_on": row["known_on"],
            "rows": row["rows"],
            "clean": row["clean"],
            "quarantined": row["quarantined"],
        }
        for row in verdicts_of(lake, source).iter_rows(named=True)
        if first <= row["delivery"] <= last
    ]


def contests_on(source: str) -> list[str]:
    """Return the contests that learn from `source`."""
    return [name for name in names_in("models") if load_contest(name).source == source]
