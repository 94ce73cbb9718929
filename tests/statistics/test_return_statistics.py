"""Yearly figures by hand, and Sharpe ratios with the errors and deflation of the papers."""

import math

import numpy as np
import pytest
from scipy import stats

from tasks.statistics.performance import (
    annual_return,
    deflated_sharpe,
    drawdown,
    sharpe,
    volatility,
)


def normal(seed: int, *, count: int = 1000, mean: float = 0.0005) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 0.01, count)


def test_annual_return_compounds():
    assert annual_return([0.1, -0.1]) == pytest.approx(0.99**126 - 1)
    assert annual_return([0.001] * 252) == pytest.approx(1.001**252 - 1)
    assert annual_return([0.5, -1.0]) == -1.0


def test_volatility_by_hand():
    assert volatility([0.01, 0.03]) == pytest.approx(0.02 / math.sqrt(2) * math.sqrt(252))


def test_sharpe_by_hand():
    found = sharpe([0.01, 0.03])
    assert found.value == pytest.approx(2 * math.sqrt(252))
    assert found.sessions == 2


def test_sharpe_error_is_los_where_returns_are_normal():
    count = 200_000
    found = sharpe(stats.norm.ppf((np.arange(count) + 0.5) / count) * 0.01 + 0.002)
    ratio = found.value / math.sqrt(252)
    lo = math.sqrt((1 + ratio**2 / 2) / count) * math.sqrt(252)
    assert found.error == pytest.approx(lo, rel=1e-3)


def test_sharpe_error_knows_skew_and_kurtosis():
    series = np.random.default_rng(1).standard_t(4, 500) * 0.01 + 0.001
    ratio = series.mean() / series.std()
    shape = 1 - stats.skew(series) * ratio + (stats.kurtosis(series) + 2) / 4 * ratio**2
    assert sharpe(series).error == pytest.approx(math.sqrt(shape / 500 * 252))


def test_sharpe_error_grows_where_returns_trend():
    shocks = normal(4, count=2000)
    trending = np.convolve(shocks, np.ones(4) / 4, "valid")
    assert sharpe(trending, lags=10).error > 1.5 * sharpe(trending).error


def test_sharpe_error_covers_the_truth():
    truth = 0.05 * math.sqrt(252)
    found = [sharpe(normal(seed, count=500)) for seed in range(300)]
    assert 0.91 < np.mean([abs(s.value - truth) < 1.96 * s.error for s in found]) < 0.985


def test_sharpe_of_what_does_not_move_is_unknown():
    assert np.isnan(sharpe([0.01] * 5)[:2]).all()
    assert np.isnan(deflated_sharpe([0.01] * 5, trials=3).probability)


def test_deflated_sharpe_of_the_papers_example():
    """Bailey & Lopez de Prado (2014), numerical example: 0.9004 after 100 trials."""
    ratio, count, skew, kurtosis = 2.5 / math.sqrt(250), 1250, -3.0, 10.0
    best = (1 - 0.5772156649) * stats.norm.ppf(0.99)
    best += 0.5772156649 * stats.norm.ppf(1 - 1 / (100 * math.e))
    threshold = math.sqrt(0.5 / 250) * best
    assert threshold == pytest.approx(0.1132, abs=1e-4)
    series = normal(9, count=count)
    found = deflated_sharpe(series, trials=100, trial_spread=math.sqrt(0.5 * 252 / 250))
    assert found.threshold / math.sqrt(252) == pytest.approx(threshold)
    width = math.sqrt(1 - skew * ratio + (kurtosis - 1) / 4 * ratio**2)
    assert stats.norm.cdf((ratio - threshold) * math.sqrt(count - 1) / width) == pytest.approx(
        0.9004, abs=1e-4
    )


def test_one_trial_gives_the_probability_that_the_ratio_is_above_zero():
    series = normal(3)
    found = deflated_sharpe(series, trials=1)
    assert found.threshold == 0
    plain = sharpe(series)
    assert found.probability == pytest.approx(stats.norm.cdf(plain.value / plain.error), abs=1e-3)


def test_the_best_of_many_lucky_trials_is_seldom_believed():
    believed = {1: 0, 25: 0}
    for start in range(0, 1000, 25):
        lucky = [normal(seed, count=250, mean=0.0) for seed in range(start, start + 25)]
        best = max(lucky, key=lambda returns: returns.mean() / returns.std())
        for trials in believed:
            believed[trials] += deflated_sharpe(best, trials=trials).probability > 0.95
    assert believed[1] > 25  # of 40: naive
    assert believed[25] < 5


def test_refuses_no_trials():
    with pytest.raises(ValueError, match="at least 1 trial"):
        deflated_sharpe(normal(1), trials=0)


def test_drawdown_counts_from_the_first_money():
    assert drawdown([-0.1, 0.2, -0.5]) == pytest.approx([-0.1, 0.0, -0.5])
    assert drawdown([0.1, 0.1]) == pytest.approx([0, 0])


def test_refuses_returns_that_are_not_numbers():
    with pytest.raises(ValueError, match="1 of 2 returns are not finite"):
        volatility([0.1, float("nan")])
    with pytest.raises(ValueError, match="at least 2 returns, found 1"):
        sharpe([0.1])
