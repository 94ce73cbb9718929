"""Titles are given from a session on, with a reason, and what is past stays as it was."""

import logging
from datetime import date

import polars as pl
import pytest

from tasks import promote, train
from tasks.looks import LOOKS
from tasks.models import promotion
from tasks.models import titles as titles_room
from tasks.settings import open_lake
from tests.house import CONTEST, unlooked

pytestmark = pytest.mark.slow
FIRST, SECOND, THIRD = date(2020, 12, 17), date(2020, 12, 18), date(2020, 12, 21)
COMPARE = train._compare  # as it is: the house's tests leave it out


@pytest.fixture
def quiet(monkeypatch):
    monkeypatch.setattr(promote, "get_run_logger", lambda: logging.getLogger("night"))


@pytest.fixture
def looking(monkeypatch, quiet):
    """Let the night look at its challengers, and MLflow be told nothing but who is champion."""
    told: list[str] = []
    runs: set[tuple[str, date]] = set()
    monkeypatch.setattr(train, "_compare", COMPARE)

    def logged(contest, recipe, fits, judged, *, champion, scores):
        runs.add((recipe.name, fits[-1]))
        if champion:
            told.append(recipe.name)

    monkeypatch.setattr("tasks.record.log_newest_fit", logged)
    monkeypatch.setattr("tasks.looks.trials_since", lambda *_: {})
    monkeypatch.setattr("tasks.mirror.run_of", lambda _, fit: "a run" if fit in runs else None)
    monkeypatch.setattr("tasks.learning.tracking.register", lambda *_, **__: "1")
    return told


def tables() -> dict[str, pl.DataFrame]:
    lake = open_lake()
    names = ("champions", "forecasts/tiny", "records/tiny", "refits/tiny", "decisions/tiny")
    found = {name: lake.read(name) for name in (*names, "promotions/tiny")}
    return {
        name: rows.sort([c for c, kind in rows.schema.items() if not kind.is_float()])
        for name, rows in found.items()
    }


def champions() -> list[tuple[date, str]]:
    rows = open_lake().read("champions", columns=["from_session", "recipe"])
    return list(rows.sort("from_session").iter_rows())


def said(recipe: str = "ridge", as_of: date = FIRST, reason: str = "it is simpler") -> str:
    return promote.promote_recipe.fn("tiny", recipe, as_of, reason, "operator")


def rolled_back(as_of: date) -> str:
    return promote.rollback_title.fn("tiny", as_of, "it was worse", "operator")


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """Give a house after its first night, to be copied."""
    from tests.house import House

    house = House(tmp_path_factory.mktemp("begun"))
    with pytest.MonkeyPatch.context() as patch:
        unlooked(patch)
        with house.open():
            house.forecast(FIRST)
    return house


@pytest.fixture
def house(begun, tmp_path):
    import shutil

    from tests.house import House

    shutil.copytree(begun.data, tmp_path / "data")
    house = House(tmp_path)
    with house.open():
        yield house


def test_a_person_gives_the_title_from_the_next_session_on(house, quiet):
    before = tables()
    assert said() == f"ridge holds the title of tiny from {SECOND} on"
    assert tables()["champions"].equals(before["champions"])
    house.forecast(SECOND)
    after = tables()
    last = after["champions"].sort("from_session").row(-1, named=True)
    assert (last["from_session"], last["known_on"], last["recipe"]) == (SECOND, SECOND, "ridge")
    assert last["reason"] == "promote by operator: it is simpler"
    assert after["champions"].filter(pl.col("from_session") < SECOND).equals(before["champions"])
    past = after["forecasts/tiny"].filter(pl.col("session") < SECOND)
    assert past.equals(before["forecasts/tiny"])
    new = after["forecasts/tiny"].filter(pl.col("session") == SECOND)
    assert new["recipe"].unique().to_list() == ["ridge"]


def test_the_same_night_again_gives_the_same_rows(house, quiet):
    said()
    said()
    house.forecast(SECOND)
    once = tables()
    assert once["decisions/tiny"].height == 1
    house.forecast(SECOND)
    house.forecast(FIRST)
    house.forecast(SECOND)
    for name, rows in tables().items():
        assert rows.equals(once[name], null_equal=True), name


def test_a_rollback_gives_the_title_to_who_held_it_before(house, quiet):
    said()
    house.forecast(SECOND)
    assert rolled_back(SECOND) == f"lightgbm holds the title of tiny from {THIRD} on"
    house.forecast(THIRD)
    assert champions()[-2:] == [(SECOND, "ridge"), (THIRD, "lightgbm")]


def test_a_rollback_calls_off_what_has_not_come_into_force(house, quiet):
    before = champions()
    said()
    rolled_back(FIRST)
    house.forecast(SECOND)
    assert champions() == before


def test_what_cannot_be_decided_is_refused_with_what_to_do(house, quiet):
    with pytest.raises(ValueError, match="for a reason"):
        said(reason="  ")
    with pytest.raises(LookupError, match="'tcn' is no candidate of 'tiny'; there is: lightgbm"):
        said("tcn")
    with pytest.raises(LookupError, match="holds the title of 'tiny' already"):
        said("lightgbm")
    with pytest.raises(LookupError, match="Before 'lightgbm', no other"):
        rolled_back(FIRST)
    with pytest.raises(LookupError, match="scored up to 2020-12-17: a title of the past"):
        said(as_of=date(2020, 12, 16))
    with pytest.raises(LookupError, match="train it first"):
        said(as_of=date(2020, 1, 16))


