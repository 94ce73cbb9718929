"""VaR exceedances: right share, no clusters, and the p-values of the papers' formulas."""

import math

import numpy as np
import pytest
from scipy import stats

from tasks.statistics.coverage import christoffersen, kupiec


def test_the_expected_number_of_exceedances_is_never_suspicious():
    assert kupiec(5, 100, 0.05) == pytest.approx(1.0)


def test_kupiec_by_hand():
    ratio = -2 * math.log(0.95**90 * 0.05**10) + 2 * math.log(0.9**90 * 0.1**10)
    assert kupiec(10, 100, 0.05) == pytest.approx(stats.chi2.sf(ratio, 1))


def test_kupiec_rejects_outside_the_papers_region():
    """Kupiec (1995), table 3: 255 days at 5 %, not rejected at 5 % for 6 < N < 21."""
    accepted = [hits for hits in range(256) if kupiec(hits, 255, 0.05) > 0.05]
    assert accepted == list(range(7, 21))


@pytest.mark.parametrize("hits", [0, 50])
def test_kupiec_at_the_ends_is_finite(hits):
    assert 0 <= kupiec(hits, 50, 0.05) < 0.05


def test_kupiec_of_nothing_is_unknown():
    assert np.isnan(kupiec(0, 0, 0.05))


def test_kupiec_refuses_nonsense():
    with pytest.raises(ValueError, match="Expected 0 to 10 exceedances, found 11"):
        kupiec(11, 10, 0.05)
    with pytest.raises(ValueError, match="between 0 and 1"):
        kupiec(1, 10, 1.0)


def test_christoffersen_by_hand():
    flags = [0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0]
    # after calm: 2 of 7 hit; after a hit: 1 of 3; either: 3 of 10
    apart = 2 * math.log(2 / 7) + 5 * math.log(5 / 7) + math.log(1 / 3) + 2 * math.log(2 / 3)
    alike = 3 * math.log(0.3) + 7 * math.log(0.7)
    assert christoffersen(flags) == pytest.approx(stats.chi2.sf(2 * (apart - alike), 1))


def test_christoffersen_finds_clusters():
    clustered = np.zeros(500, bool)
    clustered[200:225] = True
    assert christoffersen(clustered) < 1e-6


def test_christoffersen_has_nothing_to_say_without_exceedances():
    assert christoffersen([False] * 9) == 1.0
    assert np.isnan(christoffersen([True]))


def test_both_tests_hold_their_level_on_independent_exceedances():
    flags = np.random.default_rng(2).random((400, 750)) < 0.05
    assert 0.02 < np.mean([kupiec(int(row.sum()), row.size, 0.05) < 0.05 for row in flags]) < 0.09
    assert 0.02 < np.mean([christoffersen(row) < 0.05 for row in flags]) < 0.13
