"""What a model rests on is found, for every model that is listed."""

from datetime import date, timedelta
from functools import cache
from itertools import combinations
from math import factorial

import numpy as np
import pytest

from conf.schema import Contest, Recipe
from tasks.learning.panel import Panel
from tasks.models.baselines import BASELINES, trees
from tasks.models.fitting import Fit, Model, fit_recipe, load_fit, score_sessions
from tasks.models.importance import contributions, permutation_importance, told_by_weights
from tasks.models.nets import NETS
from tasks.statistics.ic import rank_ic_series

TAUGHT = sorted(BASELINES.keys() - {"equal", "reversal"})  # these two learn nothing
MODELS = sorted([*NETS, *TAUGHT])
NAMES, SESSIONS, FITTED = 25, 150, 119
DAYS = tuple(date(2020, 1, 1) + timedelta(days=number) for number in range(SESSIONS))
COLUMNS = ("little", "much", "nothing")
QUICK = {"tcn": {"epochs": 4, "levels": 2, "channels": 8}, "linear": {"epochs": 6}}


def market() -> tuple[Panel, np.ndarray]:
    generator = np.random.default_rng(1)
    features = generator.uniform(-1, 1, (NAMES, SESSIONS, 3)).astype(np.float32)
    label = 0.5 * features[:, :, 0].T + 2 * features[:, :, 1].T
    label += 0.3 * generator.normal(size=label.shape)
    names = tuple(f"s:{name:02}" for name in range(NAMES))
    return Panel(DAYS, names, COLUMNS, features, np.ones((SESSIONS, NAMES), bool)), label


@cache
def fitted(model: str) -> Model:
    made = fit_of(model)
    return load_fit(made.recipe, made.card, made.weights)


@cache
def fit_of(model: str, *, seed: int = 1, seeds: int = 1) -> Fit:
    settings = QUICK.get(model, {})
    recipe = Recipe(name=model, model=model, settings=settings, seed=seed, seeds=seeds)
    contest = Contest(
        title="test", source="sample", universe="all", features="price", first_fit=40,
        refit_every=20, horizon=2, candidates=(recipe,),
    )  # fmt: skip
    return fit_recipe(
        recipe, *market(), fitted_on=DAYS[FITTED], contest=contest, threads=1, accelerator="cpu"
    )


def importance(model: str, *, panel=None, label=None, sessions=DAYS[FITTED:], **changes):
    known, truth = market()
    return permutation_importance(
        fitted(model),
        panel or known,
        truth if label is None else label,
        sessions,
        **({"horizon": 2, "min_names": 5, "seed": 1, "draws": 3} | changes),
    )


@pytest.mark.parametrize("model", MODELS)
def test_a_feature_that_is_dealt_anew_costs_what_it_was_worth(model):
    found = importance(model)
    little, much, nothing = found.lost
    assert found.columns == COLUMNS
    assert found.rank_ic.value > 0.6
    assert much.value > 3 * abs(little.value)
    assert much.value > 0.5
    assert much.t > 10
    assert abs(nothing.value) < 0.05


def test_without_what_it_rests_on_a_model_orders_nothing():
    found = importance("ridge", draws=40)
    assert found.lost[1].value == pytest.approx(found.rank_ic.value, abs=0.3)
    assert found.lost[0].value > 3 * found.lost[0].error > 0


def test_one_session_does_not_depend_on_the_others_nor_on_later_ones():
    panel, label = market()
    alone = [importance("ridge", sessions=[day]).lost[1].value for day in DAYS[120:124]]
    assert importance("ridge", sessions=DAYS[120:124]).lost[1].value == pytest.approx(
        np.mean(alone)
    )
    panel.features_NTF[:, 124:] = 9.0
    label[124:] = -label[124:]
    again = [
        importance("ridge", panel=panel, label=label, sessions=[day]).lost[1].value
        for day in DAYS[120:124]
    ]
    assert again == alone


def test_each_feature_is_dealt_while_the_others_are_as_they_were():
    panel, label = market()
    window_NTF = panel.features_NTF[:, 125:126].copy()
    scores = [fitted("ridge").score(window_NTF)]
    for column in range(3):
        generator = np.random.default_rng([1, DAYS[125].toordinal(), column])
        for _ in range(2):
            dealt_NTF = window_NTF.copy()
            dealt_NTF[:, :, column] = window_NTF[generator.permutation(NAMES), :, column]
            scores.append(fitted("ridge").score(dealt_NTF))
    ics = rank_ic_series(scores, np.tile(label[125], (len(scores), 1)), min_names=5)
    found = importance("ridge", panel=panel, sessions=[DAYS[125]], draws=2)
    assert [lost.value for lost in found.lost] == pytest.approx(
        [ics[0] - ics[[first, first + 1]].mean() for first in (1, 3, 5)], abs=1e-12
    )
    assert np.array_equal(panel.features_NTF, market()[0].features_NTF)


