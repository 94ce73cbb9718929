"""Which limits cannot hold together: a deletion filter over named groups of constraints.

Starting from all limits, each is left out in turn; where nothing can be met even so, it was not
part of the conflict. What remains cannot be met, and can once any of it is dropped (Chinneck,
"Feasibility and Infeasibility in Optimization", 2008). Several conflicts may coexist: the search
goes on among the limits outside the conflict until these can all be met together.
"""

from tasks.portfolio.conic import reachable
from tasks.portfolio.demands import WHOLE_SHARES, Infeasible, demands, limit_checks
from tasks.portfolio.limits import LIMITS
from tasks.portfolio.lots import inward
from tasks.portfolio.problem import Problem
from tasks.portfolio.whole import whole_lots


def explain(problem: Problem, limits: list[str]) -> Infeasible:
    """Return the error that names limits no book can meet: without them, the rest can be met."""
    rest, conflicts = [*limits, WHOLE_SHARES], list[list[str]]()
    while not _possible(problem, rest):
        core = _core(problem, rest)
        conflicts.append(core)
        rest = [name for name in rest if name not in core or name == WHOLE_SHARES]
        if core in ([], [WHOLE_SHARES]):
            break
    named = sorted({name for core in conflicts for name in core if name != WHOLE_SHARES})
    if not named:
        named = limits
        conflicts = [[*limits, WHOLE_SHARES]]
    if any(WHOLE_SHARES in core for core in conflicts):
        named = [*named, WHOLE_SHARES]
    said = "; and ".join(_words(problem, core) for core in conflicts)
    return Infeasible(named, f"No book meets all limits together: {said}. Widen one of them.")


def _core(problem: Problem, names: list[str]) -> list[str]:
    """Return the part of `names` that is infeasible and needs every one of its members."""
    core = list(names)
    for name in [WHOLE_SHARES, *reversed(list(LIMITS))]:
        fewer = [other for other in core if other != name]
        if name in core and not _possible(problem, fewer):
            core = fewer
    return core


def _possible(problem: Problem, names: list[str]) -> bool:
    """Return whether any positions meet these limits; names to be sold may stay."""
    whole = WHOLE_SHARES in names
    limits = [name for name in names if name != WHOLE_SHARES]
    demand = demands(problem, limits, leaving="down")
    if not whole and "names" not in limits:
        return reachable(problem, demand)
    demand = inward(problem, demand) if whole else demand
    found = whole_lots(problem, demand, None, fractions=not whole)
    return found is not None


def _words(problem: Problem, core: list[str]) -> str:
    parts = []
    for name in core:
        if name == WHOLE_SHARES:
            parts.append(f"{name} (lots of {problem.lot}, NAV {problem.nav:,.0f})")
        else:
            parts.append(f"{name} ({LIMITS[name].bound(problem.limits)})")
    now = {check["limit"]: check["value"] for check in limit_checks(problem, problem.current_N)}
    standing = [f"{n} is {now[n]:.4g}" for n in core if now.get(n) is not None]
    held = f"; as held today {', '.join(standing)}" if standing and not problem.first else ""
    return " against ".join(parts) + held
