"""The night as a person runs it: from the command line, broken off, repeated, refused."""

import io
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import psutil
import pytest

from tasks.execution.release import current
from tasks.market.lake import Lake
from tests.house import BOOK, CONTEST, LAST, House

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
ROOT = Path(__file__).parents[2]
HOLIDAY = "2020-12-25"


def environment(house: House) -> dict[str, str]:
    ours = {"AFTERCLOSE_CONF": str(house.conf), "AFTERCLOSE_DATA": str(house.data)}
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "MLFLOW_"))}
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])  # the guard stays on
    return {**kept, **ours, "COLUMNS": "200", "PYTHONPATH": path}


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "flows.cli", *words]


def run(house: House, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*words),
        env=environment(house),
        cwd=house.data.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def processes_of(house: House) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("AFTERCLOSE_DATA") == str(house.data):
                found.append(process)
        except psutil.Error:
            continue
    return found


def files_of(house: House, book: str = "tiny") -> dict[str, bytes]:
    released = current(house.data, book)
    assert released is not None
    return {p.name: p.read_bytes() for p in released.path.iterdir() if p.name != "run.json"}


def ledger_of(house: House) -> pl.DataFrame:
    return Lake(str(house.data / "lake")).read("ledger/tiny")


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> House:
    """Give a house whose newest session is released."""
    house = House(tmp_path_factory.mktemp("cli"))
    done = run(house, "night", "tiny")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tiny: Released (2020-12-30)" in done.stdout
    return house


def test_again_there_is_nothing_new(house):
    before = files_of(house)
    done = run(house, "night", "tiny")
    assert done.returncode == 0
    assert "tiny: Nothing new (2020-12-30)" in done.stdout
    assert files_of(house) == before
    assert processes_of(house) == []


def test_a_holiday_is_skipped(house):
    done = run(house, "night", "tiny", "--as-of", HOLIDAY)
    assert done.returncode == 0
    assert "tiny: Skipped: holiday" in done.stdout


def test_a_deleted_release_comes_back_to_the_byte(house):
    before = files_of(house)
    shutil.rmtree(house.data / "books" / "tiny")
    assert run(house, "night", "tiny").returncode == 0
    assert files_of(house) == before


def test_the_page_and_the_reasons_stand(house):
    page = house.data / "reports" / "tiny" / "2020-12-30.html"
    assert "<html" in page.read_text()[:200]
    assert (house.data / "reports" / "gate" / "tiny.html").exists()
    named = pl.read_parquet(io.BytesIO(files_of(house)["targets.parquet"]))["symbol"][0]
    done = run(house, "why", named, "--book", "tiny")
    assert done.returncode == 0, done.stderr
    assert "champion" in done.stdout


def test_books_that_cannot_go_on_say_why_and_stop_no_other(house):
    """One has no champion, one has limits that exclude each other; targets that stand, stand."""
    before = files_of(house)
    house.write("models", "late", CONTEST.replace("first_fit: 150", "first_fit: 2000"))
    house.write("books", "late", BOOK.replace("contest: tiny", "contest: late"))
    house.write("books", "tight", BOOK.replace("box: {max: 0.15}", "box: {max: 0.01}"))
    done = run(house, "night", "late", "tight", "tiny", "--as-of", "2020-12-30")
    said = {line.split(":")[0]: line for line in done.stdout.splitlines() if ": " in line}
    assert done.returncode == 1
    assert said["late"].startswith("late: Failed: no champion")
    assert said["tight"].startswith("tight: Failed")
    assert "box" in said["tight"]
    assert "net" in said["tight"]
    assert said["tiny"].startswith("tiny: Released (2020-12-30)")
    assert files_of(house) == before
    assert current(house.data, "tight") is None


def test_a_release_that_was_altered_is_named_and_stops_no_other_book(house):
    altered = current(house.data, "tiny").path / "targets.csv"
    before = altered.read_bytes()
    altered.write_bytes(before + b" ")
    house.write("books", "second", (house.conf / "books" / "tiny.yaml").read_text())
    done = run(house, "night", "tiny", "second")
    altered.write_bytes(before)
    assert done.returncode == 1
    assert "tiny: Failed" in done.stdout
    assert "targets.csv" in done.stdout
    assert "second: Released (2020-12-30)" in done.stdout


def test_a_walk_writes_its_page(house):
    done = run(house, "backtest", "tiny", "--from", "2020-10-01", "--to", "2020-12-30")
    assert done.returncode == 0, done.stdout + done.stderr
    assert list((house.data / "reports" / "backtests").glob("tiny_*.html"))


def test_killed_at_five_moments_the_next_run_gives_the_same_bytes(house, tmp_path):
    wanted = files_of(house)
    other = House(tmp_path / "killed")
    moments = random.Random(11)
    for _ in range(5):
        victim = subprocess.Popen(
            command("night", "tiny"),
            env=environment(other),
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(moments.uniform(4, 30))
        victim.send_signal(signal.SIGKILL)
        victim.wait()
    done = run(other, "night", "tiny")
    assert done.returncode == 0, done.stdout + done.stderr
    assert files_of(other) == wanted
    assert ledger_of(other).equals(ledger_of(house))
    assert processes_of(other) == []


def test_the_small_house_ends_when_its_source_does(house):
    released = current(house.data, "tiny")
    assert released is not None
    assert released.session == LAST
