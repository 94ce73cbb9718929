"""From weights to whole lots: the reachable positions, rounding that keeps sums, and small repairs.

A trade is a whole number of lots, or closes a position: an odd holding can be sold out, and keeps
its odd part otherwise.
"""

import numpy as np

from tasks.market.history import Array
from tasks.portfolio.limits import TOLERANCE, Demand, breach, sums
from tasks.portfolio.problem import Flags, Problem, Shares

CLEAR = 0.02  # of a lot: closer than this to a whole lot, rounding goes there
MOST_REPAIRS = 400


def position_at_most(problem: Problem, weights_N: Array) -> Shares:
    """Return the largest reachable position that weighs no more than each of `weights_N`."""
    lots = (weights_N - problem.current_N) / problem.lot_N
    shares = problem.shares_N + problem.lot * np.floor(lots + _fuzz(lots)).astype(np.int64)
    return np.where((shares < 0) & (weights_N >= 0), 0, shares)


def position_at_least(problem: Problem, weights_N: Array) -> Shares:
    """Return the smallest reachable position that weighs no less than each of `weights_N`."""
    lots = (weights_N - problem.current_N) / problem.lot_N
    shares = problem.shares_N + problem.lot * np.ceil(lots - _fuzz(lots)).astype(np.int64)
    return np.where((shares > 0) & (weights_N <= 0), 0, shares)


def _fuzz(lots: Array) -> Array:
    return 1e-9 * np.maximum(1.0, np.abs(lots))


def inward(problem: Problem, demand: Demand) -> Demand:
    """Return `demand` with bounds moved inward to reachable positions; they cross where none is."""
    low, high = demand.lower_N.copy(), demand.upper_N.copy()
    real = np.isfinite(low)
    safe = np.where(real, low, 0.0)
    low[real] = problem.weights(position_at_least(problem, safe))[real]
    real = np.isfinite(high)
    safe = np.where(real, high, 0.0)
    high[real] = problem.weights(position_at_most(problem, safe))[real]
    return demand._replace(lower_N=low, upper_N=high)


def with_margins(problem: Problem, demand: Demand) -> Demand:
    """Return `demand` with room for rounding taken off its sums: half a typical lot, capped."""
    lots = problem.lot_N[demand.upper_N > demand.lower_N]
    if not lots.size:
        return demand
    margin = min(float(np.median(lots)) / 2, 1e-3)
    return demand._replace(rows=tuple(r._replace(most=r.most - margin) for r in demand.rows))


def rounded(problem: Problem, weights_N: Array) -> Shares:
    """Return whole-lot positions whose sums stay close to those of `weights_N`.

    Buys and sells of longs and of shorts are four groups. Within each, from the largest lot to the
    smallest, a name goes up or down so that the group's running error stays least: net, gross and
    turnover all move by at most half a lot or so for each group.
    """
    low, high = position_at_most(problem, weights_N), position_at_least(problem, weights_N)
    down, up = problem.weights(low) - weights_N, problem.weights(high) - weights_N
    share = np.divide(-down, up - down, out=np.zeros_like(up), where=high > low)
    nearest = np.where(share < 0.5, low, high)
    group = 2 * (weights_N >= problem.current_N) + (weights_N >= 0)
    error = [0.0, 0.0, 0.0, 0.0]
    result = nearest.copy()
    for at in np.argsort(-problem.lot_N, kind="stable").tolist():
        which = int(group[at])
        options = [(float(down[at]), int(low[at])), (float(up[at]), int(high[at]))]
        if share[at] <= CLEAR or share[at] >= 1 - CLEAR:
            options = [options[int(share[at] >= 0.5)]]
        off, shares = min(options, key=lambda option: abs(error[which] + option[0]))
        error[which] += off
        result[at] = shares
    return result


def meets(problem: Problem, demand: Demand, shares_N: Shares) -> bool:
    """Return whether these positions meet bounds, sums and counts of `demand`."""
    weights = problem.weights(shares_N)
    held = int((shares_N != 0).sum())
    inside = (weights >= demand.lower_N - TOLERANCE) & (weights <= demand.upper_N + TOLERANCE)
    within = not breach(demand, sums(problem, demand, weights).sum(1)).any()
    counted = demand.fewest <= held <= (held if demand.most is None else demand.most)
    return bool(inside.all()) and within and counted


