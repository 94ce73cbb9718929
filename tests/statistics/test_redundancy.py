"""Signals that say the same are found, whatever their scale and sign."""

import tracemalloc

import numpy as np
import pytest
from scipy import stats

from tasks.statistics import redundancy
from tasks.statistics.redundancy import clusters, mean_rank_correlation


def signals(*, names: int = 30, sessions: int = 12, seed: int = 1) -> np.ndarray:
    """Return (N, T, 4): one signal, its inverse in other units, a rough copy, and another."""
    generator = np.random.default_rng(seed)
    first, other, noise = generator.normal(size=(3, names, sessions))
    return np.stack([first, -np.exp(first), first + 0.5 * noise, other], axis=2)


def test_is_the_mean_of_each_sessions_spearman_correlation():
    table_NTF = signals().round(1)
    counts_TN = np.random.default_rng(2).random((12, 30)) < 0.8
    found_FF = mean_rank_correlation(table_NTF, counts_TN)
    for one in range(4):
        for two in range(4):
            by_session = [
                stats.spearmanr(table_NTF[c, t, one], table_NTF[c, t, two])[0]
                for t, c in enumerate(counts_TN)
            ]
            assert found_FF[one, two] == pytest.approx(np.mean(by_session))


def test_sessions_made_together_change_nothing_but_the_last_bits(monkeypatch):
    table_NTF, counts_TN = signals(), np.ones((12, 30), bool)
    whole_FF = mean_rank_correlation(table_NTF, counts_TN)
    monkeypatch.setattr(redundancy, "CELLS_AT_ONCE", 1)
    assert mean_rank_correlation(table_NTF, counts_TN) == pytest.approx(whole_FF, abs=1e-15)


def test_many_signals_of_few_names_need_no_more_memory_than_many_names():
    table_NTF = np.random.default_rng(3).normal(size=(5, 300, 150)).astype(np.float32)
    tracemalloc.start()
    try:
        mean_rank_correlation(table_NTF, np.ones((300, 5), bool))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 60 * 2**20  # a few tables of CELLS_AT_ONCE numbers


def test_signals_that_never_vary_together_are_not_alike():
    table_NTF = signals()
    table_NTF[:, :, 3] = 7.0  # the same for all names
    table_NTF[:, :6, 0] = 1.0
    found_FF = mean_rank_correlation(table_NTF, np.ones((12, 30), bool))
    assert (found_FF[3] == 0).all()
    later_FF = mean_rank_correlation(table_NTF[:, 6:], np.ones((6, 30), bool))
    assert found_FF[0, 1] == pytest.approx(later_FF[0, 1])


def test_a_cluster_holds_what_says_the_same_in_either_direction():
    found_FF = mean_rank_correlation(signals(), np.ones((12, 30), bool))
    assert clusters(found_FF, correlation=0.7).tolist() == [0, 0, 0, 1]
    assert clusters(found_FF, correlation=0.95).tolist() == [0, 0, 1, 2]
    assert clusters(found_FF[[3, 0, 1]][:, [3, 0, 1]], correlation=0.7).tolist() == [0, 1, 1]
    assert clusters(np.eye(1), correlation=0.7).tolist() == [0]
    assert clusters(np.zeros((0, 0)), correlation=0.7).tolist() == []
