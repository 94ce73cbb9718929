"""A source's past from the command line: it stops at a block, or goes on, and touches no target."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.execution.release import current
from tasks.market.lake import Lake
from tests.house import SOURCE, House

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
ROOT = Path(__file__).parents[2]
EMPTY, AFTER, LAST = "2020-12-21", "2020-12-22", "2020-12-30"
MISHAPS = f"{SOURCE}mishaps: {{{EMPTY}: empty}}\n"


def run(house: House, *words: str) -> subprocess.CompletedProcess[str]:
    ours = {"AFTERCLOSE_CONF": str(house.conf), "AFTERCLOSE_DATA": str(house.data)}
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "MLFLOW_"))}
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-m", "flows.cli", *words],
        env={**kept, **ours, "COLUMNS": "200", "PYTHONPATH": path},
        cwd=house.data.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def backfill(house: House, *words: str) -> subprocess.CompletedProcess[str]:
    return run(house, "backfill", "--source", "tiny", *words)


def verdicts(house: House) -> dict[str, str]:
    told = run(house, "data", "verdicts", "--source", "tiny", "--json")
    return {one["night"]: one["verdict"] for one in json.loads(told.stdout)}


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> House:
    """Give a house whose vendor sends an empty night, and whose book has released before it."""
    built = House(tmp_path_factory.mktemp("backfill"))
    built.write("sources", "tiny", MISHAPS)
    done = run(built, "night", "tiny", "--as-of", "2020-12-17")
    assert done.returncode == 0, done.stdout + done.stderr
    return built


def test_stops_at_the_first_block_and_goes_on_when_told(house):
    released = current(house.data, "tiny")
    stopped = backfill(house)
    assert stopped.returncode == 1, stopped.stdout + stopped.stderr
    assert f"{EMPTY}: empty delivery" in stopped.stdout
    assert AFTER not in verdicts(house)
    again = backfill(house)
    assert again.returncode == 1
    assert AFTER not in verdicts(house)
    gone_on = backfill(house, "--keep-going")
    assert gone_on.returncode == 0, gone_on.stdout + gone_on.stderr
    found = verdicts(house)
    assert found[EMPTY] == "block"
    assert found[LAST] == "pass"
    made = Lake(str(house.data / "lake")).read("features/price", columns=["session"])
    assert str(made["session"].max()) == LAST
    assert current(house.data, "tiny") == released


def test_a_range_lands_only_its_own_nights(tmp_path):
    house = House(tmp_path)
    done = backfill(house, "--from", "2020-12-11", "--to", "2020-12-16")
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(verdicts(house)) == ["2020-12-11", "2020-12-14", "2020-12-15", "2020-12-16"]


def test_status_and_verdicts_are_told_to_people_too(house):
    backfill(house, "--keep-going")
    status = run(house, "data", "status")
    assert status.returncode == 0, status.stderr
    assert "tiny: Forty simulated names" in status.stdout
    assert "1 block" in status.stdout
    told = run(house, "data", "verdicts")
    assert "empty delivery" in told.stdout


def test_a_source_that_is_unknown_is_refused_by_name(house):
    refused = run(house, "data", "verdicts", "--source", "nobody")
    assert refused.returncode != 0
    assert "there is: tiny" in refused.stderr + refused.stdout
