"""Looking often, and at several at once, finds no more by luck than was allowed for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from tasks.statistics.looks import holm, look_levels, spending

WEEKLY = [750 + 5 * week for week in range(52)]


def weekly_shares(alpha: float = 0.05) -> list[float]:
    return np.diff(spending(np.array(WEEKLY) / 1010, alpha=alpha), prepend=0).tolist()


def test_all_is_spent_at_the_end_and_never_less_than_before():
    spent = spending(np.linspace(0, 1, 101), alpha=0.05)
    assert spent[0] == 0
    assert spent[-1] == pytest.approx(0.05)
    assert (np.diff(spent) > 0).all()
    assert spending(2.0, alpha=0.05) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("counts", "shares"),
    [
        ([100, 110, 150, 400], [0.03, 0.01, 0.02, 0.02]),
        ([20, 21, 22, 23], [0.05, 0.05, 0.05, 0.05]),
        ([50, 500], [0.0, 0.1]),
    ],
)
def test_a_random_walk_first_crosses_at_each_look_as_often_as_was_allowed(counts, shares):
    dice, walks = np.random.default_rng(1), 200_000
    steps = np.sqrt(np.diff(counts, prepend=0))
    walk_WK = np.cumsum(dice.standard_normal((walks, len(counts))) * steps, axis=1)
    p_WK = stats.norm.sf(walk_WK / np.sqrt(counts))
    below_WK = p_WK <= np.array(look_levels(counts, shares))
    first = np.where(below_WK.any(axis=1), below_WK.argmax(axis=1), -1)
    found = [(first == look).mean() for look in range(len(counts))]
    for share, seen in zip(shares, found, strict=True):
        assert seen == pytest.approx(share, abs=4 * np.sqrt(share / walks) + 1e-12)


def test_a_week_later_most_was_seen_before_so_that_its_level_is_far_above_its_share():
    shares = weekly_shares()
    levels = look_levels(WEEKLY, shares)
    assert levels[0] == shares[0]
    assert all(level > 5 * share for level, share in zip(levels[1:], shares[1:], strict=True))
    assert levels[1] < levels[0]


def test_later_looks_never_move_the_levels_of_earlier_ones():
    shares = weekly_shares()
    assert look_levels(WEEKLY[:7], shares[:7]) == look_levels(WEEKLY, shares)[:7]


def test_a_look_at_no_more_values_has_its_share_alone():
    levels = look_levels([300, 300, 280, 310], [0.02, 0.003, 0.002, 0.01])
    assert levels[1:3] == (0.003, 0.002)
    assert levels[3] == look_levels([300, 310], [0.02, 0.01])[1]


@pytest.mark.parametrize(("counts", "shares"), [([0], [0.1]), ([10], [-0.1]), ([10, 20], [0.1])])
def test_refuses_looks_without_values_or_shares(counts, shares):
    with pytest.raises(ValueError, match="a positive count and a share"):
        look_levels(counts, shares)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_of_equal_weights_is_that_of_statsmodels(p):
    ours = holm(p, [1.0] * len(p), total=len(p))
    np.testing.assert_allclose(ours, multipletests(p, method="holm")[1], rtol=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(1e-6, 0.05)), min_size=1, max_size=6),
    st.floats(0, 0.05),
)
def test_the_first_that_holm_rejects_is_one_that_keeps_to_its_own_share(tests, absent):
    p, weights = zip(*tests, strict=True)
    total = sum(weights) + absent
    adjusted = holm(p, weights, total=total)
    least = min(range(len(p)), key=lambda place: p[place] / weights[place])
    assert adjusted[least] == min(adjusted)
    assert (adjusted[least] <= total * (1 - 1e-12)) <= (p[least] <= weights[least])
    assert (p[least] <= weights[least] * (1 - 1e-12)) <= (adjusted[least] <= total)
