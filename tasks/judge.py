"""Judge tasks: let the gate look at what has landed, oldest first.

A delivery that arrives late re-judges what followed, and what was derived from that is made anew.
"""

from collections.abc import Collection, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

import polars as pl
from prefect import task

from conf.schema import SourceBase
from tasks.execution.release import current
from tasks.features import FEATURE_SETS
from tasks.locks import source_lock
from tasks.market import frames
from tasks.market.calendar import Calendar
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
from tasks.verdicts import landed_nights, serving, verdicts_of

if TYPE_CHECKING:
    from expectations.desk import Desk, Judged

NIGHTS_A_COMMIT = 20
RECORDS = ("quarantine", "verdicts")  # tables of what was judged, not of what is known
# In the order they are written: a bar never stands without what its night tells of it, and the
# verdict comes last, since it says that all is done.
TABLES = (
    "actions",
    "listings",
    "series",
    "fundamentals",
    "members",
    "quarantine",
    "bars",
    "verdicts",
)


@task(task_run_name="judge-{source}-{as_of}")
def judge_deliveries(source: str, as_of: date, stop_at_block: bool = False) -> str:
    """Judge every landed night up to `as_of` that has no verdict, oldest first.

    A night that lands late re-judges those after it, but for those that a release has read:
    its rows count as known from the session after. With `stop_at_block` nothing is judged after
    the first new night that is blocked; one that had its verdict before stops nothing. Returns the
    verdict of the delivery that serves `as_of`, with its reasons: `pass`, `warn`, `block: …`,
    `skip: …`; `waiting` where it has landed but is not judged, or `missing`.
    """
    lake = open_lake()
    with source_lock(source):
        due = due_nights(lake, source, as_of)
        judged = set(verdicts_of(lake, source)["delivery"])
        new = [night for night in due if night <= as_of and night not in judged]
        if due:
            judge_nights(lake, source, due, stop_at=new if stop_at_block else ())
    row = serving(lake, source, as_of)
    if row is None:
        return "waiting" if as_of in landed_nights(lake, source) else "missing"
    return f"{row['verdict']}: {row['reasons']}" if row["reasons"] else str(row["verdict"])


def due_nights(lake: Lake, source: str, as_of: date) -> list[date]:
    """Return the landed nights up to `as_of` without a verdict, and the later ones they touch."""
    landed = landed_nights(lake, source)
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
    lake: Lake, source: str, nights: Sequence[date], *, stop_at: Collection[date] = ()
) -> None:
    """Judge `nights` in order and write them a few at a time.

    What stood of them, and what was made of it, goes first: a run that breaks off is found to be
    unfinished, and done again. After nights that are left out, since a release has read them, the
    desk is made anew: each night is held against what was known before it. After a block of
    one of `stop_at` nothing stands of the nights that were to follow: they wait.
    """
    settings, feed = load_source(source), open_source(source)
    drop(lake, "verdicts", {"source": [source], "delivery": list(nights)})
    forgotten = date.max
    for run in _without_gaps(nights, landed_nights(lake, source)):
        desk = desk_before(lake, settings, source, run[0])
        for chunk in steps(list(batches(run, NIGHTS_A_COMMIT)), f"judging {source}"):
            raw = lake.read(f"raw/{source}", where={"night": chunk})
            done: list[Judged] = []
            for night in chunk:
                done.append(judged_night(desk, feed, raw, night))
                if stopped := night in stop_at and _is_blocked(done[-1]):
                    break
            refuse_if_read_meanwhile(source, desk.sealed)
            if (first := _first_touched(lake, desk, done)) < forgotten:
                forget_derived(lake, source, first)
                forgotten = first
            _keep(lake, source, chunk[: len(done)], done, sealed=desk.sealed)
            if stopped:
                rest = [each for each in nights if each > night]
                _keep(lake, source, rest, [], sealed=desk.sealed)
                return


def _first_touched(lake: Lake, desk: "Desk", done: Sequence["Judged"]) -> date:
    """Return the first session that the judged nights tell of, or told of before.

    A live night tells of itself and later ones; history in one go reaches back to its first row.
    """
    verdicts = pl.concat([judged.verdicts for judged in done])
    touched = [desk.known_from(verdicts["delivery"][0])]
    history = verdicts.filter(pl.col("vintage") == "assumed")["delivery"].to_list()
    free = date.min if desk.sealed is None else desk.sealed + timedelta(days=1)
    over: Where = {
        "source": [desk.source],
        "delivery": history,
        "known_on": Span(free, date.max),
    }
    for table in TABLES if history else ():
        if table not in RECORDS:
            stood = lake.read(table, where=over, columns=["known_on"])
            came = pl.concat([getattr(judged, table).select("known_on") for judged in done])
            days = pl.concat([stood, came])["known_on"].drop_nulls()
            touched += [] if days.is_empty() else [days.sort()[0]]
    return min(touched)


def _without_gaps(nights: Sequence[date], landed: Sequence[date]) -> list[list[date]]:
    """Return `nights` in runs between which other nights have landed."""
    place = {night: number for number, night in enumerate(landed)}
    runs: list[list[date]] = []
    for night in nights:
        if runs and place[night] == place[runs[-1][-1]] + 1:
            runs[-1].append(night)
        else:
            runs.append([night])
    return runs


