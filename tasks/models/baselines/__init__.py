"""Baselines by name; each is imported when asked for. A net must beat them."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tasks.learning.model import Learner


def _equal() -> "type[Learner]":
    from tasks.models.baselines.equal import Equal

    return Equal


def _lightgbm() -> "type[Learner]":
    from tasks.models.baselines.lightgbm import LightGbm

    return LightGbm


def _linear_svm() -> "type[Learner]":
    from tasks.models.baselines.linear_svm import LinearSvm

    return LinearSvm


def _random_forest() -> "type[Learner]":
    from tasks.models.baselines.random_forest import RandomForest

    return RandomForest


def _reversal() -> "type[Learner]":
    from tasks.models.baselines.reversal import Reversal

    return Reversal


def _ridge() -> "type[Learner]":
    from tasks.models.baselines.ridge import Ridge

    return Ridge


BASELINES: dict[str, "Callable[[], type[Learner]]"] = {
    "equal": _equal,
    "lightgbm": _lightgbm,
    "linear_svm": _linear_svm,
    "random_forest": _random_forest,
    "reversal": _reversal,
    "ridge": _ridge,
}
