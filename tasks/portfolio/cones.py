"""The rows of the cone problem: which variables it has, and what ties them together.

Variables x = [w, y, u, m, s, v, t], weights scaled by S, the number of names free to move:
  y = c L'w          factor exposures, so that risk is y'y plus a diagonal: never an N x N matrix
  u >= |w - w0|      what is traded
  m >= max(-w, 0)    what is short; |w| = w + 2m
  s >= u^1.5         impact, as the cones u^2 <= s v and v^2 <= u
  t                  only in the elastic problem: by how much the sums overstep their bounds
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tasks.market.history import Array
from tasks.portfolio.limits import Demand
from tasks.portfolio.problem import Problem

Index = NDArray[np.signedinteger[Any]]


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


class Rows:
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


def add_bounds(rows: Rows, plan: Layout, problem: Problem, demand: Demand) -> None:
    """Add the bounds on weights, and the rows that define what is traded and what is short."""
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


def add_sums(rows: Rows, plan: Layout, problem: Problem, demand: Demand, *, elastic: bool) -> None:
    """Add the rows over all names; what names that cannot move take up comes off the bound."""
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


def add_cones(rows: Rows, plan: Layout) -> int:
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


def add_factors(rows: Rows, plan: Layout, problem: Problem, strength: float) -> int:
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
