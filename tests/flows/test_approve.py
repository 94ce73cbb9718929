"""A held book says why, keeps its target, and goes on when a person says so."""

import os
import subprocess
import sys
from datetime import date

import polars as pl
import pytest

from tasks.drift import DRIFT
from tasks.execution.release import current
from tasks.settings import open_lake
from tests.house import House, unlooked
from tests.reading import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
FIRST = date(2020, 12, 17)


@pytest.fixture
def house(tmp_path) -> House:
    """Give a house whose model has drifted by every sign."""
    made = House(tmp_path)
    with made.open(), pytest.MonkeyPatch.context() as patch:
        unlooked(patch)
        made.forecast(FIRST)
        lake, over = open_lake(), {"session": [FIRST]}
        said = {"factor": 0.0, "hold": True, "reason": "features drifted; skill drifted"}
        row = lake.read("drift/tiny", where=over).row(0, named=True) | said
        lake.replace("drift/tiny", pl.DataFrame([row], schema=DRIFT), over=over)
    return made


def run(house: House, *words: str) -> subprocess.CompletedProcess[str]:
    ours = {"AFTERCLOSE_CONF": str(house.conf), "AFTERCLOSE_DATA": str(house.data)}
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "MLFLOW_"))}
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])  # the guard stays on
    return subprocess.run(
        [sys.executable, "-m", "flows.cli", *words, "--as-of", str(FIRST)],
        env={**kept, **ours, "COLUMNS": "200", "PYTHONPATH": path},
        cwd=house.data.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_held_book_waits_for_a_person_and_then_goes_on(house):
    held = run(house, "night", "tiny")
    assert held.returncode == 1
    assert "tiny: Held: features drifted; skill drifted" in held.stdout
    assert "afterclose approve tiny --as-of 2020-12-17" in held.stdout
    assert current(house.data, "tiny") is None

    said = "--reason", "the feed is mended", "--by", "operator"
    done = run(house, "approve", "tiny", *said)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tiny: Released (2020-12-17)" in done.stdout
    released = current(house.data, "tiny")
    page = (house.data / "reports" / "tiny" / "2020-12-17.html").read_text()
    assert "A person has looked" in page

    named = pl.read_parquet(released.path / "targets.parquet")["symbol"][0]
    why = run(house, "why", named, "--book", "tiny")
    assert "deviations of the session's labels" in why.stdout
    assert "features drifted; skill drifted" in why.stdout
