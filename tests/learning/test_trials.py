"""Every trial stands in MLflow once, nested in its search, and none is forgotten in the count."""

import socket
from hashlib import sha256
from typing import Any

import pytest

from conf.schema import Contest, Recipe
from tasks.learning.tracking import TrackingError, log_fit
from tasks.learning.trials import Study, log_trials, trials_ever
from tasks.learning.tuning import Trial
from tasks.record import params_of

PARAMS = {"recipe.model": "lightgbm", "recipe.loss": "mse", "setting.leaves": 15, "setting.bins": 9}
NAME = "trees-2020-01-06-ab12"
STUDY = Study(NAME, "weekly", "weekly/trees", "trees", PARAMS, {"hash.code": "cc"})


def trial(number: int, leaves: int, state: str = "complete") -> Trial:
    value, folds = (None, ()) if state == "failed" else (0.01 * number, ((0.02,), (0.04, 0.06)))
    why = "not finite" if state == "failed" else ""
    return Trial(number, {"leaves": leaves}, state, value, folds, 1.5, why)


TRIALS = [trial(0, 15), trial(1, 31, "pruned"), trial(2, 63, "failed"), trial(3, 40)]


def fitted(
    uri: str,
    leaves: int,
    *,
    contest: str = "weekly",
    seed: int = 1,
    params: dict[str, Any] | None = None,
) -> None:
    log_fit(
        uri,
        experiment=f"{contest}/trees",
        recipe="trees",
        run_name="trees",
        params=params or {**PARAMS, "setting.leaves": leaves, "recipe.seed": seed},
        hashes={},
        datasets={},
        metrics={},
        curves={},
        files={},
        card={"suffix": "txt", "sha256": sha256(b"").hexdigest()},
        weights=b"",
        tags={"contest": contest},
    )


@pytest.mark.slow
def test_trials_are_nested_in_their_search_once_and_counted_with_what_was_fitted(tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    assert trials_ever(uri, "weekly") == 0
    assert log_trials(uri, STUDY, TRIALS[:2]) == 2
    assert log_trials(uri, STUDY, TRIALS) == 2
    assert log_trials(uri, STUDY, TRIALS) == 0

    from mlflow import MlflowClient

    client = MlflowClient(uri, uri)
    place = client.get_experiment_by_name("weekly/trees").experiment_id
    runs = client.search_runs([place])
    (parent,) = (run for run in runs if run.data.tags["kind"] == "search")
    assert parent.data.metrics == {"trials": 4.0, "seconds": 6.0, "rank_ic": 0.03}
    assert parent.data.tags["best"] == '{"leaves": 40}'
    assert parent.data.params["setting.leaves"] == "15"
    nested = {run.data.tags["trial"]: run for run in runs if run.data.tags["kind"] == "trial"}
    assert sorted(nested) == ["0", "1", "2", "3"]
    for run in nested.values():
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.data.tags["hash.code"] == "cc"
    assert nested["1"].data.tags["state"] == "pruned"
    assert nested["1"].data.params["setting.leaves"] == "31"
    assert nested["3"].data.metrics["rank_ic"] == 0.03
    history = client.get_metric_history(nested["3"].info.run_id, "fold_rank_ic")
    assert [point.value for point in history] == [0.02, 0.05]
    assert (nested["2"].info.status, nested["2"].data.tags["why"]) == ("FAILED", "not finite")

    assert trials_ever(uri, "weekly") == 4
    fitted(uri, 15)  # the recipe as it stands was a trial
    fitted(uri, 100)
    fitted(uri, 100, seed=2)  # another seed is no other choice
    fitted(uri, 200, contest="monthly")
    client.delete_run(nested["3"].info.run_id)
    assert trials_ever(uri, "weekly") == 5  # four trials, of which one is deleted, and one fit
    assert trials_ever(uri, "monthly") == 1

    half = client.create_run(place, tags={**nested["0"].data.tags, "trial": "4"})  # was killed
    assert trials_ever(uri, "weekly") == 5
    assert log_trials(uri, STUDY, [*TRIALS, trial(4, 50)]) == 2  # the deleted one is shown again
    assert client.get_run(half.info.run_id).info.lifecycle_stage == "deleted"
    assert trials_ever(uri, "weekly") == 6


def test_a_server_that_is_away_leaves_the_count_unknown():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(TrackingError, match=r"127\.0\.0\.1"):
            trials_ever(uri, "weekly")


@pytest.mark.slow
def test_ensembles_of_other_members_are_other_choices_and_their_seeds_are_none(tmp_path):
    uri, contest = f"sqlite:///{tmp_path}/mlflow.db", ensembles_contest()
    trees = Recipe(name="trees", model="lightgbm")
    net = Recipe(name="net", model="mlp", loss="ic", settings={"width": 32})
    wider = net.model_copy(update={"settings": {"width": 64}})
    other = net.model_copy(update={"loss": "mse"})
    seeded = net.model_copy(update={"seeds": 5, "seed": 7})
    for count, member in enumerate((net, wider, other, seeded), start=1):
        both = Recipe(name="both", model="ensemble", members=(trees, member))
        fitted(uri, 0, params=params_of(contest, both, {"equal": False}))
        assert trials_ever(uri, "weekly") == min(count, 3)
    longer = contest.model_copy(update={"train_sessions": 500})
    fitted(uri, 0, params=params_of(longer, both, {"equal": False}))
    assert trials_ever(uri, "weekly") == 4


def ensembles_contest() -> Contest:
    return Contest(
        title="Weekly",
        source="all",
        universe="all",
        features="price",
        first_fit=100,
        refit_every=20,
        candidates=(Recipe(name="trees", model="lightgbm"),),
    )
