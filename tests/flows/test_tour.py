"""The tour ends each of its nights as it must, and says so in a line."""

import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

from conf.schema import Source
from tasks.market.calendar import Calendar

ROOT = Path(__file__).parents[2]
NIGHTS = 10
PLAY = """
import sys
from pathlib import Path
from flows.environment import prepare
data = Path(sys.argv[1])
prepare(data)
from flows.tour import tour
sys.exit(tour(data))
"""


def play(data: Path) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "MLFLOW_"))}
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])  # the guard stays on
    ours = {"AFTERCLOSE_DATA": str(data), "PYTHONPATH": path, "COLUMNS": "250"}
    return subprocess.run(
        [sys.executable, "-c", PLAY, str(data)],
        env={**kept, **ours},
        cwd=data.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_vendors_mishaps_fall_on_nights_of_their_kind():
    text = (ROOT / "conf" / "sources" / "tour.yaml").read_text()
    source = TypeAdapter(Source).validate_python(yaml.safe_load(text))
    days = Calendar("XNYS")
    first, last = source.observed_from, source.ends
    shown = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    odd = {day for day, kind in source.mishaps.items() if kind == "holiday_rows"}
    assert sum(days.is_session(day) or day in odd for day in shown) == NIGHTS
    assert all(days.is_holiday(day) for day in odd)
    assert days.is_half_day(date(2022, 11, 25))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_night_ends_as_it_must_and_is_told_in_a_line(tmp_path):
    done = play(tmp_path / "data")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line[:2].strip().isdigit()]
    assert len(lines) == NIGHTS + 1
    told = [line.split(": ")[1].split(".")[0] for line in lines]
    twice, last = ["released", "blocked"] * 2, ["released", "nothing new"]
    assert told == [*twice, "released", "released", "missing", "skipped", "failed", *last]
    assert "Models are fitted" in lines[0]
    assert "the 50 rows of 2022-11-16 that were still owed" in lines[2]
    assert "splits 2 for 1" in lines[4]
    assert "kill -9" in lines[5]
    assert "HALT stands" in lines[8]
    assert not (tmp_path / "data" / "HALT").exists()
    assert "All ended as they must" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert "Halted" in (tmp_path / "data" / "logs" / "errors.log").read_text()

    again = play(tmp_path / "data")
    assert again.returncode
    assert "name a new folder in AFTERCLOSE_DATA" in again.stderr
    assert "Traceback" not in again.stderr
