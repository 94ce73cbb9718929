"""Ingest tasks: pull what the vendor offers, and keep it as it was sent.

Payloads land in any order, from any number of processes, and are kept for good, but for those of
a blocked night that the vendor has sent anew.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import groupby
from typing import Any

import polars as pl
from prefect import State, Task, get_run_logger, task
from prefect.client.schemas import TaskRun

from tasks.judge import drop
from tasks.locks import source_lock
from tasks.market import frames
from tasks.market.lake import Lake
from tasks.market.sources.protocol import DataSource, Payload
from tasks.progress import batches, steps
from tasks.settings import digest, open_lake, open_source
from tasks.verdicts import landed_nights, verdicts_of

NIGHTS_A_COMMIT = 20
BYTES_A_COMMIT = 64 << 20  # nights are written once they are so large together
ASKED_AGAIN = 5  # newest nights; an older one that was blocked is asked for by a backfill


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

    A night that was blocked has no bar that anything rests on, and is asked for again, if it
    is one of the newest or `since` is given: where the vendor now sends something else, that takes
    its place and is judged anew. It goes after the new ones, which do not fail with it. Returns
    the nights that are new.
    """
    with source_lock(source):
        return _land(source, since, as_of)


def _land(source: str, since: date | None, as_of: date) -> list[date]:
    lake, feed = open_lake(), open_source(source)
    offered = [night for night in feed.nights(as_of) if night >= (since or date.min)]
    wanted = [night for night in offered if night <= as_of] or offered[:1]
    there = landed_nights(lake, source)
    blocked = set(verdicts_of(lake, source).filter(pl.col("verdict") == "block")["delivery"])
    again = [night for night in wanted if night in there and night in blocked]
    landed = _kept(lake, source, feed, [night for night in wanted if night not in there])
    try:
        landed += _kept(lake, source, feed, again if since else _newest(again, wanted))
    except (ConnectionError, TimeoutError, ValueError) as error:  # they stay blocked, as they were
        get_run_logger().warning("%s: no blocked night came anew: %s", source, error)
    get_run_logger().info("%s: %d nights landed", source, len(landed))
    return sorted(landed)


def _newest(blocked: Sequence[date], wanted: Sequence[date]) -> list[date]:
    return [night for night in blocked if night in wanted[-ASKED_AGAIN:]]


def _kept(lake: Lake, source: str, feed: DataSource, asked: Sequence[date]) -> list[date]:
    """Pull and keep `asked`; return the nights of which something new came."""
    landed: list[date] = []
    for chunk in steps(list(batches(asked, NIGHTS_A_COMMIT)), f"landing {source}"):
        for payloads in _pieces(feed.pull(chunk)):
            landed += _written(lake, source, payloads)
            feed.landed(sorted({payload.night for payload in payloads}))
    return landed


def _pieces(payloads: Iterable[Payload]) -> Iterator[list[Payload]]:
    """Yield whole nights, as many together as are not too large to be held at once."""
    piece: list[Payload] = []
    for _, night in groupby(payloads, lambda payload: payload.night):
        piece += night
        if sum(len(payload.body) for payload in piece) >= BYTES_A_COMMIT:
            yield piece
            piece = []
    if piece:
        yield piece


def _written(lake: Lake, source: str, payloads: Sequence[Payload]) -> list[date]:
    """Keep the nights that are new, or were blocked and are other now; return them."""
    frame = pl.DataFrame([_raw_row(one) for one in payloads], schema=frames.RAW, orient="row")
    key = ["night", "request", "sha256"]
    kept = lake.read(
        f"raw/{source}", where={"night": frame["night"].unique().to_list()}, columns=key
    )
    fresh = frame.join(kept, on=key, how="anti")["night"].unique().sort().to_list()
    if fresh:
        drop(lake, "verdicts", {"source": [source], "delivery": fresh})
        new = frame.filter(pl.col("night").is_in(fresh))
        lake.replace(f"raw/{source}", new, over={"night": fresh})
    return fresh


def _raw_row(payload: Payload) -> tuple[date, str, bytes, str, str]:
    return (
        payload.night,
        payload.request,
        payload.body,
        digest(payload.body),
        payload.vintage,
    )
