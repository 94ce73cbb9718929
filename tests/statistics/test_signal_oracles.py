"""The evaluation kernel agrees with alphalens, statsmodels and scipy to 1e-8, on the same data."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tasks.statistics.hac import hac_mean, label_lags
from tasks.statistics.persistence import rank_autocorrelation, turnover
from tasks.statistics.series import series_of
from tasks.statistics.signal import measured
from tasks.statistics.yardstick import yardstick

pytestmark = pytest.mark.slow  # the oracles take seconds to import
CLOSE = {"rtol": 0, "atol": 1e-8, "equal_nan": True}
SESSIONS, NAMES, LACKING, QUANTILES = 60, 50, 5, 5
HORIZONS = (1, 5)


def market() -> tuple[np.ndarray, dict[int, np.ndarray], np.ndarray]:
    """Return scores, labels and sectors with ties in all and as many gaps in every session.

    Five of fifty names lack a score or a label, so that 45 fill five quantiles evenly: elsewhere
    alphalens cuts between values and the kernel between ranks, which need not agree.
    """
    generator = np.random.default_rng(11)
    drift_TN = np.cumsum(generator.normal(size=(SESSIONS, NAMES)), axis=0)
    score_TN = np.full((SESSIONS, NAMES), np.nan)
    known_TN = np.ones((SESSIONS, NAMES), bool)
    for session in range(SESSIONS):
        lacking = generator.choice(NAMES, LACKING, replace=False)
        known_TN[session, lacking] = False
        order = np.flatnonzero(known_TN[session])[np.argsort(drift_TN[session][known_TN[session]])]
        score_TN[session, order] = drift_TN[session, order]
        for place in (3, 12, 13, 30):  # ties within a quantile of nine names
            score_TN[session, order[place]] = score_TN[session, order[place + 1]]
        score_TN[session, lacking[:2]] = 3.0  # these have a score and no label
    labels = {h: generator.normal(size=(SESSIONS, NAMES)).round(1) for h in HORIZONS}
    for label_TN in labels.values():
        label_TN += 0.05 * np.nan_to_num(drift_TN)
        label_TN[~known_TN] = np.nan
        label_TN[:, ::7] = label_TN[:, ::7].round(1)
    sector_TN = np.tile(np.arange(NAMES) % 3, (SESSIONS, 1))
    return score_TN, labels, sector_TN


def cleaned(*, max_loss: float = 0.35) -> pd.DataFrame:
    """Return the market as alphalens cleans it: names that have a score and all labels."""
    utils = pytest.importorskip("alphalens.utils")
    score_TN, labels, sector_TN = market()
    days = pd.date_range("2020-01-01", periods=SESSIONS, name="date")
    index = pd.MultiIndex.from_product([days, [f"s{name:02}" for name in range(NAMES)]])
    index = index.rename(["date", "asset"])
    forward = pd.DataFrame({f"{h}D": table.ravel() for h, table in labels.items()}, index)
    return utils.get_clean_factor(
        pd.Series(score_TN.ravel(), index),
        forward,
        groupby=pd.Series(sector_TN.ravel(), index),
        quantiles=QUANTILES,
        max_loss=max_loss,
    )


@pytest.fixture(scope="module")
def alphalens_data() -> pd.DataFrame:
    return cleaned()


def kernel():
    score_TN, labels, sector_TN = market()
    return score_TN, yardstick(
        labels, horizon=5, groups={"sector": sector_TN}, quantiles=QUANTILES, lags=(1, 2, 5)
    )


def test_rank_ics_are_those_of_alphalens(alphalens_data):
    performance = pytest.importorskip("alphalens.performance")
    wanted = performance.factor_information_coefficient(alphalens_data)
    found = series_of(*kernel()).rank_ic_TH
    np.testing.assert_allclose(found, wanted[["1D", "5D"]].to_numpy(), **CLOSE)
    assert np.ptp(found) > 0.3  # the agreement is about something


def test_rank_ics_by_sector_are_those_of_alphalens(alphalens_data):
    performance = pytest.importorskip("alphalens.performance")
    wanted = performance.factor_information_coefficient(alphalens_data, by_group=True)["5D"]
    wanted = wanted.unstack("group").sort_index(axis=1).to_numpy()
    np.testing.assert_allclose(series_of(*kernel()).group_ic_TG, wanted, **CLOSE)
    means = measured(*kernel()).groups["sector"]
    np.testing.assert_allclose([means[code].value for code in range(3)], wanted.mean(0), **CLOSE)


def test_quantile_returns_are_those_of_alphalens(alphalens_data):
    performance = pytest.importorskip("alphalens.performance")
    by_session, _ = performance.mean_return_by_quantile(
        alphalens_data, by_date=True, demeaned=False
    )
    wanted = by_session["5D"].unstack("factor_quantile").to_numpy()
    found = measured(*kernel())
    np.testing.assert_allclose(found.quantile_TQ, wanted, **CLOSE)
    means, _ = performance.mean_return_by_quantile(alphalens_data, demeaned=False)
    np.testing.assert_allclose([one.value for one in found.quantiles], means["5D"], **CLOSE)
    half_spread, _ = performance.compute_mean_returns_spread(by_session, QUANTILES, 1)
    assert found.spread.value == pytest.approx(2 * half_spread["5D"].mean(), abs=1e-8)


@pytest.mark.parametrize("lag", [1, 2, 5])
def test_turnover_and_rank_autocorrelation_are_those_of_alphalens(alphalens_data, lag):
    performance = pytest.importorskip("alphalens.performance")
    score_TN, against = kernel()
    score_TN[np.isnan(market()[1][5])] = np.nan  # alphalens leaves out what has no label
    series, found = series_of(score_TN, against), measured(score_TN, against)
    for quantile, held_TN, mean in (
        (1, series.bottom_TN, found.turnover[lag].bottom),
        (QUANTILES, series.top_TN, found.turnover[lag].top),
    ):
        wanted = performance.quantile_turnover(alphalens_data["factor_quantile"], quantile, lag)
        np.testing.assert_allclose(turnover(held_TN, lag=lag), wanted.to_numpy(), **CLOSE)
        assert mean == pytest.approx(wanted.mean(), abs=1e-8)
    wanted = performance.factor_rank_autocorrelation(alphalens_data, lag)
    series_T = rank_autocorrelation(series.rank_TN, series.scored_TN, lag=lag)
    np.testing.assert_allclose(series_T, wanted.to_numpy(), **CLOSE)
    assert found.rank_autocorrelation[lag] == pytest.approx(wanted.mean(), abs=1e-8)


def test_as_much_is_dropped_as_alphalens_drops_and_the_same_bound_stops_both(alphalens_data):
    utils = pytest.importorskip("alphalens.utils")
    score_TN, against = kernel()
    dropped = measured(score_TN, against).dropped
    assert dropped.share == pytest.approx(1 - len(alphalens_data) / score_TN.size)
    assert (dropped.no_score, dropped.no_label) == (3 * SESSIONS, 2 * SESSIONS)
    assert len(cleaned(max_loss=0.101)) == len(alphalens_data)
    measured(score_TN, against._replace(max_dropped=0.101))
    with pytest.raises(utils.MaxLossExceededError):
        cleaned(max_loss=0.099)
    with pytest.raises(ValueError, match="more than max_dropped"):
        measured(score_TN, against._replace(max_dropped=0.099))


def test_ics_are_scipys_on_names_that_have_both():
    score_TN, labels, _ = market()
    found = measured(*kernel())
    for session in range(SESSIONS):
        both_N = np.isfinite(score_TN[session] + labels[5][session])
        pair = score_TN[session, both_N], labels[5][session, both_N]
        assert found.ic_T[session] == pytest.approx(stats.pearsonr(*pair)[0], abs=1e-8)
        assert found.rank_ic_T[session] == pytest.approx(stats.spearmanr(*pair)[0], abs=1e-8)


@pytest.mark.parametrize("field", ["ic", "rank_ic", "spread"])
def test_errors_are_those_of_statsmodels(field):
    """OLS on a constant; with `use_correction` it would multiply by n / (n - 1) besides."""
    api = pytest.importorskip("statsmodels.api")
    signal = measured(*kernel())
    spread_T = signal.quantile_TQ[:, -1] - signal.quantile_TQ[:, 0]
    series_T = {"ic": signal.ic_T, "rank_ic": signal.rank_ic_T, "spread": spread_T}[field]
    options = {"maxlags": label_lags(SESSIONS, horizon=5), "use_correction": False}
    fit = api.OLS(series_T, np.ones(SESSIONS)).fit(cov_type="HAC", cov_kwds=options)
    found = getattr(signal, field)
    assert found == hac_mean(series_T, lags=options["maxlags"])
    np.testing.assert_allclose(found[:3], [fit.params[0], fit.bse[0], fit.tvalues[0]], **CLOSE)


def test_the_error_of_the_icir_is_the_delta_method_of_statsmodels_moments():
    api = pytest.importorskip("statsmodels.api")
    signal = measured(*kernel())
    mean, spread = signal.ic_T.mean(), signal.ic_T.std()
    influence_T = (signal.ic_T - mean) / spread
    influence_T -= mean / (2 * spread**3) * ((signal.ic_T - mean) ** 2 - spread**2)
    options = {"maxlags": label_lags(SESSIONS, horizon=5), "use_correction": False}
    fit = api.OLS(influence_T, np.ones(SESSIONS)).fit(cov_type="HAC", cov_kwds=options)
    assert signal.icir.error == pytest.approx(fit.bse[0], abs=1e-8)
    assert signal.icir.value == pytest.approx(mean / signal.ic_T.std(ddof=1), abs=1e-12)
