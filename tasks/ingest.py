"""Ingest tasks: pull what the vendor offers, and keep it as it was sent.

Payloads land in any order, from any number of processes, and are kept for good.
"""

from datetime import date
from typing import Any

import polars as pl
from prefect import State, Task, get_run_logger, task
from prefect.client.schemas import TaskRun

from tasks.judge import drop, verdicts_of
from tasks.locks import source_lock
from tasks.market import frames
from tasks.market.sources.protocol import Payload
from tasks.progress import batches, steps
from tasks.settings import digest, open_lake, open_source

NIGHTS_A_COMMIT = 20


def _may_pass(_: "Task[Any, Any]", __: TaskRun, state: "State[Any]") -> bool:
    """Return whether a failure is one that waiting can mend."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, ConnectionError | TimeoutError)


@task(
    task_run_name="land-{source}-{as_of}",
    retries=3,
    retry_delay_seconds=[5, 30, 120],
    retry_jitter_factor=0.5,
    retry_condition_fn=_may_pass,
)
def land_deliveries(source: str, as_of: date, since: date | None = None) -> list[date]:
    """Pull and keep every vendor night from `since` to `as_of` that has not landed.

    A night that was blocked has no clean row that anything rests on, and is asked for again: where
    the vendor now sends something else, that takes its place and is judged anew. Returns the
    nights that are new.
    """
    with source_lock(source):
        return _land(source, since or date.min, as_of)


def _land(source: str, since: date, as_of: date) -> list[date]:
    lake, feed = open_lake(), open_source(source)
    offered = [night for night in feed.nights(as_of) if night >= since]
    wanted = [night for night in offered if night <= as_of] or offered[:1]
    kept = lake.read(f"raw/{source}", columns=["night", "request", "sha256"])
    blocked = set(verdicts_of(lake, source).filter(pl.col("verdict") == "block")["delivery"])
    asked = [night for night in wanted if night not in set(kept["night"]) or night in blocked]
    landed: list[date] = []
    for chunk in steps(list(batches(asked, NIGHTS_A_COMMIT)), f"landing {source}"):
        rows = [_raw_row(payload) for payload in feed.pull(chunk)]
        frame = pl.DataFrame(rows, schema=frames.RAW, orient="row")
        fresh = frame.join(kept, on=kept.columns, how="anti")["night"].unique().sort().to_list()
        if fresh:
            drop(lake, "verdicts", {"source": [source], "delivery": fresh})
            new = frame.filter(pl.col("night").is_in(fresh))
            lake.replace(f"raw/{source}", new, over={"night": fresh})
            landed += fresh
        feed.landed(chunk)
    get_run_logger().info("%s: %d nights landed", source, len(landed))
    return landed


def _raw_row(payload: Payload) -> tuple[date, str, bytes, str, str]:
    return (
        payload.night,
        payload.request,
        payload.body,
        digest(payload.body),
        payload.vintage,
    )
