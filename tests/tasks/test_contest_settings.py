"""A contest says what its label is and what it is cleared of, and refuses what makes no sense."""

import pytest
import yaml

from conf.schema import Contest
from tasks.settings import load_contest, names_in
from tests.house import CONTEST


def contest(**keys) -> Contest:
    return Contest(**yaml.safe_load(CONTEST) | keys)


def test_a_label_is_the_total_return_and_nothing_is_cleared_unless_named():
    plain = contest()
    assert (plain.label, plain.neutral_to, plain.beta) == ("total", (), None)
    assert (plain.delisting_return, plain.delisting_sessions) == (0.0, 10)


def test_every_contest_of_the_house_loads():
    assert {load_contest(name).label for name in names_in("models")} == {"total"}


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"horizon": 0}, "greater than or equal to 1"),
        ({"horizon": 61}, "less than or equal to 60"),
        ({"delisting_return": -1.1}, "greater than or equal to -1"),
        ({"delisting_return": 0.1}, "less than or equal to 0"),
        ({"delisting_sessions": 0}, "greater than or equal to 1"),
        ({"label": "excess"}, "'total', 'market_neutral', 'sector_neutral' or 'beta_neutral'"),
        ({"neutral_to": ["size"]}, "'sector' or 'beta'"),
        ({"neutral_to": ["beta"]}, "name the feature that is it"),
        ({"label": "beta_neutral"}, "name the feature that is it"),
        ({"beta": "beta_252"}, "beta_252 is named, but nothing is to be neutral to it"),
    ],
)
def test_refuses_what_makes_no_sense(keys, told):
    with pytest.raises(ValueError, match=told):
        contest(**keys)


@pytest.mark.parametrize(
    "keys",
    [{"label": "beta_neutral"}, {"neutral_to": ["beta"]}, {"neutral_to": ["sector", "beta"]}],
)
def test_takes_a_beta_where_something_is_neutral_to_it(keys):
    assert contest(beta="beta_252", **keys).beta == "beta_252"


def test_a_recipe_learns_from_labels_of_its_own_or_of_its_contest():
    rules = contest(
        horizon=5,
        candidates=[
            {"name": "weekly", "model": "ridge"},
            {"name": "daily", "model": "ridge", "learn_horizon": 1},
        ],
    )
    assert [rules.horizon_of(recipe) for recipe in rules.candidates] == [5, 1]
    assert rules.horizons == (1, 5)


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        ({"model": "ridge", "learn_horizon": 6}, "the contest's labels look 5 ahead"),
        ({"model": "ridge", "learn_horizon": 0}, "greater than or equal to 1"),
        (
            {
                "model": "ensemble",
                "members": [
                    {"name": "one", "model": "ridge", "learn_horizon": 1},
                    {"name": "two", "model": "lightgbm"},
                ],
            },
            "members of an ensemble learn from its labels",
        ),
    ],
)
def test_labels_that_come_too_late_or_differ_within_an_ensemble_are_refused(recipe, told):
    with pytest.raises(ValueError, match=told):
        contest(horizon=5, candidates=[{"name": "first", **recipe}])
