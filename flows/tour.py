"""A tour: ten nights of a small simulated market as they can really go, each told in one line.

Every night is the real one, in a data folder of its own. What goes wrong with the vendor stands in
`conf/sources/tour.yaml`; the kill, the halt and the rerun are done here.
"""

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import NamedTuple

import polars as pl
from prefect.client.orchestration import get_client
from rich.console import Console
from rich.text import Text

from flows.commands import surroundings
from flows.environment import end_leftovers, joining, state_in
from flows.logs import keep_errors
from flows.nightly import nightly
from flows.outcomes import Outcome, outcomes_of
from flows.processes import end_marked, is_alive, start
from tasks.backfill import verdict_list
from tasks.releases import newest, page_of, release_at
from tasks.settings import open_lake, threads

NAME = "tour"  # of the source, the contest, the universe and the book
PATIENCE = 400.0  # seconds until a night in a process of its own must have been judged


class Told(NamedTuple):
    """How a night ended, and why."""

    status: str
    why: str


class Evening(NamedTuple):
    """One night of the tour."""

    day: date
    vendor: str  # what comes, or what happens
    ends: str  # the status that the system owes it
    play: Callable[[Path, date], Told]


def tour(data: Path) -> int:
    """Play all nights in `data` and print a line for each; return 0 if all ended as they must."""
    data, console, began = data.resolve(), Console(), time.monotonic()
    if any((data / name).exists() for name in ("lake", "books")):
        used = f"{data} holds data already: name a new folder in AFTERCLOSE_DATA, or none at all."
        Console(stderr=True).print(used, soft_wrap=True)
        return 2
    keep_errors(data / "logs" / "errors.log")
    console.print(f"Ten nights of a small simulated market, played in {data}.", soft_wrap=True)
    wrong = 0
    for number, evening in enumerate(EVENINGS, 1):
        told = evening.play(data, evening.day)
        as_due = told.status == evening.ends
        wrong += not as_due
        line = (
            f"{number:>2}  {evening.day:%a %d %b %Y}  {evening.vendor}: {told.status}. {told.why}"
        )
        line += "" if as_due else f" [This should have ended as {evening.ends!r}.]"
        style = ("green" if told.status in ("released", "nothing new") else "yellow") * as_due
        console.print(Text(line, style=style or "bold red"), soft_wrap=True)
    ended = f"{wrong} did not end as they must" if wrong else "All ended as they must"
    console.print(f"{ended}, in {time.monotonic() - began:.0f} seconds.")
    for what, where in _places(data).items():
        console.print(f"{what:<8} {where}", soft_wrap=True)
    return 1 if wrong else 0


def _places(data: Path) -> dict[str, Path]:
    """Return where to look on."""
    return {
        "Gate": data / "reports" / "gate" / f"{NAME}.html",
        "Morning": page_of(NAME, EVENINGS[-1].day),
        "Errors": data / "logs" / "errors.log",
    }


# --- how a night is played -----------------------------------------------------------------------


def _usual(data: Path, day: date) -> Told:
    """Run the night of `day`."""
    return _told(_outcome(day), day)


def _first(data: Path, day: date) -> Told:
    """Run the first night, which also brings the past."""
    told, past = _usual(data, day), verdict_list(open_lake(), NAME)[0]
    return told._replace(why=f"{told.why} Models are fitted to {past['rows']:,} rows of the past.")


def _owed(data: Path, day: date) -> Told:
    """Run the night of `day`, and say what it brought that the night before did not."""
    told = _usual(data, day)
    rows = open_lake().read("bars", where={"source": [NAME]}, columns=["session", "delivery"])
    before = rows.filter(rows["delivery"] < day)["session"].unique()
    owed = rows.filter((rows["session"] < day) & ~rows["session"].is_in(before.implode()))
    sessions = ", ".join(map(str, owed["session"].unique().sort())) or "no session"
    brought = f"It also brings the {owed.height} rows of {sessions} that were still owed."
    return told._replace(why=f"{told.why} {brought}")


def _split(data: Path, day: date) -> Told:
    """Run the night of `day`, and name what split."""
    told = _owed(data, day)
    where: dict[str, list[str | date]] = {
        "source": [NAME],
        "ex_session": [day],
        "kind": ["split"],
    }
    splits = open_lake().read("actions", where=where).select("instrument", "value").iter_rows()
    named = [f"{who.split(':')[1]} splits {ratio:g} for 1" for who, ratio in splits]
    if not named:
        return Told("failed", "Nothing split.")
    return told._replace(why=f"{told.why} {', '.join(named)}: that explains its fall in price.")


def _killed(data: Path, day: date) -> Told:
    """Kill the night of `day` half-way, run it again, and hold it against one left in peace."""
    twin, mark = data / "twin", data / "prefect" / NAME
    shutil.copytree(data, twin, ignore=shutil.ignore_patterns("prefect", "logs"))
    with state_in(twin):
        _outcome(day)
    victim = _process(data, day, mark)
    try:
        judged = _wait(lambda: bool(verdict_list(open_lake(), NAME, day, day)), victim, mark)
        os.kill(victim, signal.SIGKILL)
        os.waitpid(victim, 0)
    finally:
        end_marked(mark)  # where somebody stops the tour
    if release_at(NAME, day) or not judged:
        return Told("not killed half-way", "The process was not caught between gate and release.")
    end_leftovers(data)
    told, in_peace = _usual(data, day), _files(twin, day)
    if not in_peace or in_peace != _files(data, day):
        return Told("failed", f"The bytes differ from a night left in peace: see {twin}.")
    shutil.rmtree(twin)
    same = "gave the bytes of a night left in peace"
    return told._replace(why=f"{told.why} Ended by kill -9 before it; run again, it {same}.")


