"""Every limit finds its planted breach, is silent on a clean book, and can be switched off."""

from typing import Any, get_args

import numpy as np
import pytest

from conf.schema import LimitName
from tasks.portfolio.decide import Holdings, Infeasible, decide
from tasks.portfolio.demands import active_limits, limit_checks
from tasks.portfolio.limits import LIMITS
from tasks.portfolio.problem import make_problem

NAMES = ["AAA", "BBB", "CCC", "DDD"]
EVERY = {
    "long_only": True,
    "box": {"min": 0, "max": 0.3},
    "gross": 0.9,
    "net": {"min": 0.5, "max": 0.9},
    "cash": 0.1,
    "turnover": 0.1,
    "participation": 0.1,
    "stale": 0,
    "names": {"min": 2, "max": 3},
}
CLEAN = [0.25, 0.25, 0.20, 0.0]
PLANTED = {  # limit -> weights that break it; DDD has an old price, CCC little volume
    "long_only": [0.3, 0.3, 0.2, -0.1],
    "box": [0.35, 0.2, 0.2, 0.0],
    "gross": [0.3, 0.35, 0.35, 0.0],
    "net": [0.2, 0.2, 0.0, 0.0],
    "cash": [0.3, 0.3, 0.3, 0.05],
    "turnover": [0.0, 0.1, 0.2, 0.0],
    "participation": [0.25, 0.25, 0.25, 0.0],
    "stale": [0.25, 0.25, 0.20, 0.05],
    "names": [0.25, 0.25, 0.2, 0.01],
}


@pytest.fixture
def problem(book, snapshot, risk, positions):
    def make(limits: dict[str, Any] = EVERY, **changes: Any):
        table = snapshot(NAMES, adv=[1e6, 1e6, 1e5, 1e6], stale_sessions=[0, 0, 0, 3])
        held = Holdings(3e5, positions({"AAA": 2_500, "BBB": 2_500, "CCC": 2_000}))
        return make_problem(table, risk(NAMES), held, book(limits, **changes), 5)

    return make


def failed(problem, weights: list[float]) -> list[str]:
    return [c["limit"] for c in limit_checks(problem, np.array(weights)) if not c["passed"]]


def test_the_registry_and_the_schema_know_the_same_limits():
    assert set(LIMITS) == set(get_args(LimitName)) == set(PLANTED)


@pytest.mark.parametrize("name", LIMITS)
def test_finds_its_planted_breach(problem, name):
    assert name in failed(problem(), PLANTED[name])


def test_is_silent_on_a_clean_book(problem):
    assert failed(problem(), CLEAN) == []


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_that_is_switched_off_says_so_and_does_not_judge(problem, name):
    off = problem(switched_off={name: "no data"})
    check = next(c for c in limit_checks(off, np.array(PLANTED[name])) if c["limit"] == name)
    assert (check["off"], check["value"], check["passed"]) == ("no data", None, True)
    assert name not in active_limits(off)


@pytest.mark.parametrize("name", LIMITS)
def test_states_its_bound_in_words(problem, name):
    assert len(LIMITS[name].bound(problem().limits)) > 5


def test_an_absent_limit_is_not_listed(problem):
    loose = problem({"box": {"max": 1.0}, "stale": None})
    assert [c["limit"] for c in limit_checks(loose, np.array(CLEAN))] == ["box", "cash"]


@pytest.mark.parametrize(
    "missing", [{"adv": [1e8, None, 1e8, 1e8]}, {"stale_sessions": [0, None, 0, 0]}]
)
def test_a_limit_whose_input_is_missing_blocks(book, snapshot, risk, positions, missing):
    limits = {"box": {"max": 0.5}, "participation": 0.1, "stale": 0}
    name = "participation" if "adv" in missing else "stale"

    def run(**changes: Any):
        return decide(
            snapshot(NAMES, **missing),
            risk(NAMES),
            Holdings(1e6, positions({})),
            mandate=book(limits, **changes),
            horizon=5,
            as_of=risk(NAMES).as_of,
            book="b",
        )

    with pytest.raises(Infeasible, match="cannot be judged for BBB") as caught:
        run()
    assert caught.value.conflicts == [name]
    assert run(switched_off={name: "no data"}).checks


def test_turnover_does_not_hold_on_a_first_investment(book, snapshot, risk, positions):
    limits = {
        "long_only": True,
        "box": {"max": 0.5},
        "net": {"min": 0.8, "max": 1},
        "turnover": 0.01,
    }
    chosen = decide(
        snapshot(NAMES),
        risk(NAMES),
        Holdings(1e6, positions({})),
        mandate=book(limits),
        horizon=5,
        as_of=risk(NAMES).as_of,
        book="b",
    )
    assert next(c["off"] for c in chosen.checks if c["limit"] == "turnover") == "first investment"
    assert chosen.summary["turnover"] == pytest.approx(0.4, abs=0.01)
