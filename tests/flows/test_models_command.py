"""`afterclose models` shows who holds a title, and gives it for a reason alone."""

import json
import subprocess
import sys
from datetime import date

import polars as pl
import pytest
from typer.testing import CliRunner

from flows import models
from tasks.settings import open_lake
from tests.house import House
from tests.reading import ROOT

FIRST, NEXT = date(2020, 12, 30), date(2020, 12, 31)


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Give a way to run the command in a house with a champion."""
    house = House(tmp_path)
    monkeypatch.setenv("AFTERCLOSE_CONF", str(house.conf))
    monkeypatch.setenv("AFTERCLOSE_DATA", str(house.data))
    monkeypatch.delenv("AFTERCLOSE_LAKE", raising=False)
    monkeypatch.setattr(models, "_ready", lambda: None)
    row = {"contest": "tiny", "recipe": "lightgbm", "weights_hash": "0123456789abcdef"}
    row |= {"from_session": FIRST, "known_on": FIRST, "reason": "first candidate of the contest"}
    open_lake().replace("champions", pl.DataFrame([row]), over={"contest": ["tiny"]})
    return lambda *words: CliRunner().invoke(models.app, words, env={"COLUMNS": "200"})


def test_shows_the_titles_and_says_where_there_is_nothing_yet(told):
    answer = told("show", "tiny")
    assert answer.exit_code == 0
    assert "lightgbm" in answer.stdout
    assert "0123456789ab " in answer.stdout
    assert "last look: none" in answer.stdout
    found = json.loads(told("show", "tiny", "--json").stdout)
    assert found["titles"][0]["recipe"] == "lightgbm"
    assert found["decisions"] == found["last look"] == found["refits that are not used"] == []


@pytest.mark.parametrize("words", [("promote", "tiny", "ridge"), ("rollback", "tiny")])
def test_refuses_without_a_reason_and_without_a_contest(told, words):
    assert told(*words).exit_code == 2
    blank = told(*words, "--reason", " ")
    assert blank.exit_code == 2
    assert "A title changes for a reason" in blank.stderr
    unknown = told(words[0], "nowhere", *words[2:], "--reason", "why")
    assert unknown.exit_code == 2
    assert "there is: tiny" in unknown.stderr


@pytest.mark.slow
def test_a_person_gives_and_takes_back_a_title_from_the_command_line(told):
    said = "--reason", "it is simpler", "--by", "operator", "--as-of", str(FIRST)
    given = typed("promote", "tiny", "ridge", *said)
    assert given.returncode == 0, given.stderr
    assert f"ridge holds the title of tiny from {NEXT} on" in given.stdout
    found = json.loads(told("show", "tiny", "--json").stdout)["decisions"]
    assert [(one["recipe"], one["reason"]) for one in found] == [
        ("ridge", "promote by operator: it is simpler")
    ]
    back = typed("rollback", "tiny", *said)
    assert f"lightgbm holds the title of tiny from {NEXT} on" in back.stdout


def typed(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a person does, in a process of its own."""
    command = [sys.executable, "-m", "flows.cli", "models", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
