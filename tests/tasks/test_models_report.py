"""A contest's candidates are compared from the shelf and the lake alone, as known at a session."""

from datetime import date

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from conf.schema import BPS, Recipe
from flows.cli import app
from tasks import models_report, promote, train
from tasks.importance import rests_on
from tasks.looks import LOOKS
from tasks.market.frames import shaped
from tasks.models_report import _compared, _made, _panel, report_models
from tasks.settings import load_contest, open_lake, open_shelf
from tasks.train import refits
from tasks.walks import setup_of
from tests.house import CONTEST, House, unlooked

FIRST, SECOND = date(2020, 12, 17), date(2020, 12, 18)
COMPARE = train._compare  # as it is: the house's tests leave it out


@pytest.fixture(autouse=True)
def _without_mlflow(monkeypatch):
    monkeypatch.setattr(models_report, "trials_made", lambda contest: None)
    monkeypatch.setattr("flows.cli.ready", lambda: None)


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """Give a house after its first night, the look at its challengers taken."""
    made = House(tmp_path_factory.mktemp("compared"))
    with made.open():
        first_night(made)
    return made


def first_night(house: House) -> None:
    import logging

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(promote, "get_run_logger", lambda: logging.getLogger("night"))
        patch.setattr(train, "_compare", COMPARE)
        patch.setattr("tasks.record.log_newest_fit", lambda *_, **__: "run")
        house.forecast(FIRST)


def typed(*words: str):
    return CliRunner().invoke(app, ["report", "models", *words], env={"COLUMNS": "100"})


def test_an_ensemble_is_made_of_the_losses_and_seeds_of_its_members():
    trees = Recipe(name="trees", model="lightgbm", seeds=5)
    net = Recipe(name="net", model="tcn", loss="ic", seeds=3)
    both = Recipe(name="both", model="ensemble", seeds=2, members=(trees, net))
    fits = pl.DataFrame({"recipe": ["trees", "both"], "fitted_on": [FIRST, FIRST]})
    found = _made([trees, both], fits, SECOND).select("model", "loss", "seeds").rows()
    assert found == [("trees", "mse", 5), ("both", "mse, ic", 16)]


@pytest.mark.slow
def test_the_page_and_the_table_hold_every_candidate_on_the_same_rows(house):
    with house.open():
        report = report_models("tiny")
    assert report.page == house.data / "reports" / "models" / "tiny.html"
    shown = report.page.read_text()
    table = pl.read_csv(report.page.with_suffix(".csv"), try_parse_dates=True)
    assert sorted(table["model"]) == ["lightgbm", "ridge"]
    assert table["sessions"].n_unique() == 1
    assert table["coverage"].to_list() == [1, 1]
    traded = table["turnover"] * 4
    assert (table["net"] - (table["spread"] - 10 * BPS * traded)).abs().max() < 1e-12
    told = report.told
    assert told.champion.recipe == "lightgbm"
    assert 0 < told.sessions == table["sessions"][0] < 250
    assert "Insufficient evidence" in shown
    assert told.looks["recipe"].to_list() == ["ridge"]
    assert told.looks["verdict"][0] == "insufficient evidence"
    assert f">{told.looks['detectable'][0]:.4f}</td>" in shown
    assert "unknown<small>MLflow does not say" in shown
    assert "<h2>What lightgbm rests on</h2>" in shown


@pytest.mark.slow
def test_what_a_model_rests_on_is_asked_of_every_feature_by_sessions_after_its_fit(house):
    with house.open():
        rules, compared = load_contest("tiny"), refits("tiny", FIRST)[-2:]
        panel, label_TN = _panel("tiny", rules, rules.candidates, compared, FIRST)
        found = rests_on("tiny", rules, "lightgbm", compared, panel, label_TN)
        card, _ = open_shelf().load("tiny", "lightgbm", found.fitted_on)
        assert sorted(found.table["feature"]) == sorted(card["columns"])
        assert found.table["part"].sum() == pytest.approx(1)
        assert found.table["lost"].is_sorted(descending=True)
        fitted_at = panel.sessions.index(found.fitted_on)
        before_TN = label_TN.copy()
        before_TN[:fitted_at] = -before_TN[:fitted_at]
        again = rests_on("tiny", rules, "lightgbm", compared, panel, before_TN)
        assert again.table.equals(found.table, null_equal=True)
        after_TN = label_TN.copy()
        after_TN[fitted_at:] = -after_TN[fitted_at:]
        other = rests_on("tiny", rules, "lightgbm", compared, panel, after_TN)
        assert other.rank_ic == pytest.approx(-found.rank_ic)
        after_TN[panel.sessions.index(compared[0]) + 5 :] = np.nan
        assert rests_on("tiny", rules, "lightgbm", compared, panel, after_TN) is None


