"""The continuous problem as cones, in factor form, solved by Clarabel and judged by ourselves.

Variables x = [w, y, u, m, s, v, t], weights scaled by S, the number of names free to move:
  y = c L'w          factor exposures, so that risk is y'y plus a diagonal: never an N x N matrix
  u >= |w - w0|      what is traded
  m >= max(-w, 0)    what is short; |w| = w + 2m
  s >= u^1.5         impact, as the cones u^2 <= s v and v^2 <= u
  t                  only in the elastic problem: by how much the sums overstep their bounds
"""

from typing import Any, NamedTuple

import clarabel
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tasks.market.history import Array
from tasks.portfolio.limits import Demand, breach, sums
from tasks.portfolio.problem import Problem

Index = NDArray[np.signedinteger[Any]]
GOOD = 1e-6  # largest scaled residual and gap of an acceptable solution
ELASTIC = 1e-7  # of NAV: limits overstepped by less are met


class Unsolved(RuntimeError):  # noqa: N818
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


class Layout(NamedTuple):
    """Which names are free to move, and where each block of variables starts."""

    at: Index  # rows of the problem that are free
    fixed_N: Array  # weights of all others, 0 where free
    scale: float
    impact: Index  # positions among the free with impact
    y: int
    u: int
    m: int
    s: int
    v: int
    t: int
    size: int
    trades: bool
    shorts: bool


def layout(problem: Problem, demand: Demand, *, elastic: bool) -> Layout:
    """Return the blocks that this demand needs: no u without costs, no m without shorts."""
    fixed = demand.upper_N == demand.lower_N
    at = np.flatnonzero(~fixed)
    n, k = len(at), problem.loadings_NK.shape[1] if not elastic else 0
    rated = bool(problem.rate or problem.impact_N[at].any())
    impact = np.flatnonzero(problem.impact_N[at] > 0)
    trades = rated or any(row.traded for row in demand.rows)
    shorted = problem.borrow > 0 or any(row.short for row in demand.rows)
    shorts = bool(shorted and (demand.lower_N[at] < 0).any())
    u = n + k
    m = u + n * trades
    s = m + n * shorts
    v = s + len(impact)
    t = v + len(impact)
    middle = np.where(fixed, demand.lower_N, 0.0)
    return Layout(
        at, middle, float(max(n, 1)), impact, n, u, m, s, v, t, t + elastic, trades, shorts
    )


class _Rows:
    """Sparse rows A x + slack = b, gathered block by block."""

    def __init__(self, size: int) -> None:
        self.size, self.count = size, 0
        self.rows: list[Index] = []
        self.columns: list[Index] = []
        self.values: list[Array] = []
        self.bounds: list[Array] = []

    def add(self, bounds: Array, *blocks: tuple[Index, Array | float]) -> None:
        """Add one row for each bound; a block puts one entry into each row."""
        here = np.arange(self.count, self.count + len(bounds))
        for columns, values in blocks:
            self.rows.append(here)
            self.columns.append(columns)
            self.values.append(np.broadcast_to(np.asarray(values, float), here.shape))
        self.bounds.append(np.asarray(bounds, float))
        self.count += len(bounds)

    def matrix(self) -> tuple[sparse.csc_matrix, Array]:
        """Return A and b."""
        if not self.count:
            return sparse.csc_matrix((0, self.size)), np.zeros(0)
        where = np.concatenate(self.rows), np.concatenate(self.columns)
        entries = np.concatenate(self.values)
        matrix = sparse.csc_matrix((entries, where), (self.count, self.size))
        return matrix, np.concatenate(self.bounds)


def _bounds(rows: _Rows, plan: Layout, problem: Problem, demand: Demand) -> None:
    scale, w = plan.scale, np.arange(len(plan.at))
    for sign, edge in ((1.0, demand.upper_N[plan.at]), (-1.0, -demand.lower_N[plan.at])):
        real = np.isfinite(edge)
        rows.add(scale * edge[real], (w[real], sign))
    now = scale * problem.current_N[plan.at]
    if plan.trades:
        rows.add(now, (w, 1.0), (plan.u + w, -1.0))
        rows.add(-now, (w, -1.0), (plan.u + w, -1.0))
    if plan.shorts:
        rows.add(np.zeros(len(w)), (w, -1.0), (plan.m + w, -1.0))
        rows.add(np.zeros(len(w)), (plan.m + w, -1.0))


def _sums(rows: _Rows, plan: Layout, problem: Problem, demand: Demand, *, elastic: bool) -> None:
    scale, w, fixed = plan.scale, np.arange(len(plan.at)), plan.fixed_N
    still = np.ones(len(fixed), bool)
    still[plan.at] = False
    traded = float(np.abs(fixed - problem.current_N)[still].sum())
    short = float(np.maximum(-fixed[still], 0.0).sum())
    cost = float(problem.costs(fixed)[still].sum())
    bend = problem.impact_N[plan.at][plan.impact] / np.sqrt(scale)
    for row in demand.rows:
        spent = row.net * fixed.sum() + row.traded * traded + row.short * short + row.cost * cost
        columns = [w, plan.s + np.arange(len(plan.impact))]
        values = [np.full(len(w), row.net), row.cost * bend]
        if plan.trades:
            columns.append(plan.u + w)
            values.append(np.full(len(w), row.traded + row.cost * problem.rate))
        if plan.shorts:
            columns.append(plan.m + w)
            values.append(np.full(len(w), row.short))
        if elastic:
            columns.append(np.array([plan.t]))
            values.append(np.array([-1.0]))
        column, value = np.concatenate(columns), np.concatenate(values)
        used = value != 0
        rows.rows.append(np.full(int(used.sum()), rows.count))
        rows.columns.append(column[used])
        rows.values.append(value[used])
        rows.bounds.append(np.array([scale * (row.most - spent)]))
        rows.count += 1