def _holiday(data: Path, day: date) -> Told:
    """Run the night of a holiday, and say what became of the late night before it."""
    told = _usual(data, day)
    eve = verdict_list(open_lake(), NAME, date.min, day)[-2]
    return told._replace(why=f"{told.why} The late delivery of {eve['night']}: {eve['verdict']}.")


def _halted(data: Path, day: date) -> Told:
    """Run the night of `day` while somebody has halted all releases, and let go after."""
    sign = data / "HALT"
    sign.write_text("somebody wants to look first\n")
    outcome = _outcome(day)
    sign.unlink()
    return Told(outcome.status, f"{outcome.reason.replace(str(data) + '/', '')}. {_standing()}")


def _again(data: Path, day: date) -> Told:
    """Run the newest night once more, as the schedule would."""
    before = _files(data, day)
    outcome = _outcome(None)
    if _files(data, day) != before:
        return Told("failed", "The release has changed.")
    return Told(outcome.status, f"The release of {outcome.session} stands, byte for byte.")


EVENINGS = (
    Evening(date(2022, 11, 15), "the past and a first live night come", "released", _first),
    Evening(date(2022, 11, 16), "an empty delivery comes", "blocked", _usual),
    Evening(date(2022, 11, 17), "a whole delivery comes", "released", _owed),
    Evening(date(2022, 11, 18), "last night's delivery comes again", "blocked", _usual),
    Evening(date(2022, 11, 21), "a name splits", "released", _split),
    Evening(date(2022, 11, 22), "the machine dies half-way", "released", _killed),
    Evening(date(2022, 11, 23), "nothing comes at all", "missing", _usual),
    Evening(date(2022, 11, 24), "a holiday, and rows dated on it", "skipped", _holiday),
    Evening(date(2022, 11, 25), "somebody puts a file HALT", "failed", _halted),
    Evening(date(2022, 11, 28), "every row comes twice", "released", _usual),
    Evening(date(2022, 11, 28), "the same night is run again", "nothing new", _again),
)


# --- what it is made of --------------------------------------------------------------------------


def _outcome(as_of: date | None) -> Outcome:
    state = nightly(books=[NAME], as_of=as_of, return_state=True)
    return Outcome(**outcomes_of(state)[0])


def _told(outcome: Outcome, day: date) -> Told:
    """Return the outcome with what the gate said of the delivery of `day`, and what came of it."""
    standing = _new_target(day) if outcome.status == "released" else _standing()
    judged = verdict_list(open_lake(), NAME, day, day)
    if not judged:
        return Told(outcome.status, f"{outcome.reason.capitalize()}. {standing}")
    own = judged[0]
    said = f"{own['verdict']} ({'; '.join(own['reasons'])})" if own["reasons"] else own["verdict"]
    aside = f", {own['quarantined']} set aside" if own["quarantined"] else ""
    return Told(outcome.status, f"The gate says {said}: {own['rows']:,} rows{aside}. {standing}")


def _new_target(day: date) -> str:
    """Say what was released for `day`."""
    released = release_at(NAME, day)
    if released is None:
        raise LookupError(f"{NAME} says that it released {day}, but no release is there.")
    files = (released.path / f"{name}.parquet" for name in ("targets", "orders"))
    wanted, orders = (pl.read_parquet(file) for file in files)
    held = wanted.filter(wanted["shares"] != 0)
    return f"The new target holds {held.height} names; {orders.height} orders lead to it."


def _standing() -> str:
    """Say which target the book holds on to."""
    released = newest(NAME)
    return f"The target of {released.session} stands." if released else "There is no target yet."


def _process(data: Path, day: date, mark: Path) -> int:
    """Start the night of `day` in a process of its own; return its id.

    It joins the Prefect server that this process has: to start one takes longer than the night.
    """
    with get_client(sync_client=True) as client:
        joined = joining(str(client.api_url))
    return start(
        [sys.executable, "-m", "flows.cli", "night", NAME, "--as-of", str(day)],
        mark=mark,
        environment=surroundings(data, threads=threads()) | joined,
        folder=Path.cwd(),  # a path that the shell gave from here is still found
        log=data / "logs" / f"{NAME}.log",
    )


def _wait(until: Callable[[], bool], pid: int, mark: Path) -> bool:
    """Return whether something came true while the process lived and patience lasted."""
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends and is_alive(pid, mark=mark):
        if until():
            return True
        time.sleep(0.5)
    return False


def _files(data: Path, day: date) -> dict[str, bytes]:
    """Return the released files of `day` under `data`, but for the record of the run."""
    folders = sorted((data / "books" / NAME / str(day)).glob("r*"))
    files = folders[-1].iterdir() if folders else []
    return {file.name: file.read_bytes() for file in files if file.name != "run.json"}
