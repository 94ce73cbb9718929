"""LightGBM's parser trusts what it reads: whatever is wrong with a booster's text, we say first."""

import re

import lightgbm
import numpy as np
import pytest

from tasks.models.baselines.booster_text import checked

FEATURES, ROWS = 3, 300
GROWN = {"num_leaves": 6, "verbosity": -1, "num_threads": 1, "boost_from_average": False}
FOREST = {"boosting": "rf", "bagging_fraction": 0.5, "bagging_freq": 1}


def drawn() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(ROWS, FEATURES))


def booster(*, noise: bool = False, **more) -> lightgbm.Booster:
    features = drawn()
    label = np.zeros(ROWS) if noise else features[:, 0] - features[:, 1] ** 2
    data = lightgbm.Dataset(features, label)
    return lightgbm.train({**GROWN, "objective": "regression", **more}, data, 3)


def text(**more) -> str:
    return booster(**more).model_to_string()


def put(*, tree: int = 0, **lines: str) -> bytes:
    """Return a booster's text whose tree says these values."""
    head, *trees = text().split("\nTree=")
    for name, value in lines.items():
        trees[tree] = re.sub(rf"\n{name}=[^\n]*", f"\n{name}={value}", trees[tree])
    return "\nTree=".join([head, *trees]).encode()


def headed(line: str, other: str) -> bytes:
    whole = text()
    assert f"{line}\n" in whole
    return whole.replace(f"{line}\n", f"{other}\n", 1).encode()


@pytest.mark.parametrize("more", [{}, FOREST, {"noise": True}], ids=["boosted", "forest", "stump"])
def test_what_was_fitted_is_read_back_to_the_bit(more):
    made = booster(**more)
    found = checked(made.model_to_string().encode(), features=FEATURES)
    again = lightgbm.Booster(model_str=found.text)
    assert (found.trees, found.averaged) == (made.num_trees(), "boosting" in more)
    assert np.array_equal(again.predict(drawn()), made.predict(drawn()))
    parts = [one.predict(drawn(), pred_contrib=True) for one in (again, made)]
    assert np.array_equal(*parts)


FORGED = {
    "a child that points back": (put(left_child="0 0 0 0 0"), "not each the child of one node"),
    "a circle beside the tree": (
        put(left_child="1 -1 -3 4 3", right_child="2 -2 -4 -5 -6"),
        "child of a later one",
    ),
    "a child that is not there": (put(right_child="9 -2 -3 -4 -5"), "not each the child"),
    "a feature that is not there": (put(split_feature="900000000 0 0 0 0"), "splits on feature"),
    "a feature below none": (put(split_feature="-5 0 0 0 0"), "splits on feature"),
    "too many leaves": (put(num_leaves="900000000"), "leaves, of at most"),
    "no leaves": (put(num_leaves="0"), "leaves, of at most"),
    "a leaf less": (put(num_leaves="5"), "expected 4"),
    "numbers left out": (put(threshold="0.5", tree=1), "threshold has 1 numbers, expected 5"),
    "numbers that are none": (put(threshold="a b c d e"), "threshold is 'a b c d e'"),
    "a number beyond all": (put(leaf_value="1e999 0 0 0 0 0"), "leaf_value is not finite"),
    "infinity": (put(leaf_value="inf 0 0 0 0 0"), "NaN or infinity"),
    "categories": (put(num_cat="1"), "categories or linear leaves"),
    "linear leaves": (put(is_linear="1"), "categories or linear leaves"),
    "a choice among categories": (put(decision_type="1 2 2 2 2"), "decision of a kind"),
    "a kind that means nothing": (put(decision_type="64 2 2 2 2"), "decision of a kind"),
    "a line more": (put(shrinkage="0.1\ncat_boundaries=0 9"), "not as LightGBM writes one"),
    "a line twice": (put(shrinkage="0.1\nshrinkage=0.1"), "not as LightGBM writes one"),
    "trees out of order": (text().replace("\nTree=1\n", "\nTree=7\n").encode(), "Tree 1 of these"),
    "another objective": (headed("objective=regression", "objective=custom"), "objective=custom"),
    "several classes": (headed("num_class=1", "num_class=9"), "num_class=9"),
    "more features": (headed("max_feature_idx=2", "max_feature_idx=9"), "from 0 to '9'"),
    "no features": (headed("max_feature_idx=2", "label=2"), "from 0 to ''"),
    "no trees": (
        (text().split("\nTree=")[0] + "\nend of trees\n\nend of parameters\n").encode(),
        "hold no tree",
    ),
    "the trees cut off": (text().split("\nend of trees")[0].encode(), "not a whole"),
    "the end cut off": (text().split("\nend of parameters")[0].encode(), "not a whole"),
    "something else": (b"\x80\x04]\x94.", "not a LightGBM booster text"),
}


@pytest.mark.parametrize(("weights", "reason"), FORGED.values(), ids=FORGED)
def test_what_is_no_tree_of_ours_is_refused_by_name(weights, reason):
    with pytest.raises(ValueError, match=reason):
        checked(weights, features=FEATURES)


def test_sizes_and_settings_that_do_not_fit_never_reach_the_parser():
    whole = text()
    sizes = re.search(r"tree_sizes=([^\n]*)", whole)[1]
    odd = whole.replace(f"tree_sizes={sizes}", "tree_sizes=9 999999999 3")
    odd = odd.replace("\nTree=1\n", "\n\n\nTree=1\n").replace("[num_leaves: 6]", "[num_leaves: -1]")
    found = checked(odd.encode(), features=FEATURES)
    assert f"tree_sizes={sizes}\n" in found.text
    assert found.text == checked(whole.encode(), features=FEATURES).text


@pytest.mark.parametrize("seed", range(4))
def test_whatever_byte_is_changed_it_is_refused_or_scores_in_finite_numbers(seed):
    dice, whole = np.random.default_rng(seed), text().encode()
    end, refused = whole.index(b"\nend of trees"), 0
    for _ in range(150):
        place, byte = dice.integers(end), dice.choice(list(b"0123456789-+.e =\nabz"))
        changed = whole[:place] + bytes([byte]) + whole[place + 1 :]
        try:
            found = checked(changed, features=FEATURES)
        except ValueError:
            refused += 1
            continue
        assert np.isfinite(lightgbm.Booster(model_str=found.text).predict(drawn())).all()
    assert refused
