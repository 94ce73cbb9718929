"""A person lets a held book go on: for one contest, and from the newest session alone."""

import json
import logging
from datetime import date
from shutil import rmtree

import polars as pl
import pytest

from tasks import rebalance, settle
from tasks.approvals import Held, approvals
from tasks.drift import DRIFT, judge_drift
from tasks.execution.release import current
from tasks.market.lake import Span
from tasks.settings import _load, open_lake
from tasks.vantage import Vantage
from tests.house import BOOK, CONTEST, House, unlooked

pytestmark = pytest.mark.slow
FIRST, SECOND = date(2020, 12, 17), date(2020, 12, 18)


@pytest.fixture(scope="module")
def forecast(tmp_path_factory):
    """Return a house that has its forecasts, and whose model has drifted by every sign."""
    house = House(tmp_path_factory.mktemp("held"))
    with house.open(), pytest.MonkeyPatch.context() as patch:
        unlooked(patch)
        house.forecast(SECOND)
        drifted("tiny")
    return house


def drifted(contest: str) -> None:
    """Let both nights be held."""
    lake, over = open_lake(), {"session": [FIRST, SECOND]}
    said = {"factor": 0.0, "hold": True, "reason": "features drifted; skill drifted"}
    rows = [row | said for row in judge_drift(lake, "tiny", [FIRST, SECOND]).values()]
    lake.replace(f"drift/{contest}", pl.DataFrame(rows, schema=DRIFT), over=over)


@pytest.fixture
def held(forecast):
    """Open the house with both nights held, and nothing else of its book."""
    ever = Span(date.min, date.max)
    with forecast.open():
        lake = open_lake()
        yield lake
        for table in ("approvals/tiny", "ledger/tiny"):
            if not (rows := lake.read(table)).is_empty():
                lake.replace(table, rows.clear(), over={"session": ever})
        rmtree(forecast.data / "books" / "tiny", ignore_errors=True)
        forecast.write("books", "tiny", BOOK)
        _load.cache_clear()


def approve(session: date, reason: str = "the feed is mended", by: str = "operator") -> None:
    rebalance.approve_book.fn("tiny", session, reason, by)


def full(*_, **__):
    raise OSError("the disk is full")


def test_a_held_session_is_let_go_only_while_no_later_one_is_settled(forecast, held):
    for session in (FIRST, SECOND):
        with pytest.raises(Held):
            forecast.release(session)
    told = "tiny stands at 2020-12-18 and has no release of 2020-12-17.*approve tiny --as-of 2020-"
    with pytest.raises(ValueError, match=told + "12-18"):
        approve(FIRST)
    assert held.read("approvals/tiny").is_empty()
    with pytest.raises(ValueError, match=told):
        settle.settle_book.fn("tiny", FIRST)
    approve(SECOND)
    assert Vantage(held, "tiny", SECOND, SECOND).held(SECOND) == ""


def test_an_approval_counts_for_the_drift_of_its_contest_alone(forecast, held):
    approve(SECOND)
    assert Vantage(held, "tiny", SECOND, SECOND).held(SECOND) == ""
    forecast.write("models", "other", CONTEST)
    forecast.write("books", "tiny", BOOK.replace("contest: tiny", "contest: other"))
    _load.cache_clear()
    drifted("other")
    assert Vantage(held, "tiny", SECOND, SECOND).held(SECOND) == "features drifted; skill drifted"
    approve(SECOND, "another one")
    assert Vantage(held, "tiny", SECOND, SECOND).held(SECOND) == ""


def test_an_approval_of_before_contests_were_named_counts_for_none(forecast, held):
    drift = judge_drift(held, "tiny", [SECOND])[SECOND]
    older = {"session": SECOND, "watched_since": drift["watched_since"], "approved_by": "operator"}
    held.replace("approvals/old", pl.DataFrame([older]), over={"session": [SECOND]})
    assert approvals(held, "old", "tiny").is_empty()
    assert approvals(held, "none", "tiny").is_empty()


def test_an_approval_whose_release_failed_is_said_again_and_stands_as_it_was(
    forecast, held, monkeypatch, caplog
):
    approve(SECOND)
    with monkeypatch.context() as patch:
        patch.setattr(rebalance, "release", full)
        with pytest.raises(OSError, match="disk"):
            forecast.release(SECOND)
    with caplog.at_level(logging.INFO):
        approve(SECOND, "once more", "somebody else")
    assert "goes on after 2020-12-18, says operator" in caplog.text
    forecast.release(SECOND)
    folder = current(forecast.data, "tiny").path
    assert json.loads((folder / "run.json").read_text())["approver"] == "operator"


def test_without_an_approval_of_the_session_there_is_nothing_to_say_again(forecast, held):
    approve(FIRST)
    with pytest.raises(LookupError, match="tiny is not held at 2020-12-18"):
        approve(SECOND)
