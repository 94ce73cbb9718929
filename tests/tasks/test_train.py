"""A night's training leaves nothing behind, and hands on what its recipes said then."""

import logging
import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from tasks import proofs, train, untold
from tasks.learning import tracking
from tasks.models import fitting, promotion
from tasks.settings import calendar, load_contest, open_lake, tracking_uri
from tests.house import CONTEST

FIRST, SECOND = date(2020, 12, 17), date(2020, 12, 18)
COMPARE = train._compare  # as it is: the house's tests leave it out
TELL = train.tell_mlflow


@pytest.fixture
def looking(monkeypatch):
    """Let the night look at its challengers, and MLflow be told nothing."""
    monkeypatch.setattr(train, "_compare", COMPARE)
    monkeypatch.setattr(train, "tell_mlflow", lambda *_: "")
    monkeypatch.setattr(train, "training_can_be_told", lambda *_: False)
    monkeypatch.setattr("tasks.looks.trials_since", lambda *_: {})


def test_what_a_broken_off_fit_of_other_inputs_left_goes_when_a_fit_of_its_recipe_ends(
    build, monkeypatch
):
    with build("scratch").open():
        rules = load_contest("tiny")
    this, next_one = (train.Due(rules.candidates[1], day, "inputs") for day in (FIRST, SECOND))
    own, waiting = train._scratch("tiny", this), train._scratch("tiny", next_one)
    stale, other = own.parent / "2020-12-17-other", own.parent.parent / "lightgbm" / "2020-12-17-x"
    for folder in (own, waiting, stale, other):
        folder.mkdir(parents=True)
        (folder / "checkpoint").write_text("x")

    class Shelf:
        def save(self, *_, **__):
            assert stale.exists()

    monkeypatch.setattr(fitting, "fit_recipe", lambda *_, **__: None)
    monkeypatch.setattr(train, "open_shelf", Shelf)
    train._fit("tiny", rules, this, None, None, [waiting], {})
    assert [one.exists() for one in (own, waiting, stale, other)] == [False, True, False, True]


@pytest.mark.slow
def test_a_night_walks_its_book_with_what_both_recipes_said_then(build, looking, monkeypatch):
    asked: list[promotion.Proof] = []

    def examines(challengers, *, examine, **known):
        asked.append(examine("ridge"))
        return judge(challengers, examine=examine, **known)

    judge = promotion.judge
    monkeypatch.setattr(promotion, "judge", examines)
    monkeypatch.setattr(proofs, "leak_of", lambda *_: (False, ""))
    with build("walked").open():
        build("walked").forecast(FIRST)
        row = open_lake().read("promotions/tiny").row(0, named=True)
        days = calendar("XNYS").sessions(row["since"], row["session"])
    (proof,) = asked
    assert proof.leak_found is False
    assert (proof.calibrated, proof.why) == (None, "too few sessions judge its intervals")
    assert len(proof.net["tiny"]) == len(days) - 1
    assert np.isfinite(proof.net["tiny"]).all()
    assert proof.net["tiny"].std() > 0


@pytest.mark.slow
def test_a_challenger_that_cannot_be_fitted_delays_no_title(build, looking, monkeypatch, caplog):
    whole = fitting.fit_recipe

    def fails(recipe, *given, **more):
        if recipe.name == "ridge":
            raise ValueError("its loss is no number")
        return whole(recipe, *given, **more)

    house = build("torn")
    monkeypatch.setattr(fitting, "fit_recipe", fails)
    with house.open(), caplog.at_level(logging.WARNING, "night"):
        house.forecast(FIRST)
        assert open_lake().read("champions")["recipe"].unique().to_list() == ["lightgbm"]
        assert not open_lake().read("forecasts/tiny").is_empty()
    assert "tiny/ridge could not be fitted" in caplog.text
    assert "its loss is no number" in caplog.text


def walking(monkeypatch, *, failing: str) -> list[str]:
    """Let the walks of a recipe fail; record whose are asked for."""
    whole, asked = train.walked, []

    def walk(contest, rules, recipe, *given):
        asked.append(recipe.name)
        if recipe.name == failing:
            raise ValueError("its weights are no numbers")
        return whole(contest, rules, recipe, *given)

    monkeypatch.setattr(train, "walked", walk)
    return asked


