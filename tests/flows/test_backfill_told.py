"""A backfill says what became of every night it was asked for: judged, stopped at, or waiting."""

from datetime import date

import pytest

from flows import backfill, steps
from flows.outcomes import Outcome, outcomes_of
from tasks import ingest
from tests.house import SOURCE, House
from tests.tasks.late_folder import Folder

FIRST, SECOND, LATER, LAST = (date(2020, 12, day) for day in (17, 18, 21, 22))
SHORT = SOURCE.replace("starts: 2020-01-02", "starts: 2020-11-02")


@pytest.fixture
def filled(tmp_path, monkeypatch):
    """Give a way to backfill a range, from a vendor with two empty nights in a row."""
    house = House(tmp_path / "blocked")
    house.write("sources", "tiny", f"{SHORT}mishaps: {{{FIRST}: empty, {SECOND}: empty}}\n")
    for flow in (backfill, steps):
        monkeypatch.setattr(flow, "tried", lambda *called: (called[2].fn(*called[3:]), None))
    for name in ("missing_sessions", "verdicts_between", "waiting_nights"):
        monkeypatch.setattr(backfill, name, getattr(backfill, name).fn)
    monkeypatch.setattr(backfill, "contests_on", lambda _: [])
    monkeypatch.setattr(backfill, "write_gate_page", type("Page", (), {"fn": lambda *_: ""}))
    with house.open():
        yield lambda start, end: backfill._filled("tiny", start, end, False)


@pytest.mark.slow
def test_a_block_before_the_range_that_stops_it_is_told_and_is_no_good_end(filled):
    stopped = filled(date(2020, 11, 2), FIRST)
    assert (stopped.status, stopped.session) == ("blocked", FIRST)
    ingest.land_deliveries.fn("tiny", SECOND)
    behind = filled(LATER, LAST)
    assert (behind.status, behind.session, behind.good) == ("blocked", SECOND, False)
    assert f"2 landed and not judged, the first {LATER}" in behind.reason
    assert "without a delivery" not in behind.reason
    assert filled(LATER, LAST).status == "backfilled", "nothing blocked lies between any more"


def test_a_folder_that_holds_nothing_ends_in_words_and_in_no_traceback(tmp_path, monkeypatch):
    def tried(what, session, task, *arguments):
        try:
            return task.fn(*arguments), None
        except FileNotFoundError as error:
            return None, Outcome(what, "failed", str(error), session)

    Folder(tmp_path, monkeypatch)
    for flow in (backfill, steps):
        monkeypatch.setattr(flow, "tried", tried)
    monkeypatch.setattr(backfill, "nights_beyond", backfill.nights_beyond.fn)
    (outcome,) = outcomes_of(backfill.backfill.fn("folder"))
    assert outcome["status"] == "failed"
    assert "point FOLDER_OF_TESTS at the folder" in outcome["reason"]