@pytest.mark.slow
def test_the_difference_is_what_the_look_of_that_session_saw(house):
    with house.open():
        seen = report_models("tiny").told.looks.row(0, named=True)
        then = report_models("tiny", seen["session"])
    ridge = then.table.row(by_predicate=pl.col("model") == "ridge", named=True)
    assert ridge["difference"] == pytest.approx(seen["difference"], abs=1e-12)
    assert ridge["sessions"] == seen["sessions"]


@pytest.mark.slow
def test_the_page_goes_back_to_where_the_year_of_looks_began(tmp_path):
    house = House(tmp_path)
    with house.open():
        began, second, last = refits("tiny", FIRST)
        look = {"session": second, "since": began, "champion": "lightgbm", "recipe": "ridge"}
        look |= {"champion_setup": setup_of(load_contest("tiny"), "lightgbm"), "verdict": "keep"}
        look |= {"sessions": 40, "earned": 0.04, "spent": 0.04}
        rows = shaped(pl.DataFrame([look]), LOOKS)
        open_lake().replace("promotions/tiny", rows, over={"session": [second]})
        first_night(house)
        report = report_models("tiny", last)
    seen = report.told.looks.row(0, named=True)
    assert (seen["session"], seen["since"]) == (last, began)
    assert report.told.since == began
    assert report.told.sessions == seen["sessions"]


def test_refits_at_which_nothing_was_fitted_are_left_out(tmp_path):
    with House(tmp_path).open():
        rules, schedule = load_contest("tiny"), refits("tiny", FIRST)
        for made in (schedule[:2], schedule[:1], [schedule[0], schedule[2]]):
            fits = pl.DataFrame({"recipe": "ridge", "fitted_on": made})
            assert _compared("tiny", rules, fits, FIRST, "lightgbm") == made


@pytest.mark.slow
def test_the_nights_after_change_nothing_of_what_was_known(house, tmp_path):
    import shutil

    shutil.copytree(house.data, tmp_path / "data")
    later = House(tmp_path)
    with later.open(), pytest.MonkeyPatch.context() as patch:
        unlooked(patch)
        before = report_models("tiny", FIRST)
        page = before.page.read_bytes()
        later.forecast(SECOND)
        after = report_models("tiny", FIRST)
        assert after.page.read_bytes() == page
        assert after.table.equals(before.table, null_equal=True)
        assert report_models("tiny").told.as_of == SECOND


@pytest.mark.slow
def test_a_candidate_without_fits_is_named_and_left_out(house, tmp_path):
    import shutil

    from tasks import settings

    shutil.copytree(house.data, tmp_path / "data")
    other = House(tmp_path)
    other.write("models", "tiny", CONTEST + "  - {name: fresh, model: ridge}\n")
    settings._load.cache_clear()
    with other.open():
        answer = typed("tiny")
    settings._load.cache_clear()
    assert answer.exit_code == 0, answer.output
    assert "\u2026" not in answer.stdout  # no figure is cut
    assert "Not compared: fresh (no fit of 2020-" in answer.stdout
    assert "Champion: lightgbm since 2020-" in answer.stdout
    assert "Ever tried: unknown." in answer.stdout
    assert "ridge: insufficient evidence" in answer.stdout
    assert "Insufficient evidence: " in answer.stdout
    assert f"Page: {tmp_path / 'data' / 'reports' / 'models' / 'tiny.html'}" in answer.stdout


def test_where_nothing_is_fitted_the_command_says_what_to_do(tmp_path):
    with House(tmp_path).open():
        answer = typed("tiny")
        assert answer.exit_code == 1
        assert "Nothing of contest 'tiny' is fitted: run `afterclose train" in answer.stderr
        unknown = typed("nowhere")
    assert unknown.exit_code == 1
    assert "there is: tiny" in unknown.stderr
    assert not (tmp_path / "data" / "reports").exists()
