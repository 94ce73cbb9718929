"""The continuous problem as cones, in factor form, solved by Clarabel and judged by ourselves.

Maximise alpha'w - costs - risk_aversion / 2 * h * w' Sigma w; cones.py says how it is laid out.
"""

from typing import NamedTuple

import clarabel
import numpy as np
from scipy import sparse

from tasks.market.history import Array
from tasks.portfolio.cones import Layout, Rows, add_bounds, add_cones, add_factors, add_sums, layout
from tasks.portfolio.limits import Demand, breach, sums
from tasks.portfolio.problem import Problem

GOOD = 1e-6  # largest scaled primal residual and relative gap of an acceptable solution
STEEP = 1e-5  # largest dual residual: an error of this share of a typical expected return
ELASTIC = 1e-7  # of NAV: limits overstepped by less are met


class Unsolved(RuntimeError):
    """The solver gave no solution that passes our own residuals, and found no conflict either."""


class Solution(NamedTuple):
    """Weights before rounding, and how good they are: scaled residuals computed from x and z."""

    weights_N: Array
    status: str
    iterations: int
    primal_residual: float
    dual_residual: float
    gap: float
    good: bool
    breach: float = 0.0  # of the elastic problem: by how much the sums are overstepped, of NAV


def _objective(plan: Layout, problem: Problem, *, elastic: bool) -> tuple[Array, Array, float]:
    """Return the diagonal of P, q, and c in y = c L'w."""
    diagonal, linear = np.zeros(plan.size), np.zeros(plan.size)
    if elastic:
        linear[plan.t] = 1.0
        return diagonal, linear, 0.0
    scale, n = plan.scale, len(plan.at)
    aversion = problem.risk_aversion * problem.horizon / scale**2
    alpha = problem.alpha_N[plan.at] / scale
    variance = problem.risk.volatility_N[plan.at] ** 2
    typical = max(float(np.abs(alpha).mean()), aversion * float(variance.mean()), 1e-300)
    diagonal[:n] = aversion * problem.risk.specific_variance_N[plan.at] / typical
    diagonal[plan.y : plan.u] = 1.0
    linear[:n] = -alpha / typical
    if plan.trades:
        linear[plan.u : plan.u + n] = problem.rate / scale / typical
    if plan.shorts:
        linear[plan.m : plan.m + n] = problem.borrow / scale / typical
    linear[plan.s : plan.v] = problem.impact_N[plan.at][plan.impact] / scale**1.5 / typical
    return diagonal, linear, float(np.sqrt(aversion / typical))


def solve(
    problem: Problem, demand: Demand, *, elastic: bool = False, equilibrate: bool = False
) -> Solution:
    """Solve once; `good` says whether the residuals and the gap that we compute are small.

    The elastic problem has no objective but the size of the largest breach.
    """
    plan = layout(problem, demand, elastic=elastic)
    diagonal, linear, strength = _objective(plan, problem, elastic=elastic)
    rows = Rows(plan.size)
    zeros = add_factors(rows, plan, problem, strength)
    add_bounds(rows, plan, problem, demand)
    add_sums(rows, plan, problem, demand, elastic=elastic)
    if elastic:
        rows.add(np.zeros(1), (np.array([plan.t]), -1.0))
    plain = rows.count - zeros
    cones = [clarabel.ZeroConeT(zeros)] if zeros else []
    cones += [clarabel.NonnegativeConeT(plain)] if plain else []
    cones += [clarabel.SecondOrderConeT(3)] * add_cones(rows, plan)
    matrix, bound = rows.matrix()
    settings = _settings(equilibrate=equilibrate)
    hessian = sparse.csc_matrix(sparse.diags(diagonal))
    answer = clarabel.DefaultSolver(hessian, linear, matrix, bound, cones, settings).solve()
    return _judged(plan, demand, answer, diagonal, linear, matrix, bound, elastic=elastic)


