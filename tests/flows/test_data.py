"""The data commands tell what the lake holds, and refuse in a line what cannot be done."""

import json
from datetime import date

import polars as pl
import pytest
from typer.testing import CliRunner

from flows import data
from tasks.market import frames
from tasks.settings import open_lake

FIRST, SECOND = date(2015, 11, 16), date(2015, 11, 17)
KNOWN = {"rows": 10, "clean": 9, "quarantined": 1, "vintage": "observed"}
VERDICTS = [
    {"delivery": FIRST, "known_on": FIRST, "verdict": "pass", "reasons": "", **KNOWN},
    {"delivery": SECOND, "known_on": SECOND, "verdict": "block", "reasons": "stale", **KNOWN},
]


@pytest.fixture
def tell(tmp_path, monkeypatch):
    """Give a way to run a data command on a lake of two judged nights of one source."""
    monkeypatch.setenv("AFTERCLOSE_DATA", str(tmp_path))
    monkeypatch.delenv("AFTERCLOSE_LAKE", raising=False)
    monkeypatch.setattr(data, "_ready", lambda: tmp_path)
    rows = frames.shaped(
        pl.DataFrame([{"source": "us_deliveries", "findings": "[]", **one} for one in VERDICTS]),
        frames.VERDICTS,
    )
    open_lake().replace("verdicts", rows, over={"source": ["us_deliveries"]})
    return lambda *words: CliRunner().invoke(data.app, words, env={"COLUMNS": "200"})


RELEASE = ("release", "AAA", "--night", "2015-11-17")


@pytest.mark.parametrize("words", [("verdicts",), ("status",), (*RELEASE, "--reason", "right")])
def test_a_source_that_nobody_knows_is_refused_with_those_that_are(tell, words):
    told = tell(*words, "--source", "nobody")
    assert told.exit_code == 2
    assert "No 'nobody'" in told.output
    assert "us_deliveries" in told.output
    assert isinstance(told.exception, SystemExit)


@pytest.mark.parametrize("reason", ["", "  "])
def test_rows_leave_quarantine_only_for_a_reason(tell, reason):
    told = tell(*RELEASE, "--source", "us_deliveries", "--reason", reason)
    assert told.exit_code == 2
    assert "say which with --reason" in told.output
    assert isinstance(told.exception, SystemExit)


def test_a_day_that_is_none_is_refused(tell):
    told = tell("release", "AAA", "--night", "2015-11-99", "--source", "us_deliveries")
    assert told.exit_code == 2
    assert "2015-11-99" in told.output


def test_verdicts_name_every_night_and_why(tell):
    lines = tell("verdicts").output.splitlines()
    assert [line.split()[1:3] for line in lines[1:]] == [
        ["2015-11-16", "pass"],
        ["2015-11-17", "block"],
    ]
    assert lines[2].rstrip().endswith("stale")
    found = json.loads(tell("verdicts", "--source", "us_deliveries", "--json").output)
    assert [(one["verdict"], one["reasons"]) for one in found] == [
        ("pass", []),
        ("block", ["stale"]),
    ]


def test_status_counts_verdicts_and_says_where_nothing_is(tell):
    told = tell("status").output
    assert "2015-11-16 to 2015-11-17: 1 block, 1 pass" in told
    assert "no clean row" in told
    assert "none judged" in tell("status", "--source", "sample").output


@pytest.fixture
def keep_gone(tell):
    """Keep a night of a source that has no settings any more."""
    gone = pl.DataFrame([{"source": "gone", "findings": "[]", **VERDICTS[0]}])
    open_lake().replace("verdicts", frames.shaped(gone, frames.VERDICTS), over={"source": ["gone"]})


@pytest.mark.usefixtures("keep_gone")
def test_a_source_whose_settings_are_gone_is_named_beside_the_others(tell):
    told = tell("status")
    assert told.exit_code == 0
    assert "2015-11-16 to 2015-11-17: 1 block, 1 pass" in told.stdout
    assert told.stderr.startswith("gone has data, but no settings to tell it by: No 'gone' in")
    assert len(told.stderr.splitlines()) == 1
    (found,) = json.loads(tell("status", "--json").stdout)
    assert found["source"] == "us_deliveries"
    assert "gone 2015-11-16 pass" in " ".join(tell("verdicts").stdout.split())
    assert tell("status", "--source", "gone").exit_code == 2


@pytest.mark.usefixtures("keep_gone")
def test_status_does_not_say_that_nothing_came_where_no_settings_are_left(tell):
    none = frames.empty(frames.VERDICTS)
    open_lake().replace("verdicts", none, over={"source": ["us_deliveries"]})
    told = tell("status")
    assert (told.exit_code, told.stdout) == (0, "")
    open_lake().replace("verdicts", none, over={"source": ["gone"]})
    assert "No source has delivered yet" in tell("status").stdout
