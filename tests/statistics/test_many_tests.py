"""Joint tests that stay honest over many models and markets."""

import numpy as np
import pytest
from scipy import stats

from tasks.statistics.hac import hac_mean
from tasks.statistics.tests import joint_t, joint_wald

NAN = float("nan")


def test_joint_t_averages_independent_markets():
    markets = [np.random.default_rng(seed).normal(0.1, 1, 300) for seed in range(4)]
    means = [hac_mean(series, lags=3) for series in markets]
    found = joint_t(markets, lags=3)
    assert found.value == pytest.approx(np.mean([mean.value for mean in means]))
    assert found.error == pytest.approx(np.sqrt(sum(mean.error**2 for mean in means)) / 4)
    assert found.count == 1200


def test_joint_t_does_not_count_one_luck_twice():
    series = np.random.default_rng(1).normal(0.1, 1, 300)
    twice = np.column_stack([series, series])
    assert joint_t([twice], lags=3) == pytest.approx(joint_t([series], lags=3))
    holed = twice.copy()
    holed[::2, 1] = NAN
    assert joint_t([holed], lags=3) == pytest.approx(joint_t([series], lags=3))


def test_joint_t_refuses_markets_without_values():
    with pytest.raises(ValueError, match="Markets 1 have fewer than 2 values"):
        joint_t([[0.1, 0.2], [NAN, NAN]], lags=0)


def test_joint_wald_of_one_model_is_its_t_squared():
    series = np.random.default_rng(2).normal(0.05, 1, 400)
    statistic, p = joint_wald([series[:, None]], lags=4)
    t = hac_mean(series, lags=4).t
    assert statistic == pytest.approx(t**2)
    assert p == pytest.approx(2 * stats.norm.sf(abs(t)))


def test_joint_wald_holds_its_level_and_finds_an_edge():
    generator = np.random.default_rng(3)

    def draw(edge: float) -> float:
        shared = generator.normal(size=(3, 250, 1))
        tables = shared + generator.normal(size=(3, 250, 4)) + np.array([edge, 0, 0, 0])
        return joint_wald(list(tables), lags=2)[1]

    level = np.mean([draw(0.0) < 0.05 for _ in range(300)])
    assert stats.binom.ppf(0.001, 300, 0.04) / 300 < level < 0.12
    assert np.mean([draw(0.3) < 0.01 for _ in range(20)]) > 0.9


def test_joint_wald_does_not_count_the_same_model_twice():
    series = np.random.default_rng(2).normal(0.05, 1, 400)
    twice = joint_wald([np.column_stack([series, series])], lags=4)
    assert twice[1] == pytest.approx(joint_wald([series[:, None]], lags=4)[1])
