"""Intervals cover what they say, by what was known then, and say when they do not."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conf.schema import Recipe
from tasks.learning.panel import Panel, standardised_labels
from tasks.models import uncertainty
from tasks.models.fitting import Model, score_sessions
from tasks.models.uncertainty import (
    Intervals,
    calibrated,
    conformal_quantile,
    coverage_gap,
    intervals,
    scores_and_spreads,
    seed_spread,
)


def walk(seed: int, *, sessions: int = 400, names: int = 30, horizon: int = 1):
    """Return scores and labels of correlation .05, whose labels overlap."""
    dice = np.random.default_rng(seed)
    score_TN = dice.standard_normal((sessions, names))
    drawn = dice.standard_normal((sessions + horizon - 1, names))
    noise_TN = sum(drawn[lag : lag + sessions] for lag in range(horizon)) / np.sqrt(horizon)
    return score_TN, 0.05 * score_TN + np.sqrt(1 - 0.05**2) * noise_TN


@settings(max_examples=20, deadline=None)
@given(st.integers(5, 60), st.sampled_from([0.05, 0.1, 0.3]), st.integers(0, 10_000))
def test_one_more_exchangeable_residual_is_covered_as_often_as_promised_and_hardly_more(
    count, misses, seed
):
    drawn = np.random.default_rng(seed).exponential(size=(4000, count + 1))
    widths = np.array([conformal_quantile(row[:-1], misses=misses) for row in drawn])
    covered, error = (drawn[:, -1] <= widths).mean(), np.sqrt(misses * (1 - misses) / 4000)
    assert covered >= 1 - misses - 4 * error
    if np.isfinite(widths).all():
        assert covered <= 1 - misses + 1 / (count + 1) + 4 * error


def test_a_quantile_of_few_residuals_is_infinite_and_one_that_promises_nothing_is_zero():
    assert conformal_quantile([], misses=0.5) == np.inf
    assert conformal_quantile([1.0] * 8, misses=0.1) == np.inf
    assert conformal_quantile(np.arange(1.0, 10.0), misses=0.1) == 9
    assert conformal_quantile([1.0, 2.0], misses=-0.01) == np.inf
    assert conformal_quantile([1.0, 2.0], misses=1.0) == 0


@pytest.mark.parametrize("horizon", [1, 5])
@pytest.mark.parametrize("misses", [0.05, 0.2])
def test_labels_like_those_before_are_covered_as_often_as_stated(horizon, misses):
    gaps = []
    for seed in range(8):
        found = intervals(*walk(seed, horizon=horizon), horizon=horizon, misses=misses)
        gaps.append(coverage_gap(found, horizon=horizon, misses=misses).value)
        assert calibrated(found, horizon=horizon, misses=misses)
    assert np.mean(gaps) >= -4 * np.std(gaps) / np.sqrt(8)
    assert abs(np.mean(gaps)) < 0.005


def test_ranked_labels_are_covered_too_and_the_centre_is_the_known_ic_times_the_score():
    score_TN, label_TN = walk(9)
    label_TN = standardised_labels(label_TN, np.ones(label_TN.shape, bool), min_names=5)
    found = intervals(score_TN, label_TN, horizon=1)
    assert calibrated(found, horizon=1)
    z = score_TN[-1] - score_TN[-1].mean()
    z /= z.std()
    each = (score_TN - score_TN.mean(axis=1, keepdims=True)) / score_TN.std(axis=1, keepdims=True)
    ic = (each[:-2] * label_TN[:-2]).mean()
    np.testing.assert_allclose(found.centre_TN[-1], ic * z)
    width = np.unique(found.half_width_TN[-1])
    assert width.size == 1
    assert width[0] == pytest.approx(0.9 * np.sqrt(3), rel=0.02)  # ranks are uniform


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(70, 149), st.sampled_from([1, 5]))
def test_no_interval_moves_when_what_was_not_yet_known_is_altered(seed, last, horizon):
    score_TN, label_TN = walk(seed, sessions=150, names=6, horizon=horizon)
    spread_TN = np.random.default_rng(seed).uniform(1, 2, score_TN.shape)
    before = intervals(score_TN, label_TN, horizon=horizon, scale_TN=spread_TN)
    score_TN[last + 1 :] *= -3
    spread_TN[last + 1 :] += 1
    label_TN[last - horizon :] = 50.0
    label_TN[-1] = np.nan
    after = intervals(score_TN, label_TN, horizon=horizon, scale_TN=spread_TN)
    cut = intervals(
        score_TN[: last + 1],
        label_TN[: last + 1],
        horizon=horizon,
        scale_TN=spread_TN[: last + 1],
    )
    for altered in (after, cut):
        for name in ("centre_TN", "half_width_TN", "level_T"):
            expected, seen = (getattr(one, name)[: last + 1] for one in (before, altered))
            np.testing.assert_array_equal(seen, expected)
    np.testing.assert_array_equal(
        cut.covered_T[: last - horizon], before.covered_T[: last - horizon]
    )
    assert np.isnan(cut.covered_T[last - horizon :]).all()


def test_a_label_counts_from_the_session_on_at_whose_close_it_is_known():
    score_TN, label_TN = walk(1, sessions=150, names=6, horizon=5)
    before = intervals(score_TN, label_TN, horizon=5).half_width_TN[:, 0]
    label_TN[100] *= 100
    moved = np.flatnonzero(intervals(score_TN, label_TN, horizon=5).half_width_TN[:, 0] != before)
    assert moved[moved >= 65].min() == 106


def test_when_labels_spread_out_the_level_follows_the_misses_and_mends_the_coverage(monkeypatch):
    score_TN, label_TN = walk(2, sessions=700)
    label_TN[300:] *= np.linspace(1, 3, 400)[:, None]
    adaptive = intervals(score_TN, label_TN, horizon=1)
    monkeypatch.setattr(uncertainty, "RATE", 0.0)
    fixed = intervals(score_TN, label_TN, horizon=1)
    fixed_gap, adaptive_gap = (
        abs(one.covered_T[400:698].mean() - 0.9) for one in (fixed, adaptive)
    )
    assert fixed_gap > 0.03
    assert adaptive_gap < fixed_gap / 2
    assert np.nanmin(adaptive.level_T) < 0.05
    assert calibrated(fixed, horizon=1) is False


def test_the_misses_seen_never_stray_further_than_the_level_can_go():
    dice = np.random.default_rng(3)
    score_TN, label_TN = walk(3, sessions=600)
    label_TN *= np.exp(np.cumsum(dice.normal(0, 0.3, 600)))[:, None]  # no two sessions alike
    found = intervals(score_TN, label_TN, horizon=5)
    covered = found.covered_T[np.isfinite(found.covered_T)]
    reach = 1 + 7 * uncertainty.RATE  # horizon + 2 sessions before a miss is felt
    assert abs(covered.mean() - 0.9) <= reach / (uncertainty.RATE * covered.size)
    expected = 0.1 + uncertainty.RATE * (covered - 0.9).sum()
    assert found.level_T[-1] == pytest.approx(expected)


def test_names_of_greater_scale_get_wider_intervals_that_cover_them_as_often():
    score_TN, label_TN = walk(4)
    scale_TN = np.ones(score_TN.shape)
    scale_TN[:, ::2] = 2.0
    label_TN *= scale_TN
    found = intervals(score_TN, label_TN, horizon=1, scale_TN=scale_TN)
    np.testing.assert_allclose(found.half_width_TN[-1, 0], 2 * found.half_width_TN[-1, 1])
    inside = np.abs(label_TN - found.centre_TN) <= found.half_width_TN
    for names in (slice(0, None, 2), slice(1, None, 2)):
        assert inside[100:, names].mean() == pytest.approx(0.9, abs=0.015)


def test_names_without_score_have_no_interval_and_move_no_other():
    score_TN, label_TN = walk(5, sessions=150, names=6)
    absent = np.full((150, 2), np.nan)
    alone = intervals(score_TN, label_TN, horizon=1)
    wider = intervals(np.hstack([score_TN, absent]), np.hstack([label_TN, absent]), horizon=1)
    np.testing.assert_allclose(wider.half_width_TN[:, :6], alone.half_width_TN)
    np.testing.assert_allclose(wider.covered_T, alone.covered_T)
    assert np.isnan(wider.half_width_TN[:, 6:]).all()
    assert np.isnan(alone.half_width_TN[:61]).all()
    assert np.isfinite(alone.half_width_TN[61:]).all()


def of_coverage(covered: np.ndarray) -> Intervals:
    nothing = np.full((covered.size, 1), np.nan)
    return Intervals(nothing, nothing, np.full(covered.size, 0.1), covered)


def test_calibration_is_unknown_before_enough_labels_were_met_and_false_far_from_nominal():
    dice = np.random.default_rng(6)
    noise = dice.normal(0, 0.03, 400)
    assert calibrated(of_coverage(0.7 + noise[:59]), horizon=1) is None
    assert calibrated(of_coverage(0.7 + noise[:159]), horizon=20) is None
    for nominal_gap, expected in ((0.0, True), (-0.05, False), (0.05, False)):
        assert calibrated(of_coverage(0.9 + nominal_gap + noise), horizon=1) is expected
    assert calibrated(of_coverage(np.r_[0.88 + noise, np.full(9, np.nan)]), horizon=1) is False


def test_a_gap_that_is_small_or_may_be_luck_is_not_called_false():
    noise = np.random.default_rng(7).normal(0, 1, 400)
    noise -= noise.mean()
    assert calibrated(of_coverage(0.905 + 1e-4 * noise), horizon=1) is True
    assert calibrated(of_coverage(0.88 + 0.15 * noise), horizon=1) is True
    assert calibrated(of_coverage(np.full(400, 0.9)), horizon=1) is True
    assert calibrated(of_coverage(np.full(400, 0.95)), horizon=1) is False


def test_the_spread_over_seeds_is_that_of_standardised_scores_and_unknown_for_one():
    score_NS = np.random.default_rng(8).standard_normal((20, 4))
    z_NS = (score_NS - score_NS.mean(axis=0)) / score_NS.std(axis=0)
    np.testing.assert_allclose(seed_spread(score_NS), z_NS.std(axis=1, ddof=1))
    np.testing.assert_allclose(seed_spread(score_NS * [1, 5, 0.1, 2] - 3), seed_spread(score_NS))
    np.testing.assert_allclose(seed_spread(score_NS[:, [0, 0, 0]]), 0, atol=1e-12)
    assert np.isnan(seed_spread(score_NS[:, :1])).all()
    with pytest.raises(ValueError, match=r"found shape \(20,\)"):
        seed_spread(score_NS[:, 0])


def test_spreads_stand_beside_the_scores_of_the_members_of_each_session_and_null_for_one_seed():
    sessions = tuple(date(2024, 1, 1) + timedelta(days=day) for day in range(4))
    features_NTF = np.random.default_rng(10).standard_normal((3, 4, 2)).astype(np.float32)
    member_TN = np.ones((4, 3), bool)
    member_TN[3, 1] = False
    panel = Panel(sessions, ("A", "B", "C"), ("x", "y"), features_NTF, member_TN)

    def model(seeds: int) -> Model:
        def by_seed(window_NTF):
            return window_NTF[:, -1, :seeds].astype(float)

        return Model(
            Recipe(name="planted", model="ridge"),
            sessions[0],
            "",
            ("x", "y"),
            1,
            lambda window_NTF: by_seed(window_NTF).mean(axis=1),
            by_seed,
            lambda: None,
        )

    found = scores_and_spreads(model(2), panel, sessions[2:])
    assert found["instrument"].to_list() == ["A", "B", "C", "A", "C"]
    last = seed_spread(features_NTF[[0, 2], 3].astype(float))
    np.testing.assert_allclose(found["seed_spread"].to_numpy()[3:], last)
    scores = found.drop("seed_spread")
    assert scores.equals(score_sessions(model(2), panel, sessions[2:]))
    assert scores_and_spreads(model(1), panel, sessions[2:])["seed_spread"].null_count() == 5
    features_NTF[1, 2, 1] = np.nan
    with pytest.raises(ValueError, match="planted gave scores that are not finite on 2024-01-03"):
        scores_and_spreads(model(2), panel, sessions[2:])


def test_odd_inputs_are_refused():
    score_TN, label_TN = walk(11, sessions=80, names=4)
    with pytest.raises(ValueError, match="of one shape"):
        intervals(score_TN, label_TN[:-1], horizon=1)
    with pytest.raises(ValueError, match=r"found 1.0 and 1"):
        intervals(score_TN, label_TN, horizon=1, misses=1.0)
    with pytest.raises(ValueError, match="positive scale"):
        intervals(score_TN, label_TN, horizon=1, scale_TN=np.zeros(score_TN.shape))
    with pytest.raises(ValueError, match="infinite"):
        intervals(score_TN, np.full(label_TN.shape, np.inf), horizon=1)
