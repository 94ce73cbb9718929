"""Ingest tasks: pull what the vendor offers, keep it as sent, and let the gate judge it.

Payloads land in any order and are kept for good; judging runs oldest first. A delivery that
arrives late re-judges what followed, and what was derived from that is made anew.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
from prefect import State, Task, get_run_logger, task
from prefect.client.schemas import TaskRun

from conf.schema import SourceBase
from tasks.execution.release import current
from tasks.market import frames
from tasks.market.lake import Lake, Span, Where
from tasks.market.sources.protocol import DataSource, Payload, Unreadable
from tasks.progress import batches, steps
from tasks.settings import (
    calendar,
    data_folder,
    digest,
    load_book,
    load_contest,
    load_source,
    names_in,
    open_lake,
    open_source,
)

if TYPE_CHECKING:
    from expectations.desk import Desk, Judged

NIGHTS_A_COMMIT = 20
RECENT_SESSIONS = 20  # how far back the desk looks for a symbol's last clean close
TABLES = (
    "bars",
    "actions",
    "listings",
    "series",
    "fundamentals",
    "members",
    "quarantine",
    "verdicts",
)


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
def land_deliveries(source: str, as_of: date) -> list[date]:
    """Pull and keep every vendor night up to `as_of` that has not landed; return the new ones.

    A night that was blocked has no clean row that anything rests on, and is asked for again: where
    the vendor now sends something else, that takes its place and is judged anew.
    """
    lake, feed = open_lake(), open_source(source)
    offered = feed.nights(as_of)
    wanted = [night for night in offered if night <= as_of] or offered[:1]
    kept = lake.read(f"raw/{source}", columns=["night", "request", "sha256"])
    blocked = set(_verdicts(lake, source).filter(pl.col("verdict") == "block")["delivery"])
    asked = [night for night in wanted if night not in set(kept["night"]) or night in blocked]
    landed: list[date] = []
    for chunk in steps(list(batches(asked, NIGHTS_A_COMMIT)), f"landing {source}"):
        rows = [_raw_row(payload) for payload in feed.pull(chunk)]
        frame = pl.DataFrame(rows, schema=frames.RAW, orient="row")
        fresh = frame.join(kept, on=kept.columns, how="anti")["night"].unique().sort().to_list()
        if fresh:
            _drop(lake, "verdicts", {"source": [source], "delivery": fresh})
            new = frame.filter(pl.col("night").is_in(fresh))
            lake.replace(f"raw/{source}", new, over={"night": fresh})
            landed += fresh
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


@task(task_run_name="judge-{source}-{as_of}")
def judge_deliveries(source: str, as_of: date) -> str:
    """Judge every landed night up to `as_of` that has no verdict, oldest first.

    A night that lands late re-judges those after it, but for those that a release has read:
    its rows count as known from the session after. Returns the verdict of the delivery that
    serves `as_of`, with its reasons: `pass`, `warn`, `block: …`, `skip: …`, or `missing`.
    """
    lake, settings = open_lake(), load_source(source)
    landed = sorted(set(lake.read(f"raw/{source}", columns=["night"])["night"]))
    judged = dict(_verdicts(lake, source).select("delivery", "known_on").iter_rows())
    due = [night for night in landed if night <= as_of] or landed[:1]
    fresh = [night for night in due if night not in judged]
    if fresh:
        sealed = sealed_until(source)
        later = [night for night in landed if night > fresh[0] and night in judged]
        again = [night for night in later if sealed is None or judged[night] > sealed]
        _judge(lake, open_source(source), settings, source, sorted({*fresh, *again}))
    row = serving(lake, source, as_of)
    if row is None:
        return "missing"
    return f"{row['verdict']}: {row['reasons']}" if row["reasons"] else str(row["verdict"])


def serving(lake: Lake, source: str, night: date) -> dict[str, Any] | None:
    """Return the verdict on the delivery of `night`: its own, or that of history in one go."""
    verdicts = _verdicts(lake, source).sort("delivery")
    own = verdicts.filter(pl.col("delivery") == night)
    if own.is_empty():
        covers = (pl.col("vintage") == "assumed") & (pl.col("delivery") >= night)
        own = verdicts.filter(covers)
    return None if own.is_empty() else own.row(0, named=True)


def sealed_until(source: str) -> date | None:
    """Return the newest session that a release of a book on `source` has read, if any."""
    books = [name for name in names_in("books") if load_book(name).source == source]
    newest = [one.session for name in books if (one := current(data_folder(), name))]
    return max(newest, default=None)


def _verdicts(lake: Lake, source: str) -> pl.DataFrame:
    return lake.read("verdicts", where={"source": [source]})


def _judge(
    lake: Lake, feed: DataSource, settings: SourceBase, source: str, nights: Sequence[date]
) -> None:
    """Judge `nights` in order and write them a few at a time.

    What stood of them, and what was made of it, goes first: a run that breaks off is found to be
    unfinished, and done again.
    """
    desk = _desk(lake, settings, source, before=nights[0])
    _forget_derived(lake, source, min(desk.known_from(night) for night in nights))
    _drop(lake, "verdicts", {"source": [source], "delivery": list(nights)})
    for chunk in steps(list(batches(nights, NIGHTS_A_COMMIT)), f"judging {source}"):
        raw = lake.read(f"raw/{source}", where={"night": chunk})
        done = [_judged(desk, feed, _payloads(raw, night)) for night in chunk]
        over: Where = {"source": [source], "delivery": chunk}
        for position, table in enumerate(TABLES):  # the verdicts last: they say it is done
            lake.replace(table, pl.concat([judged[position] for judged in done]), over=over)


def _judged(desk: "Desk", feed: DataSource, payloads: list[Payload]) -> "Judged":
    try:
        delivery = feed.normalise(payloads)
    except Unreadable as error:
        return desk.refuse(payloads[0].night, str(error))
    return desk.judge(delivery)


def _payloads(raw: pl.DataFrame, night: date) -> list[Payload]:
    rows = raw.filter(pl.col("night") == night).sort("request").iter_rows(named=True)
    return [Payload(row["night"], row["request"], row["body"], row["vintage"]) for row in rows]


def _desk(lake: Lake, settings: SourceBase, source: str, *, before: date) -> "Desk":
    from expectations.desk import Desk

    days = calendar(settings.calendar)
    earlier: Where = {"source": [source], "delivery": Span(date.min, before - timedelta(days=1))}
    reach = Span(days.offset(days.on_or_before(before), -RECENT_SESSIONS), before)
    return Desk(
        source,
        settings,
        days,
        bars=lake.read("bars", where={**earlier, "session": reach}),
        listings=lake.read("listings", where=earlier),
        sealed=sealed_until(source),
    )


def _forget_derived(lake: Lake, source: str, since: date) -> None:
    """Drop what was made of `source` from `since` on, so that it is made of what is now known."""
    contests = [name for name in names_in("models") if load_contest(name).source == source]
    after = Span(since, date.max)
    for table in lake.tables():
        kind, _, name = table.partition("/")
        if kind == "features":
            _drop(lake, table, {"source": [source], "session": after})
        elif kind == "forecasts" and name in contests:
            _drop(lake, table, {"session": after})
        elif kind == "records" and name in contests:
            _drop(lake, table, {"known_on": after})


def _drop(lake: Lake, table: str, over: Where) -> None:
    held = lake.read(table, where=over)
    if not held.is_empty():
        lake.replace(table, held.clear(), over=over)
