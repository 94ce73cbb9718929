"""Folds judge a recipe by what it did not learn from, and the future moves none of them."""

from datetime import date, timedelta

import numpy as np
import pytest

from conf.schema import Contest, Recipe, UnivariateSelection
from tasks.learning.panel import Panel
from tasks.learning.tuning import Effort, Trial
from tasks.models.tuning import path_means, tune
from tasks.models.validation import Ground, Validation, fold_rank_ics, ground

NAMES, SESSIONS = 12, 200
DAYS = tuple(date(2020, 1, 1) + timedelta(days=number) for number in range(SESSIONS + 30))
AS_OF = DAYS[SESSIONS - 1]
KINDS = [Validation(stretches=3), Validation("combinatorial", groups=4, tested=2, embargo=3)]
RIDGE = Recipe(name="ridge", model="ridge")
TREES = Recipe(name="trees", model="lightgbm", settings={"trees": 5, "leaf_rows": 20})


def contest(**changes: object) -> Contest:
    given = {
        "title": "test",
        "source": "sample",
        "universe": "all",
        "features": "price",
        "first_fit": 60,
        "refit_every": 20,
        "horizon": 2,
        "valid_share": 0.2,
        "candidates": (RIDGE,),
    }
    return Contest.model_validate(given | changes)


def market(edge: float = 0.6) -> tuple[Panel, np.ndarray]:
    rng = np.random.default_rng(1)
    features = rng.uniform(-1, 1, (NAMES, len(DAYS), 3)).astype(np.float32)
    noise = rng.normal(size=(len(DAYS), NAMES))
    label = edge * np.sqrt(3) * features[:, :, 0].T + np.sqrt(1 - edge**2) * noise
    member = np.ones((len(DAYS), NAMES), bool)
    member[4::9, 2] = False
    names = tuple(f"s:{name:02}" for name in range(NAMES))
    return Panel(DAYS, names, ("a", "b", "c"), features, member), label


def made(panel: Panel, label: np.ndarray, validation: Validation, **changes: object) -> Ground:
    rules = contest(**changes)
    return ground(panel, label, as_of=AS_OF, contest=rules, validation=validation)


def ics(on: Ground, recipe: Recipe = RIDGE) -> list[tuple[float, ...]]:
    return list(fold_rank_ics(recipe, on, contest=contest(), threads=1, accelerator="cpu"))


@pytest.mark.parametrize("validation", KINDS, ids=lambda one: one.kind)
def test_a_planted_edge_is_found_in_every_stretch_and_noise_in_none(validation):
    found = [ic for fold in ics(made(*market(), validation)) for ic in fold]
    assert len(found) == (3 if validation.kind == "walk_forward" else 12)
    assert min(found) > 0.35
    nothing = [ic for fold in ics(made(*market(0.0), validation)) for ic in fold]
    assert abs(np.mean(nothing)) < 0.08


@pytest.mark.parametrize("validation", KINDS, ids=lambda one: one.kind)
@pytest.mark.parametrize("recipe", [RIDGE, TREES], ids=lambda one: one.name)
def test_what_is_known_later_moves_nothing(validation, recipe):
    panel, label = market()
    before = ics(made(panel, label, validation), recipe)
    panel.features_NTF[:, SESSIONS:] = 7.0
    panel.member_TN[SESSIONS:, 5] = False
    label[SESSIONS - 3 :] = 1e9  # not known by then
    assert ics(made(panel, label, validation), recipe) == before


@pytest.mark.parametrize("recipe", [RIDGE, TREES], ids=lambda one: one.name)
def test_walking_forward_the_past_of_a_fold_is_all_it_learns_from(recipe):
    on = made(*market(), KINDS[0])
    before = ics(on, recipe)
    for number, fold in enumerate(on.folds):
        later = int(fold.tests[0][-1]) + 1
        features, label, standard = (part.copy() for part in (
            on.panel.features_NTF, on.label_TN, on.standard_TN))  # fmt: skip
        features[:, later:], label[later:], standard[later:] = -3.0, 5.0, 1.0
        panel = on.panel._replace(features_NTF=features)
        changed = on._replace(panel=panel, label_TN=label, standard_TN=standard)
        assert ics(changed, recipe)[: number + 1] == before[: number + 1]