def _settings(*, equilibrate: bool) -> clarabel.DefaultSettings:
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.max_threads = 1
    # The problem is scaled already: the solver's own equilibration made 1 in 12 of them stall.
    settings.equilibrate_enable = equilibrate
    settings.iterative_refinement_max_iter = 30
    settings.iterative_refinement_reltol = settings.iterative_refinement_abstol = 1e-15
    settings.iterative_refinement_stop_ratio = 2.0
    return settings


def _judged(
    plan: Layout,
    demand: Demand,
    answer: clarabel.DefaultSolution,
    diagonal: Array,
    linear: Array,
    matrix: sparse.csc_matrix,
    bound: Array,
    *,
    elastic: bool,
) -> Solution:
    x, z, slack = (np.asarray(part) for part in (answer.x, answer.z, answer.s))
    curve = diagonal * x
    primal = np.abs(matrix @ x + slack - bound).max(initial=0.0) / (
        1 + np.abs(bound).max(initial=0)
    )
    dual = np.abs(curve + linear + matrix.T @ z).max(initial=0.0) / (1 + np.abs(linear).max())
    reached, least = x @ curve / 2 + linear @ x, -(x @ curve) / 2 - bound @ z
    gap = abs(reached - least) / (1 + min(abs(reached), abs(least)))
    good = bool(primal <= GOOD and gap <= GOOD and dual <= STEEP)
    weights = plan.fixed_N.copy()
    weights[plan.at] = x[: len(plan.at)] / plan.scale
    return Solution(
        weights_N=weights if elastic else np.clip(weights, demand.lower_N, demand.upper_N),
        status=str(answer.status),
        iterations=int(answer.iterations),
        primal_residual=float(primal),
        dual_residual=float(dual),
        gap=float(gap),
        good=good,
        breach=float(x[plan.t]) / plan.scale if elastic else 0.0,
    )


def best(problem: Problem, demand: Demand) -> Solution | None:
    """Return the best weights within `demand`, or None where there are none.

    Raises Unsolved where the solver neither reaches our residuals nor shows that nothing is there.
    """
    if bool((demand.lower_N > demand.upper_N).any()):
        return None
    if bool((demand.lower_N == demand.upper_N).all()):
        return _nothing_to_choose(problem, demand)
    first = solve(problem, demand)
    if first.good:
        return first
    if not reachable(problem, demand):
        return None
    # Bounds that leave no interior stall the solver: open them by what counts as met.
    wider = tuple(row._replace(most=row.most + 2 * ELASTIC) for row in demand.rows)
    tries = (
        (demand, True),
        (demand._replace(rows=wider), False),
        (demand._replace(rows=wider), True),
    )
    for asked, equilibrate in tries:
        again = solve(problem, asked, equilibrate=equilibrate)
        if again.good:
            return again
    raise Unsolved(
        f"The optimiser ended {first.status} with residuals {first.primal_residual:.1e}, "
        f"{first.dual_residual:.1e} and gap {first.gap:.1e}, above {GOOD:.0e}."
    )


def reachable(problem: Problem, demand: Demand) -> bool:
    """Return whether any weights, fractions of shares allowed, meet bounds and sums of `demand`.

    The number of names is not looked at. No risk term stands in this problem: with even a tiny one
    the solver calls infeasible problems solved.
    """
    if bool((demand.lower_N > demand.upper_N).any()):
        return False
    if bool((demand.lower_N == demand.upper_N).all()):
        return _nothing_to_choose(problem, demand) is not None
    if not demand.rows:
        return True
    answer = solve(problem, demand, elastic=True)
    if not answer.good:
        answer = solve(problem, demand, elastic=True, equilibrate=True)
    if not answer.good:
        raise Unsolved(f"Whether the limits can be met stays open: solver ended {answer.status}.")
    return answer.breach <= ELASTIC


def _nothing_to_choose(problem: Problem, demand: Demand) -> Solution | None:
    """Return the only weights there are, if they keep within the sums of `demand`."""
    totals = sums(problem, demand, demand.lower_N).sum(1)
    if breach(demand, totals).any():
        return None
    return Solution(demand.lower_N.copy(), "NothingToChoose", 0, 0.0, 0.0, 0.0, True)
