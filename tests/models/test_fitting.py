"""A fit keeps to its night, its contest and its registries."""

import json
from datetime import date, timedelta

import numpy as np
import pytest

from conf.schema import Contest, Recipe
from tasks.learning.panel import Panel
from tasks.models.fitting import fit_recipe, load_fit, score_sessions

DAYS = tuple(date(2020, 1, 1) + timedelta(days=number) for number in range(80))
RIDGE = Recipe(name="plain", model="ridge")
CONTEST = Contest(
    title="test",
    source="sample",
    universe="all",
    features="price",
    first_fit=40,
    refit_every=20,
    horizon=2,
    min_names=3,
    candidates=(RIDGE,),
)


def market() -> tuple[Panel, np.ndarray]:
    rng = np.random.default_rng(2)
    features = rng.uniform(-1, 1, (6, 80, 3)).astype(np.float32)
    names = tuple(f"s:{name}" for name in range(6))
    panel = Panel(DAYS, names, ("a", "b", "c"), features, np.ones((80, 6), bool))
    return panel, features[:, :, 1].T + rng.normal(size=(80, 6))


def fit(recipe: Recipe = RIDGE, *, contest: Contest = CONTEST, day: date = DAYS[59], panel=None):
    known, label = market()
    return fit_recipe(
        recipe, panel or known, label, fitted_on=day, contest=contest, threads=1, accelerator="cpu"
    )


def test_the_card_says_what_was_learned_from():
    card = json.loads(json.dumps(fit().card, allow_nan=False))
    assert card["columns"] == ["a", "b", "c"]
    assert card["train_first"] == "2020-01-01"
    assert date.fromisoformat(card["valid_last"]) == DAYS[56]  # its label is known on DAYS[59]
    assert card["train_rows"] + card["valid_rows"] == (57 - 3) * 6
    assert card["fitted_on"] == str(DAYS[59])
    assert card["facts"]["penalty"] > 0


def test_only_the_newest_sessions_are_used_where_the_contest_says_so():
    panel, _ = market()
    shorter = CONTEST.model_copy(update={"train_sessions": 30})
    made = fit(contest=shorter)
    assert date.fromisoformat(made.card["train_first"]) == DAYS[30]
    panel.features_NTF[:, :30] = 5.0
    assert fit(contest=shorter, panel=panel).weights == made.weights


def test_a_panel_that_begins_earlier_makes_the_same_fit_and_card_also_with_names_gone_since():
    known, label = market()
    member = known.member_TN.copy()
    member[20:, 0] = False  # gone before the newest thirty sessions begin
    panel = known._replace(member_TN=member)
    shorter = CONTEST.model_copy(update={"train_sessions": 30})
    late = Panel(
        DAYS[25:], panel.instruments, panel.columns, panel.features_NTF[:, 25:], member[25:]
    )
    given = {"fitted_on": DAYS[59], "contest": shorter, "threads": 1}
    made, again = (
        fit_recipe(RIDGE, panel, label, **given),
        fit_recipe(RIDGE, late, label[25:], **given),
    )
    assert (again.weights, again.card) == (made.weights, made.card)


def test_leaves_out_columns_that_say_nothing_yet():
    panel, _ = market()
    panel.features_NTF[:, :60, 2] = 0.0
    made = fit(panel=panel)
    assert made.card["columns"] == ["a", "b"]
    scored = score_sessions(load_fit(RIDGE, made.card, made.weights), panel, DAYS[59:62])
    assert scored.height == 18


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (Recipe(name="odd", model="forest"), "No model named 'forest'.*lightgbm.*ridge"),
        (Recipe(name="odd", model="ridge", loss="ic"), "ridge cannot fit loss 'ic'.*knows: mse"),
        (Recipe(name="odd", model="ridge", settings={"alpha": 1.0}), "no setting alpha; there is"),
        (Recipe(name="odd", model="tcn", settings={"levels": 99}), "levels must lie between 1"),
    ],
)
def test_names_what_a_recipe_may_say(recipe, message):
    with pytest.raises(ValueError, match=message):
        fit(recipe)


def test_refuses_a_night_outside_the_panel_and_too_short_a_history():
    with pytest.raises(ValueError, match="2030-01-01 is no session of the panel"):
        fit(day=date(2030, 1, 1))
    with pytest.raises(ValueError, match="labelled sessions are too few"):
        fit(day=DAYS[5])


def test_refuses_to_score_what_came_before_the_fit_or_is_unknown():
    made, (panel, _) = fit(), market()
    model = load_fit(RIDGE, made.card, made.weights)
    with pytest.raises(ValueError, match="fitted on 2020-02-29 and may not score"):
        score_sessions(model, panel, DAYS[58:])
    with pytest.raises(ValueError, match="no session 2030-01-01"):
        score_sessions(model, panel, [date(2030, 1, 1)])
    with pytest.raises(ValueError, match="plain needs c; the panel has: a, b"):
        score_sessions(model, panel._replace(columns=("a", "b")), DAYS[59:])
    assert score_sessions(model, panel, []).is_empty()


def test_leaves_out_sessions_without_their_look_back():
    small = {"epochs": 1, "levels": 2, "channels": 4}
    recipe = Recipe(name="deep", model="tcn", settings=small)
    made, (panel, _) = fit(recipe), market()
    late = Panel(DAYS[56:], panel.instruments, panel.columns, panel.features_NTF[:, 56:],
                 panel.member_TN[56:])  # fmt: skip
    model = load_fit(recipe, made.card, made.weights)
    assert model.look_back == 7
    scored = score_sessions(model, late, DAYS[59:65])
    assert scored["session"].unique().sort().to_list() == list(DAYS[62:65])


def test_refuses_the_card_of_another_recipe():
    made = fit()
    other = RIDGE.model_copy(update={"seed": 2})
    with pytest.raises(ValueError, match="The card is for recipe"):
        load_fit(other, made.card, made.weights)


def test_weights_hashes_of_trees_do_not_depend_on_threads():
    trees = Recipe(name="trees", model="lightgbm", settings={"trees": 5})
    panel, label = market()
    both = [
        fit_recipe(trees, panel, label, fitted_on=DAYS[59], contest=CONTEST, threads=threads)
        for threads in (1, 2)
    ]
    assert both[0].weights != both[1].weights
    assert both[0].weights_hash == both[1].weights_hash
