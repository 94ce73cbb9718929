"""What people find in MLflow: fits by contest and family, with errors, files and verdicts."""

import io
from datetime import date
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

import polars as pl
import pytest

from conf.schema import Recipe
from tasks import record
from tasks.record import Look, by_fold, experiment_name
from tests.house import House

pytestmark = pytest.mark.slow
AS_OF = date(2020, 12, 17)


class Told:
    """A house after a night, and what MLflow was told of it."""

    def __init__(self, house: House, client, runs) -> None:
        self.house, self.client, self.runs = house, client, runs

    def file(self, recipe: str, name: str) -> bytes:
        place = urlparse(self.runs[recipe].info.artifact_uri).path
        return (Path(url2pathname(place)) / name).read_bytes()


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> Told:
    house = House(tmp_path_factory.mktemp("told"))
    with house.open():
        house.forecast(AS_OF)
        from mlflow import MlflowClient

        uri = record.tracking_uri()
        client = MlflowClient(uri, uri)
        places = [one.experiment_id for one in client.search_experiments()]
        runs = client.search_runs(places, "tags.contest = 'tiny'")
    assert len(runs) == 2
    return Told(house, client, {run.data.tags["recipe"]: run for run in runs})


def test_runs_of_a_contest_lie_by_family_and_are_found_together(told):
    names = {
        recipe: told.client.get_experiment(run.info.experiment_id).name
        for recipe, run in told.runs.items()
    }
    assert names == {"lightgbm": "tiny/trees", "ridge": "tiny/linear"}


@pytest.mark.parametrize("recipe", ["lightgbm", "ridge"])
def test_a_run_holds_figures_with_errors_hashes_curves_and_files(told, recipe):
    run = told.runs[recipe]
    assert {"rank_ic", "rank_ic_error", "ic", "ic_error"} <= set(run.data.metrics)
    for name in ("fold_rank_ic", "fold_rank_ic_error"):
        assert len(told.client.get_metric_history(run.info.run_id, name)) == 2
    assert run.data.params["contest.horizon"] == "3"
    assert {"hash.code", "hash.config", "hash.data_hash"} <= set(run.data.tags)
    (learned_from,) = [one.dataset for one in run.inputs.dataset_inputs]
    assert learned_from.name == "tiny everyone price"
    assert run.data.tags["hash.data_hash"].startswith(learned_from.digest)
    predicted = pl.read_parquet(io.BytesIO(told.file(recipe, "predictions.parquet")))
    assert predicted.columns == ["session", "instrument", "score"]
    assert str(predicted["session"].min()) == run.data.params["compared_since"]
    importance = pl.read_csv(io.BytesIO(told.file(recipe, "importance.csv")))
    assert importance["share"].sum() == pytest.approx(1)
    assert importance["share"].is_sorted(descending=True)
    daily = pl.read_csv(io.BytesIO(told.file(recipe, "daily.csv")), try_parse_dates=True)
    assert daily["rank_ic"].drop_nulls().mean() == pytest.approx(run.data.metrics["rank_ic"])
    assert b"<html" in told.file(recipe, "figures/fit.html")


def test_the_predictions_are_what_the_nights_forecast(told):
    predicted = pl.read_parquet(io.BytesIO(told.file("lightgbm", "predictions.parquet")))
    with told.house.open():
        nightly = record.open_lake().read("forecasts/tiny").select(predicted.columns)
    row = ["session", "instrument"]
    both = predicted.join(nightly, on=row, how="inner", suffix="_at_night")
    assert both.height == predicted.height > 0
    assert (both["score"].cast(pl.Float32) == both["score_at_night"].cast(pl.Float32)).all()


def test_the_verdict_of_the_look_stands_on_the_challengers_run(told):
    ridge, champion = told.runs["ridge"], told.runs["lightgbm"]
    assert ridge.data.tags["verdict"] == "insufficient evidence"
    assert ridge.data.tags["verdict.against"] == "lightgbm"
    figures = {name for name in ridge.data.metrics if name.startswith("look.")}
    known = ("difference", "error", "t", "p", "level", "detectable", "sessions")
    assert figures == {f"look.{name}" for name in known}
    assert not [name for name in champion.data.tags if name.startswith("verdict")]


def test_aliases_say_who_holds_the_title_and_who_comes_closest(told):
    found = {
        alias: told.client.get_model_version_by_alias("tiny", alias).run_id
        for alias in ("champion", "challenger")
    }
    assert found == {
        "champion": told.runs["lightgbm"].info.run_id,
        "challenger": told.runs["ridge"].info.run_id,
    }


def test_who_held_the_title_before_is_the_shadow(told):
    with told.house.open():
        lake = record.open_lake()
        first = lake.read("champions", where={"contest": ["tiny"]})
        later = first.tail(1).with_columns(
            from_session=pl.lit(date(2020, 12, 21)), recipe=pl.lit("ridge"), contest=pl.lit("other")
        )
        lake.replace(
            "champions",
            pl.concat([first.with_columns(contest=pl.lit("other")), later]),
            over={"contest": ["other"]},
        )
        nobody = Look("", {})
        assert record.ranks("other", nobody, "ridge") == {"challenger": "", "shadow": "lightgbm"}
        assert record.ranks("tiny", nobody, "lightgbm") == {"challenger": "", "shadow": ""}
        closest = Look("lightgbm", {"ridge": {"t": 1.0}})
        assert record.ranks("other", closest, "ridge")["challenger"] == ""  # it has the title now
        assert record.ranks("tiny", closest, "lightgbm")["challenger"] == "ridge"


def test_every_model_has_a_family():
    families = {
        model: experiment_name("one", Recipe(name="any", model=model)).removeprefix("one/")
        for model in ("lightgbm", "random_forest", "ridge", "equal", "tcn", "linear")
    }
    assert families == {
        "lightgbm": "trees", "random_forest": "trees", "ridge": "linear", "equal": "linear",
        "tcn": "nets", "linear": "nets",
    }  # fmt: skip


def test_a_fold_ends_where_the_next_refit_begins():
    days = [date(2020, 1, day) for day in range(1, 31)]
    daily = pl.DataFrame({"session": days, "ic": [0.5] * 30, "rank_ic": [0.0] * 20 + [1.0] * 10})
    found = by_fold(daily, [days[0], days[20]], horizon=1)
    assert found["fold_rank_ic"] == [0.0, 1.0]
    assert found["fold_ic"] == [0.5, 0.5]
    assert len(found["fold_rank_ic_error"]) == 2
