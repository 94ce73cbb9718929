"""All limits of a book taken together: which apply, what they ask, how a rounded book fares."""

from collections.abc import Collection
from typing import Any, Literal

import numpy as np

from tasks.market.history import Array
from tasks.portfolio.limits import LIMITS, Demand, free, is_stale
from tasks.portfolio.problem import Problem

WHOLE_SHARES = "whole shares"  # named in a conflict that only rounding causes
Leaving = Literal["out", "down"]  # names to be sold: as far as volume allows, or any part of it


class Infeasible(ValueError):
    """No book meets all limits. `conflicts` names those that cannot hold together."""

    def __init__(self, conflicts: list[str], message: str):
        super().__init__(message)
        self.conflicts = conflicts


def set_limits(problem: Problem) -> list[str]:
    """Return the limits that the book sets, switched off or not, in the order of LIMITS."""
    values = {name: getattr(problem.limits, name) for name in LIMITS}
    return [name for name, value in values.items() if value is not None and value is not False]


def active_limits(problem: Problem) -> list[str]:
    """Return the limits that apply now; on a first investment turnover does not."""
    idle = {"turnover"} if problem.first else set()
    return [n for n in set_limits(problem) if n not in problem.switched_off and n not in idle]


def demands(problem: Problem, limits: Collection[str], *, leaving: Leaving) -> Demand:
    """Return what `limits` ask together, with what holds always.

    A name without a price keeps its weight. A name that may not be held any more only shrinks:
    `out` takes it as close to zero as `limits` on single names allow, `down` leaves open how far.
    """
    asked = free(problem)
    for name in limits:
        asked = asked.meet(LIMITS[name].demand(problem))
    now = problem.current_N
    stuck, goes = ~problem.priced_N, ~problem.open_N
    low = np.where(goes, np.maximum(asked.lower_N, np.minimum(now, 0.0)), asked.lower_N)
    high = np.where(goes, np.minimum(asked.upper_N, np.maximum(now, 0.0)), asked.upper_N)
    if leaving == "out":
        nearest = np.clip(0.0, low, high)
        low, high = np.where(goes, nearest, low), np.where(goes, nearest, high)
    low, high = np.where(stuck, now, low), np.where(stuck, now, high)
    return asked._replace(lower_N=low, upper_N=high)


def refuse_what_cannot_be_judged(problem: Problem) -> None:
    """Raise Infeasible where a limit that applies lacks its input for a name that could trade."""
    for name in active_limits(problem):
        blind = sorted(LIMITS[name].unjudged(problem))
        if blind:
            some = ", ".join(blind[:5]) + (f" and {len(blind) - 5} more" if len(blind) > 5 else "")
            raise Infeasible(
                [name],
                f"The limit {name} ({LIMITS[name].bound(problem.limits)}) cannot be judged for "
                f"{some}: bring its input, or switch the limit off in the book.",
            )


def limit_checks(problem: Problem, weights_N: Array) -> list[dict[str, Any]]:
    """Return one record a limit the book sets: limit, value, bound, passed, off and worst.

    `bound` is in words; `off` says why a limit was not judged (then `value` is None) or is empty;
    `worst` names the instrument that is nearest to, or furthest over, a limit on single names.
    """
    active = active_limits(problem)
    return [_check(problem, weights_N, name, judged=name in active) for name in set_limits(problem)]


def _check(problem: Problem, weights_N: Array, name: str, *, judged: bool) -> dict[str, Any]:
    record: dict[str, Any] = {"limit": name, "value": None}
    record["bound"] = LIMITS[name].bound(problem.limits)
    if not judged:
        reason = problem.switched_off.get(name, "first investment")
        return {**record, "passed": True, "off": reason, "worst": ""}
    value, passed, worst = LIMITS[name].check(problem, weights_N)
    return {
        **record,
        "value": value if np.isfinite(value) else None,
        "passed": bool(passed),
        "off": "",
        "worst": worst,
    }


def binding_limits(problem: Problem, weights_N: Array) -> list[str]:
    """Return, for each name, the limits on single names that stop it within one lot, in words."""
    active = set(active_limits(problem))
    traded = weights_N - problem.current_N
    reasons: list[list[str]] = [[] for _ in weights_N]
    old = is_stale(problem)
    for name in ("box", "participation"):
        if name in active:
            asked = LIMITS[name].demand(problem)
            held = weights_N if name == "box" else traded
            room = np.where(held > 0, asked.upper_N - weights_N, weights_N - asked.lower_N)
            for at in np.flatnonzero((held != 0) & (room < problem.lot_N - TINY) & ~old):
                reasons[at].append(name)
    for at in np.flatnonzero(old):
        reasons[at].append("stale")
    return [", ".join(words) for words in reasons]


TINY = 1e-12
