"""Noise is found no oftener than stated, and an edge is found."""

import numpy as np
import pytest
from scipy import stats
from scipy.signal import lfilter

from tasks.statistics.discoveries import discoveries, least_sessions, mean_test
from tasks.statistics.hac import hac_mean, label_lags
from tasks.statistics.series import rank_ics_of
from tasks.statistics.yardstick import yardstick

HORIZON, SESSIONS = 5, 500
NAN = float("nan")


def test_the_transform_by_hand():
    # Two cosines of 16 sessions at horizon 2; 0.4 * 16^(2/3) = 2.5.
    series = np.random.default_rng(1).normal(0.3, 1, 16)
    at = (np.arange(16) + 0.5) / 16
    squares = [2 / 16 * (series @ np.cos(np.pi * j * at)) ** 2 for j in (1, 2)]
    error = np.sqrt(np.mean(squares) / 16)
    found = mean_test(series, horizon=2)
    assert found[:4] == (series.mean(), pytest.approx(error), pytest.approx(found.value / error), 2)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(found.t), 2))


def test_a_shift_of_the_series_moves_its_mean_alone():
    series = np.random.default_rng(2).normal(size=300)
    near, far = mean_test(series, horizon=5), mean_test(series + 7, horizon=5)
    assert far.error == pytest.approx(near.error)
    assert far.value == pytest.approx(near.value + 7)


def test_a_long_horizon_leaves_fewer_degrees_of_freedom_and_too_short_a_series_none():
    series = np.random.default_rng(3).normal(size=500)
    assert [mean_test(series, horizon=h).freedom for h in (1, 5, 20, 60)] == [25, 25, 6, 2]
    assert mean_test(series[:400], horizon=60).freedom == 0
    assert np.isnan(mean_test(series[:400], horizon=60).p)
    assert np.isnan(mean_test([], horizon=1).value)


def test_a_signal_that_is_always_right_is_found_and_one_that_says_nothing_cannot_be_tested():
    for value in (1.0, -0.1):
        found = mean_test([value] * 100, horizon=1)
        assert found[:3] == (pytest.approx(value), 0.0, np.copysign(np.inf, value))
        assert (found.freedom, found.p) == (8, 0.0)
    assert np.isnan(mean_test([0.0] * 100, horizon=1).p)
    assert np.isnan(mean_test([1.0] * 100, horizon=20).p)  # too short, whatever it says
    values = np.column_stack([np.ones(400), np.random.default_rng(6).normal(size=(400, 20))])
    assert np.flatnonzero(discoveries(values, horizon=5).found_F).tolist() == [0]


@pytest.mark.parametrize("unit", [1e-200, 1e-310, 1e200])
def test_the_unit_of_a_series_does_not_matter(unit):
    series = np.random.default_rng(7).normal(0.1, 1, 100)
    found, small = mean_test(series, horizon=1), mean_test(series * unit, horizon=1)
    assert small.t == pytest.approx(found.t, rel=1e-6)
    assert small.p == pytest.approx(found.p, rel=1e-6)
    assert small.error == pytest.approx(found.error * unit, rel=1e-6)


@pytest.mark.parametrize("horizon", [1, 2, 5, 20, 60])
def test_one_session_less_than_the_least_cannot_be_tested(horizon):
    series = np.random.default_rng(8).normal(size=least_sessions(horizon))
    assert mean_test(series, horizon=horizon).freedom == 2
    assert mean_test(series[1:], horizon=horizon).freedom == 0


def test_leaves_nan_out():
    series = np.random.default_rng(4).normal(size=100)
    holed = np.insert(series, [3, 50], NAN)
    assert mean_test(holed, horizon=3) == mean_test(series, horizon=3)


def test_adjusts_for_the_number_of_signals_the_untested_among_them():
    generator = np.random.default_rng(5)
    values = generator.normal(size=(400, 3))
    values[:, 0] += 0.2
    values[:, 2] = NAN
    found = discoveries(values, horizon=1)
    assert found.adjusted_F[0] == pytest.approx(min(3 * found.p_F[0], 1))
    assert found.found_F.tolist() == [True, False, False]
    assert np.isnan(found.p_F[2])
    assert discoveries(values[:, :0], horizon=1).found_F.size == 0
    with pytest.raises(ValueError, match=r"found shape \(3,\) and level 0.05"):
        discoveries([1, 2, 3], horizon=1)


