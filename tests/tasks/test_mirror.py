"""MLflow shows the newest fits, and its alias stands at the one that serves."""

from datetime import date

import pytest

from tasks import mirror
from tasks.learning.tracking import TrackingError
from tasks.mirror import Fitted, Walked, tell_mlflow
from tasks.settings import load_contest, tracking_uri
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
    calls: dict[str, list] = {"logged": [], "aliases": [], "lacking": []}

    def logged(contest, recipe, fits, judged, *, champion, scores):
        assert (judged, scores) == (f"worth of {recipe.name}", f"scores of {recipe.name}")
        calls["logged"].append((recipe.name, fits, champion))

    def run(contest, fit):
        return None if fit in calls["lacking"] else f"{fit.recipe} {fit.fitted_on}"

    monkeypatch.setattr("tasks.record.log_newest_fit", logged)
    monkeypatch.setattr(mirror, "run_of", run)
    monkeypatch.setattr(
        "tasks.learning.tracking.register",
        lambda uri, *, contest, run_id, tags: calls["aliases"].append(run_id),
    )
    return calls


def tell(rules, serving: Fitted) -> list[str]:
    newest = {"lightgbm": LATE, "ridge": LATE}
    return tell_mlflow("tiny", rules, newest, [EARLY, LATE], serving, WALKS)


def test_a_refit_that_serves_gets_the_alias(rules, told):
    assert tell(rules, Fitted("lightgbm", LATE)) == []
    assert told["logged"] == [("lightgbm", [EARLY, LATE], True), ("ridge", [EARLY, LATE], False)]
    assert told["aliases"] == [f"lightgbm {LATE}"]


def test_a_refit_that_was_refused_does_not_take_the_alias_from_the_fit_that_serves(rules, told):
    assert tell(rules, Fitted("lightgbm", EARLY)) == []
    assert told["logged"] == [("lightgbm", [EARLY, LATE], False), ("ridge", [EARLY, LATE], False)]
    assert told["aliases"] == [f"lightgbm {EARLY}"]


def test_a_fit_that_serves_and_was_never_logged_is_logged_now(rules, told):
    told["lacking"].append(Fitted("lightgbm", EARLY))
    tell(rules, Fitted("lightgbm", EARLY))
    assert told["logged"][-1] == ("lightgbm", [EARLY], True)
    assert told["aliases"] == []


def test_mlflow_away_is_told_and_stops_nothing(rules, told, monkeypatch):
    def away(*_, **__):
        raise TrackingError("MLflow is away")

    monkeypatch.setattr(mirror, "run_of", away)
    assert tell(rules, Fitted("lightgbm", LATE)) == [
        "MLflow may show an older champion of tiny: MLflow is away"
    ]
    monkeypatch.setattr("tasks.record.log_newest_fit", away)
    assert tell(rules, Fitted("lightgbm", LATE)) == [
        f"tiny/{name} is fitted but not logged: MLflow is away" for name in ("lightgbm", "ridge")
    ]


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
