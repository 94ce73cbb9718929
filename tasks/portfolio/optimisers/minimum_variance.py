"""The least variance that is worth its trading costs: mean-variance that expects nothing."""

import numpy as np

from tasks.portfolio.conic import Solution, best
from tasks.portfolio.limits import Demand
from tasks.portfolio.problem import Problem


def minimum_variance(problem: Problem, demand: Demand) -> Solution | None:
    """Return the weights that minimise risk_aversion / 2 * h * w' Sigma w + costs.

    Scores and expected returns are not looked at. Without a lower bound on net exposure the answer
    is cash. None where no weights meet `demand`.
    """
    return best(problem._replace(alpha_N=np.zeros_like(problem.alpha_N)), demand)
