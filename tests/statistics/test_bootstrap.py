"""Block-resampled differences: seeded, paired, and as wide as theory says."""

import numpy as np
import pytest

from tasks.statistics.bootstrap import difference, stationary_bootstrap


def series(seed: int, scale: float = 0.01, count: int = 800) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0004, scale, count)


def mean(returns_DT: np.ndarray) -> np.ndarray:
    return returns_DT.mean(axis=1)


def spread(returns_DT: np.ndarray) -> np.ndarray:
    return returns_DT.std(axis=1, ddof=1)


def test_blocks_follow_one_another_round_the_end_and_are_as_long_as_asked():
    places = stationary_bootstrap(500, draws=200, block=20, seed=1)
    assert places.shape == (200, 500)
    assert (places.min(), places.max()) == (0, 499)
    follows = (places[:, 1:] - places[:, :-1]) % 500 == 1
    assert 1 / (1 - follows.mean()) == pytest.approx(20, rel=0.1)


def test_blocks_of_one_session_are_the_plain_bootstrap():
    places = stationary_bootstrap(50, draws=400, block=1, seed=2)
    assert np.bincount(places.ravel(), minlength=50).std() < 40


def test_a_mean_has_its_textbook_error():
    first, second = series(1), series(2)
    found = difference(first, second, mean, seed=3, block=1, draws=2000)
    assert found.value == pytest.approx(first.mean() - second.mean())
    assert found.error == pytest.approx(np.std(first - second) / np.sqrt(800), rel=0.06)


def test_a_calmer_series_is_told_from_a_wilder_one():
    found = difference(series(1, 0.01), series(2, 0.013), spread, seed=4)
    assert found.value == pytest.approx(-0.003, rel=0.2)
    assert found.low < found.value < found.high < 0


def test_what_both_share_cancels():
    market = series(5)
    noise = series(6, 0.001)
    paired = difference(market, market + noise, spread, seed=7)
    apart = difference(market, series(8), spread, seed=7)
    assert paired.error < apart.error / 3
    same = difference(market, market, mean, seed=7)
    assert (same.value, same.error) == (0, 0)


def test_the_same_seed_gives_the_same_answer():
    first, second = series(1), series(2)
    found = [difference(first, second, spread, seed=seed) for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]


def test_refuses_series_that_do_not_pair():
    with pytest.raises(ValueError, match="two finite series"):
        difference([0.1, float("nan")], [0.1, 0.2], mean, seed=1)
    with pytest.raises(ValueError, match="at least 2 sessions"):
        difference([0.1], [0.1], mean, seed=1)
