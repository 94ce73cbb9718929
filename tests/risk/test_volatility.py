"""Every volatility model forecasts from the past alone and covers a series with known truth."""

import numpy as np
import pytest

from tasks.risk.volatility import VOLATILITY_MODELS
from tasks.risk.volatility.ewma import ewma_variance
from tasks.statistics.coverage import kupiec

MODELS = pytest.mark.parametrize("model", VOLATILITY_MODELS.values(), ids=list(VOLATILITY_MODELS))


def known_series(sessions: int = 3_000) -> tuple[np.ndarray, np.ndarray]:
    """Return normal returns whose true volatility moves slowly, and that volatility."""
    random = np.random.default_rng(11)
    true = 0.01 * np.exp(0.5 * np.sin(np.arange(sessions) / 250))
    return (random.normal(size=sessions) * true)[:, None], true


@MODELS
def test_covers_a_series_with_known_truth(model):
    returns, true = known_series()
    forecast = model(returns, 42.0)[:-1, 0]
    judged = slice(250, None)
    exceeded = -returns[judged, 0] > 1.6449 * forecast[judged]
    assert kupiec(int(exceeded.sum()), len(exceeded), 0.05) > 0.01
    assert np.mean(forecast[judged] / true[judged]) == pytest.approx(1.0, abs=0.06)


@MODELS
def test_forecasts_from_the_past_alone(model):
    returns, _ = known_series(300)
    altered = returns.copy()
    altered[200:] = 1e6
    first, second = model(returns, 42.0), model(altered, 42.0)
    assert first.shape == (301, 1)
    assert first[:201].tobytes() == second[:201].tobytes()


@MODELS
def test_skips_missing_returns(model):
    returns, _ = known_series(300)
    returns[100:120] = np.nan
    forecast = model(returns, 42.0)
    assert np.isfinite(forecast[50:]).all()
    assert forecast[110, 0] == pytest.approx(forecast[100, 0])


def test_is_the_weighted_mean_of_squares_worked_out_by_hand():
    returns = np.array([[0.01], [np.nan], [0.03]])
    forecast = ewma_variance(returns, half_life=1.0)
    assert np.isnan(forecast[0, 0])
    assert forecast[1:, 0] == pytest.approx([0.01**2, 0.01**2, (0.01**2 / 4 + 0.03**2) / 1.25])