def test_trees_are_read_to_score_and_again_only_to_explain(monkeypatch):
    made, read, booster = fit_of("lightgbm"), [], trees._booster
    monkeypatch.setattr(trees, "_booster", lambda *of: read.append(of) or booster(*of))
    model = load_fit(made.recipe, made.card, made.weights)
    assert len(read) == 1
    contributions(model, market()[0], DAYS[FITTED:])
    assert len(read) == 2


def test_deals_follow_the_seed():
    assert importance("ridge") == importance("ridge")
    assert importance("ridge") != importance("ridge", seed=2)


@pytest.mark.parametrize("model", TAUGHT)
def test_parts_and_base_make_the_score(model):
    panel, _ = market()
    panel.member_TN[125, :5] = False
    found = contributions(fitted(model), panel, DAYS[FITTED:])
    scores = score_sessions(fitted(model), panel, DAYS[FITTED:])
    assert list(found.sessions) == scores["session"].to_list()
    assert list(found.instruments) == scores["instrument"].to_list()
    np.testing.assert_allclose(found.part_RF.sum(axis=1) + found.base_R, scores["score"])
    little, much, nothing = found.strength()
    assert much > 2 * little > 4 * nothing


def test_parts_of_ridge_are_the_shapley_values_of_its_definition():
    """Every order of telling the features, the untold ones at the mean of the session's names."""
    model, (panel, _) = fitted("ridge"), market()
    seen_NTF = panel.features_NTF[:, 130:131]
    mean_NTF = np.broadcast_to(seen_NTF.mean(axis=0), seen_NTF.shape)

    def told(columns: tuple[int, ...]) -> np.ndarray:
        mixed_NTF = mean_NTF.copy()
        mixed_NTF[:, :, list(columns)] = seen_NTF[:, :, list(columns)]
        return model.score(mixed_NTF)

    part_NF = contributions(model, panel, [DAYS[130]]).part_RF
    for column in range(3):
        others = [other for other in range(3) if other != column]
        value_N = sum(
            factorial(size) * factorial(2 - size) / factorial(3)
            * (told((*some, column)) - told(some))
            for size in range(3)
            for some in combinations(others, size)
        )  # fmt: skip
        np.testing.assert_allclose(part_NF[:, column], value_N, atol=1e-6)


@pytest.mark.parametrize("model", sorted(NETS))
def test_nets_say_what_there_is_instead(model):
    with pytest.raises(ValueError, match=rf"known for {model} .*use permutation_importance"):
        contributions(fitted(model), market()[0], DAYS[FITTED:])


@pytest.mark.parametrize("model", TAUGHT)
def test_weights_say_which_feature_they_use_most(model):
    made = fit_of(model)
    share = told_by_weights(made.recipe, made.card["columns"], made.weights)
    assert list(share) == list(COLUMNS)
    assert sum(share.values()) == pytest.approx(1)
    assert share["much"] > 2 * share["little"] > 4 * share["nothing"]


@pytest.mark.parametrize("model", ["lightgbm", "random_forest"])
def test_the_gain_of_trees_is_the_one_their_library_tells(model):
    import lightgbm

    made = fit_of(model)
    gain_F = lightgbm.Booster(model_str=made.weights.decode()).feature_importance("gain")
    share = told_by_weights(made.recipe, COLUMNS, made.weights)
    np.testing.assert_allclose(list(share.values()), gain_F / gain_F.sum(), rtol=1e-6)


def test_of_several_seeds_the_mean_share_counts():
    each = [fit_of("lightgbm", seed=seed) for seed in (1, 2)]
    both = fit_of("lightgbm", seeds=2)
    shares = [told_by_weights(one.recipe, COLUMNS, one.weights) for one in (*each, both)]
    assert shares[0] != shares[1]
    for name in COLUMNS:
        assert shares[2][name] == pytest.approx((shares[0][name] + shares[1][name]) / 2)


def test_weights_that_weigh_nothing_share_nothing():
    made = fit_of("equal")
    assert set(told_by_weights(made.recipe, COLUMNS, made.weights).values()) == {0.0}


def test_weights_of_nets_say_nothing():
    made = fit_of("linear")
    assert told_by_weights(made.recipe, COLUMNS, made.weights) == {}
