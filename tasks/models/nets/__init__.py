"""Nets by name; each is imported when asked for."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tasks.learning.net import Net


def _linear() -> "type[Net]":
    from tasks.models.nets.linear import Linear

    return Linear


def _tcn() -> "type[Net]":
    from tasks.models.nets.tcn import Tcn

    return Tcn


NETS: dict[str, "Callable[[], type[Net]]"] = {"linear": _linear, "tcn": _tcn}
