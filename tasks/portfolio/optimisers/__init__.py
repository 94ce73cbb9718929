"""Optimisers by name: the best weights before rounding, or None where none are allowed."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tasks.portfolio.conic import Solution
    from tasks.portfolio.limits import Demand
    from tasks.portfolio.problem import Problem


def _minimum_variance(problem: "Problem", demand: "Demand") -> "Solution | None":
    from tasks.portfolio.optimisers.minimum_variance import minimum_variance

    return minimum_variance(problem, demand)


def _mean_variance(problem: "Problem", demand: "Demand") -> "Solution | None":
    from tasks.portfolio.optimisers.mean_variance import mean_variance

    return mean_variance(problem, demand)


OPTIMISERS: "dict[str, Callable[[Problem, Demand], Solution | None]]" = {
    "minimum_variance": _minimum_variance,
    "mean_variance": _mean_variance,
}