@pytest.mark.slow
def test_a_challenger_that_cannot_be_walked_delays_no_title_and_no_later_night(
    build, looking, monkeypatch, caplog
):
    house, asked = build("lame"), walking(monkeypatch, failing="ridge")
    with house.open(), caplog.at_level(logging.WARNING, "night"):
        house.forecast(FIRST)
        assert not open_lake().read("forecasts/tiny").is_empty()
        assert asked == ["lightgbm", "ridge"]
        house.forecast(SECOND)
        row = open_lake().read("promotions/tiny").row(0, named=True)
    assert "tiny/ridge could not be walked and is not compared: its weights" in caplog.text
    assert row["verdict"] == "not taken"
    assert row["reason"] == "no challenger could be fitted and walked"
    assert asked == ["lightgbm", "ridge"]


@pytest.mark.slow
def test_what_mlflow_is_owed_is_asked_for_each_night_and_takes_no_look(build, looking, monkeypatch):
    """A challenger that can never be fitted keeps nothing from being told."""
    whole, asked, told, looked_at = fitting.fit_recipe, [], [], []

    def fails(recipe, *given, **more):
        if recipe.name == "other":
            raise ValueError("its loss is no number")
        return whole(recipe, *given, **more)

    house = build("owed")
    house.write("models", "tiny", CONTEST + "  - {name: other, model: ridge}\n")
    monkeypatch.setattr(fitting, "fit_recipe", fails)
    monkeypatch.setattr(train, "training_can_be_told", lambda name: asked.append(name) or True)
    monkeypatch.setattr(train, "tell_mlflow", lambda *given: told.append(sorted(given[-1])) or "")
    take = train.look_at
    monkeypatch.setattr(train, "look_at", lambda *given: looked_at.append(1) or take(*given))
    with house.open():
        house.forecast(FIRST)
        house.forecast(SECOND)
    assert asked == ["tiny", "tiny"]
    assert told == [["lightgbm", "ridge"]] * 2
    assert looked_at == [1]


@pytest.mark.slow
def test_a_fit_is_owed_to_mlflow_before_it_stands(build, looking, monkeypatch):
    def fails(*_, **__):
        raise ZeroDivisionError("the run dies after its fits")

    house = build("killed")
    monkeypatch.setattr(train, "_compare", fails)
    with house.open():
        with pytest.raises(ZeroDivisionError):
            house.forecast(FIRST)
        monkeypatch.setattr(untold, "ask", lambda: None)
        assert untold.training_can_be_told("tiny")


@pytest.mark.slow
def test_a_night_whose_mlflow_is_locked_forecasts_and_owes(build, looking, monkeypatch, caplog):
    monkeypatch.setattr(train, "tell_mlflow", TELL)
    monkeypatch.setattr(tracking, "PATIENCE_S", 0.1)
    house = build("locked")
    with house.open():
        database = Path(tracking_uri().removeprefix("sqlite:///"))
        database.parent.mkdir(parents=True)
        with closing(sqlite3.connect(database, isolation_level=None)) as held:
            held.execute("BEGIN EXCLUSIVE")
            house.forecast(FIRST)
        assert open_lake().read("forecasts/tiny")["session"].max() == FIRST
        assert "database is locked" in caplog.text
        assert untold.training_can_be_told("tiny")  # it answers now, and is owed


@pytest.mark.slow
def test_a_champion_that_cannot_be_walked_stops_the_training(build, looking, monkeypatch):
    house = build("halted")
    walking(monkeypatch, failing="lightgbm")
    with house.open(), pytest.raises(ValueError, match="its weights are no numbers"):
        house.forecast(FIRST)


@pytest.mark.slow
def test_a_look_that_fails_is_withheld_and_one_that_was_lost_is_made_up_for(
    build, looking, monkeypatch, caplog
):
    def fails(*_, **__):
        raise ZeroDivisionError("no session")

    house, asked = build("lost"), walking(monkeypatch, failing="")
    with house.open(), caplog.at_level(logging.WARNING, "night"):
        with monkeypatch.context() as patch:
            patch.setattr(train, "_compare", fails)  # the run dies after its fits
            with pytest.raises(ZeroDivisionError):
                house.forecast(FIRST)
        with monkeypatch.context() as patch:
            patch.setattr(train, "look_at", fails)
            house.forecast(FIRST)
        assert asked == ["lightgbm", "ridge"]
        row = open_lake().read("promotions/tiny").row(0, named=True)
        assert open_lake().read("champions")["recipe"].unique().to_list() == ["lightgbm"]
    assert (row["verdict"], row["reason"]) == ("not taken", "no session")
    assert "no look on" in caplog.text


@pytest.mark.slow
def test_the_failure_of_a_fit_that_holds_the_title_stops_the_training(build, looking, monkeypatch):
    def fails(*_, **__):
        raise ValueError("its loss is no number")

    house = build("stopped")
    monkeypatch.setattr(fitting, "fit_recipe", fails)
    with house.open(), pytest.raises(ValueError, match="no number"):
        house.forecast(FIRST)