def test_another_order_of_candidates_takes_the_title_from_nobody(house, quiet):
    first, second = CONTEST.strip().splitlines()[-2:]
    turned = CONTEST.replace(first, "X").replace(second, first).replace("X", second)
    before = tables()
    house.write("models", "tiny", turned)
    from tasks import settings

    settings._load.cache_clear()
    house.forecast(SECOND)
    settings._load.cache_clear()
    assert tables()["champions"].equals(before["champions"])


def test_who_held_the_title_must_stay_a_candidate_or_the_training_says_what_to_do(house, quiet):
    said()
    house.forecast(SECOND)
    before = tables()
    ridge = CONTEST.strip().splitlines()[-1]
    house.write("models", "tiny", CONTEST.replace(ridge, ridge.replace("name: ridge", "name: new")))
    from tasks import settings

    settings._load.cache_clear()
    with pytest.raises(LookupError, match=f"given to 'ridge' .since {SECOND}.*put it back"):
        train.train_contest.fn("tiny", THIRD)
    settings._load.cache_clear()
    assert tables()["champions"].equals(before["champions"])


def test_a_refit_at_fault_leaves_the_weights_before_it(build, quiet, monkeypatch, caplog):
    whole, house = build("whole"), build("fault")
    with whole.open():
        whole.forecast(FIRST)
        every = tables()
    at_fault = every["champions"].sort("from_session")["from_session"][-1]
    sane = titles_room.sane

    def strict(fresh, last):
        bad = fresh.card["fitted_on"] == at_fault.isoformat()
        return sane(fresh, last)._replace(fault="it looks odd" if bad else "")

    with house.open(), caplog.at_level(logging.WARNING, "night"):
        monkeypatch.setattr(titles_room, "sane", strict)
        house.forecast(FIRST)
        monkeypatch.undo()
        unlooked(monkeypatch)
    with house.open():
        house.forecast(FIRST)  # what was said of a refit stands
        found = tables()
    assert f"the refit of lightgbm on {at_fault} is not used" in caplog.text
    assert found["champions"].equals(
        every["champions"].filter(pl.col("from_session") < at_fault), null_equal=True
    )
    serving = found["forecasts/tiny"].filter(pl.col("session") >= at_fault)
    assert serving["fitted_on"].max() < at_fault
    assert serving["session"].max() == FIRST
    assert found["refits/tiny"].filter(pl.col("fault") != "")["session"].to_list() == [at_fault]


def test_every_refit_looks_at_the_challengers_and_keeps_each_number(build, looking):
    house = build("looks")
    with house.open():
        house.forecast(FIRST)
        once = tables()["promotions/tiny"]
        house.forecast(SECOND)
        assert tables()["promotions/tiny"].equals(once, null_equal=True)
        shown = promote.overview("tiny")
    row = once.row(0, named=True)
    assert (row["champion"], row["recipe"], once.height) == ("lightgbm", "ridge", 1)
    assert row["verdict"] == "insufficient evidence"
    assert 0 < row["sessions"] < 80
    assert f"{row['sessions']} common sessions of at least 250" in row["reason"]
    assert row["error"] > 0
    assert row["detectable"] > row["error"]
    assert (row["earned"], row["spent"], row["adjusted_p"]) == (0, 0, None)
    assert shown["last look"].equals(once.select(list(LOOKS)), null_equal=True)
    assert looking == ["lightgbm"]


def _finding_ridge(monkeypatch) -> None:
    judge = promotion.judge

    def found(challengers, **known):
        rows = judge(challengers, **known)
        return [
            one._replace(verdict="promote", reason="by far") if one.challenger == "ridge" else one
            for one in rows
        ]

    monkeypatch.setattr(promotion, "judge", found)


def test_by_the_rule_a_better_challenger_gets_the_title_from_that_very_session_on(
    build, looking, monkeypatch
):
    house = build("rule")
    house.write("models", "tiny", CONTEST + "promotion: rule\n")
    _finding_ridge(monkeypatch)
    with house.open():
        house.forecast(FIRST)
        once = tables()
        house.forecast(FIRST)
        for name, rows in tables().items():
            assert rows.equals(once[name], null_equal=True), name
        held = champions()
    look = once["promotions/tiny"]["session"][0]
    assert [recipe for day, recipe in held if day < look] == ["lightgbm"] * (len(held) - 1)
    assert held[-1] == (look, "ridge")
    reason = once["champions"].sort("from_session")["reason"][-1]
    assert reason == "promoted by the rule: by far"
    assert looking == ["ridge"]


def test_by_hand_a_better_challenger_gets_a_verdict_and_no_title(build, looking, monkeypatch):
    house = build("hand")
    _finding_ridge(monkeypatch)
    with house.open():
        house.forecast(FIRST)
        assert {recipe for _, recipe in champions()} == {"lightgbm"}
        assert tables()["promotions/tiny"]["verdict"].to_list() == ["promote"]


def test_mlflow_away_delays_no_title(build, quiet, monkeypatch, caplog):
    house = build("away")
    monkeypatch.setattr(train, "_compare", COMPARE)
    monkeypatch.setattr("tasks.looks.trials_since", lambda *_: {})
    with house.open(), caplog.at_level(logging.WARNING, "night"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        house.forecast(FIRST)
        assert len(champions()) > 1
    said = "MLflow is not told of all fits of tiny, a later night makes up: MLflow at http://127"
    assert said in caplog.text
