"""A refit learns from the validation too, as long as it was stopped at, and is weighed before."""

import numpy as np
import pytest
import torch
from safetensors import numpy as safetensors

from conf.schema import Recipe
from tasks.learning.model import Examples, How, Learned, rows_of, settled
from tasks.learning.repeatable import repeatable
from tasks.learning.training import NetLearner, _Turn
from tasks.models.ensemble import WEIGHT
from tasks.models.learners import learner_of
from tasks.models.nets import NETS
from tests.learning.test_training import QUIET, close, examples, fit, states

TREES = Recipe(name="trees", model="lightgbm", settings={"trees": 40, "patience": 3})


def learned(recipe: Recipe, given: Examples, **settings: float) -> Learned:
    learner = learner_of(recipe)
    every = settled({**recipe.settings, **settings}, learner.known, model=recipe.model)
    (one,) = learner.fit_seeds(given, How(every, recipe.loss, 1, "cpu"), seeds=[1])
    return one


def test_trees_are_as_many_as_the_validation_said_and_learn_from_it():
    plain, refit = learned(TREES, examples()), learned(TREES, examples(), refit=1)
    assert refit.stopped == plain.weights
    assert refit.facts == plain.facts | {"refit_loss": refit.facts["refit_loss"]}
    assert refit.curves == plain.curves
    trees = plain.facts["trees"]
    assert refit.weights.count(b"\nTree=") == plain.weights.count(b"\nTree=") == trees
    least = examples().whole()._replace(valid=examples().whole().train)
    whole = learned(TREES, least, trees=trees, patience=trees)
    score = learner_of(TREES).scorer
    settings = settled(TREES.settings, learner_of(TREES).known, model="lightgbm")
    some = examples().features_NTF[:, -1:]
    said, expected, before = (
        score(weights, features=5, settings=settings, threads=1)(some)
        for weights in (refit.weights, whole.weights, plain.weights)
    )
    assert whole.facts["trees"] == trees
    assert np.allclose(said, expected)
    assert not np.allclose(said, before)


def test_what_is_told_of_a_refit_is_the_loss_of_the_weights_that_serve():
    given = examples()
    fitted = learned(TREES, given, refit=1)
    rows, label, _ = rows_of(given, given.valid)
    learner = learner_of(TREES)
    settings = settled(TREES.settings, learner.known, model="lightgbm")
    score = learner.scorer(fitted.weights, features=5, settings=settings, threads=1)
    found = np.mean((score(rows[:, None].astype(np.float32)) - label) ** 2)
    assert fitted.facts["refit_loss"] == pytest.approx(found)
    assert fitted.facts["refit_loss"] < fitted.facts["valid_loss"]  # it has seen them


def test_nets_learn_as_many_passes_each_as_were_best_before():
    plain, refit = fit([1, 2], epochs=6, patience=6), fit([1, 2], epochs=6, patience=6, refit=1)
    assert [one.stopped for one in refit] == [one.weights for one in plain]
    for one, before in zip(refit, plain, strict=True):
        assert one.facts == before.facts | {"refit_loss": one.facts["refit_loss"]}
        assert np.isfinite(one.facts["refit_loss"])
    passes = [one.facts["best_epoch"] + 1 for one in plain]
    assert passes[0] != passes[1]
    for place, state in enumerate(states(refit)):
        assert close(state, passed(examples().whole(), passes[place])[place])
        assert not close(state, passed(examples(), passes[place])[place])


def passed(given: Examples, passes: int) -> list[dict[str, torch.Tensor]]:
    """Return the states of seeds 1 and 2 after so many passes over the examples."""
    learner = NetLearner(NETS["tcn"]())
    settings = settled(QUIET | {"epochs": passes}, learner.known, model="tcn")
    how = How(settings, "ic", 1, "cpu")
    turn = _Turn(how, (1, 2), int(settings["segment"]), None)
    with repeatable(1, 1):
        return states(learner._fitted(given, turn._replace(until=(passes - 1,) * 2)))


@pytest.mark.parametrize("model", ["lightgbm", "mlp"])
def test_the_sessions_held_out_between_are_not_learned_from(model):
    recipe = Recipe(name="one", model=model, settings={"patience": 2, "refit": 1})
    given = examples()
    held = np.setdiff1d(np.arange(given.train[0], given.valid[-1]), given.whole().train)
    assert held.tolist() == [90, 91, 92, 93]
    label_TN = given.label_TN.copy()
    label_TN[held] = np.random.default_rng(1).permuted(label_TN[held], axis=1)
    changed = learned(recipe, given._replace(label_TN=label_TN), **quick(model))
    assert changed.weights == learned(recipe, given, **quick(model)).weights


def quick(model: str) -> dict[str, float]:
    return {"trees": 20} if model == "lightgbm" else {"epochs": 3}


def test_an_ensemble_weighs_its_members_as_they_were_before():
    def weight(refit: int) -> np.ndarray:
        members = tuple(
            Recipe(name=name, model=model, settings={**quick(model), "refit": refit})
            for name, model in (("trees", "lightgbm"), ("net", "mlp"))
        )
        both = Recipe(name="both", model="ensemble", members=members, settings={"equal": 0.0})
        return safetensors.load(learned(both, examples()).weights)[WEIGHT]

    assert np.array_equal(weight(1), weight(0))
