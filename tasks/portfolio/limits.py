"""The limits of a book: what each asks of the optimiser, and how the rounded book is judged by it.

A limit asks for bounds on single weights and for linear rows over four sums: net weight, what is
traded, what is short, and the trading cost. The check is computed anew from whole shares.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from conf.schema import Limits
from tasks.market.history import Array
from tasks.portfolio.problem import Problem

TOLERANCE = 1e-9  # of NAV: what floating point may add to a weight or a sum of weights


class Row(NamedTuple):
    """net * sum(w) + traded * sum|w - w0| + short * sum(max(-w, 0)) + cost * cost <= most."""

    limit: str
    most: float
    net: float = 0.0
    traded: float = 0.0
    short: float = 0.0
    cost: float = 0.0


class Demand(NamedTuple):
    """What limits ask: bounds on each weight, rows over sums, and how many names."""

    lower_N: Array
    upper_N: Array
    rows: tuple[Row, ...] = ()
    fewest: int = 0
    most: int | None = None

    def meet(self, other: "Demand") -> "Demand":
        """Return what both ask."""
        both = [count for count in (self.most, other.most) if count is not None]
        return Demand(
            lower_N=np.maximum(self.lower_N, other.lower_N),
            upper_N=np.minimum(self.upper_N, other.upper_N),
            rows=self.rows + other.rows,
            fewest=max(self.fewest, other.fewest),
            most=min(both) if both else None,
        )


class Finding(NamedTuple):
    """What a check measured, whether it is within the bound, and the name that is furthest."""

    value: float
    passed: bool
    worst: str = ""


class Limit(NamedTuple):
    """One limit: its bound in words, what it asks, how it judges, and names it cannot judge."""

    bound: Callable[[Limits], str]
    demand: Callable[[Problem], Demand]
    check: Callable[[Problem, Array], Finding]  # of the weights after rounding
    unjudged: Callable[[Problem], Iterable[str]] = lambda _: ()


def free(problem: Problem) -> Demand:
    """Return the demand of no limit at all."""
    endless = np.full(len(problem.price_N), np.inf)
    return Demand(-endless, endless)


def _rows(problem: Problem, *rows: Row) -> Demand:
    return free(problem)._replace(rows=rows)


def _worst(problem: Problem, size_N: Array) -> str:
    return problem.names["instrument"][int(size_N.argmax())] if size_N.size else ""


def _long_only_check(problem: Problem, weights_N: Array) -> Finding:
    least = float(weights_N.min(initial=0.0))
    return Finding(least, least >= 0.0, _worst(problem, -weights_N) if least < 0 else "")


def _box(problem: Problem) -> Demand:
    box, count = problem.limits.box, len(problem.price_N)
    return Demand(np.full(count, box.min), np.full(count, box.max))


def _box_check(problem: Problem, weights_N: Array) -> Finding:
    box = problem.limits.box
    over = np.maximum(weights_N - box.max, box.min - weights_N)
    if not over.size:
        return Finding(0.0, True)
    at = int(over.argmax())
    good = bool(over[at] <= TOLERANCE)
    largest = at if not good else int(np.abs(weights_N).argmax())
    return Finding(float(weights_N[largest]), good, problem.names["instrument"][largest])


def _gross(problem: Problem) -> Demand:
    return _rows(problem, Row("gross", problem.limits.gross or 0.0, net=1.0, short=2.0))


def _gross_check(problem: Problem, weights_N: Array) -> Finding:
    gross = float(np.abs(weights_N).sum())
    return Finding(gross, gross <= (problem.limits.gross or 0.0) + TOLERANCE)


def _net(problem: Problem) -> Demand:
    span = problem.limits.net
    assert span is not None
    return _rows(problem, Row("net", span.max, net=1.0), Row("net", -span.min, net=-1.0))


def _net_check(problem: Problem, weights_N: Array) -> Finding:
    net, span = float(weights_N.sum()), problem.limits.net
    assert span is not None
    return Finding(net, span.min - TOLERANCE <= net <= span.max + TOLERANCE)


def _cash(problem: Problem) -> Demand:
    return _rows(problem, Row("cash", 1.0 - problem.limits.cash, net=1.0, cost=1.0))


def _cash_check(problem: Problem, weights_N: Array) -> Finding:
    cash = 1.0 - float(weights_N.sum()) - float(problem.costs(weights_N).sum())
    return Finding(cash, cash >= problem.limits.cash - TOLERANCE)


def _turnover(problem: Problem) -> Demand:
    return _rows(problem, Row("turnover", problem.limits.turnover or 0.0, traded=0.5))


def _turnover_check(problem: Problem, weights_N: Array) -> Finding:
    turnover = float(np.abs(weights_N - problem.current_N).sum()) / 2
    return Finding(turnover, turnover <= (problem.limits.turnover or 0.0) + TOLERANCE)


def _participation(problem: Problem) -> Demand:
    most = (problem.limits.participation or 0.0) * problem.volume_N
    known = np.isfinite(most)
    low = np.where(known, problem.current_N - most, -np.inf)
    return Demand(low, np.where(known, problem.current_N + most, np.inf))


def _participation_check(problem: Problem, weights_N: Array) -> Finding:
    traded = np.abs(weights_N - problem.current_N)
    volume = np.where(np.isfinite(problem.volume_N), problem.volume_N, 0.0)
    share = np.divide(traded, volume, out=np.where(traded > 0, np.inf, 0.0), where=volume > 0)
    most = (problem.limits.participation or 0.0) * volume
    good = bool((traded <= most + TOLERANCE).all())
    return Finding(float(share.max(initial=0.0)), good, _worst(problem, share))


def _without_volume(problem: Problem) -> Iterable[str]:
    tradable = problem.priced_N & ~is_stale(problem)
    return problem.names["instrument"].filter(tradable & np.isnan(problem.volume_N))


def is_stale(problem: Problem) -> np.ndarray:
    """Return which names may not be traded, their last price being too old."""
    most = problem.limits.stale
    if most is None or "stale" in problem.switched_off:
        return ~problem.priced_N
    return ~problem.priced_N | (problem.stale_N > most)


def _stale(problem: Problem) -> Demand:
    old, none = is_stale(problem), free(problem)
    low = np.where(old, problem.current_N, none.lower_N)
    return Demand(low, np.where(old, problem.current_N, none.upper_N))


def _stale_check(problem: Problem, weights_N: Array) -> Finding:
    traded = weights_N != problem.current_N
    ages = np.where(traded & np.isfinite(problem.stale_N), problem.stale_N, 0.0)
    good = not (traded & is_stale(problem)).any()
    oldest = float(ages.max(initial=0.0))
    return Finding(oldest, good, _worst(problem, ages) if oldest else "")


def _without_age(problem: Problem) -> Iterable[str]:
    return problem.names["instrument"].filter(problem.priced_N & np.isnan(problem.stale_N))


def _names(problem: Problem) -> Demand:
    counts = problem.limits.names
    assert counts is not None
    return free(problem)._replace(fewest=counts.min, most=counts.max)


def _names_check(problem: Problem, weights_N: Array) -> Finding:
    held, counts = int((weights_N != 0).sum()), problem.limits.names
    assert counts is not None
    return Finding(float(held), counts.min <= held <= counts.max)


def sums(problem: Problem, demand: Demand, weights_N: Array) -> Array:
    """Return what each name adds to each row of `demand`, (rows, N)."""
    parts = np.stack(
        [
            weights_N,
            np.abs(weights_N - problem.current_N),
            np.maximum(-weights_N, 0.0),
            problem.costs(weights_N),
        ]
    )
    factors = np.array([[r.net, r.traded, r.short, r.cost] for r in demand.rows]).reshape(-1, 4)
    return factors @ parts


def breach(demand: Demand, totals: Array) -> Array:
    """Return by how much each total (rows, ...) oversteps its row, beyond half the tolerance."""
    most = np.array([row.most for row in demand.rows]) + TOLERANCE / 2
    return np.maximum(totals - most.reshape(-1, *[1] * (totals.ndim - 1)), 0.0)


LIMITS: dict[str, Limit] = {
    "long_only": Limit(
        lambda limits: "no short position",
        lambda problem: free(problem)._replace(lower_N=np.zeros(len(problem.price_N))),
        _long_only_check,
    ),
    "box": Limit(
        lambda limits: f"each name {limits.box.min:.4g} to {limits.box.max:.4g}", _box, _box_check
    ),
    "gross": Limit(lambda limits: f"at most {limits.gross:.4g}", _gross, _gross_check),
    "net": Limit(
        lambda limits: f"{limits.net.min:.4g} to {limits.net.max:.4g}" if limits.net else "",
        _net,
        _net_check,
    ),
    "cash": Limit(lambda limits: f"at least {limits.cash:.4g} after costs", _cash, _cash_check),
    "turnover": Limit(lambda limits: f"at most {limits.turnover:.4g}", _turnover, _turnover_check),
    "participation": Limit(
        lambda limits: f"at most {limits.participation:.4g} of a name's daily volume",
        _participation,
        _participation_check,
        _without_volume,
    ),
    "stale": Limit(
        lambda limits: f"no trade on a price more than {limits.stale} sessions old",
        _stale,
        _stale_check,
        _without_age,
    ),
    "names": Limit(
        lambda limits: f"{limits.names.min} to {limits.names.max} held" if limits.names else "",
        _names,
        _names_check,
    ),
}
