"""Ranks from one sorting equal those of sorting anew, in any subset and any group."""

import warnings

import numpy as np
import pytest
from scipy.stats import rankdata

from tasks.statistics.ranks import grouped, in_order, ranks_of


def by_hand(values_TN: np.ndarray, counts_TN: np.ndarray, code_TN: np.ndarray) -> np.ndarray:
    """Return doubled and centred ranks within session and group, one group after the other."""
    out_TN = np.zeros(values_TN.shape)
    for session in range(len(values_TN)):
        for code in np.unique(code_TN[session]):
            one = counts_TN[session] & (code_TN[session] == code)
            out_TN[session, one] = 2 * rankdata(values_TN[session, one]) - one.sum() - 1
    return out_TN


@pytest.mark.parametrize("digits", [0, 1, 15])
@pytest.mark.parametrize("seed", range(5))
def test_ranks_of_any_subset_equal_those_of_sorting_it(digits, seed):
    generator = np.random.default_rng(seed)
    values_TN = generator.normal(size=(9, 31)).round(digits)
    values_TN[generator.random(values_TN.shape) < 0.2] = np.nan
    values_TN[generator.random(values_TN.shape) < 0.05] = np.inf
    counts_TN = np.isfinite(values_TN) & (generator.random(values_TN.shape) < 0.7)
    found_TN = ranks_of(in_order(values_TN), counts_TN)
    assert np.array_equal(found_TN, by_hand(values_TN, counts_TN, np.zeros(values_TN.shape)))


@pytest.mark.parametrize("digits", [0, 15])
def test_ranks_within_groups_equal_those_of_each_group_alone(digits):
    generator = np.random.default_rng(3)
    values_TN = generator.normal(size=(7, 40)).round(digits)
    code_TN = generator.integers(-1, 4, values_TN.shape).astype(np.int16)
    code_TN[2] = -1
    counts_TN = (code_TN >= 0) & (generator.random(values_TN.shape) < 0.8)
    found_TN = ranks_of(grouped(in_order(values_TN), code_TN), counts_TN)
    assert np.array_equal(found_TN, by_hand(values_TN, counts_TN, code_TN))


def test_numbers_of_single_precision_are_ordered_as_any_other():
    special = [0.0, -0.0, 1e-45, -1e-45, 3.4e38, -3.4e38, np.nan, np.inf, -np.inf, 1.0, -1.0, 0.0]
    values = np.array([special], np.float32)
    finite = np.isfinite(values)
    found = ranks_of(in_order(values), finite)
    nudged = values.astype(np.float64)
    nudged[0, 9] = 1.0 + 1e-12  # no number of single precision: sorted the other way
    assert np.array_equal(found, ranks_of(in_order(nudged), finite))
    assert np.array_equal(found, by_hand(nudged, finite, np.zeros(values.shape)))


def test_numbers_too_great_for_single_precision_are_ordered_without_a_word():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = ranks_of(in_order([[1e300, -1e300, 3.0, 1e301]]), np.ones((1, 4), bool))
    assert found.tolist() == [[1.0, -3.0, -1.0, 3.0]]


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (1, 1)])
def test_empty_tables_have_empty_ranks(shape):
    assert ranks_of(in_order(np.ones(shape)), np.ones(shape, bool)).shape == shape
    with pytest.raises(ValueError, match=r"Expected a table \(T, N\), found shape \(2,\)"):
        in_order([1.0, 2.0])
