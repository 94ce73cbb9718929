"""An ensemble weighs its members by the validation alone, and scores as they do."""

import numpy as np
import pytest
from pydantic import ValidationError

from conf.schema import Recipe
from tasks.models.baselines.trees import Trees
from tasks.models.fitting import fit_recipe, load_fit, score_sessions
from tests.models.test_registries import DAYS, FITTED, contest, market

TREES = Recipe(name="trees", model="lightgbm", settings={"trees": 30}, seeds=2)
NET = Recipe(
    name="net", model="tcn", loss="ic", settings={"epochs": 3, "levels": 2, "channels": 8}, seeds=2
)
NOTHING = Recipe(name="nothing", model="equal")


def ensemble(*members: Recipe, **settings: float) -> Recipe:
    return Recipe(name="both", model="ensemble", members=members, settings=settings)


def fitted(recipe: Recipe, *, future: float = 1.0):
    panel, label = market(0.4)
    moved = label.copy()
    moved[DAYS.index(FITTED) + 1 :] *= future
    return fit_recipe(recipe, panel, moved, fitted_on=FITTED, contest=contest(), threads=1), panel


def scores(recipe: Recipe) -> np.ndarray:
    fit, panel = fitted(recipe)
    read = load_fit(recipe, fit.card, fit.weights)
    return score_sessions(read, panel, [DAYS[-1]])["score"].to_numpy()


def standardised(score: np.ndarray) -> np.ndarray:
    return (score - score.mean()) / score.std()


def test_scores_are_the_weighted_mean_of_what_the_members_say_alone():
    recipe = ensemble(TREES, NET, equal=1.0)
    expected = (standardised(scores(TREES)) + standardised(scores(NET))) / 2
    # the net's longer look-back takes the first sessions from the trees
    assert np.corrcoef(scores(recipe), expected)[0, 1] > 0.9
    same = ensemble(TREES, TREES.model_copy(update={"name": "twin"}), equal=1.0)
    assert np.allclose(scores(same), standardised(scores(TREES)), atol=1e-9)


def test_what_stands_alone_in_a_training_is_not_fitted_again_as_a_member(monkeypatch):
    fits = []
    whole = Trees.fit_seeds

    def counted(self, *given, **more):
        fits.append(type(self).__name__)
        return whole(self, *given, **more)

    monkeypatch.setattr(Trees, "fit_seeds", counted)
    slower = TREES.model_copy(update={"name": "slower", "settings": {"trees": 31}})
    both, made = ensemble(TREES, slower), {}
    (panel, label), rules = market(0.4), contest()

    def fit(recipe: Recipe, label: np.ndarray, **more):
        given = {"fitted_on": FITTED, "contest": rules, "threads": 1, **more}
        return fit_recipe(recipe, panel, label, **given)

    alone = fit(TREES, label, made=made)
    assert len(fits) == 1
    assert fit(TREES, label, made=made).weights == alone.weights
    assert len(fits) == 1
    together = fit(both, label, made=made)
    assert len(fits) == 2  # the slower member alone
    assert together.weights == fit(both, label).weights  # and nothing is remembered unasked
    assert len(fits) == 4
    fit(TREES, -label, made=made)
    fit(TREES.model_copy(update={"seed": 9}), label, made=made)
    assert len(fits) == 6


def test_a_member_that_knows_nothing_gets_no_weight():
    fit, _ = fitted(ensemble(TREES, NOTHING, equal=0.0))
    facts = fit.card["facts"]
    assert facts["weight_trees"] == pytest.approx(1.0)
    assert facts["weight_nothing"] == 0.0


def test_weights_add_up_to_one_and_are_drawn_to_equal_ones():
    free = fitted(ensemble(TREES, NET, equal=0.0))[0].card["facts"]
    half = fitted(ensemble(TREES, NET, equal=0.5))[0].card["facts"]
    assert free["weight_trees"] + free["weight_net"] == pytest.approx(1.0)
    assert half["weight_trees"] == pytest.approx((free["weight_trees"] + 0.5) / 2, abs=1e-6)


def test_the_future_moves_nothing():
    recipe = ensemble(TREES, NET)
    assert fitted(recipe)[0].weights == fitted(recipe, future=-3.0)[0].weights


def test_more_seeds_of_an_ensemble_are_more_seeds_of_its_members():
    recipe = ensemble(TREES, NET).model_copy(update={"seeds": 2})
    fit, panel = fitted(recipe)
    read = load_fit(recipe, fit.card, fit.weights)
    window = panel.features_NTF[panel.member_TN[-1], -read.look_back :]
    by_seed = read.by_seed(window)
    assert by_seed.shape[1] == 2
    assert not np.allclose(by_seed[:, 0], by_seed[:, 1])


def test_a_file_of_other_members_is_refused():
    fit, _ = fitted(ensemble(TREES, NET))
    other = ensemble(TREES, NET, NOTHING)
    card = fit.card | {"recipe": other.model_dump(mode="json")}
    with pytest.raises(ValueError, match="weights of 3 members"):
        load_fit(other, card, fit.weights)


def test_a_member_that_learns_from_the_validation_is_refused():
    with pytest.raises(ValueError, match="ridge learns from the validation"):
        fitted(ensemble(TREES, Recipe(name="ridge", model="ridge")))


@pytest.mark.parametrize(
    "given",
    [
        {"model": "ensemble", "members": (TREES,)},
        {"model": "ridge", "members": (TREES, NET)},
        {"model": "ensemble", "members": (TREES, ensemble(TREES, NET))},
    ],
)
def test_only_an_ensemble_has_members_and_at_least_two(given):
    with pytest.raises(ValidationError, match="ensemble"):
        Recipe(name="odd", **given)
