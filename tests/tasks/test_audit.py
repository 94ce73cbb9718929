"""The audit of what is ours: sets, contests and models pass it, and a mistake in them does not."""

import json
from datetime import date

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from conf.schema import AllUniverse, Contest, Recipe
from flows import audit as commands
from tasks import audit as tasks_audit
from tasks import studies
from tasks.features import FEATURE_SETS
from tasks.features.engine import FeatureSet
from tasks.features.price import PRICE
from tasks.learning import panel
from tasks.learning.transforms import comparable
from tasks.market.eventful import eventful_tape
from tasks.market.leaks import Audit, Move, Study, audit
from tasks.models import fitting
from tests.tasks.planted_leaks import PLANTED, honest

SHORT = FeatureSet("short", tuple(one for one in PRICE.features if one.look_back <= 21))
TREES = Recipe(name="lightgbm", model="lightgbm", settings={"trees": 20})
RECIPES = {"ridge": Recipe(name="ridge", model="ridge"), "lightgbm": TREES}
ALL = AllUniverse(kind="all", title="Every name")


@pytest.fixture
def short(monkeypatch) -> FeatureSet:
    """Put a set of short look-backs into the registry, so that a small market will do."""
    monkeypatch.setitem(FEATURE_SETS, "short", lambda: SHORT)
    return SHORT


def contest(*models: str, **changes) -> Contest:
    rules = {
        "title": "Small",
        "source": "none",
        "universe": "none",
        "features": "short",
        "horizon": 3,
        "first_fit": 30,
        "refit_every": 15,
        "min_names": 5,
        "candidates": tuple(RECIPES[model] for model in models),
    }
    return Contest(**(rules | changes))


def judged(rules: Contest, *, seed: int = 1, moments: int = 2):
    tape = eventful_tape(seed=seed, names=20, sessions=75)
    study = studies.study_of_contest("small", rules, ALL, "open", since=21)
    return audit(study, tape, moments=moments)


