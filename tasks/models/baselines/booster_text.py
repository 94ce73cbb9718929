"""LightGBM's text of trees, read by us before LightGBM reads it, whose parser trusts every word.

A child that points back makes it walk for ever, a feature that is not there lets it read anywhere,
and sizes that do not fit end the process. So every number is checked here, and what LightGBM is
given is written anew from what was checked.
"""

import re
from typing import NamedTuple

import numpy as np

from tasks.learning.model import Array

OPENING, TREES_END, CLOSING = "tree\nversion=", "\nend of trees\n", "\nend of parameters"
TAIL = "feature_importances:\n\nparameters:\n\nend of parameters\n\npandas_categorical:null\n"
AVERAGED = "average_output"  # in the head of a forest, whose score is the mean of its trees
FIXED = ("tree", "version=v4", "num_class=1", "num_tree_per_iteration=1", "label_index=0")
OBJECTIVE = "objective=regression"
MOST_LEAVES = 4096  # of a tree: no setting allows more
CATEGORY = 1  # the bit of `decision_type` that calls for a list of categories
MOST_DECISION = 14  # all other bits of it that mean something
OF_TREE = ("num_leaves", "num_cat", "is_linear", "shrinkage")
OF_SPLIT = (
    "split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child",
    "internal_value", "internal_weight", "internal_count",
)  # fmt: skip
OF_LEAF = ("leaf_value", "leaf_weight", "leaf_count")
WHOLE = {
    "split_feature", "decision_type", "left_child", "right_child", "internal_count", "leaf_count",
    "num_leaves", "num_cat", "is_linear",
}  # fmt: skip
ORDER = (
    "num_leaves", "num_cat", "split_feature", "split_gain", "threshold", "decision_type",
    "left_child", "right_child", "leaf_value", "leaf_weight", "leaf_count", "internal_value",
    "internal_weight", "internal_count", "is_linear", "shrinkage",
)  # fmt: skip
INTEGER, NUMBER = (
    re.compile(rf"({one}( {one})*)?") for one in (r"-?\d{1,9}", r"-?\d+(\.\d+)?([eE][-+]?\d+)?")
)


class BoosterText(NamedTuple):
    """A booster's text that was checked, and what it says of itself."""

    text: str
    trees: int
    averaged: bool  # a forest: the score is the mean of the trees, not their sum


def checked(weights: bytes, *, features: int) -> BoosterText:
    """Return a booster's text, written anew; `ValueError` says what is wrong with it.

    Each tree must be one: every node but the root the child of one node before it, every leaf of
    one node, every split on a feature that is there.
    """
    try:
        text = weights.decode("ascii")
    except UnicodeDecodeError as error:
        raise ValueError(f"These weights are not a LightGBM booster text: {error}.") from error
    trees, end, rest = text.partition(TREES_END)
    if not (text.startswith(OPENING) and end and CLOSING in rest):
        raise ValueError("These weights are not a whole LightGBM booster text.")
    if re.search(r"[=\s](nan|-?inf)\b", trees, re.IGNORECASE):
        raise ValueError("These weights hold NaN or infinity.")
    head, *bodies = trees.split("\nTree=")
    if not bodies:
        raise ValueError("These weights hold no tree.")
    averaged = _head(head, features)
    written = [_tree(body, number, features) for number, body in enumerate(bodies)]
    sizes = " ".join(str(len(one)) for one in written)
    lines = [
        *FIXED,
        f"max_feature_idx={features - 1}",
        OBJECTIVE,
        *([AVERAGED] if averaged else []),
    ]
    names = " ".join(f"Column_{place}" for place in range(features))
    lines += [f"feature_names={names}", f"feature_infos={' '.join(['none'] * features)}"]
    lines += [f"tree_sizes={sizes}", "", "".join(written) + "end of trees", "", TAIL]
    return BoosterText("\n".join(lines), len(written), averaged)


