"""Baselines by name; each is imported when asked for. A net must beat them."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tasks.learning.model import Learner


def _lightgbm() -> "type[Learner]":
    from tasks.models.baselines.lightgbm import LightGbm

    return LightGbm


def _ridge() -> "type[Learner]":
    from tasks.models.baselines.ridge import Ridge

    return Ridge


BASELINES: dict[str, "Callable[[], type[Learner]]"] = {"lightgbm": _lightgbm, "ridge": _ridge}
