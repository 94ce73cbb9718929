"""Expected return less costs less a price on variance (Markowitz 1952)."""

from tasks.portfolio.conic import Solution, best
from tasks.portfolio.limits import Demand
from tasks.portfolio.problem import Problem


def mean_variance(problem: Problem, demand: Demand) -> Solution | None:
    """Return the weights that maximise alpha'w - costs - risk_aversion / 2 * h * w' Sigma w.

    Sigma is daily and h the horizon in sessions; alpha and costs are over the horizon. None where
    no weights meet `demand`.
    """
    return best(problem, demand)
