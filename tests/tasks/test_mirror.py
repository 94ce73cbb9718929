"""MLflow shows the newest fits, and its aliases stand at who holds them now."""

from datetime import date

import pytest

from conf.schema import Recipe
from tasks import mirror, record, untold
from tasks.learning.tracking import TrackingError
from tasks.mirror import Fitted, Walked, tell_mlflow
from tasks.settings import load_contest, tracking_uri
from tasks.untold import owe_training, training_can_be_told
from tests.house import House

EARLY, LATE = date(2020, 10, 1), date(2020, 12, 1)
WALKS = {name: Walked(f"scores of {name}", f"worth of {name}") for name in ("lightgbm", "ridge")}


@pytest.fixture
def rules(tmp_path):
    with House(tmp_path).open():
        yield load_contest("tiny")


@pytest.fixture
def told(monkeypatch):
    """Record what MLflow is told; every fit but those of `lacking` has a run."""
    lacking = [Fitted("lightgbm", LATE), Fitted("ridge", LATE)]
    calls: dict[str, list] = {"logged": [], "aliases": [], "lacking": lacking}

    def logged(contest, recipe, fits, judged, *, champion, scores):
        assert (judged, scores) == (f"worth of {recipe.name}", f"scores of {recipe.name}")
        calls["logged"].append((recipe.name, fits, champion))
        lacking.remove(Fitted(recipe.name, fits[-1]))

    def run(contest, fit):
        return None if fit in lacking else f"{fit.recipe} {fit.fitted_on}"

    monkeypatch.setattr("tasks.record.log_newest_fit", logged)
    monkeypatch.setattr(mirror, "run_of", run)
    monkeypatch.setattr(
        "tasks.learning.tracking.register",
        lambda uri, *, contest, run_id, alias, tags: calls["aliases"].append(f"{alias} {run_id}"),
    )
    monkeypatch.setattr(
        "tasks.learning.tracking.unname",
        lambda uri, *, contest, alias: calls["aliases"].append(f"no {alias}"),
    )
    monkeypatch.setattr("tasks.record.ranks", lambda *_: {"challenger": "ridge", "shadow": ""})
    return calls


def tell(rules, serving: Fitted) -> str:
    return tell_mlflow("tiny", rules, [EARLY, LATE], serving, WALKS)


def test_a_refit_that_serves_gets_the_alias(rules, told):
    assert tell(rules, Fitted("lightgbm", LATE)) == ""
    assert told["logged"] == [("lightgbm", [EARLY, LATE], True), ("ridge", [EARLY, LATE], False)]
    assert told["aliases"] == [f"champion lightgbm {LATE}", f"challenger ridge {LATE}", "no shadow"]


def test_a_refit_that_was_refused_does_not_take_the_alias_from_the_fit_that_serves(rules, told):
    assert tell(rules, Fitted("lightgbm", EARLY)) == ""
    assert told["logged"] == [("lightgbm", [EARLY, LATE], False), ("ridge", [EARLY, LATE], False)]
    assert told["aliases"][:1] == [f"champion lightgbm {EARLY}"]


def test_what_has_a_run_is_not_logged_again(rules, told):
    told["lacking"].remove(Fitted("lightgbm", LATE))
    tell(rules, Fitted("lightgbm", LATE))
    tell(rules, Fitted("lightgbm", LATE))
    assert told["logged"] == [("ridge", [EARLY, LATE], False)]


def test_a_fit_that_serves_and_was_never_logged_is_logged_now(rules, told):
    told["lacking"].append(Fitted("lightgbm", EARLY))
    tell(rules, Fitted("lightgbm", EARLY))
    assert told["logged"][-1] == ("lightgbm", [EARLY], True)
    assert told["aliases"][:1] == [f"champion lightgbm {EARLY}"]


def test_mlflow_away_is_told_once_and_owed_until_it_answers(rules, told, monkeypatch):
    asked = []

    def away(*given, **_):
        asked.append(given)
        raise TrackingError("MLflow is away")

    owe_training("tiny")
    with monkeypatch.context() as patch:
        patch.setattr("tasks.record.log_newest_fit", away)
        patch.setattr(mirror, "ask", away)
        assert tell(rules, Fitted("lightgbm", LATE)).endswith("makes up: MLflow is away")
        assert len(asked) == 2  # no further recipe waits for who does not answer
        patch.setattr(untold, "ask", away)
        assert not training_can_be_told("tiny")
    monkeypatch.setattr(untold, "ask", lambda: None)
    assert training_can_be_told("tiny")
    assert tell(rules, Fitted("lightgbm", LATE)) == ""
    monkeypatch.setattr(untold, "ask", lambda: pytest.fail("who owes nothing does not ask"))
    assert not training_can_be_told("tiny")


@pytest.mark.parametrize(
    "failure", [ZeroDivisionError("the page cannot be drawn"), TrackingError("no such experiment")]
)
def test_what_cannot_be_told_is_named_and_not_tried_each_night(rules, told, monkeypatch, failure):
    owe_training("tiny")
    log = record.log_newest_fit

    def spoilt(contest: str, recipe: Recipe, *given, **more) -> None:
        if recipe.name == "lightgbm":
            raise failure
        log(contest, recipe, *given, **more)

    monkeypatch.setattr(mirror, "ask", lambda: None)
    monkeypatch.setattr("tasks.record.log_newest_fit", spoilt)
    said = tell(rules, Fitted("lightgbm", LATE))
    assert said == f"MLflow is not told of all fits of tiny: lightgbm: {failure}"
    assert told["logged"] == [("ridge", [EARLY, LATE], False)]  # it keeps no other from MLflow
    assert not training_can_be_told("tiny")


@pytest.mark.slow
def test_the_run_of_a_fit_is_found_by_the_weights_on_the_shelf(rules, monkeypatch):
    from tasks.learning.tracking import log_fit

    class Shelf:
        def load(self, contest, recipe, fitted_on):
            return {"weights_hash": f"{recipe} {fitted_on}"}, b""

    monkeypatch.setattr(mirror, "open_shelf", Shelf)

    def logged(weights: str) -> str:
        return log_fit(
            tracking_uri(),
            experiment="tiny/trees",
            recipe="lightgbm",
            run_name="lightgbm",
            params={},
            hashes={"weights_hash": weights},
            datasets={},
            metrics={},
            curves={},
            files={},
            card={"suffix": "txt"},
            weights=b"1",
            tags={"contest": "tiny", "fitted_on": str(EARLY)},
        )

    serving = logged(f"lightgbm {EARLY}")
    logged("weights that were replaced")
    assert mirror.run_of("tiny", Fitted("lightgbm", EARLY)) == serving
    assert mirror.run_of("tiny", Fitted("lightgbm", LATE)) is None
