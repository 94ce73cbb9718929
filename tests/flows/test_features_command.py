"""`afterclose features` writes a file and says what is in it, or refuses in a line."""

from datetime import date, timedelta

import polars as pl
import pytest
from typer.testing import CliRunner

from flows.cli import app

DAYS = [date(2020, 1, 6) + timedelta(days=number) for number in range(30)]


@pytest.fixture
def told(tmp_path):
    """Give a way to run the command on thirty sessions of one name."""
    rows = {"session": DAYS, "symbol": ["NA"] * 30, "close": [10.0 + (n % 7) for n in range(30)]}
    pl.DataFrame(rows).write_csv(tmp_path / "bars.csv")

    def run(name: str, *words: str):
        files = ("--bars", str(tmp_path / "bars.csv"), "--out", str(tmp_path / "out.csv"))
        return CliRunner().invoke(app, ["features", name, *files, *words], env={"COLUMNS": "120"})

    return run


def test_shows_what_was_written_and_what_is_null_for_want_of_what(told, tmp_path):
    answer = told("alpha158")
    assert answer.exit_code == 0
    shown = answer.stdout.splitlines()
    assert shown[0].split()[:5] == ["set", "names", "sessions", "features", "rows"]
    assert shown[1].split()[:5] == ["alpha158", "1", "30", "158", "30"]
    assert shown[2] == f"Written to {tmp_path / 'out.csv'}"
    assert "No vwap in the bars: null is VWAP0." in answer.stderr
    assert pl.read_csv(tmp_path / "out.csv", infer_schema=False)["symbol"].unique().item() == "NA"


def test_partial_windows_give_more_numbers(told, tmp_path):
    counts = []
    for words in ((), ("--warm-up", "partial")):
        assert told("alpha158", *words).exit_code == 0
        counts.append(pl.read_csv(tmp_path / "out.csv")["MA20"].null_count())
    assert counts == [19, 0]


def test_a_set_that_nobody_knows_is_refused_with_those_that_are(told):
    answer = told("momentous")
    assert answer.exit_code == 2
    assert "No feature set named 'momentous'; there is: price, alpha158" in answer.stderr
    assert not answer.stdout.strip()


def test_days_that_are_no_sessions_of_a_calendar_are_refused_by_name(told):
    answer = told("price", "--calendar", "XNYS")
    assert answer.exit_code == 2
    assert "2020-01-11" in answer.stderr


def test_a_warm_up_that_is_none_is_refused(told):
    assert told("price", "--warm-up", "some").exit_code == 2
