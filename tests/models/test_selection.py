"""Features are chosen inside each fit, by its training sessions and nothing later."""

import json
from datetime import date, timedelta

import numpy as np
import pytest
from pydantic import ValidationError

from conf.schema import (
    ClusterSelection,
    Contest,
    NoSelection,
    Recipe,
    StabilitySelection,
    UnivariateSelection,
)
from tasks.learning.model import Examples
from tasks.learning.panel import Panel
from tasks.models.fitting import fit_recipe, load_fit, score_sessions
from tasks.models.selection import choose

NAMES, SESSIONS, FITTED = 30, 260, 219
DAYS = tuple(date(2020, 1, 1) + timedelta(days=number) for number in range(SESSIONS))
COLUMNS = ("edge", "copy", "noise0", "noise1", "noise2", "weather", "nothing")
UNIVARIATE = UnivariateSelection(kind="univariate", least=1)
CLUSTERS = ClusterSelection(kind="clusters")
STABILITY = StabilitySelection(kind="stability", strongest=2, least=1, block=10)
SELECTIONS = pytest.mark.parametrize(
    "selection", [UNIVARIATE, CLUSTERS, STABILITY], ids=lambda one: one.kind
)


def market(*, edge: float = 0.3, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return features (N, T, F) and labels (T, N): an edge, its rough copy, noise, context."""
    generator = np.random.default_rng(seed)
    features = generator.uniform(-1, 1, (NAMES, SESSIONS, len(COLUMNS))).astype(np.float32)
    features[:, :, 1] = 0.6 * features[:, :, 0] + 0.4 * features[:, :, 1]
    features[:, :, 5] = generator.uniform(-1, 1, SESSIONS)  # the same for all names
    features[:, :, 6] = 0.0
    return features, edge * features[:, :, 0].T + 0.5 * generator.normal(size=(SESSIONS, NAMES))


def chosen(selection, features: np.ndarray, label: np.ndarray, **changes):
    examples = Examples(features, np.isfinite(label), label, np.arange(200), np.arange(210, 240))
    options = {"horizon": 2, "min_names": 5, "seed": 1} | changes
    found = choose(selection, examples, COLUMNS, **options)
    return [COLUMNS[place] for place in found.places], found.facts


def contest(recipe: Recipe) -> Contest:
    return Contest(
        title="test",
        source="sample",
        universe="all",
        features="price",
        first_fit=40,
        refit_every=20,
        horizon=2,
        candidates=(recipe,),
    )


def fit(selection, features: np.ndarray, label: np.ndarray, *, model: str = "ridge"):
    recipe = Recipe(name="one", model=model, selection=selection)
    panel = Panel(
        DAYS,
        tuple(f"s:{name:02}" for name in range(NAMES)),
        COLUMNS,
        features,
        np.ones((SESSIONS, NAMES), bool),
    )
    made = fit_recipe(
        recipe, panel, label, fitted_on=DAYS[FITTED], contest=contest(recipe), threads=1
    )
    return made, panel


def test_without_a_selection_all_stay():
    columns, facts = chosen(NoSelection(), *market())
    assert columns == list(COLUMNS)
    assert facts == {"kind": "none", "offered": 7}


def test_finds_what_foretells_and_leaves_noise():
    columns, facts = chosen(UNIVARIATE, *market())
    assert columns == ["edge", "copy", "weather"]
    assert facts["found"] == 2
    assert facts["rank_ic"]["edge"] > facts["rank_ic"]["copy"] > 0.2
    assert facts["adjusted_p"]["edge"] < 1e-4
    assert facts["unjudged"] == ["weather"]


def test_where_nothing_foretells_the_surest_few_stay():
    features, label = market(edge=0.0)
    columns, facts = chosen(UnivariateSelection(kind="univariate", least=2), features, label)
    assert facts["found"] == 0
    assert len(columns) == 2 + 1
    assert all(p > 0.05 for p in facts["adjusted_p"].values())


def test_one_of_each_cluster_stays_the_one_with_the_strongest_ic():
    features, label = market()
    columns, facts = chosen(CLUSTERS, features, label)
    assert columns == ["edge", "noise0", "noise1", "noise2", "weather"]
    assert facts["clusters"]["edge"] == ["edge", "copy"]
    features[:, :, [0, 1]] = -features[:, :, [1, 0]]
    assert chosen(CLUSTERS, features, label)[0][0] == "copy"


def test_what_is_strong_in_most_halves_stays():
    columns, facts = chosen(STABILITY, *market())
    assert columns == ["edge", "copy", "weather"]
    assert facts["share"] == {"edge": 1.0, "copy": 1.0}
    assert facts["luck"] == pytest.approx(2**2 / (0.4 * 5))
    lonely = STABILITY.model_copy(update={"strongest": 1, "share": 1.0})
    assert chosen(lonely, *market())[0] == ["edge", "weather"]


def test_a_copy_known_for_few_sessions_does_not_stand_for_its_cluster():
    features, label = market()
    features[:, :, 1] = 0.0
    features[:, 190:200, 1] = features[:, 190:200, 0]
    label[190:200] = features[:, 190:200, 0].T  # the strongest by far, in ten sessions
    columns, facts = chosen(CLUSTERS, features, label)
    assert facts["clusters"]["edge"] == ["edge", "copy"]
    assert "copy" not in columns
    features[:, :120, 1] = 0.0
    features[:, 95:200, 1] = features[:, 95:200, 0]  # known in more than half, it may win
    label[:95] = 0.01 * label[:95] - features[:, :95, 0].T
    assert "copy" in chosen(CLUSTERS, features, label)[0]


def test_noise_of_few_sessions_is_never_among_the_strongest():
    features, label = market()
    features[:, :, 2] = 0.0
    features[:, [20, 90, 150], 2] = 1.1 * label[[20, 90, 150]].T  # always right, by chance
    columns, facts = chosen(STABILITY, features, label)
    assert columns == ["edge", "copy", "weather"]
    assert facts["share"] == {"edge": 1.0, "copy": 1.0}
    every = STABILITY.model_copy(update={"least": 5})
    assert chosen(every, features, label)[1]["share"]["noise0"] == 0.0


def test_says_when_no_feature_lasts_long_enough_to_be_compared():
    features, label = market()
    for column in range(6):
        features[:, np.arange(SESSIONS) % 6 != column, column] = 0.0
    with pytest.raises(ValueError, match="None of 5 features has a rank IC in half of the sess"):
        chosen(STABILITY, features, label)


def test_at_most_half_of_the_features_are_the_strongest():
    features, label = market(edge=0.0)
    eager = STABILITY.model_copy(update={"strongest": 20})
    columns, facts = chosen(eager, features, label)
    assert facts["strongest"] == 2  # of five that can be judged
    assert facts["luck"] == pytest.approx(2**2 / (0.4 * 5))
    assert len(columns) < 6


def test_halves_are_drawn_by_the_seed():
    features, label = market(edge=0.0)
    first, again, other = (chosen(STABILITY, features, label, seed=s)[1] for s in (1, 1, 2))
    assert first == again
    assert first != other


def test_says_when_there_is_too_little_to_choose_by():
    features, label = market()
    with pytest.raises(ValueError, match="200 training sessions make 3 blocks of 90"):
        chosen(STABILITY.model_copy(update={"block": 90}), features, label)
    with pytest.raises(ValueError, match="None of 7 features orders 31 labelled names"):
        chosen(UNIVARIATE, features, label, min_names=31)
    with pytest.raises(ValueError, match=r"200 sessions are too few for horizon 26: .* needs 208"):
        chosen(UNIVARIATE, features, label, horizon=26)


def test_a_feature_too_new_to_be_tested_is_not_among_the_surest():
    features, label = market(edge=0.0)
    features[:, :190, 0] = 0.0
    wide = UnivariateSelection(kind="univariate", least=5)
    assert chosen(wide, features, label)[0] == ["copy", "noise0", "noise1", "noise2", "weather"]


@SELECTIONS
def test_sessions_that_stop_the_fit_and_all_later_ones_change_no_choice(selection):
    features, label = market()
    made, _ = fit(selection, features, label)
    learned = DAYS.index(date.fromisoformat(made.card["train_last"])) + 1
    assert learned < DAYS.index(date.fromisoformat(made.card["valid_first"])) - 2
    label[learned + 3 :] = -100 * features[:, learned + 3 :, 4].T  # noise2 would be the edge
    features[:, learned:, 0] = 0.0
    features[:, learned:, 2] = features[:, learned:, 3]
    poisoned, _ = fit(selection, features, label)
    assert poisoned.card["columns"] == made.card["columns"]
    assert poisoned.card["selection"] == made.card["selection"]
    assert poisoned.weights != made.weights  # the poison was seen by what may see it


@SELECTIONS
def test_training_sessions_do_change_the_choice(selection):
    features, label = market()
    made, _ = fit(selection, features, label)
    other, _ = fit(selection, features[:, :, [2, 3, 0, 1, 4, 5, 6]], label)
    assert other.card["columns"] != made.card["columns"]


@SELECTIONS
@pytest.mark.parametrize("model", ["ridge", "lightgbm"])
def test_the_chosen_columns_stand_in_the_card_and_score(selection, model):
    made, panel = fit(selection, *market(), model=model)
    card = json.loads(json.dumps(made.card, allow_nan=False))
    assert set(card["columns"]) < set(COLUMNS)
    assert card["selection"]["kind"] == selection.kind == card["recipe"]["selection"]["kind"]
    assert card["selection"]["offered"] == 6  # one says nothing
    model_read = load_fit(made.recipe, card, made.weights)
    assert model_read.columns == tuple(card["columns"])
    scores = score_sessions(model_read, panel, DAYS[FITTED:])
    assert scores.height == (SESSIONS - FITTED) * NAMES
    whole, _ = fit(NoSelection(), *market(), model=model)
    assert whole.weights_hash != made.weights_hash
    assert whole.card["data_hash"] == made.card["data_hash"]  # both could see the same


def test_cards_from_before_there_was_a_choice_still_load():
    made, _ = fit(NoSelection(), *market())
    card = json.loads(json.dumps(made.card))
    del card["recipe"]["selection"]
    assert load_fit(made.recipe, card, made.weights).columns == tuple(card["columns"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "univariate", "level": 0.0},
        {"kind": "clusters", "correlation": 1.0},
        {"kind": "stability", "share": 0.5},
        {"kind": "stability", "halves": 3},
        {"kind": "forest"},
    ],
)
def test_refuses_what_a_selection_may_not_say(wrong):
    with pytest.raises(ValidationError, match="selection"):
        Recipe.model_validate({"name": "one", "model": "ridge", "selection": wrong})
