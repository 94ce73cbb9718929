"""What a signal is worth, worked out by hand where a hand can do it."""

import numpy as np
import pytest

from tasks.statistics import persistence
from tasks.statistics import yardstick as yardsticks
from tasks.statistics.hac import hac_mean, hac_ratio
from tasks.statistics.ic import ic_series, quantile_returns, rank_ic_series
from tasks.statistics.series import rank_ics_of
from tasks.statistics.signal import measured
from tasks.statistics.yardstick import yardstick

NAN = float("nan")


def market(sessions: int = 80, names: int = 40, *, seed: int = 1):
    """Return scores and labels over 1 and 5 sessions, with ties and holes in all."""
    generator = np.random.default_rng(seed)
    score_TN = generator.normal(size=(sessions, names)).round(1)
    labels = {h: 0.2 * score_TN + generator.normal(size=score_TN.shape) for h in (1, 5)}
    for table in (score_TN, *labels.values()):
        table[generator.random(score_TN.shape) < 0.1] = NAN
    return score_TN, labels


def same(first, second) -> bool:
    """Return whether two signals are equal to the last bit, NaN to NaN."""
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[k], second[k]) for k in first)
    if isinstance(first, tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return np.asarray(first).tobytes() == np.asarray(second).tobytes()


def test_the_kernel_gives_the_series_of_the_single_functions():
    score_TN, labels = market()
    found = measured(score_TN, yardstick(labels, horizon=5, quantiles=4))
    assert same(found.ic_T, ic_series(score_TN, labels[5], min_names=5))
    assert same(found.rank_ic_T, rank_ic_series(score_TN, labels[5], min_names=5))
    wanted = quantile_returns(score_TN, labels[5], quantiles=4, min_names=5)
    assert same(found.quantile_TQ, wanted)
    assert found.ic == hac_mean(found.ic_T, lags=10)
    assert found.icir == hac_ratio(found.ic_T, lags=10)
    assert found.spread == hac_mean(wanted[:, 3] - wanted[:, 0], lags=10)
    assert found.decay[5] == found.rank_ic
    assert found.decay[1] == hac_mean(rank_ic_series(score_TN, labels[1], min_names=5), lags=3)
    assert same(rank_ics_of(score_TN, yardstick(labels, horizon=5)), found.rank_ic_T)


def test_no_figure_depends_on_which_sessions_are_made_together(monkeypatch):
    score_TN, labels = market()
    generator = np.random.default_rng(4)
    groups = {"sector": generator.integers(-1, 3, score_TN.shape)}
    whole = measured(score_TN, yardstick(labels, horizon=5, groups=groups))
    for cells in (1, 300):
        monkeypatch.setattr(yardsticks, "CELLS_AT_ONCE", cells)
        monkeypatch.setattr(persistence, "CELLS_AT_ONCE", cells)
        assert same(measured(score_TN, yardstick(labels, horizon=5, groups=groups)), whole)


def test_later_sessions_change_nothing_in_the_series_before_them():
    score_TN, labels = market()
    before = measured(score_TN, yardstick(labels, horizon=5))
    score_TN[50:] = 7.0
    for table in labels.values():
        table[50:] *= -3
    after = measured(score_TN, yardstick(labels, horizon=5))
    for name in ("ic_T", "rank_ic_T", "quantile_TQ", "coverage_T"):
        assert same(getattr(after, name)[:50], getattr(before, name)[:50])
        assert not same(getattr(after, name)[50:], getattr(before, name)[50:])


def test_names_that_are_not_members_do_not_count_whatever_they_hold():
    score_TN, labels = market()
    member_TN = np.random.default_rng(2).random(score_TN.shape) < 0.8
    found = measured(score_TN, yardstick(labels, horizon=5, member_TN=member_TN))
    score_TN[~member_TN] = 99.0
    for table in labels.values():
        table[~member_TN] = -99.0
    assert same(measured(score_TN, yardstick(labels, horizon=5, member_TN=member_TN)), found)


def test_counts_each_dropped_cell_once_by_its_first_reason():
    score = [[1, 2, 3, NAN], [1, NAN, NAN, NAN], [1, 2, 3, 4]]
    label = [[1, 2, 3, 4], [1, 2, NAN, 4], [1, NAN, 3, 4]]
    member = [[True] * 4, [True] * 4, [True, True, True, False]]
    against = yardstick({1: label}, horizon=1, member_TN=member, min_names=2, max_dropped=0.6)
    found = measured(score, against)
    assert found.dropped == (11, 4, 1, 1, pytest.approx(6 / 11))
    assert found.coverage == pytest.approx(7 / 11)
    assert found.coverage_T == pytest.approx([3 / 4, 1 / 4, 1])
    assert found.names_T.tolist() == [3, 1, 2]


def test_stops_above_the_share_that_may_be_dropped_and_says_why():
    score_TN, labels = market()
    share = measured(score_TN, yardstick(labels, horizon=5)).dropped.share
    assert 0.15 < share < 0.25
    with pytest.raises(ValueError, match=r"% of 3200 cells would be dropped \(\d+ without a score"):
        measured(score_TN, yardstick(labels, horizon=5, max_dropped=share - 1e-9))
    measured(score_TN, yardstick(labels, horizon=5, max_dropped=share))


def test_turnover_and_rank_autocorrelation_by_hand():
    score = [[1, 2, 3, 4], [1, 2, 4, 3], [4, 3, 2, 1], [NAN, 1, 2, 3]]
    label = np.random.default_rng(1).normal(size=(4, 4))
    options = {"lags": (1, 2), "quantiles": 2, "min_names": 2}
    found = measured(score, yardstick({1: label}, horizon=1, **options))
    # Tops are {3,4} {3,4} {1,2} {3,4}, of the last three names one is below the middle.
    assert found.turnover[1].top == pytest.approx((0 + 1 + 1) / 3)
    assert found.turnover[2].top == pytest.approx((1 + 0) / 2)
    common = np.corrcoef([3, 2, 1], [1, 2, 3])[0, 1]
    assert found.rank_autocorrelation[1] == pytest.approx((0.8 - 0.8 + common) / 3)


def test_break_even_is_the_spread_over_what_both_ends_trade():
    generator = np.random.default_rng(6)
    score_TN = generator.normal(size=(300, 20))
    label_TN = 0.01 * score_TN
    found = measured(score_TN, yardstick({2: label_TN}, horizon=2, quantiles=4))
    moved = found.turnover[2]
    assert 0.7 < moved.top < 0.8  # three quarters of the names of a new draw were elsewhere
    assert found.break_even == pytest.approx(found.spread.value / 2 / (moved.top + moved.bottom))
    still = measured(score_TN[[0] * 300], yardstick({2: label_TN}, horizon=2, quantiles=4))
    assert np.isnan(still.break_even)  # nothing is traded


def test_years_and_groups_are_judged_among_themselves():
    generator = np.random.default_rng(8)
    score_TN = generator.normal(size=(60, 30))
    sector_TN = np.tile(np.repeat([0, 1, -1], 10), (60, 1))
    year_T = np.repeat([2020, 2021], 30)
    sign_T1 = np.where(year_T == 2020, 1, -1)[:, None]
    label_TN = np.where(sector_TN == 0, 5 + score_TN, -score_TN) * sign_T1
    against = yardstick({1: label_TN}, horizon=1, year_T=year_T, groups={"sector": sector_TN})
    found = measured(score_TN, against)
    assert found.groups["sector"][0].value == pytest.approx(0)  # +1 in a year, -1 in the next
    one = measured(score_TN[:30], yardstick({1: label_TN[:30]}, horizon=1,
                   groups={"sector": sector_TN[:30]}))  # fmt: skip
    assert one.groups["sector"][0].value == pytest.approx(1)
    assert one.groups["sector"][1].value == pytest.approx(-1)
    assert sorted(one.groups["sector"]) == [0, 1]
    assert found.years[2020] == one.rank_ic
    late = measured(score_TN[30:], yardstick({1: label_TN[30:]}, horizon=1))
    assert found.years[2021] == late.rank_ic
    assert sorted(found.years) == [2020, 2021]


def test_says_what_does_not_fit():
    score_TN, labels = market()
    with pytest.raises(ValueError, match=r"No labels over horizon 3; there is: \[1, 5\]"):
        yardstick(labels, horizon=3)
    with pytest.raises(ValueError, match=r"Expected tables of one shape.*'sector': \(80, 1\)"):
        yardstick(labels, horizon=5, groups={"sector": np.zeros((80, 1))})
    with pytest.raises(ValueError, match="Expected the years of 80 sessions, found 3"):
        yardstick(labels, horizon=5, year_T=[1, 2, 3])
    with pytest.raises(ValueError, match=r"Expected lags of 1 session or more, found \[0\]"):
        yardstick(labels, horizon=5, lags=(0,))
    with pytest.raises(ValueError, match=r"horizons of 1 session or more, found \[0\]"):
        yardstick(labels | {0: labels[1]}, horizon=5)
    for codes, found in ((70_000, "0 to 70000"), (-2, "-2 to 0"), (NAN, "nan to nan")):
        with pytest.raises(ValueError, match=f"codes of sector from -1 to 32767, found {found}"):
            yardstick(labels, horizon=5, groups={"sector": np.full((80, 40), codes)})
    with pytest.raises(ValueError, match=r"Expected scores \(80, 40\), found \(79, 40\)"):
        measured(score_TN[1:], yardstick(labels, horizon=5))


def test_a_market_of_nothing_is_unknown():
    found = measured(np.full((3, 4), NAN), yardstick({1: np.ones((3, 4))}, horizon=1,
                     max_dropped=1.0))  # fmt: skip
    assert found.coverage == 0
    assert np.isnan(found.ic.value)
    assert np.isnan(found.break_even)
    empty = measured(np.ones((0, 4)), yardstick({1: np.ones((0, 4))}, horizon=1))
    assert empty.dropped == (0, 0, 0, 0, 0.0)