def repaired(problem: Problem, demand: Demand, shares_N: Shares, wanted_N: Array) -> Shares:
    """Return positions that meet the sums of `demand`, reached by moves of one lot, if they do.

    Each move is the one that leaves the least breach, and among equals the nearest to `wanted_N`.
    No move opens or closes a position. Ends where nothing is overstepped or no move helps.
    """
    shares = shares_N.copy()
    for _ in range(MOST_REPAIRS):
        weights = problem.weights(shares)
        here = sums(problem, demand, weights)
        total = float(breach(demand, here.sum(1)).sum())
        if total == 0.0:
            return shares
        moves = [_step(problem, demand, shares, weights, here, wanted_N, way) for way in (-1, 1)]
        left, distance = (np.concatenate([move[i] for move in moves]) for i in (0, 1))
        choice = int(np.lexsort((distance, left))[0])
        if not left[choice] < total - 1e-13:
            return shares
        way, at = divmod(choice, len(shares))
        shares[at] = moves[way][2][at]
    return shares


def _step(
    problem: Problem,
    demand: Demand,
    shares_N: Shares,
    weights_N: Array,
    here: Array,
    wanted_N: Array,
    way: int,
) -> tuple[Array, Array, Shares]:
    """Return the breach left, the distance added and the positions after one lot up or down."""
    moved = shares_N + way * problem.lot
    after = problem.weights(moved)
    there = sums(problem, demand, after)
    left = breach(demand, here.sum(1)[:, None] - here + there).sum(0)
    may = (after >= demand.lower_N - 1e-15) & (after <= demand.upper_N + 1e-15)
    may &= (shares_N != 0) & (moved != 0) & (np.sign(moved) == np.sign(shares_N))
    distance = np.abs(after - wanted_N) - np.abs(weights_N - wanted_N)
    return np.where(may, left, np.inf), distance, moved


def small_trades(problem: Problem, shares_N: Shares, *, min_trade: float) -> Flags:
    """Return which names trade less than `min_trade` (currency) without closing a position."""
    value = np.abs(shares_N - problem.shares_N) * problem.price_N
    return np.asarray((value > 0) & (value < min_trade) & (shares_N != 0) & problem.open_N)


def pinned_crumbs(
    problem: Problem, demand: Demand, shares_N: Shares, *, min_trade: float
) -> Demand | None:
    """Return `demand` with the names of small trades held where they are; None if there are none.

    Names that must move to come inside their bounds are left free.
    """
    now = problem.current_N
    inside = (demand.lower_N - TOLERANCE <= now) & (now <= demand.upper_N + TOLERANCE)
    small = small_trades(problem, shares_N, min_trade=min_trade) & inside
    if not small.any():
        return None
    return demand._replace(
        lower_N=np.where(small, now, demand.lower_N), upper_N=np.where(small, now, demand.upper_N)
    )


def without_crumbs(
    problem: Problem, demand: Demand, shares_N: Shares, *, min_trade: float
) -> Shares:
    """Return positions with trades below `min_trade` (currency) undone, where limits still hold.

    Trades that close a position, and those of names to be sold, stand. Smallest first; one that is
    needed to meet a limit stays.
    """
    small = small_trades(problem, shares_N, min_trade=min_trade)
    if not small.any():
        return shares_N
    value = np.abs(shares_N - problem.shares_N) * problem.price_N
    kept = np.where(small, problem.shares_N, shares_N)
    if meets(problem, demand, kept):
        return kept
    result, before = shares_N.copy(), sums(problem, demand, problem.current_N)
    here = sums(problem, demand, problem.weights(result))
    total, held = here.sum(1), int((result != 0).sum())
    for at in np.flatnonzero(small)[np.argsort(value[small], kind="stable")].tolist():
        changed = total - here[:, at] + before[:, at]
        names = held - int(problem.shares_N[at] == 0)
        now = problem.current_N[at]
        inside = demand.lower_N[at] - TOLERANCE <= now <= demand.upper_N[at] + TOLERANCE
        if inside and names >= demand.fewest and not breach(demand, changed).any():
            result[at], total, held = problem.shares_N[at], changed, names
    return result if meets(problem, demand, result) else shares_N
