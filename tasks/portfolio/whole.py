"""Whole lots exactly: a mixed-integer search (HiGHS, by scipy) where rounding alone does not land.

Variables, each a block over names: k lots traded (whole), c close the odd part (0 or 1), u traded,
m short, z held (0 or 1), h counted as held (0 or 1), g distance from the wanted weight. The search
is bounded by nodes, not by seconds, so that it always ends the same way.
"""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from tasks.market.history import Array
from tasks.portfolio.limits import TOLERANCE, Demand
from tasks.portfolio.lots import meets
from tasks.portfolio.problem import Problem, Shares

NODES = 3_000
TIGHTER = 2e-6  # of NAV: taken off all sums where the search used its tolerance of 1e-6
ENDLESS = 20.0  # weights beyond this are not looked for
FEWEST = 1e-5  # a name that is counted as held weighs at least this
FINEST = 2e-9  # lots that weigh less need not be searched as whole numbers
BLOCKS = ("k", "c", "u", "m", "z", "h", "g")
Entry = tuple[str, Array | float]
Weight = list[tuple[str, Array]]


class _Model(NamedTuple):
    size: int
    rows: list[sparse.csr_matrix]
    least: list[Array]
    most: list[Array]

    def add(self, least: Array | float, most: Array | float, *entries: Entry) -> None:
        """Add one row a name: sum of coefficient * variable of that name, between the bounds."""
        wide = sparse.hstack([self._block(name, entries) for name in BLOCKS], format="csr")
        self.rows.append(wide)
        self.least.append(np.broadcast_to(np.asarray(least, float), self.size))
        self.most.append(np.broadcast_to(np.asarray(most, float), self.size))

    def add_sum(self, most: float, *entries: Entry) -> None:
        """Add one row: the same sum over all names, at most `most`."""
        zero = np.zeros(self.size)
        values = [sum((v for n, v in entries if n == name), start=zero) for name in BLOCKS]
        self.rows.append(sparse.csr_matrix(np.concatenate(values)[None, :]))
        self.least.append(np.array([-np.inf]))
        self.most.append(np.array([most]))

    def _block(self, name: str, entries: tuple[Entry, ...]) -> sparse.dia_matrix:
        value = np.zeros(self.size) + sum(v for n, v in entries if n == name)
        return sparse.diags(value)


def whole_lots(
    problem: Problem, demand: Demand, wanted_N: Array | None, *, fractions: bool = False
) -> Shares | None:
    """Return reachable positions that meet `demand`, nearest to `wanted_N` if given; else None.

    With `fractions` the lots need not be whole: the answer only tells whether any exist. Impact is
    a reserve in the cash row, raised until the exact cost fits.
    """
    if bool((demand.lower_N > demand.upper_N).any()):
        return None
    if not len(problem.price_N):
        return problem.shares_N if meets(problem, demand, problem.shares_N) else None
    reserve, tighter = _impact(problem, problem.current_N if wanted_N is None else wanted_N), 0.0
    for _ in range(5):
        rows = tuple(row._replace(most=row.most - tighter) for row in demand.rows)
        shares = _search(
            problem, demand._replace(rows=rows), wanted_N, reserve, fractions=fractions
        )
        if shares is None or fractions or meets(problem, demand, shares):
            return shares
        needed = _impact(problem, problem.weights(shares))
        if needed <= reserve and tighter:
            return None
        reserve, tighter = max(reserve, needed * 1.05), TIGHTER
    return None


def _impact(problem: Problem, weights_N: Array) -> float:
    """Return the part of the trading cost that is not linear."""
    linear = problem.rate * np.abs(weights_N - problem.current_N)
    return float((problem.costs(weights_N) - linear).sum())


