"""Judge tasks: let the gate look at what has landed, oldest first.

A delivery that arrives late re-judges what followed, and what was derived from that is made anew.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
from prefect import task

from conf.schema import SourceBase
from tasks.execution.release import current
from tasks.locks import source_lock
from tasks.market.lake import Lake, Span, Where
from tasks.market.sources.protocol import DataSource, Payload, Unreadable
from tasks.progress import batches, steps
from tasks.settings import (
    calendar,
    data_folder,
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


@task(task_run_name="judge-{source}-{as_of}")
def judge_deliveries(source: str, as_of: date, stop_at_block: bool = False) -> str:
    """Judge every landed night up to `as_of` that has no verdict, oldest first.

    A night that lands late re-judges those after it, but for those that a release has read:
    its rows count as known from the session after. With `stop_at_block` nothing is judged after
    the first new night that is blocked. Returns the verdict of the delivery that serves `as_of`,
    with its reasons: `pass`, `warn`, `block: …`, `skip: …`, or `missing`.
    """
    lake = open_lake()
    with source_lock(source):
        due = due_nights(lake, source, as_of)
        if due:
            judge_nights(lake, source, due, stop_at_block=stop_at_block)
    row = serving(lake, source, as_of)
    if row is None:
        return "missing"
    return f"{row['verdict']}: {row['reasons']}" if row["reasons"] else str(row["verdict"])


def due_nights(lake: Lake, source: str, as_of: date) -> list[date]:
    """Return the landed nights up to `as_of` without a verdict, and the later ones they touch."""
    landed = sorted(set(lake.read(f"raw/{source}", columns=["night"])["night"]))
    judged = dict(verdicts_of(lake, source).select("delivery", "known_on").iter_rows())
    reached = [night for night in landed if night <= as_of] or landed[:1]
    fresh = [night for night in reached if night not in judged]
    if not fresh:
        return []
    sealed = sealed_until(source)
    later = [night for night in landed if night > fresh[0] and night in judged]
    again = [night for night in later if sealed is None or judged[night] > sealed]
    return sorted({*fresh, *again})


def judge_nights(
    lake: Lake, source: str, nights: Sequence[date], *, stop_at_block: bool = False
) -> None:
    """Judge `nights` in order and write them a few at a time.

    What stood of them, and what was made of it, goes first: a run that breaks off is found to be
    unfinished, and done again.
    """
    settings, feed = load_source(source), open_source(source)
    desk = desk_before(lake, settings, source, nights[0])
    forget_derived(lake, source, min(desk.known_from(night) for night in nights))
    drop(lake, "verdicts", {"source": [source], "delivery": list(nights)})
    for chunk in steps(list(batches(nights, NIGHTS_A_COMMIT)), f"judging {source}"):
        raw = lake.read(f"raw/{source}", where={"night": chunk})
        done: list[Judged] = []
        for night in chunk:
            done.append(judged_night(desk, feed, raw, night))
            if stop_at_block and _is_blocked(done[-1]):
                break
        _keep(lake, source, chunk[: len(done)], done, sealed=desk.sealed)
        if stop_at_block and _is_blocked(done[-1]):
            return


def _is_blocked(judged: "Judged") -> bool:
    return judged.verdicts["verdict"].item() == "block"


def _keep(
    lake: Lake, source: str, nights: list[date], done: Sequence["Judged"], *, sealed: date | None
) -> None:
    """Write what the judged nights add, the verdicts last: they say it is done.

    What a release can have read stays. A blocked night leaves such rows, and the vendor may send
    it once more: then only what was not told before is added.
    """
    over: Where = {"source": [source], "delivery": nights}
    for table in TABLES:
        new = pl.concat([getattr(judged, table) for judged in done])
        if sealed is None or table in ("quarantine", "verdicts"):
            lake.replace(table, new, over=over)
            continue
        read = lake.read(table, where={**over, "known_on": Span(date.min, sealed)})
        told = [name for name in new.columns if name != "known_on"]
        new = new.join(read, on=told, how="anti", nulls_equal=True, maintain_order="left")
        free = Span(sealed + timedelta(days=1), date.max)
        lake.replace(table, new, over={**over, "known_on": free})


def judged_night(desk: "Desk", feed: DataSource, raw: pl.DataFrame, night: date) -> "Judged":
    """Return what the desk says of one night; a payload that cannot be read blocks it."""
    payloads = _payloads(raw, night)
    try:
        delivery = feed.normalise(payloads)
    except Unreadable as error:
        return desk.refuse(night, str(error))
    return _or_unchecked(desk.judge(delivery), desk, night)


def _or_unchecked(judged: "Judged", desk: "Desk", night: date) -> "Judged":
    """Return a night as judged, with a warning where the source that checks it told nothing."""
    check, session = desk.settings.cross_check, desk.days.on_or_before(night)
    row = judged.verdicts.row(0, named=True)
    if check is None or row["verdict"] not in ("pass", "warn"):
        return judged
    if desk.second.filter(pl.col("session") == session, pl.col("known_on") <= session).height:
        return judged
    why = f"not cross-checked: {check.source} has no row of {session}"
    reasons = "; ".join(filter(None, [row["reasons"], why]))
    warned = judged.verdicts.with_columns(verdict=pl.lit("warn"), reasons=pl.lit(reasons))
    return judged._replace(verdicts=warned)


def _payloads(raw: pl.DataFrame, night: date) -> list[Payload]:
    rows = raw.filter(pl.col("night") == night).sort("request").iter_rows(named=True)
    return [Payload(row["night"], row["request"], row["body"], row["vintage"]) for row in rows]


def desk_before(lake: Lake, settings: SourceBase, source: str, night: date) -> "Desk":
    """Return the desk as it stood before the delivery of `night`."""
    from expectations.desk import REACH, Desk

    days = calendar(settings.calendar)
    earlier: Where = {"source": [source], "delivery": Span(date.min, night - timedelta(days=1))}
    reach = Span(days.offset(days.on_or_before(night), -REACH), night)
    return Desk(
        source,
        settings,
        days,
        bars=lake.read("bars", where={**earlier, "session": reach}),
        listings=lake.read("listings", where=earlier),
        cleared=lake.read("cleared", where={"source": [source]}),
        second=_second(lake, settings),
        series=lake.read("series", where=earlier),
        actions=lake.read("actions", where={**earlier, "ex_session": Span(reach.first, date.max)}),
        sealed=sealed_until(source),
    )


def _second(lake: Lake, settings: SourceBase) -> pl.DataFrame | None:
    """Return every close of the source that checks this one, with when it became known."""
    if settings.cross_check is None:
        return None
    columns = ["session", "symbol", "close", "known_on"]
    return lake.read("bars", where={"source": [settings.cross_check.source]}, columns=columns)


def serving(lake: Lake, source: str, night: date) -> dict[str, Any] | None:
    """Return the verdict on the delivery of `night`: its own, or that of history in one go."""
    verdicts = verdicts_of(lake, source)
    own = verdicts.filter(pl.col("delivery") == night)
    if own.is_empty():
        covers = (pl.col("vintage") == "assumed") & (pl.col("delivery") >= night)
        own = verdicts.filter(covers)
    return None if own.is_empty() else own.row(0, named=True)


def verdicts_of(lake: Lake, source: str) -> pl.DataFrame:
    """Return the verdicts on the deliveries of `source`, oldest night first."""
    return lake.read("verdicts", where={"source": [source]}).sort("delivery")


def sealed_until(source: str) -> date | None:
    """Return the newest session that a release of a book on `source` has read, if any."""
    books = [name for name in names_in("books") if load_book(name).source == source]
    newest = [one.session for name in books if (one := current(data_folder(), name))]
    return max(newest, default=None)


def forget_derived(lake: Lake, source: str, since: date) -> None:
    """Drop what was made of `source` from `since` on, so that it is made of what is now known."""
    contests = [name for name in names_in("models") if load_contest(name).source == source]
    after = Span(since, date.max)
    for table in lake.tables():
        kind, _, name = table.partition("/")
        if kind == "features":
            drop(lake, table, {"source": [source], "session": after})
        elif kind == "forecasts" and name in contests:
            drop(lake, table, {"session": after})
        elif kind == "records" and name in contests:
            drop(lake, table, {"known_on": after})


def drop(lake: Lake, table: str, over: Where) -> None:
    """Delete the rows that `over` selects, where there are any."""
    held = lake.read(table, where=over)
    if not held.is_empty():
        lake.replace(table, held.clear(), over=over)