# --- the level and the power, on whole markets ----------------------------------------------------


def persistent(generator: np.random.Generator, shape: tuple[int, ...], memory: float) -> np.ndarray:
    """Return noise whose neighbours along the first axis are correlated by `memory`."""
    shocks = generator.standard_normal(shape) * np.sqrt(1 - memory**2)
    shocks[0] /= np.sqrt(1 - memory**2)
    return lfilter([1.0], [1.0, -memory], shocks, axis=0)


def noise(generator: np.random.Generator, names: int) -> np.ndarray:
    """Return 40 features that know nothing (40, T, N), as alike as those of a set are.

    Fifteen remember 98 % of the day before, fifteen nothing; ten are variations of one.
    """
    slow = persistent(generator, (SESSIONS, 16, names), 0.98)
    quick = generator.standard_normal((SESSIONS, 15, names))
    alike = 0.9 * slow[:, 15:] + 0.44 * persistent(generator, (SESSIONS, 10, names), 0.9)
    return np.concatenate([slow[:, :15], quick, alike], axis=1).swapaxes(0, 1).astype(np.float32)


def overlapping(daily_TN: np.ndarray) -> np.ndarray:
    """Return the sums of the next five rows, one row for each of the first 500."""
    total_TN = np.cumsum(np.vstack([np.zeros(daily_TN.shape[1]), daily_TN]), axis=0)
    return total_TN[HORIZON : HORIZON + SESSIONS] - total_TN[:SESSIONS]


def returns(generator: np.random.Generator, names: int) -> np.ndarray:
    """Return daily returns with fat tails, calm and wild stretches and a market."""
    volatility = np.exp(0.5 * persistent(generator, (SESSIONS + HORIZON, 1), 0.95))
    market = generator.standard_normal((SESSIONS + HORIZON, 1))
    own = generator.standard_t(4, (SESSIONS + HORIZON, names))
    return volatility * (market * generator.uniform(0.5, 1.5, names) + own)


def rank_ics(features: np.ndarray, label_TN: np.ndarray) -> np.ndarray:
    against = yardstick({HORIZON: label_TN}, horizon=HORIZON)
    return np.column_stack([rank_ics_of(score_TN, against) for score_TN in features])


@pytest.mark.slow
def test_noise_is_found_no_oftener_than_the_level_says():
    """Of 400 markets; 1 % binomial. The two usual tests find far too much in the same markets."""
    usual = {"plain": 0, "newey_west": 0}
    any_found = 0
    for seed in range(400):
        generator = np.random.default_rng(seed)
        label_TN = overlapping(returns(generator, 50))
        ic_TF = rank_ics(noise(generator, 50), label_TN)
        any_found += discoveries(ic_TF, horizon=HORIZON).found_F.any()
        for name, lags in (("plain", 0), ("newey_west", label_lags(SESSIONS, horizon=HORIZON))):
            t_F = np.array([hac_mean(ic_T, lags=lags).t for ic_T in ic_TF.T])
            usual[name] += stats.false_discovery_control(2 * stats.norm.sf(abs(t_F))).min() <= 0.05
    most = stats.binom.ppf(0.99, 400, 0.05)
    assert any_found <= most, f"{any_found} of 400; the usual tests: {usual}"
    assert min(usual.values()) > most, "these markets do not tell an honest test from another"


@pytest.mark.slow
def test_a_rank_ic_of_three_hundredths_is_found_among_forty_of_noise():
    """500 sessions x 500 names, labels over five sessions; the edge is as slow as momentum."""
    planted, seeds = [], 30
    for seed in range(seeds):
        generator = np.random.default_rng(1000 + seed)
        edge_TN = persistent(generator, (SESSIONS + HORIZON, 500), 0.98)
        label_TN = overlapping(generator.standard_normal(edge_TN.shape) + 0.0146 * edge_TN)
        edge = edge_TN[:SESSIONS].astype(np.float32)[None]
        features = np.concatenate([edge, noise(generator, 500)])
        found = discoveries(rank_ics(features, label_TN), horizon=HORIZON)
        planted.append((found.value_F[0], found.found_F[0]))
    mean, share = np.mean(planted, axis=0)
    assert mean == pytest.approx(0.03, abs=0.002)
    assert share >= 0.9, f"found in {share:.0%}"