def _search(
    problem: Problem, demand: Demand, wanted_N: Array | None, reserve: float, *, fractions: bool
) -> Shares | None:
    from scipy.optimize import Bounds, LinearConstraint, milp  # takes half a second, rarely needed

    count = len(problem.price_N)
    model = _Model(count, [], [], [])
    odd = np.fmod(problem.shares_N, problem.lot)
    low, high = np.clip(demand.lower_N, -ENDLESS, None), np.clip(demand.upper_N, None, ENDLESS)
    weight: Weight = [("k", problem.lot_N), ("c", -odd * problem.price_N / problem.nav)]
    lots_low, lots_high = _lot_bounds(problem, odd, low, high)
    _position_rows(model, problem, odd, weight, low, high, lots_low, lots_high)
    _sum_rows(model, problem, demand, weight, reserve)
    _count_rows(model, problem, demand, weight, low, high)
    aim = np.zeros(count * len(BLOCKS))
    if wanted_N is not None:
        gap = wanted_N - problem.current_N
        model.add(-np.inf, gap, *weight, ("g", -1.0))
        model.add(gap, np.inf, *weight, ("g", 1.0))
        aim[-count:] = 1.0
    zero, one, endless = np.zeros(count), np.ones(count), np.full(count, np.inf)
    bounds = Bounds(
        np.concatenate([lots_low, zero, zero, zero, zero, zero, zero]),
        np.concatenate([lots_high, (odd != 0) * one, endless, endless, one, one, endless]),
    )
    lots_whole = one * (not fractions) * (problem.lot_N > FINEST)
    whole = np.concatenate([lots_whole, one, zero, zero, one, one, zero])
    rows = LinearConstraint(
        sparse.vstack(model.rows, format="csr"),
        np.concatenate(model.least),
        np.concatenate(model.most),
    )
    options = {"node_limit": NODES, "mip_rel_gap": 0.05}
    answer = milp(aim, integrality=whole, bounds=bounds, constraints=rows, options=options)
    if answer.x is None:
        return None
    lots, closed = (np.rint(part).astype(np.int64) for part in answer.x.reshape(-1, count)[:2])
    shares = problem.shares_N + problem.lot * lots - odd * closed
    if demand.most is not None and demand.most < count:
        unheld = answer.x.reshape(-1, count)[BLOCKS.index("z")] < 0.5
        shares = np.where(unheld & (low <= 0) & (high >= 0), 0, shares)
    return shares


def _times(weight: Weight, factor: float) -> Weight:
    return [(name, value * factor) for name, value in weight]


def _lot_bounds(problem: Problem, odd: Shares, low: Array, high: Array) -> tuple[Array, Array]:
    """Return the fewest and most lots that could be traded; one more each way for odd holdings."""
    fewest = (low - problem.current_N) / problem.lot_N
    most = (high - problem.current_N) / problem.lot_N
    extra = np.where(odd != 0, 1.0, 1e-7)
    low_close = np.where(odd != 0, np.minimum(fewest, 0.0), fewest)
    high_close = np.where(odd != 0, np.maximum(most, 0.0), most)
    return low_close - extra, high_close + extra


def _position_rows(
    model: _Model,
    problem: Problem,
    odd: Shares,
    weight: Weight,
    low: Array,
    high: Array,
    lots_low: Array,
    lots_high: Array,
) -> None:
    """Bounds on weights; closing the odd part means that the position is zero; u and m."""
    now, room = problem.current_N, TOLERANCE / 2
    model.add(low - now - room, high - now + room, *weight)
    full = (problem.shares_N - odd) / problem.lot  # lots to sell until just the odd part is left
    up, down = lots_high + full, lots_low + full
    has = (odd != 0).astype(float)
    model.add(-np.inf, -full + up, ("k", 1.0), ("c", has * up))
    model.add(-full + down, np.inf, ("k", 1.0), ("c", has * down))
    model.add(-np.inf, 0.0, *weight, ("u", -1.0))
    model.add(0.0, np.inf, *weight, ("u", 1.0))
    model.add(-now, np.inf, *weight, ("m", 1.0))


def _sum_rows(
    model: _Model, problem: Problem, demand: Demand, weight: Weight, reserve: float
) -> None:
    held = float(problem.current_N.sum())
    for row in demand.rows:
        most = row.most - row.net * held - row.cost * reserve
        traded = row.traded + row.cost * problem.rate
        parts = _times(weight, row.net)
        model.add_sum(most, *parts, ("u", traded), ("m", row.short))


def _count_rows(
    model: _Model, problem: Problem, demand: Demand, weight: Weight, low: Array, high: Array
) -> None:
    """Add z = 1 where a name is held; h = 1 only where it is held by at least a lot (or crumb)."""
    now, one = problem.current_N, np.ones(model.size)
    if demand.most is not None and demand.most < model.size:
        model.add(-np.inf, -now, *weight, ("z", -np.maximum(high, 0.0)))
        model.add(-now, np.inf, *weight, ("z", -np.minimum(low, 0.0)))
        model.add_sum(float(demand.most), ("z", one))
    if demand.fewest > 0:
        crumb = np.where(problem.shares_N != 0, np.abs(now), np.inf)
        least = np.maximum(np.minimum(problem.lot_N, crumb) * 0.999, FEWEST)
        way = np.where(high >= -low, 1.0, -1.0)
        floor = np.where(way > 0, np.minimum(low, 0.0), np.minimum(-high, 0.0))
        size = [(name, value * way) for name, value in weight]
        # way * w >= floor + (least - floor) * h, where floor <= 0 is what h = 0 allows
        model.add(floor - way * now, np.inf, *size, ("h", floor - least))
        model.add_sum(-float(demand.fewest), ("h", -one))
