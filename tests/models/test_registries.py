"""What every net and baseline must keep, whoever adds it: runs over both registries."""

from datetime import date, timedelta
from functools import cache
from hashlib import sha256

import numpy as np
import pytest
import torch
from scipy.stats import norm
from statsmodels.stats.multitest import multipletests

from conf.schema import Contest, Recipe
from tasks.learning.panel import Panel
from tasks.models.baselines import BASELINES
from tasks.models.fitting import Fit, fit_recipe, load_fit, score_sessions
from tasks.models.learners import learner_of
from tasks.models.nets import NETS

MODELS = sorted([*NETS, *BASELINES])
UNTAUGHT = {"equal", "reversal"}  # they learn nothing, whatever the labels say
LEARNING = [model for model in MODELS if model not in UNTAUGHT]
NAMES, SESSIONS, FEATURES = 12, 160, 4
DAYS = tuple(date(2020, 1, 1) + timedelta(days=number) for number in range(SESSIONS + 40))
FITTED = DAYS[SESSIONS - 1]
BRIEF = {"epochs": 2, "learning_rate": 0.01}
QUICK = {
    "chart_cnn": BRIEF | {"look_back": 8, "rows": 9, "channels": 4},
    "conv_lstm": BRIEF | {"steps": 2, "kernel": 3, "hidden": 8},
    "linear": {"epochs": 3},
    "lstm": BRIEF | {"look_back": 4, "hidden": 8},
    "mixer": BRIEF | {"look_back": 5, "channels": 8, "tokens": 2},
    "mlp": BRIEF | {"width": 16, "members": 2},
    "tcn": {"epochs": 2, "levels": 2, "channels": 8},
    "transformer": BRIEF | {"look_back": 5, "width": 8, "blocks": 1},
}


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
        "candidates": (Recipe(name="one", model="ridge"),),
    }
    return Contest.model_validate(given | changes)


def recipe(model: str, **settings: float) -> Recipe:
    return Recipe(name=model, model=model, settings=QUICK.get(model, {}) | settings)


def market(
    edge: float, *, names: int = NAMES, sessions: int = len(DAYS), seed: int = 1
) -> tuple[Panel, np.ndarray]:
    """Return a panel whose first feature foretells the label with correlation `edge`."""
    rng = np.random.default_rng(seed)
    features = rng.uniform(-1, 1, (names, sessions, FEATURES)).astype(np.float32)
    noise = rng.normal(size=(sessions, names))
    label = edge * np.sqrt(3) * features[:, :, 0].T + np.sqrt(1 - edge**2) * noise
    member = np.ones((sessions, names), bool)
    member[5::7, 3] = False
    features[3, 5::7] = 0
    days = tuple(date(2020, 1, 1) + timedelta(days=number) for number in range(sessions))
    instruments = tuple(f"s:{name:04}" for name in range(names))
    return Panel(days, instruments, ("a", "return_5", "b", "c"), features, member), label


@cache
def fitted(model: str) -> Fit:
    panel, label = market(0.5)
    return fit(model, panel, label)


def fit(model: str, panel: Panel, label: np.ndarray, **settings: float) -> Fit:
    return fit_recipe(
        recipe(model, **settings),
        panel,
        label,
        fitted_on=FITTED,
        contest=contest(),
        threads=1,
        accelerator="cpu",
    )


def scores(model: str, panel: Panel, sessions=DAYS[SESSIONS:], made: Fit | None = None):
    made = made or fitted(model)
    return score_sessions(load_fit(made.recipe, made.card, made.weights), panel, sessions)


