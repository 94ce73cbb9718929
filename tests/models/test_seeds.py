"""The seeds of a recipe are one fit: one file, one average, one hash."""

import numpy as np
import pytest

from conf.schema import Recipe
from tasks.models import seeds as seeds_room
from tasks.models.fitting import fit_recipe, load_fit, score_sessions
from tasks.models.seeds import packed, unpacked
from tests.models.test_registries import DAYS, FITTED, contest, market

QUICK = {
    "tcn": {"epochs": 2, "levels": 2, "channels": 8},
    "lightgbm": {"trees": 30},
    "ridge": {},
}


def fitted(model: str, *, seed: int = 1, seeds: int = 1):
    recipe = Recipe(name=model, model=model, settings=QUICK[model], seed=seed, seeds=seeds)
    panel, label = market(0.3)
    fit = fit_recipe(recipe, panel, label, fitted_on=FITTED, contest=contest(), threads=1)
    return fit, load_fit(recipe, fit.card, fit.weights), panel


def standardised(score: np.ndarray) -> np.ndarray:
    return (score - score.mean()) / score.std()


def test_the_weights_of_seeds_come_back_from_their_one_file():
    weights = [b"tree\n", b"", b"\x00other"]
    assert unpacked(packed(weights), seeds=3) == weights
    assert packed([b"alone"]) == b"alone"


def test_a_file_of_other_seeds_is_refused():
    with pytest.raises(ValueError, match="bytes of 3 seeds"):
        unpacked(packed([b"one", b"two"]), seeds=3)
    with pytest.raises(ValueError, match="no file of 2 seeds"):
        unpacked(b"tree\nversion=v4", seeds=2)


def test_scores_that_are_all_alike_say_nothing():
    alike = np.full((7, 2), 0.1)
    alike[3, 1] *= 1 + 1e-15
    assert np.array_equal(seeds_room.standardised(alike), np.zeros((7, 2)))


def test_a_score_is_the_average_of_what_each_seed_says():
    _, model, panel = fitted("lightgbm", seeds=3)
    day = DAYS[-1]
    window = panel.features_NTF[panel.member_TN[-1], -1:]
    each = [fitted("lightgbm", seed=seed)[1].score(window) for seed in (1, 2, 3)]
    expected = np.mean([standardised(one) for one in each], axis=0)
    found = score_sessions(model, panel, [day])["score"].to_numpy()
    assert np.allclose(found, expected, atol=1e-12)
    assert not np.allclose(each[0], each[1]), "seeds differ"


@pytest.mark.parametrize("model", sorted(QUICK))
def test_more_seeds_are_other_weights_and_the_same_again(model):
    one, three = fitted(model)[0], fitted(model, seeds=3)[0]
    assert one.weights_hash != three.weights_hash
    assert three.weights == fitted(model, seeds=3)[0].weights
    assert len(three.card["facts"]["seeds"]) == 3


@pytest.mark.parametrize("model", ["lightgbm", "ridge"])
def test_the_parts_of_the_average_add_up_to_it(model):
    _, read, panel = fitted(model, seeds=3)
    window = panel.features_NTF[panel.member_TN[-1], -1:]
    part, base = read.explainer()(window)
    assert np.allclose(part.sum(axis=1) + base, read.score(window), atol=1e-9)
