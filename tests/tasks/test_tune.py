"""A recipe is tuned on what its nights stored, told to MLflow, and given as its file wants it."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from conf.schema import Recipe
from flows.tune import yaml_of
from tasks.learning.trials import trials_ever
from tasks.record import _params
from tasks.settings import load_contest, tracking_uri
from tasks.tune import Answer, Search, study_of, trials_made, tune_recipe
from tasks.untold import untold_trials
from tests.house import CONTEST, LAST, House, unlooked

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def stored(tmp_path_factory) -> House:
    """Give a house whose nights were run once for all tests here."""
    made = House(tmp_path_factory.mktemp("tuned"))
    with made.open(), pytest.MonkeyPatch.context() as patch:
        unlooked(patch)
        made.forecast(LAST)
    return made


def tuned(trials: int, **changes) -> Answer:
    wanted = Search("tiny", "lightgbm", "walk_forward", trials, None)._replace(**changes)
    return tune_recipe(wanted, None, lambda trials: None)


def test_every_trial_stands_in_mlflow_and_the_first_is_the_recipe_as_it_stands(stored):
    with stored.open():
        told = []
        wanted = Search("tiny", "lightgbm", "walk_forward", 3, None)
        answer = tune_recipe(wanted, None, lambda trials: told.append(len(trials)))
        assert told == [1, 2, 3]
        assert answer.as_of == LAST
        assert answer.warning == ""
        assert answer.ever == trials_made("tiny") >= 3
        assert answer.tuned.trials[0].settings["leaves"] == 15
        assert answer.tuned.recipe.settings["trees"] == 20
        assert tuned(3).tuned == answer.tuned
        assert tuned(3).ever == answer.ever


def test_a_fit_of_the_recipe_as_it_stands_is_the_same_choice_as_the_first_trial(stored):
    with stored.open():
        rules = load_contest("tiny")
        recipe = rules.candidates[0]
        study = study_of("tiny", rules, recipe, "any")
        assert study.experiment == "tiny/trees"
        settings = {name: value for name, value in study.params.items() if "setting." in name}
        card = {
            "settings": {name.removeprefix("setting."): v for name, v in settings.items()},
            "columns": [],
            "fitted_on": LAST,
        }
        fit = _params(rules, recipe, card, [LAST])
        assert {name: fit.get(name) for name in study.params} == study.params


def test_contests_that_are_alike_share_no_study(stored):
    stored.write("models", "twin", CONTEST)
    with stored.open():
        own, others = tuned(1), tuned(1, contest="twin")
    assert own.tuned.trials[0].value == others.tuned.trials[0].value
    assert own.tuned.study != others.tuned.study


def test_without_mlflow_the_search_goes_on_and_the_trials_are_told_later(stored, monkeypatch):
    with stored.open():
        broken = stored.data / "broken.db"
        broken.write_bytes(b"this is no database, " * 100)
        tuned(3)
        before = trials_made("tiny")
        with monkeypatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{broken}")
            answer = tuned(4)
            assert len(answer.tuned.trials) == 4
            assert "not in MLflow" in answer.warning
            assert answer.ever is None
            left = untold_trials("tiny")[answer.tuned.study]
            assert left == ("lightgbm", "lightgbm", 4)
        assert tuned(4).warning == ""
        assert untold_trials("tiny") == {}
        assert trials_ever(tracking_uri(), "tiny") == before + 1


def test_says_what_there_is_to_tune_and_when(stored):
    with stored.open():
        with pytest.raises(LookupError, match="no recipe 'tree'; there is: lightgbm, ridge"):
            tuned(1, recipe="tree")
        with pytest.raises(ValueError, match="ridge has no setting with a range"):
            tuned(1, recipe="ridge")
        early = LAST - timedelta(days=700)
        wanted = Search("tiny", "lightgbm", "walk_forward", 1, None)
        with pytest.raises(LookupError, match="run `afterclose train --contest tiny` first"):
            tune_recipe(wanted, early, lambda trials: None)


def command(house: House, trials: int) -> subprocess.Popen[str]:
    ours = {"AFTERCLOSE_CONF": str(house.conf), "AFTERCLOSE_DATA": str(house.data)}
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "MLFLOW_"))}
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    words = [sys.executable, "-m", "flows.cli", "tune", "tiny", "lightgbm"]
    return subprocess.Popen(
        [*words, "--trials", str(trials), "--validation", "combinatorial"],
        env={**kept, **ours, "PYTHONPATH": path, "COLUMNS": "200"},
        cwd=house.data.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_command_goes_on_after_kill_9_and_gives_a_line_for_the_contests_file(stored):
    with stored.open():
        before = trials_made("tiny")
    broken_off = command(stored, 5)
    for line in broken_off.stderr:
        if line.startswith("trial 2:"):
            broken_off.send_signal(signal.SIGKILL)
            break
    broken_off.communicate()
    assert broken_off.returncode == -signal.SIGKILL
    goes_on = command(stored, 5)
    told, said = goes_on.communicate()
    assert goes_on.returncode == 0, said
    assert "trial 1:" not in said
    assert said.startswith("trial ")
    assert "trial 5:" in said
    lines = told.splitlines()
    assert lines[0].startswith(f"# best of 5 trials at {LAST}")
    assert "5 paths: rank IC" in lines[3]
    assert lines[2] == f"# trials ever made for tiny: {before + 5}"
    (pasted,) = yaml.safe_load(lines[-1])
    assert Recipe.model_validate(pasted).settings["trees"] == 20


@pytest.mark.parametrize("settings", [{"a": 1e-05, "b": 2.5e-07, "c": 0.1, "d": 7, "e": True}])
def test_what_is_to_be_pasted_is_read_back_as_it_is(settings):
    recipe = {"name": "one", "settings": settings, "odd": ["no", "a b", 'say "\\"', "1e5", ""]}
    assert yaml.safe_load(yaml_of(recipe)) == recipe
