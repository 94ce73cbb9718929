"""Newey-West errors equal the formula's and statsmodels', and cover the truth."""

import numpy as np
import pytest

from tasks.statistics.hac import hac_covariance, hac_mean, label_lags

NAN = float("nan")


def moving(seed: int, *, count: int = 400, width: int = 5) -> np.ndarray:
    """Return a series whose neighbours share `width` - 1 of their shocks."""
    shocks = np.random.default_rng(seed).normal(size=count + width - 1)
    return np.convolve(shocks, np.ones(width), "valid")


def test_without_lags_it_is_the_plain_error():
    found = hac_mean([1, 2, 3, 6], lags=0)
    assert found.value == 3
    assert found.error == pytest.approx(np.std([1, 2, 3, 6]) / 2)
    assert found.t == pytest.approx(found.value / found.error)
    assert found.count == 4


def test_one_lag_by_hand():
    # deviations -2 -1 0 3: G0 = 14/4, G1 = (2 + 0 + 0)/4, S = G0 + 2 * 1/2 * G1 = 4
    assert hac_mean([1, 2, 3, 6], lags=1).error == pytest.approx(1.0)


@pytest.mark.slow  # statsmodels takes seconds to import
@pytest.mark.parametrize("lags", [0, 1, 4, 12])
def test_agrees_with_statsmodels(lags):
    api = pytest.importorskip("statsmodels.api")
    series = moving(3) + 0.2
    options = {"maxlags": lags, "use_correction": False}
    fit = api.OLS(series, np.ones(series.size)).fit(cov_type="HAC", cov_kwds=options)
    found = hac_mean(series, lags=lags)
    assert found.value == pytest.approx(fit.params[0])
    assert found.error == pytest.approx(fit.bse[0])


def test_leaves_nan_out():
    assert hac_mean([1, NAN, 2, 3, NAN, 6], lags=1) == hac_mean([1, 2, 3, 6], lags=1)


def test_says_what_cannot_be_known():
    assert np.isnan(hac_mean([], lags=2)[:3]).all()
    assert hac_mean([NAN], lags=2).count == 0
    one = hac_mean([0.5], lags=2)
    assert (one.value, one.count) == (0.5, 1)
    assert np.isnan(one.error)
    flat = hac_mean([0.1] * 7, lags=2)
    assert flat.error == 0
    assert np.isnan(flat.t)


def test_lags_beyond_the_series_do_no_harm():
    assert np.isfinite(hac_mean([1, 2, 3, 6], lags=50).error)


def test_refuses_lags_below_zero():
    with pytest.raises(ValueError, match="found -1"):
        hac_mean([1, 2, 3], lags=-1)


def test_covers_a_mean_of_overlapping_values_where_the_plain_error_does_not():
    means = [hac_mean(moving(seed), lags=label_lags(400, horizon=5)) for seed in range(300)]
    plain = [hac_mean(moving(seed), lags=0) for seed in range(300)]
    assert np.mean([abs(mean.t) < 1.96 for mean in means]) > 0.89
    assert np.mean([abs(mean.t) < 1.96 for mean in plain]) < 0.75


def test_covariance_of_columns_holds_their_own_on_the_diagonal():
    values_TK = np.column_stack([moving(1), moving(2)])
    covariance_KK = hac_covariance(values_TK, lags=6)
    assert covariance_KK == pytest.approx(covariance_KK.T)
    alone = hac_mean(values_TK[:, 1], lags=6).error
    assert np.sqrt(covariance_KK[1, 1] / 400) == pytest.approx(alone)


def test_label_lags_reach_past_the_overlap_and_grow_with_long_series():
    assert label_lags(250, horizon=5) == 10
    assert label_lags(250, horizon=20) == 40
    assert label_lags(0, horizon=1) == 2
    assert label_lags(8000, horizon=1) == 10