def _is_blocked(judged: "Judged") -> bool:
    return judged.verdicts["verdict"].item() == "block"


def _keep(
    lake: Lake, source: str, nights: list[date], done: Sequence["Judged"], *, sealed: date | None
) -> None:
    """Write what the judged nights add, the verdicts last: they say it is done.

    What a release can have read stays. A blocked night leaves such rows, and the vendor may send
    it once more: then only what was not told before is added.
    """
    refuse_if_read_meanwhile(source, sealed)
    over: Where = {"source": [source], "delivery": nights}
    for table in TABLES if nights else ():
        none = frames.empty(frames.TABLES[table].columns)
        new = pl.concat([none, *(getattr(judged, table) for judged in done)])
        if sealed is None or table in RECORDS:
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
        return desk.refuse(night, str(error), payloads[0].vintage)
    return desk.judge(delivery)


def _payloads(raw: pl.DataFrame, night: date) -> list[Payload]:
    rows = raw.filter(pl.col("night") == night).sort("request").iter_rows(named=True)
    return [Payload(row["night"], row["request"], row["body"], row["vintage"]) for row in rows]


def desk_before(lake: Lake, settings: SourceBase, source: str, night: date) -> "Desk":
    """Return the desk as it stood before the delivery of `night`.

    Of who is who it knows besides what a release can have read: a night that comes after that
    speaks of the instruments that are known by then.
    """
    from expectations.desk import REACH, Desk

    days, sealed = calendar(settings.calendar), sealed_until(source)
    earlier: Where = {"source": [source], "delivery": Span(date.min, night - timedelta(days=1))}
    reach = Span(days.offset(days.on_or_before(night), -REACH), night)
    listed = lake.read("listings", where={"source": [source]})
    before = pl.col("delivery") < night
    return Desk(
        source,
        settings,
        days,
        bars=lake.read("bars", where={**earlier, "session": reach}),
        listings=listed.filter(
            before if sealed is None else before | (pl.col("known_on") <= sealed)
        ),
        cleared=lake.read("cleared", where={"source": [source]}).unique(
            ["delivery", "session", "symbol"], keep="last", maintain_order=True
        ),
        second=_second(lake, settings),
        series=lake.read("series", where=earlier),
        actions=lake.read("actions", where={**earlier, "ex_session": Span(reach.first, date.max)}),
        told_until=_told_until(lake, source, days, night),
        sealed=sealed,
    )


def _told_until(lake: Lake, source: str, days: Calendar, night: date) -> date | None:
    """Return the session of the newest delivery before `night` that was not blocked, if any."""
    before = verdicts_of(lake, source).filter(
        pl.col("delivery") < night, pl.col("verdict") != "block"
    )
    return None if before.is_empty() else days.on_or_before(before["delivery"][-1])


def _second(lake: Lake, settings: SourceBase) -> pl.DataFrame | None:
    """Return every close of the source that checks this one, with when it became known."""
    if settings.cross_check is None:
        return None
    columns = ["session", "symbol", "close", "known_on"]
    return lake.read("bars", where={"source": [settings.cross_check.source]}, columns=columns)


def sealed_until(source: str) -> date | None:
    """Return the newest session that a release of a book on `source` has read, if any."""
    books = [name for name in names_in("books") if load_book(name).source == source]
    newest = [one.session for name in books if (one := current(data_folder(), name))]
    return max(newest, default=None)


def refuse_if_read_meanwhile(source: str, sealed: date | None) -> None:
    """Raise `RuntimeError` where a release has read on since `sealed` was asked for.

    No release waits for who judges: what was judged as if it had read less would change what it
    has read. What has no verdict by then is due when the source is judged again.
    """
    if (now := sealed_until(source)) != sealed:
        raise RuntimeError(
            f"a release has read {source} up to {now} while its nights were judged as if the "
            f"newest were of {sealed or 'no session'}: nothing of them is written, judge it again"
        )


def forget_derived(lake: Lake, source: str, since: date) -> None:
    """Drop what was made of `source` from `since` on, so that it is made of what is now known."""
    after = Span(since, date.max)
    for features in FEATURE_SETS:
        drop(lake, f"features/{features}", {"source": [source], "session": after})
    for contest in names_in("models"):
        if load_contest(contest).source == source:
            drop(lake, f"forecasts/{contest}", {"session": after})
            for table in ("records", "residuals"):
                drop(lake, f"{table}/{contest}", {"known_on": after})
    for book in names_in("books"):
        if load_book(book).source == source:
            drop(lake, f"ledger/{book}", {"session": Span(_unread(book, since), date.max)})


def _unread(book: str, since: date) -> date:
    """Return the first session from `since` on that no release of `book` has read.

    What the account settled on before stays; the later sessions are walked again by what is known
    then. Orders lose nothing: they are those of releases.
    """
    newest = current(data_folder(), book)
    return since if newest is None else max(since, newest.session + timedelta(days=1))


def drop(lake: Lake, table: str, over: Where) -> None:
    """Delete the rows that `over` selects, where there are any."""
    held = lake.read(table, where=over)
    if not held.is_empty():
        lake.replace(table, held.clear(), over=over)
