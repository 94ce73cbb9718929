"""Ingest tasks: pull what the vendor offers, keep it as sent, and let the gate judge it.

Payloads land in any order and are kept for good; judging runs oldest first. A delivery that
arrives late re-judges what followed, and what was derived from that is made anew.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

import polars as pl
from prefect import get_run_logger, task

from conf.schema import SourceBase
from tasks.market import frames
from tasks.market.lake import Lake, Span, Where
from tasks.market.sources.protocol import DataSource, Payload, Unreadable
from tasks.progress import batches, steps
from tasks.settings import (
    calendar,
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


@task(task_run_name="land-{source}-{as_of}", retries=3, retry_delay_seconds=[5, 30, 120])
def land_deliveries(source: str, as_of: date) -> list[date]:
    """Pull and keep every vendor night up to `as_of` that has not landed; return the new ones."""
    lake, feed = open_lake(), open_source(source)
    offered = feed.nights()
    wanted = [night for night in offered if night <= as_of] or offered[:1]
    kept = set(lake.read(f"raw/{source}", columns=["night"])["night"])
    missing = [night for night in wanted if night not in kept]
    for chunk in steps(list(batches(missing, NIGHTS_A_COMMIT)), f"landing {source}"):
        rows = [_raw_row(payload) for payload in feed.pull(chunk)]
        frame = pl.DataFrame(rows, schema=frames.RAW, orient="row")
        lake.replace(f"raw/{source}", frame, over={"night": chunk})
    get_run_logger().info("%s: %d nights landed, %d kept", source, len(missing), len(kept))
    return missing


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

    Returns the verdict of the delivery that serves `as_of`, with its reasons: `pass`, `warn`,
    `block: …`, `skip: …`, or `missing` where no delivery serves it.
    """
    lake, settings = open_lake(), load_source(source)
    landed = sorted(set(lake.read(f"raw/{source}", columns=["night"])["night"]))
    landed = [night for night in landed if night <= as_of] or landed[:1]
    judged = set(_verdicts(lake, source)["delivery"])
    fresh = [night for night in landed if night not in judged]
    if fresh:
        pending = [night for night in landed if night >= fresh[0]]
        _judge_from(lake, open_source(source), settings, source, pending)
    return _serving(_verdicts(lake, source), as_of)


def _verdicts(lake: Lake, source: str) -> pl.DataFrame:
    return lake.read("verdicts", where={"source": [source]})


def _serving(verdicts: pl.DataFrame, as_of: date) -> str:
    """Return the verdict of the newest delivery for `as_of`; assumed history serves all of it."""
    serving = verdicts.filter(pl.col("known_on") == as_of).sort("delivery")
    if serving.is_empty():
        history = verdicts.filter(pl.col("delivery") >= as_of).sort("delivery")
        if history.is_empty():
            return "missing"
        serving = history
    row = serving.row(-1, named=True)
    return f"{row['verdict']}: {row['reasons']}" if row["reasons"] else row["verdict"]


TABLES = ("bars", "actions", "listings", "series", "quarantine", "verdicts")


def _judge_from(
    lake: Lake, feed: DataSource, settings: SourceBase, source: str, nights: Sequence[date]
) -> None:
    """Judge `nights` in order and write them a few at a time, forgetting what stood there."""
    desk = _desk(lake, settings, source, before=nights[0])
    for chunk in steps(list(batches(nights, NIGHTS_A_COMMIT)), f"judging {source}"):
        raw = lake.read(f"raw/{source}", where={"night": chunk})
        done = [_judged(desk, feed, _payloads(raw, night)) for night in chunk]
        over: Where = {"source": [source], "delivery": chunk}
        for position, table in enumerate(TABLES):
            lake.replace(table, pl.concat([judged[position] for judged in done]), over=over)
    _forget_derived(lake, source, calendar(settings.calendar).on_or_before(nights[0]))


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
    verdicts = _verdicts(lake, source)
    return Desk(
        source,
        settings,
        days,
        bars=lake.read("bars", where={**earlier, "session": reach}),
        listings=lake.read("listings", where=earlier),
        known_on=dict(verdicts.select("delivery", "known_on").iter_rows()),
        sealed=set(_released(lake, source)["session"]),
    )


def _released(lake: Lake, source: str) -> pl.DataFrame:
    stages = [f"book/{name}" for name in names_in("books") if load_book(name).source == source]
    released = lake.read("nights", where={"stage": stages}) if stages else lake.read("nights")
    return released.filter(pl.col("status") == "released", pl.col("stage").is_in(stages))


def _forget_derived(lake: Lake, source: str, since: date) -> None:
    """Drop what was made of `source` from `since` on, so that it is made of what is now known."""
    over: Where = {"session": Span(since, date.max)}
    contests = [name for name in names_in("models") if load_contest(name).source == source]
    made = {f"{kind}/{name}" for name in contests for kind in ("forecasts", "records")}
    for table in lake.tables():
        if table.startswith("features/"):
            _drop(lake, table, {**over, "source": [source]})
        elif table in made:
            _drop(lake, table, over)


def _drop(lake: Lake, table: str, over: Where) -> None:
    held = lake.read(table, where=over)
    if not held.is_empty():
        lake.replace(table, held.clear(), over=over)
