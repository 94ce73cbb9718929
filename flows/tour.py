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

from rich.console import Console
from rich.text import Text

from flows.commands import surroundings
from flows.environment import end_leftovers
from flows.nightly import nightly
from flows.outcomes import Outcome, outcomes_of
from flows.processes import start
from tasks.backfill import verdict_list
from tasks.releases import newest, release_at
from tasks.settings import open_lake, threads

NAME = "tour"  # of the source, the contest, the universe and the book
PATIENCE = 240.0  # seconds a night in a process of its own may take


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
    data = data.resolve()
    if any((data / name).exists() for name in ("lake", "books")):
        raise ValueError(f"{data} holds data already: the tour wants a folder of its own.")
    console = Console()
    console.print(f"Ten nights in {data}; pages in {data / 'reports'}.", soft_wrap=True)
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
    return 1 if wrong else 0


# --- how a night is played -----------------------------------------------------------------------


def _usual(data: Path, day: date) -> Told:
    """Run the night of `day`."""
    return _told(_outcome(day), day)


def _with_the_eve(data: Path, day: date) -> Told:
    """Run the night of `day`, and say what it brought of the sessions before."""
    told = _usual(data, day)
    rows = open_lake().read("bars", where={"source": [NAME], "delivery": [day]})
    late = rows.filter(rows["session"] < day)
    sessions = ", ".join(map(str, late["session"].unique().sort()))
    return told._replace(why=f"{told.why} It also brings {late.height} rows of {sessions}.")


def _split(data: Path, day: date) -> Told:
    """Run the night of `day`, and name what split."""
    told = _with_the_eve(data, day)
    where: dict[str, list[str | date]] = {
        "source": [NAME],
        "ex_session": [day],
        "kind": ["split"],
    }
    splits = open_lake().read("actions", where=where).select("instrument", "value").iter_rows()
    named = ", ".join(f"{who.split(':')[1]} gives {ratio:g} for 1" for who, ratio in splits)
    return told._replace(why=f"{told.why} {named or 'Nothing split'}: its prices move with it.")


def _killed(data: Path, day: date) -> Told:
    """Kill the night of `day` half-way, run it again, and hold it against one left in peace."""
    twin = data / "twin"
    shutil.copytree(data, twin, ignore=shutil.ignore_patterns("prefect", "twin"))
    peaceful = _process(twin, day)
    victim = _process(data, day)
    judged = _wait(lambda: bool(verdict_list(open_lake(), NAME, day, day)))
    os.kill(victim, signal.SIGKILL)
    os.waitpid(victim, 0)
    if release_at(NAME, day) or not judged:
        return Told("not killed half-way", "The process was not caught between gate and release.")
    end_leftovers(data)
    told = _usual(data, day)
    _, status = os.waitpid(peaceful, 0)
    again = release_at(NAME, day)
    if status or again is None or _files(twin, day) != _files(data, day):
        return Told("failed", f"The bytes differ from a night left in peace: see {twin}.")
    same = "Killed with kill -9 after the gate; run again it gives the bytes of a night in peace."
    return told._replace(why=f"{told.why} {same}")


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
    Evening(date(2022, 11, 15), "the past and a first live night come", "released", _usual),
    Evening(date(2022, 11, 16), "an empty delivery comes", "blocked", _usual),
    Evening(date(2022, 11, 17), "a whole delivery comes", "released", _with_the_eve),
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
    """Return the outcome with what the gate said of the delivery of `day`."""
    judged = verdict_list(open_lake(), NAME, day, day)
    if not judged:
        return Told(outcome.status, f"{outcome.reason.capitalize()}. {_standing()}")
    own = judged[0]
    said = f"{own['verdict']} ({'; '.join(own['reasons'])})" if own["reasons"] else own["verdict"]
    why = f"The gate says {said}: {own['rows']:,} rows, {own['quarantined']} set aside."
    return Told(outcome.status, why if outcome.status == "released" else f"{why} {_standing()}")


def _standing() -> str:
    """Say which target the book holds on to."""
    released = newest(NAME)
    return f"The target of {released.session} stands." if released else "There is no target yet."


def _process(data: Path, day: date) -> int:
    """Start the night of `day` in a process of its own; return its id."""
    words = ["-m", "flows.cli", "night", NAME, "--as-of", str(day)]
    return start(
        [sys.executable, *words],
        mark=data / "prefect" / NAME,
        environment=surroundings(data, threads=threads()),
        folder=data,
        log=data / "logs" / f"{NAME}.log",
    )


def _wait(until: Callable[[], bool]) -> bool:
    """Return whether something came true before patience ended."""
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        if until():
            return True
        time.sleep(0.1)
    return False


def _files(data: Path, day: date) -> dict[str, bytes]:
    """Return the released files of `day` under `data`, but for the record of the run."""
    folders = sorted((data / "books" / NAME / str(day)).glob("r*"))
    files = folders[-1].iterdir() if folders else []
    return {file.name: file.read_bytes() for file in files if file.name != "run.json"}
