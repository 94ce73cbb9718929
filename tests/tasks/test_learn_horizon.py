"""A recipe may learn from labels of a shorter horizon than those that judge it."""

import numpy as np
import pytest

from tasks.market.calendar import Calendar
from tasks.panels import panel_of
from tasks.settings import load_contest, load_source, open_shelf
from tasks.train import refits
from tests.house import CONTEST, LAST, House

pytestmark = pytest.mark.slow

RECIPES = """
  - {name: weekly, model: ridge}
  - {name: daily, model: ridge, learn_horizon: 1}
"""


@pytest.fixture(scope="module")
def stored(tmp_path_factory) -> House:
    house = House(tmp_path_factory.mktemp("learn"))
    house.write("models", "tiny", CONTEST.split("  - {")[0] + RECIPES.lstrip("\n"))
    house.write("models", "short", CONTEST.replace("horizon: 3", "horizon: 1"))
    with house.open():
        house.forecast(LAST)
    return house


@pytest.fixture
def trained(stored):
    with stored.open():
        yield stored


def test_labels_of_every_horizon_are_those_of_a_contest_of_that_horizon(trained):
    days = Calendar("XNYS").sessions(refits("tiny", LAST)[0], LAST)
    panel, labels = panel_of("tiny", days, LAST, fits=[LAST])
    same, short = panel_of("short", days, LAST, fits=[LAST])
    assert set(labels) == {(LAST, 1), (LAST, 3)}
    assert set(short) == {(LAST, 1)}
    assert np.array_equal(panel.member_TN, same.member_TN)
    assert np.array_equal(labels[LAST, 1], short[LAST, 1], equal_nan=True)
    assert not np.array_equal(labels[LAST, 1], labels[LAST, 3], equal_nan=True)


def test_each_fit_learned_from_the_labels_of_its_recipe(trained):
    from tasks.models.fitting import fit_recipe

    rules, fitted_on = load_contest("tiny"), refits("tiny", LAST)[-1]
    source = load_source("tiny")
    days = Calendar(source.calendar).sessions(source.starts, LAST)
    panel, labels = panel_of("tiny", days, LAST, fits=[fitted_on])
    hashes = {}
    for recipe in rules.candidates:
        card, _ = open_shelf().load("tiny", recipe.name, fitted_on)
        again = fit_recipe(
            recipe,
            panel,
            labels[fitted_on, rules.horizon_of(recipe)],
            fitted_on=fitted_on,
            contest=rules,
            threads=1,
        )
        assert card["weights_hash"] == again.weights_hash
        hashes[recipe.name] = again.weights_hash
    assert hashes["weekly"] != hashes["daily"]