def _head(head: str, features: int) -> bool:
    """Check what stands before the trees; return whether they are averaged."""
    lines = head.strip("\n").split("\n")
    told = dict(line.partition("=")[::2] for line in lines)
    if (newest := told.get("max_feature_idx", "")) != str(features - 1):
        raise ValueError(
            f"These weights count features from 0 to {newest[:40]!r}, the card names {features}."
        )
    known = {*FIXED, OBJECTIVE, AVERAGED, f"max_feature_idx={features - 1}"}
    free = ("feature_names", "feature_infos", "tree_sizes")
    odd = [line for line in lines if line not in known and line.partition("=")[0] not in free]
    if odd or not {*FIXED, OBJECTIVE} <= set(lines):
        raise ValueError(
            f"These weights are no LightGBM regression as this project fits it: {odd[:3]} found, "
            f"expected {', '.join((*FIXED, OBJECTIVE))}."
        )
    return AVERAGED in lines


def _tree(body: str, number: int, features: int) -> str:
    """Return one tree's text after checking it."""
    first, *lines = body.strip("\n").split("\n")
    told = dict(line.partition("=")[::2] for line in lines)
    if first != str(number) or set(told) != set(ORDER) or len(lines) != len(ORDER):
        raise ValueError(f"Tree {number} of these weights is not as LightGBM writes one.")
    for name, value in told.items():
        if not (INTEGER if name in WHOLE else NUMBER).fullmatch(value):
            raise ValueError(f"Tree {number} of these weights: {name} is {value[:40]!r}.")
    numbers = {name: np.array(value.split(), np.float64) for name, value in told.items()}
    if fault := _fault(numbers, features):
        raise ValueError(f"Tree {number} of these weights: {fault}.")
    return f"Tree={number}\n" + "".join(f"{name}={told[name]}\n" for name in ORDER) + "\n\n"


def _fault(numbers: dict[str, Array], features: int) -> str:
    """Return what makes the numbers no tree of ours, or nothing."""
    if wrong := [name for name in OF_TREE if numbers[name].size != 1]:
        return f"{wrong[0]} is not one number"
    leaves = int(numbers["num_leaves"][0])
    if not 1 <= leaves <= MOST_LEAVES:
        return f"{leaves} leaves, of at most {MOST_LEAVES}"
    if numbers["num_cat"][0] or numbers["is_linear"][0]:
        return "it has categories or linear leaves"
    counts = dict.fromkeys(OF_SPLIT, leaves - 1) | dict.fromkeys(OF_LEAF, leaves)
    if leaves == 1 and not numbers["leaf_weight"].size:
        del counts["leaf_weight"]  # LightGBM leaves it out where nothing was split
    for name, count in counts.items():
        if numbers[name].size != count:
            return f"{name} has {numbers[name].size} numbers, expected {count}"
    if wrong := [name for name, values in numbers.items() if not np.isfinite(values).all()]:
        return f"{wrong[0]} is not finite"
    split, kind = numbers["split_feature"], numbers["decision_type"].astype(np.int64)
    if ((split < 0) | (split >= features)).any():
        return f"it splits on feature {split.max():.0f} of {features}"
    if ((kind & CATEGORY) != 0).any() or ((kind < 0) | (kind > MOST_DECISION)).any():
        return "it has a decision of a kind that is not fitted here"
    return _loose(numbers["left_child"], numbers["right_child"], leaves)


def _loose(left: Array, right: Array, leaves: int) -> str:
    """Return what is wrong with the children; leaves count down from -1."""
    children = np.concatenate([left, right]).astype(np.int64)
    nodes, ends = np.sort(children[children >= 0]), np.sort(~children[children < 0])
    if leaves > 1 and not (
        np.array_equal(nodes, np.arange(1, leaves - 1)) and np.array_equal(ends, np.arange(leaves))
    ):
        return "its nodes and leaves are not each the child of one node"
    parents = np.tile(np.arange(leaves - 1), 2)
    if (children[children >= 0] <= parents[children >= 0]).any():
        return "a node is the child of a later one"
    return ""