def _cones(rows: _Rows, plan: Layout) -> int:
    """Add |(2u, s - v)| <= s + v and |(2v, u - 1)| <= u + 1 for each name with impact."""
    count = len(plan.impact)
    base, one = rows.count, np.arange(count)
    u, s, v = plan.u + plan.impact, plan.s + one, plan.v + one
    first = base + 6 * one
    entries = [
        (first, s, -1.0), (first, v, -1.0), (first + 1, u, -2.0), (first + 2, s, -1.0),
        (first + 2, v, 1.0), (first + 3, u, -1.0), (first + 4, v, -2.0), (first + 5, u, -1.0),
    ]  # fmt: skip
    for row, column, value in entries:
        rows.rows.append(row)
        rows.columns.append(column)
        rows.values.append(np.full(count, value))
    rows.bounds.append(np.tile([0.0, 0.0, 0.0, 1.0, 0.0, -1.0], count))
    rows.count += 6 * count
    return 2 * count


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


def _factor_rows(rows: _Rows, plan: Layout, problem: Problem, strength: float) -> int:
    """Add y - c L'w = c L'w of the names that cannot move."""
    count = plan.u - plan.y
    if not count:
        return 0
    here = np.arange(count)
    loads = problem.loadings_NK[plan.at] * -strength
    rows.rows += [np.tile(here, len(plan.at)), here]
    rows.columns += [np.repeat(np.arange(len(plan.at)), count), plan.y + here]
    rows.values += [loads.ravel(), np.ones(count)]
    rows.bounds.append(strength * plan.scale * (problem.loadings_NK.T @ plan.fixed_N))
    rows.count += count
    return count


def solve(problem: Problem, demand: Demand, *, elastic: bool = False) -> Solution:
    """Solve once; `good` says whether the residuals and the gap that we compute are small.

    The elastic problem has no objective but the size of the largest breach, in `gap`.
    """
    plan = layout(problem, demand, elastic=elastic)
    diagonal, linear, strength = _objective(plan, problem, elastic=elastic)
    rows = _Rows(plan.size)
    zeros = _factor_rows(rows, plan, problem, strength)
    _bounds(rows, plan, problem, demand)
    _sums(rows, plan, problem, demand, elastic=elastic)
    if elastic:
        rows.add(np.zeros(1), (np.array([plan.t]), -1.0))
    plain = rows.count - zeros
    cones = [clarabel.ZeroConeT(zeros)] if zeros else []
    cones += [clarabel.NonnegativeConeT(plain)] if plain else []
    cones += [clarabel.SecondOrderConeT(3)] * _cones(rows, plan)
    matrix, bound = rows.matrix()
    hessian = sparse.csc_matrix(sparse.diags(diagonal))
    answer = clarabel.DefaultSolver(hessian, linear, matrix, bound, cones, _settings()).solve()
    return _judged(plan, demand, answer, diagonal, linear, matrix, bound, elastic=elastic)


def _settings() -> clarabel.DefaultSettings:
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.max_threads = 1
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
    worst = max(float(primal), float(dual), float(gap))
    weights = plan.fixed_N.copy()
    weights[plan.at] = x[: len(plan.at)] / plan.scale
    return Solution(
        weights_N=weights if elastic else np.clip(weights, demand.lower_N, demand.upper_N),
        status=str(answer.status),
        iterations=int(answer.iterations),
        primal_residual=float(primal),
        dual_residual=float(dual),
        gap=float(x[plan.t]) / plan.scale if elastic else float(gap),
        good=bool(np.isfinite(worst) and worst <= GOOD),
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
    second = solve(problem, demand._replace(rows=wider))
    if second.good:
        return second
    raise Unsolved(
        f"The optimiser ended {second.status} with residuals {second.primal_residual:.1e}, "
        f"{second.dual_residual:.1e} and gap {second.gap:.1e}, above {GOOD:.0e}."
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
        raise Unsolved(f"Whether the limits can be met stays open: solver ended {answer.status}.")
    return answer.gap <= ELASTIC


def _nothing_to_choose(problem: Problem, demand: Demand) -> Solution | None:
    """Return the only weights there are, if they keep within the sums of `demand`."""
    totals = sums(problem, demand, demand.lower_N).sum(1)
    if breach(demand, totals).any():
        return None
    return Solution(demand.lower_N.copy(), "NothingToChoose", 0, 0.0, 0.0, 0.0, True)