@pytest.mark.parametrize("validation", KINDS, ids=lambda one: one.kind)
def test_labels_that_judge_a_fold_teach_it_nothing(validation):
    on = made(*market(), validation)
    for number, fold in enumerate(on.folds):
        standard_TN = on.standard_TN.copy()
        for test in fold.tests:
            standard_TN[test] = 9.0
        again = ics(on._replace(standard_TN=standard_TN))
        assert again[number] == ics(on)[number]


def test_features_are_chosen_inside_each_fold():
    """One feature foretells until the first fold is judged, another from then on."""
    panel, label = market()
    turn = int(made(panel, label, KINDS[0]).folds[0].tests[0][0])
    told_by_b = 3 * panel.features_NTF[:, :, 1].T

    def first_fold(since: int, columns: tuple[int, ...], recipe: Recipe = RIDGE):
        turned = np.where(np.arange(len(DAYS))[:, None] < since, label, told_by_b)
        names = tuple(panel.columns[place] for place in columns)
        narrow = panel._replace(
            columns=names, features_NTF=np.ascontiguousarray(panel.features_NTF[:, :, columns])
        )
        return ics(made(narrow, turned, KINDS[0]), recipe)[0]

    chooses = RIDGE.model_copy(
        update={"selection": UnivariateSelection(kind="univariate", least=1)}
    )
    assert first_fold(turn, (0, 1, 2), chooses) == first_fold(turn, (0,))
    assert first_fold(turn, (0, 1, 2), chooses) != first_fold(turn, (0, 1))
    assert first_fold(0, (0, 1, 2), chooses) == first_fold(0, (1,))  # b, where it was seen


def test_only_the_newest_sessions_count_where_a_contest_says_so():
    on = made(*market(), KINDS[0], train_sessions=120)
    assert on.panel.sessions == DAYS[SESSIONS - 120 : SESSIONS]
    assert np.isnan(on.label_TN[-3:]).all()


def test_the_average_of_a_recipes_seeds_is_what_is_judged():
    on, several = made(*market(), KINDS[0]), TREES.model_copy(update={"seeds": 4})
    each = [ics(on, TREES.model_copy(update={"seed": seed})) for seed in range(1, 5)]
    assert np.mean(ics(on, several)) > np.mean(each)


def test_scores_that_are_all_the_same_are_worth_nothing():
    equal = Recipe(name="equal", model="equal")
    assert ics(made(*market(), KINDS[0]), equal) == [(0.0,), (0.0,), (0.0,)]


def test_a_path_takes_each_stretch_from_one_fold():
    on = made(*market(), KINDS[1])
    folds = tuple(tuple(10 * fold + group for group in one.groups) for fold, one in enumerate(
        on.folds))  # fmt: skip
    trial = Trial(0, {}, "complete", 0.0, folds, 0.0, "")
    # groups:  0     1     2     3, each judged by three of the six folds 01 02 03 12 13 23
    wanted = [(0 + 1 + 12 + 23), (10 + 31 + 32 + 43), (20 + 41 + 52 + 53)]
    assert path_means(on, trial) == pytest.approx([total / 4 for total in wanted])


@pytest.mark.parametrize("validation", KINDS, ids=lambda one: one.kind)
def test_tuning_gives_the_recipe_with_the_best_settings_and_never_one_that_is_worse(
    tmp_path, validation
):
    panel, label = market()
    told = []

    def tuned(trials=3):
        return tune(
            TREES,
            panel,
            label,
            as_of=AS_OF,
            contest=contest(),
            validation=validation,
            effort=Effort(tmp_path / "trials.db", trials, None),
            told=lambda study, trials: told.append((study, trials[-1])),
        )

    found = tuned()
    assert found.recipe.settings["trees"] == 5  # not searched, so it stands
    assert found.recipe.settings | found.best.settings == found.recipe.settings
    assert found.best.value == max(trial.value for trial in found.trials)
    assert found.trials[0].settings["leaf_rows"] == 20
    assert told == [(found.study, trial) for trial in found.trials]
    assert len(found.paths) == (3 if validation.kind == "combinatorial" else 0)
    if found.paths:
        assert np.mean(found.paths) == pytest.approx(found.best.value)
    assert tuned() == found
    label[100] = -label[100]
    assert tuned(trials=1).study != found.study  # other data: nothing to compare with
