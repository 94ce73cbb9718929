"""Every optimiser keeps its demand and finds the optimum that an independent formulation finds."""

import time
import tracemalloc

import numpy as np
import pytest

from tasks.portfolio.conic import reachable
from tasks.portfolio.decide import Holdings
from tasks.portfolio.demands import active_limits, demands
from tasks.portfolio.limits import TOLERANCE, breach, sums
from tasks.portfolio.optimisers import OPTIMISERS
from tasks.portfolio.problem import make_problem

EVERY = pytest.mark.parametrize("name", OPTIMISERS)
LONG = {
    "long_only": True,
    "box": {"max": 0.1},
    "net": {"min": 0.9, "max": 0.98},
    "cash": 0.01,
    "turnover": 0.2,
    "participation": 0.3,
}
NEUTRAL = {
    "box": {"min": -0.1, "max": 0.1},
    "gross": 1.4,
    "net": {"min": -0.02, "max": 0.02},
    "turnover": 0.3,
}
COSTS = {"commission_bps": 1, "half_spread_bps": 3, "impact": 0.7, "borrow_bps_per_year": 100}


@pytest.fixture
def problem(book, snapshot, risk, positions):
    def make(limits, seed: int, count: int = 25, **costs):
        random = np.random.default_rng(seed)
        names = [f"N{i:04d}" for i in range(count)]
        table = snapshot(
            names,
            expected_return=random.normal(0, 0.004, count).tolist(),
            price=random.uniform(5, 300, count).tolist(),
            adv=np.exp(random.normal(15, 1, count)).tolist(),
        )
        weights = random.dirichlet(np.ones(count)) * 0.9
        if "long_only" not in limits:
            weights = (weights - weights.mean()) * 0.9
        prices = dict(table.select("instrument", "price").iter_rows())
        shares = {n: int(w * 1e7 / prices[n]) for n, w in zip(names, weights, strict=True)}
        held = positions(shares, prices)
        cash = 1e7 - float((held["shares"] * held["price"]).sum())
        mandate = book(limits, costs={**COSTS, **costs})
        return make_problem(table, risk(names, seed=seed), Holdings(cash, held), mandate, 5)

    return make


def demand_of(problem):
    return demands(problem, active_limits(problem), leaving="out")


def utility(problem, weights, alpha) -> float:
    risk = problem.risk
    sigma = risk.exposures_NK @ risk.factor_covariance_KK @ risk.exposures_NK.T
    sigma = sigma + np.diag(risk.specific_variance_N)
    moved = np.abs(weights - problem.current_N)
    cost = problem.rate * moved.sum() + (problem.impact_N * moved**1.5).sum()
    borrow = problem.borrow * np.maximum(-weights, 0).sum()
    penalty = problem.risk_aversion / 2 * problem.horizon * weights @ sigma @ weights
    return float(alpha @ weights - cost - borrow - penalty)


@EVERY
@pytest.mark.parametrize("limits", [LONG, NEUTRAL], ids=["long", "neutral"])
@pytest.mark.parametrize("seed", range(3))
def test_keeps_within_the_demand_and_judges_itself_good(problem, name, limits, seed):
    made = problem(limits, seed)
    demand = demand_of(made)
    answer = OPTIMISERS[name](made, demand)
    if answer is None:
        assert not reachable(made, demand)
        return
    assert answer.good
    assert (answer.weights_N >= demand.lower_N).all()
    assert (answer.weights_N <= demand.upper_N).all()
    assert breach(demand, sums(made, demand, answer.weights_N).sum(1)).max() <= 1e-6


@EVERY
def test_gives_none_where_nothing_is_allowed(problem, name):
    made = problem({**LONG, "box": {"max": 0.01}}, 0)
    assert OPTIMISERS[name](made, demand_of(made)) is None


@EVERY
def test_is_the_same_to_the_bit_again(problem, name):
    made = problem(NEUTRAL, 1)
    once, again = (OPTIMISERS[name](made, demand_of(made)) for _ in range(2))
    assert once.weights_N.tobytes() == again.weights_N.tobytes()


def test_minimum_variance_looks_at_no_expected_return(problem):
    made = problem(NEUTRAL, 2)
    deaf = made._replace(alpha_N=made.alpha_N * 100)
    once, again = (OPTIMISERS["minimum_variance"](p, demand_of(p)) for p in (made, deaf))
    assert once.weights_N.tobytes() == again.weights_N.tobytes()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")  # of the oracle's
@EVERY
@pytest.mark.parametrize("limits", [LONG, NEUTRAL], ids=["long", "neutral"])
@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_an_independent_formulation(problem, name, limits, seed):
    cp = pytest.importorskip("cvxpy")
    made = problem(limits, seed)
    alpha = made.alpha_N if name == "mean_variance" else np.zeros_like(made.alpha_N)
    w = cp.Variable(len(alpha))
    moved = cp.abs(w - made.current_N)
    cost = made.rate * cp.sum(moved) + cp.sum(cp.multiply(made.impact_N, cp.power(moved, 1.5)))
    root = made.risk.exposures_NK.T @ w
    variance = cp.sum_squares(root) + cp.sum_squares(
        cp.multiply(np.sqrt(made.risk.specific_variance_N), w)
    )
    gain = alpha @ w - cost - made.borrow * cp.sum(cp.neg(w))
    wish = cp.Maximize(1e3 * (gain - made.risk_aversion / 2 * made.horizon * variance))
    rules = [w <= limits["box"]["max"], w >= limits["box"].get("min", 0.0)]
    rules += [cp.sum(w) <= limits["net"]["max"], cp.sum(w) >= limits["net"]["min"]]
    rules += [cp.sum(w) + cost <= 1 - limits.get("cash", 0.0)]
    rules += [cp.sum(moved) / 2 <= limits["turnover"]]
    if "gross" in limits:
        rules += [cp.norm1(w) <= limits["gross"]]
    if "participation" in limits:
        rules += [moved <= limits["participation"] * made.volume_N]
    oracle = cp.Problem(wish, rules)
    oracle.solve(solver="CLARABEL")
    answer = OPTIMISERS[name](made, demand_of(made))
    if answer is None:
        assert oracle.status == "infeasible"
        return
    assert oracle.status in ("optimal", "optimal_inaccurate")
    assert utility(made, answer.weights_N, alpha) == pytest.approx(oracle.value / 1e3, abs=2e-7)
    assert np.abs(answer.weights_N - w.value).max() < 2e-3


@pytest.mark.slow
def test_five_thousand_names_never_make_a_square_matrix(problem):
    made = problem({**LONG, "turnover": 0.5, "participation": None}, 0, count=5_000)
    tracemalloc.start()
    answer = OPTIMISERS["mean_variance"](made, demand_of(made))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert answer.good
    assert peak < 5_000 * 5_000 * 8 / 2


@pytest.mark.slow
def test_a_thousand_names_take_about_a_second(problem):
    made = problem({**LONG, "turnover": 0.5, "participation": None}, 0, count=1_000)
    start = time.process_time()
    assert OPTIMISERS["mean_variance"](made, demand_of(made)).good
    assert time.process_time() - start < 3.0


def test_weights_keep_to_their_bounds_exactly(problem):
    made = problem(LONG, 0)
    answer = OPTIMISERS["mean_variance"](made, demand_of(made))
    assert answer.weights_N.max() <= 0.1 + TOLERANCE
