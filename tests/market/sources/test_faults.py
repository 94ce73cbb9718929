"""Every source over the web survives every fault of a vendor: right rows, or an error by name."""

import resource
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import get_args

import polars as pl
import pytest

from conf.schema import Source, WebSource
from tasks.market.frames import RAW_ACTIONS, RAW_BARS, RAW_FUNDAMENTALS, RAW_LISTINGS, RAW_SERIES
from tasks.market.sources import SOURCES
from tasks.market.sources.protocol import Delivery, Unreadable
from tasks.market.sources.web import Refused, Unwelcome
from tests.market.sources.faults import FAULTS, Fault
from tests.market.sources.vendor import QUICK, Vendor, WebCase

CASES = Path(__file__).parent / "cases"
NAMES = sorted(path.stem for path in CASES.glob("*.py"))
WAITING = [name for name, fault in FAULTS.items() if fault.waits]
BRISK = [name for name in FAULTS if name not in WAITING]
FAST = ("tiingo", "ecb")  # the others run with the slow tests
MOST_MEMORY = 256 << 10  # KiB more than before
SLACK_S = 3.0  # of a busy machine


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.market.sources.web.FIRST_PAUSE_S", 0.01)


def case_of(name: str) -> Callable[[str, Path], WebCase]:
    return import_module(f"tests.market.sources.cases.{name}").case


def delivered(case: WebCase) -> Delivery:
    case.source.nights(case.night)
    return case.source.normalise(list(case.source.pull([case.night])))


def rows(found: Delivery, case: WebCase) -> pl.DataFrame:
    frame = getattr(found, case.frame)
    return frame.sort(frame.columns)


def hold(name: str, fault: Fault, vendor: Vendor, spool: Path) -> None:
    """Pull through a fault, then without it: nothing but the right rows, ever."""
    case = case_of(name)(vendor.url, spool)
    vendor.routes, vendor.fault = case.routes, fault.behave
    case.source.nights(case.night)  # loads the calendar
    _ = case.source.web  # and what it asks with
    memory, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    failed = ""
    try:
        found = rows(delivered(case), case)
    except (Refused, Unwelcome, Unreadable) as error:
        failed = f"{type(error).__name__}: {error}"
    took = time.monotonic() - began
    vendor.heal()
    if failed:
        assert fault.outcome != "rows", failed
        assert len(failed) < 600, "an error is a line, not a page"
    elif fault.outcome == "fewer":
        assert found.join(case.expected, on=found.columns, how="anti", nulls_equal=True).is_empty()
    else:
        assert fault.outcome != "error", "passed as if nothing were wrong"
        assert found.equals(case.expected)
    assert took < QUICK["patience_s"] + SLACK_S
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < MOST_MEMORY
    if failed and not failed.startswith("Unreadable"):
        again = rows(delivered(case), case)  # what was kept of the pull that failed is whole
        assert again.equals(case.expected)
    case.source.landed([case.night])
    assert [path for path in spool.rglob("*") if path.is_file()] == []


def pairs(names: list[str], faults: list[str]) -> list[object]:
    return [pytest.param(name, fault, id=f"{name}-{fault}") for name in names for fault in faults]


@pytest.mark.usefixtures("brisk")
@pytest.mark.parametrize(("name", "fault"), pairs([n for n in NAMES if n in FAST], BRISK))
def test_survives(name, fault, vendor, tmp_path):
    hold(name, FAULTS[fault], vendor, tmp_path)


@pytest.mark.slow
@pytest.mark.usefixtures("brisk")
@pytest.mark.parametrize(("name", "fault"), pairs([n for n in NAMES if n not in FAST], BRISK))
def test_survives_too(name, fault, vendor, tmp_path):
    hold(name, FAULTS[fault], vendor, tmp_path)


@pytest.mark.slow
@pytest.mark.usefixtures("brisk")
@pytest.mark.parametrize(("name", "fault"), pairs(NAMES, WAITING))
def test_gives_up_in_time(name, fault, vendor, tmp_path):
    hold(name, FAULTS[fault], vendor, tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_gives_the_right_rows_and_the_same_bytes_again(name, vendor, tmp_path):
    case = case_of(name)(vendor.url, tmp_path / "a")
    vendor.routes = case.routes
    found = delivered(case)
    assert rows(found, case).equals(case.expected)
    assert case.expected.height > 0
    frames = {
        "bars": RAW_BARS,
        "actions": RAW_ACTIONS,
        "listings": RAW_LISTINGS,
        "series": RAW_SERIES,
        "fundamentals": RAW_FUNDAMENTALS,
    }
    for frame, columns in frames.items():
        assert dict(getattr(found, frame).schema) == columns
    first = list(case.source.pull([case.night]))
    asked = len(vendor.calls)
    assert list(case.source.pull([case.night])) == first, "kept answers are used"
    assert len(vendor.calls) == asked
    other = case_of(name)(vendor.url, tmp_path / "b")
    other.source.nights(case.night)
    assert next(iter(other.source.pull([case.night]))).body == first[0].body


def test_every_source_over_the_web_has_a_case():
    union = get_args(Source)[0]
    kinds = {
        get_args(one.model_fields["kind"].annotation)[0]
        for one in get_args(union)
        if issubclass(one, WebSource)
    }
    assert len(kinds) >= 8
    assert kinds == SOURCES.keys() - {"sample", "simulated", "files", "mixed"}
    assert kinds == {name.partition("_")[0] for name in NAMES}


def test_the_vendor_knows_the_faults_there_are():
    assert len(FAULTS) >= 25
    assert {fault.outcome for fault in FAULTS.values()} == {"rows", "error", "either", "fewer"}