def moved(found) -> set[str]:
    return {move.output for move in found.moves}


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Give a way to run the command here."""
    monkeypatch.setattr(commands, "_ready", lambda: tmp_path)
    return lambda *words: CliRunner().invoke(
        commands.app, ["leaks", *words], env={"COLUMNS": "200"}
    )


@pytest.mark.slow
def test_a_contest_of_ours_is_clean_and_all_of_it_is_judged(short):
    found = judged(contest("ridge", "lightgbm"))
    assert found.verdict == "clean", found.moves
    names = [output.name for output in found.outputs]
    assert names == ["features", "members", "panel", "scores of ridge", "scores of lightgbm"]
    assert all(not output.silent for output in found.outputs)


def test_a_set_that_reads_tomorrow_is_named_by_its_column(short, monkeypatch):
    features_over = studies.features_over

    def peeking(history, chosen, sessions, *, context):
        frame = features_over(history, chosen, sessions, context=context)
        return frame.with_columns(
            pl.when(pl.col("instrument") == frame["instrument"][0])
            .then(pl.col("return_1").shift(-1).over("instrument", order_by="session"))
            .otherwise("return_1")
            .alias("return_1")
        )

    monkeypatch.setattr(studies, "features_over", peeking)
    tape = eventful_tape(seed=1, names=20, sessions=60)
    found = audit(studies.study_of_set(SHORT, since=21), tape, moments=3)
    assert [(move.column, move.names) for move in found.moves] == [("return_1", 1)]


@pytest.mark.slow
def test_a_panel_scaled_over_all_sessions_is_found_there_and_not_before(short, monkeypatch):
    def over_all(values, cells, transform):
        out = comparable(values, cells, transform)
        return out * (1 + np.nanstd(values[:, 0]))

    monkeypatch.setattr(panel, "comparable", over_all)
    assert moved(judged(contest("ridge"))) == {"panel", "scores of ridge"}


@pytest.mark.slow
def test_a_fit_that_sees_what_it_scores_is_found_in_the_scores_alone(short, monkeypatch):
    cut = fitting.as_known

    def uncut(seen, label_TN, fitted_on, rules):
        known, label = cut(seen, label_TN, fitted_on, rules)
        newest_N = seen.features_NTF[: label.shape[1], -1, 0]
        return known, label + newest_N

    monkeypatch.setattr(fitting, "as_known", uncut)
    found = judged(contest("ridge"))
    assert moved(found) == {"scores of ridge"}
    assert "weights_hash" in {move.column for move in found.moves}


@pytest.mark.parametrize(("later", "verdict"), [(0, "clean"), (1, "leak")])
def test_labels_may_not_begin_at_the_session_of_their_decision(short, monkeypatch, later, verdict):
    labels = studies.labels
    monkeypatch.setattr(
        studies, "labels", lambda *view, **rules: np.roll(labels(*view, **rules), later, axis=0)
    )
    tape = eventful_tape(seed=1, names=20, sessions=60)
    found = audit(studies.study_of_labels("small", contest("ridge"), "open", since=0), tape)
    assert found.verdict == verdict


@pytest.mark.slow
def test_a_neutral_contest_is_judged_by_the_same_functions(short):
    rules = contest("ridge", label="sector_neutral", neutral_to=("sector",))
    assert judged(rules).verdict == "clean"


@pytest.fixture
def bars(tmp_path):
    tape = eventful_tape(seed=3, names=20, sessions=70)
    rows = tape.bars.filter(pl.col("known_on") == pl.col("session"))
    path = tmp_path / "bars.csv"
    rows.select("session", "symbol", "open", "high", "low", "close", "volume", "vwap").write_csv(
        path
    )
    return path


def test_the_command_judges_a_set_on_bars_of_ones_own(run, short, bars):
    answer = run("short", "--bars", str(bars), "--json")
    assert answer.exit_code == 0, answer.output
    (found,) = json.loads(answer.stdout)
    assert found["verdict"] == "clean"
    assert found["outputs"][0]["cells"] > 10_000
    assert found["outputs"][0]["silent"] == []


def test_the_command_names_what_moved_and_leaves_with_one(run, short, bars, monkeypatch):
    grid_features = studies.grid_features

    def peeking(grid, chosen, sessions):
        for frame in grid_features(grid, chosen, sessions):
            yield frame.with_columns(pl.col("return_1").mean().over("instrument"))

    monkeypatch.setattr(studies, "grid_features", peeking)
    answer = run("short", "--bars", str(bars))
    assert answer.exit_code == 1
    for word in ("leak", "return_1", "poisoned", "moved, and must not"):
        assert word in answer.stdout


def test_the_command_leaves_with_one_where_nothing_was_judged(run, bars, monkeypatch):
    old = FeatureSet("old", tuple(one for one in PRICE.features if one.look_back > 200))
    monkeypatch.setitem(FEATURE_SETS, "short", lambda: old)  # older than all these bars
    answer = run("short", "--bars", str(bars))
    assert answer.exit_code == 1
    assert "nothing to judge" in answer.stdout


def test_what_is_infinite_has_a_word_in_json():
    move = Move("f", "a", ("cut",), 1, 1, date(2020, 1, 2), float("inf"), "leak")
    found = Audit("mine", (), (move,), (), 1)
    assert "Infinity" not in json.dumps(commands._plain(found), default=str)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["momentun"], "Nothing named 'momentun' can be audited; there are the feature sets"),
        (["lab", "--bars", "x.csv"], "Only a feature set is audited on a file of bars"),
        (["price", "--bars", "x.csv"], "No file x.csv"),
    ],
)
def test_the_command_says_what_there_is(run, words, said):
    answer = run(*words)
    assert answer.exit_code == 2
    assert said in answer.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", FEATURE_SETS)
def test_every_set_of_the_registry_is_clean(name):
    (found,) = tasks_audit.audits(name)
    assert found.verdict == "clean", found.moves
    assert sum(len(output.columns) for output in found.outputs) > len(found.outputs[0].silent)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["context", "fundamentals"])
def test_no_feature_of_what_is_told_beside_bars_is_left_unjudged(name):
    (found,) = tasks_audit.audits(name)
    assert found.outputs[0].silent == ()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lab", "us_liquid", "mixed", "ridge", "tcn"])
def test_contests_and_models_are_clean(name):
    for found in tasks_audit.audits(name):
        assert found.verdict == "clean", found.moves


@pytest.mark.slow
@pytest.mark.parametrize("horizon", [3, 20])
@pytest.mark.parametrize("kind", ["univariate", "clusters", "stability"])
def test_a_contest_whose_recipe_selects_features_has_sessions_enough_to_do_so(short, kind, horizon):
    recipe = Recipe(name="ridge", model="ridge", selection={"kind": kind})
    rules = contest(horizon=horizon, candidates=(recipe,))
    target = tasks_audit.target_of_contest("selects", rules, ALL, "open")
    told = target.studies[0].claims(target.tape).known
    assert told["scores of ridge"]["fitted_on"].n_unique() > 1


@pytest.mark.slow
def test_an_ensemble_is_audited_with_as_many_sessions_as_its_members_look_back_and_in_small(short):
    net = Recipe(name="net", model="tcn", loss="ic", seeds=5, settings={"levels": 5, "epochs": 99})
    trees = TREES.model_copy(update={"seeds": 5})
    whole = Recipe(name="both", model="ensemble", seeds=3, members=(net, trees))
    target = tasks_audit.target_of_contest("both", contest(candidates=(whole,)), ALL, "open")
    told = target.studies[0].claims(target.tape).known
    assert told["scores of both"]["fitted_on"].n_unique() > 1
    net, trees = tasks_audit._short(whole).members
    assert net.seeds == trees.seeds == tasks_audit._short(whole).seeds == 1
    assert net.settings == {"levels": 5, "epochs": tasks_audit.EPOCHS}


@pytest.mark.slow
def test_a_study_that_fails_is_named_and_keeps_no_other_from_being_judged(run, short, monkeypatch):
    def of_set(chosen, bars):
        if chosen.name == "other":
            raise ValueError("it is no set")
        bad = Study("bad study", lambda tape: 1 / 0)
        tape = eventful_tape(seed=1, names=20, sessions=60)
        return tasks_audit.Target((bad, studies.study_of_set(SHORT, since=21)), tape, 1)

    monkeypatch.setattr(tasks_audit, "_of_set", of_set)
    other = SHORT._replace(name="other")
    monkeypatch.setattr(tasks_audit, "FEATURE_SETS", {"x": lambda: other, "y": lambda: SHORT})
    monkeypatch.setattr(tasks_audit, "names_in", lambda folder: [])
    answer = run("--json")
    assert answer.exit_code == 1
    found = json.loads(answer.stdout)
    assert [one["verdict"] for one in found] == ["failed", "failed", "clean"]
    assert found[0]["failure"] == "it is no set"
    assert "ZeroDivisionError" in found[1]["failure"]
    answer = run()
    assert "bad study failed: " in answer.stdout
    assert "clean" in answer.stdout


SETS = list(FEATURE_SETS)
TRIALS = [
    *((name, seed) for seed in range(12) for name in PLANTED),  # 144
    *((name, seed) for seed in range(3) for name in SETS),
    *((name, seed) for seed in range(16) for name in RECIPES),
]


@pytest.mark.slow
def test_two_hundred_clean_trials_raise_no_alarm(short):
    """Count the alarms over other markets: honest twins, registered sets, and fitted models."""
    alarms = []
    assert len(TRIALS) >= 200
    for name, seed in TRIALS:
        if name in PLANTED:
            tape = eventful_tape(seed=100 + seed, names=20, sessions=110)
            found = audit(honest(name), tape, moments=3, seed=seed)
        elif name in RECIPES:
            found = judged(contest(name), seed=100 + seed)
        else:
            chosen = FEATURE_SETS[name]()
            since = min(chosen.look_back, 60)
            tape = eventful_tape(seed=100 + seed, names=20, sessions=since + 15)
            found = audit(studies.study_of_set(chosen, since=since), tape, moments=1, seed=seed)
        if found.verdict != "clean":
            alarms.append((name, seed, found.verdict, found.moves))
    assert not alarms
