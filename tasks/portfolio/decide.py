"""What a book should hold next: one pure function from what is known to targets, orders and checks.

The night and the backtest call the same `decide`.
"""

from datetime import date
from math import sqrt
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from conf.schema import BPS, Book
from tasks.portfolio.choose import Choice, choose
from tasks.portfolio.demands import Infeasible, active_limits, limit_checks
from tasks.portfolio.optimisers import OPTIMISERS
from tasks.portfolio.problem import Holdings, Problem, make_problem
from tasks.portfolio.trades import order_rows, target_rows
from tasks.risk.covariance import portfolio_variance
from tasks.risk.factors import RiskModel

__all__ = ["Decision", "Holdings", "Infeasible", "decide"]

SESSIONS_A_YEAR = 252


class Decision(NamedTuple):
    """What a book should hold, the orders that bring it there, and why it may be believed."""

    targets: pl.DataFrame  # frames.DRAFT_TARGETS
    orders: pl.DataFrame  # frames.DRAFT_ORDERS
    checks: list[dict[str, Any]]  # limit, value, bound, passed, off, worst
    solver: dict[str, Any]  # status, iterations, residuals, objective
    summary: dict[str, Any]  # nav, cash, volatility, turnover, cost, gross, net, ...


def decide(
    snapshot: pl.DataFrame,
    risk: RiskModel,
    holdings: Holdings,
    *,
    mandate: Book,
    horizon: int,
    as_of: date,
    book: str,
    revision: int = 0,
) -> Decision:
    """Return targets in whole lots that meet every limit of `mandate`, and the orders for them.

    Takes the `snapshot` (instrument, symbol, member, score, expected_return, price, price_session,
    adv, stale_sessions, perhaps `problem.QUOTES`): one row for each instrument of the universe or
    held, as known at `as_of`.
    Expected returns are over `horizon` sessions, risk is daily. The same inputs, in any order of
    rows, give the same bytes. Raises Infeasible, naming the limits in conflict.
    """
    problem = make_problem(snapshot, risk, holdings, mandate, horizon)
    optimiser = OPTIMISERS[mandate.objective.optimiser]
    choice = choose(problem, optimiser, min_trade=mandate.min_trade)
    orders = order_rows(
        problem,
        choice.shares_N,
        book=book,
        session=as_of,
        revision=revision,
        collar_bps=mandate.collar_bps,
    )
    return Decision(
        targets=target_rows(problem, choice.shares_N),
        orders=orders,
        checks=limit_checks(problem, problem.weights(choice.shares_N)),
        solver=_solver(problem, choice),
        summary=_summary(problem, choice),
    )


def _solver(problem: Problem, choice: Choice) -> dict[str, Any]:
    solution = choice.solution
    return {
        "status": solution.status,
        "iterations": solution.iterations,
        "primal_residual": solution.primal_residual,
        "dual_residual": solution.dual_residual,
        "gap": solution.gap,
        "objective": _utility(problem, solution.weights_N),
        "objective_rounded": _utility(problem, problem.weights(choice.shares_N)),
    }


def _utility(problem: Problem, weights_N: np.ndarray) -> float:
    """Return alpha'w - costs - borrow - risk_aversion / 2 * h * w' Sigma w."""
    variance = portfolio_variance(problem.risk, weights_N) * problem.horizon
    costs = float(problem.costs(weights_N).sum()) + _borrow(problem, weights_N)
    return float(problem.alpha_N @ weights_N) - costs - problem.risk_aversion / 2 * variance


def _borrow(problem: Problem, weights_N: np.ndarray) -> float:
    return problem.borrow * float(np.maximum(-weights_N, 0.0).sum())


def _summary(problem: Problem, choice: Choice) -> dict[str, Any]:
    shares = choice.shares_N
    weights = problem.weights(shares)
    cost = float(problem.costs(weights).sum())
    net = float(weights.sum())
    leaving = (shares != 0) & ~problem.open_N
    return {
        "nav": problem.nav,
        "cash": (1.0 - net - cost) * problem.nav,  # after the trade and its costs, in currency
        "cash_weight": 1.0 - net - cost,
        "volatility": sqrt(SESSIONS_A_YEAR * max(portfolio_variance(problem.risk, weights), 0.0)),
        "turnover": float(np.abs(weights - problem.current_N).sum()) / 2,
        "cost": cost * problem.nav,  # of the trades, in currency
        "cost_bps": cost / BPS,  # of NAV
        "borrow": _borrow(problem, weights) * problem.nav,  # over the horizon, in currency
        "gross": float(np.abs(weights).sum()),
        "net": net,
        "names": int((shares != 0).sum()),
        "orders": int((shares != problem.shares_N).sum()),
        "expected_return": float(problem.alpha_N @ weights),  # over the horizon, before costs
        "first_investment": problem.first,
        "limits": active_limits(problem),
        "leaving": [n for n, still in zip(problem.instruments, leaving, strict=True) if still],
        "risk_assumed": list(problem.assumed),
    }