def scores_and_labels(found, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores and what came of them, row by row."""
    row = np.array([DAYS.index(day) for day in found["session"]])
    name = np.array([int(one.split(":")[1]) for one in found["instrument"]])
    return found["score"].to_numpy(), label[row, name]


@pytest.mark.parametrize("model", MODELS)
def test_gives_one_finite_score_to_every_member_and_to_nobody_else(model):
    panel, _ = market(0.5)
    found = scores(model, panel)
    member = panel.member_TN[SESSIONS:]
    assert found.height == member.sum()
    assert found["score"].is_finite().all()
    assert model == "equal" or found["score"].n_unique() > NAMES
    missing = {DAYS[t] for t in range(SESSIONS, len(DAYS)) if not panel.member_TN[t, 3]}
    assert not set(found.filter(instrument="s:0003")["session"]) & missing


@pytest.mark.parametrize("model", MODELS)
def test_treats_names_alike(model):
    panel, _ = market(0.5)
    order = np.random.default_rng(3).permutation(NAMES)
    moved = panel._replace(
        features_NTF=panel.features_NTF[order], member_TN=panel.member_TN[:, order]
    )
    before, after = scores(model, panel, DAYS[-1:]), scores(model, moved, DAYS[-1:])
    assert np.allclose(after["score"].to_numpy(), before["score"].to_numpy()[order], atol=1e-6)


@pytest.mark.parametrize("model", MODELS)
def test_a_score_depends_neither_on_names_that_are_absent_nor_on_what_else_is_asked(model):
    panel, _ = market(0.5)
    day = next(t for t in range(SESSIONS, len(DAYS)) if not panel.member_TN[t, 3])
    poisoned = panel._replace(features_NTF=panel.features_NTF.copy())
    poisoned.features_NTF[3] = 9.0
    poisoned.features_NTF[:, day + 1 :] = -9.0
    without = Panel(
        panel.sessions[60 : day + 1],
        panel.instruments[:3] + panel.instruments[4:],
        panel.columns,
        np.delete(panel.features_NTF, 3, axis=0)[:, 60 : day + 1],
        np.delete(panel.member_TN, 3, axis=1)[60 : day + 1],
    )
    alone = scores(model, panel, [DAYS[day]])
    assert alone.equals(scores(model, poisoned, [DAYS[day]]))
    assert alone.equals(scores(model, without, [DAYS[day]]))
    assert alone.equals(scores(model, panel).filter(session=DAYS[day]))


@pytest.mark.parametrize("model", MODELS)
def test_the_same_inputs_give_the_same_weights_whatever_came_later(model):
    panel, label = market(0.5)
    torch.rand(3)  # somebody else's randomness
    cut, cut_label = market(0.5)
    cut.features_NTF[:, SESSIONS:] = 7.0
    cut_label[SESSIONS - 3 :] = 1e9  # labels that no one could know yet
    again = fit(model, cut, cut_label)
    assert again.weights == fitted(model).weights
    assert again.card == fitted(model).card
    told = fit(model, panel, label * -1).weights_hash != fitted(model).weights_hash
    assert told == (model in LEARNING)


@pytest.mark.parametrize("model", MODELS)
def test_names_that_list_later_do_not_move_a_fit(model):
    panel, label = market(0.5)
    rng = np.random.default_rng(8)
    late = rng.normal(size=(2, len(DAYS), FEATURES)).astype(np.float32)
    member = np.zeros((len(DAYS), 2), bool)
    member[SESSIONS:] = True
    wider = Panel(
        panel.sessions,
        ("s:-1", *panel.instruments, "s:z"),
        panel.columns,
        np.concatenate([late[:1], panel.features_NTF, late[1:]]),
        np.concatenate([member[:, :1], panel.member_TN, member[:, 1:]], axis=1),
    )
    unknown = np.full((len(DAYS), 1), 5.0)
    found = fit(model, wider, np.concatenate([unknown, label, unknown], axis=1))
    assert found.weights == fitted(model).weights


@pytest.mark.parametrize("model", MODELS)
def test_labels_of_names_that_are_no_members_teach_nothing(model):
    panel, label = market(0.5)
    label[~panel.member_TN] = 1e6
    assert fit(model, panel, label).weights == fitted(model).weights


@pytest.mark.parametrize("model", LEARNING)
def test_finds_an_edge_that_is_there(model):
    panel, label = market(0.5)
    strong = {"epochs": 12} if model in NETS else {}
    made = fit(model, panel, label, **strong)
    found = scores(model, panel, made=made)
    assert np.corrcoef(*scores_and_labels(found, label))[0, 1] > 0.25


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "pickle", "nan", "card"])
def test_refuses_weights_that_are_not_what_the_card_says(model, damage):
    made = fitted(model)
    weights, card = made.weights, made.card
    bad = {
        "cut": weights[: len(weights) // 2],
        "empty": b"",
        "pickle": b"\x80\x04]\x94.",
        "flip": weights[:-9] + bytes([weights[-9] ^ 64]) + weights[-8:],
        "nan": weights[:-8] + b"\xff" * 8,
        "card": weights,
    }[damage]
    if damage == "card":
        card = card | {"columns": [*card["columns"], "e"]}
    with pytest.raises(ValueError, match="weights"):
        load_fit(made.recipe, card, bad)
    if damage in ("cut", "empty", "pickle", "nan"):  # also where somebody rewrote the card
        forged = card | {"sha256": sha256(bad).hexdigest()}
        with pytest.raises(ValueError, match="weights"):
            load_fit(made.recipe, forged, bad)


@pytest.mark.slow
def test_no_model_learns_anything_from_shuffled_labels():
    chances = {model: chance_of_what_noise_taught(model, markets=6) for model in LEARNING}
    learned, *_ = multipletests(list(chances.values()), alpha=0.01, method="holm")
    assert not learned.any(), chances


def chance_of_what_noise_taught(model: str, *, markets: int) -> float:
    """Return the p-value of scores and labels, the labels of each session dealt out anew."""
    scaled = []
    for seed in range(markets):
        panel, label = market(0.5, seed=seed)
        label = np.random.default_rng([seed, 1]).permuted(label, axis=1)
        score, outcome = scores_and_labels(
            scores(model, panel, made=fit(model, panel, label)), label
        )
        scaled.append(np.corrcoef(score, outcome)[0, 1] * np.sqrt(len(score) - 1))
    return float(2 * norm.sf(abs(np.sum(scaled)) / np.sqrt(markets)))


@pytest.mark.parametrize("model", MODELS)
def test_every_range_to_search_lies_within_its_bounds_and_holds_the_default(model):
    for name, one in learner_of(recipe(model)).known.items():
        if one.tune is not None:
            assert one.least <= one.tune[0] < one.tune[1] <= one.most, name
            assert one.tune[0] <= one.default <= one.tune[1], name
            assert not one.log or one.tune[0] > 0, name
