"""How much of a planted edge was recovered is one share over all markets."""

import runpy

import numpy as np
import pytest

from tests.reading import ROOT


@pytest.fixture(scope="module")
def bench() -> dict:
    return runpy.run_path(str(ROOT / "benchmarks" / "planted.py"))


def test_the_champion_alone_says_whether_an_edge_is_recovered(bench):
    rows = [{"model": "a", "likeness": 0.81, "share": 0.7}, {"model": "b", "likeness": 0.79}]
    assert bench["recovers"](rows, "a")
    assert not bench["recovers"](rows, "b")


def test_a_share_of_the_oracle_is_one_of_means_over_all_markets(bench):
    dice = np.random.default_rng(1)
    oracle = [0.03 + 0.01 * dice.standard_normal(400) for _ in range(3)]
    found, error = bench["share"]([0.9 * one for one in oracle], oracle, lags=10)
    assert found == pytest.approx(0.9)
    assert error == pytest.approx(0, abs=1e-12)
    loud = [0.9 * one + 0.05 * dice.standard_normal(400) for one in oracle]
    found, error = bench["share"](loud, oracle, lags=10)
    assert abs(found - 0.9) < 3 * error
    assert error == pytest.approx(0.05 / np.sqrt(1200) / 0.03, rel=0.15)
