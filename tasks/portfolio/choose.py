"""From a problem to whole-lot positions that meet every limit, or the limits that cannot be met."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from tasks.market.history import Array
from tasks.portfolio.conflicts import explain
from tasks.portfolio.conic import Solution
from tasks.portfolio.demands import (
    active_limits,
    demands,
    limit_checks,
    refuse_what_cannot_be_judged,
)
from tasks.portfolio.limits import Demand
from tasks.portfolio.lots import (
    inward,
    meets,
    pinned_crumbs,
    repaired,
    rounded,
    with_margins,
    without_crumbs,
)
from tasks.portfolio.problem import Flags, Problem, Shares
from tasks.portfolio.whole import whole_lots

Optimiser = Callable[[Problem, Demand], Solution | None]
PULL = 1.0  # what a weight that should be sold is expected to lose: dwarfs every other reason


class Choice(NamedTuple):
    """Positions to hold, and the continuous solution that they are the rounding of."""

    shares_N: Shares
    solution: Solution


def choose(problem: Problem, optimiser: Optimiser, *, min_trade: float) -> Choice:
    """Return the positions nearest to the optimum that meet every limit after rounding.

    Names to be sold go first: wholly where volume allows, else, where limits on the whole book
    stand in the way, as far as these allow. Raises Infeasible, naming the limits in conflict.
    """
    refuse_what_cannot_be_judged(problem)
    limits = active_limits(problem)
    for aim, demand, margins in _attempts(problem, limits):
        choice = _attempt(aim, demand, optimiser, margins=margins)
        if choice is None:
            continue
        pinned = pinned_crumbs(problem, demand, choice.shares_N, min_trade=min_trade)
        if pinned is not None:  # what small trades would have done, the larger ones do
            choice = _attempt(aim, pinned, optimiser, margins=margins) or choice
        shares = without_crumbs(problem, demand, choice.shares_N, min_trade=min_trade)
        if _passes(problem, shares):
            return choice._replace(shares_N=shares)
    last = inward(problem, demands(problem, limits, leaving="down"))
    found = whole_lots(problem, last, None)
    if found is not None and _passes(problem, found):
        solution = Solution(problem.weights(found), "WholeLotsOnly", 0, 0.0, 0.0, 0.0, True)
        return Choice(found, solution)
    raise explain(problem, limits)


def _attempts(problem: Problem, limits: list[str]) -> Iterator[tuple[Problem, Demand, bool]]:
    """Give the problem and the demand to try, the best first."""
    out = inward(problem, demands(problem, limits, leaving="out"))
    yield problem, out, True
    yield problem, out, False
    leaves = ~problem.open_N & (problem.shares_N != 0)
    if leaves.any():
        pull = np.where(leaves, -PULL * np.sign(problem.current_N), problem.alpha_N)
        down = inward(problem, demands(problem, limits, leaving="down"))
        yield problem._replace(alpha_N=pull), down, False


def _attempt(
    problem: Problem, demand: Demand, optimiser: Optimiser, *, margins: bool
) -> Choice | None:
    asked = with_margins(problem, demand) if margins else demand
    solution = optimiser(problem, asked)
    if solution is None:
        return None
    shares = rounded(problem, solution.weights_N)
    narrowed = _narrowed(problem, demand, shares, solution.weights_N)
    if narrowed is not None:
        rows = asked.rows
        again = optimiser(problem, narrowed._replace(rows=rows))
        if again is not None:
            solution = again
            shares = rounded(problem, solution.weights_N)
    target = demand if narrowed is None else narrowed
    shares = repaired(problem, target, _clipped(problem, shares, target), solution.weights_N)
    if meets(problem, demand, shares):
        return Choice(shares, solution)
    if margins:
        return None
    found = whole_lots(problem, demand, solution.weights_N)
    return None if found is None else Choice(found, solution)


def _clipped(problem: Problem, shares_N: Shares, demand: Demand) -> Shares:
    """Return positions inside the bounds, which are reachable themselves."""
    weights = np.clip(problem.weights(shares_N), demand.lower_N, demand.upper_N)
    moved = np.rint(weights * problem.nav / problem.price_N).astype(np.int64)
    return np.where(weights == problem.weights(shares_N), shares_N, moved)


def _narrowed(problem: Problem, demand: Demand, shares_N: Shares, wanted_N: Array) -> Demand | None:
    """Return `demand` for only as many names as may be held, or with more forced in; None if fine.

    Too many: all but the largest are held at zero. Too few: the next largest get at least one lot.
    """
    held = int((shares_N != 0).sum())
    forced = (demand.lower_N > 0) | (demand.upper_N < 0)
    order = np.lexsort((-np.abs(wanted_N), ~(shares_N != 0), ~forced))
    low, high = demand.lower_N.copy(), demand.upper_N.copy()
    if demand.most is not None and held > demand.most:
        out = order[demand.most :]
        out = out[~forced[out]]
        low[out] = high[out] = 0.0
    elif held < demand.fewest:
        for at in _next_names(problem, order[held:], demand)[: demand.fewest - held].tolist():
            lot = problem.lot_N[at]
            if wanted_N[at] >= 0 and high[at] >= lot:
                low[at] = lot
            else:
                high[at] = -lot
    else:
        return None
    return inward(problem, demand._replace(lower_N=low, upper_N=high))


def _next_names(problem: Problem, order: Shares, demand: Demand) -> Shares:
    """Return the names of `order` that could be held by at least one lot."""
    room = np.maximum(demand.upper_N, -demand.lower_N) >= problem.lot_N
    able: Flags = room & problem.open_N
    return order[able[order]]


def _passes(problem: Problem, shares_N: Shares) -> bool:
    weights = problem.weights(shares_N)
    return all(check["passed"] for check in limit_checks(problem, weights))
