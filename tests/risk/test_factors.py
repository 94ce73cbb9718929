"""The factor model finds the structure behind the returns, and keeps each name its variance."""

import time
import tracemalloc
from datetime import date

import numpy as np
import pytest

from conf.schema import RiskModelConf
from tasks.risk.covariance import (
    chosen,
    covariance_times,
    loadings,
    portfolio_variance,
    risk_contributions,
    risk_frame,
    risk_of,
)
from tasks.risk.factors import SPECIFIC_FLOOR, risk_model
from tasks.risk.volatility.ewma import ewma_variance

AS_OF = date(2016, 6, 30)
CONF = RiskModelConf(factors=3, look_back=504, min_observed=60)


def market(names: int, sessions: int, *, factors: int = 3, seed: int = 1) -> tuple:
    """Return returns, and the exposures and specific deviations that made them."""
    random = np.random.default_rng(seed)
    exposures = random.normal(0.0, 0.006, (names, factors))
    exposures[:, 0] = random.uniform(0.006, 0.014, names)
    own = random.uniform(0.008, 0.02, names)
    moves = random.normal(size=(sessions, factors))
    returns = moves @ exposures.T + random.normal(size=(sessions, names)) * own
    return returns, exposures, own


def names_of(count: int) -> list[str]:
    return [f"s:N{i:04d}:2000-01-03" for i in range(count)]


def test_each_names_total_variance_is_its_weighted_variance():
    returns, _, _ = market(30, 400)
    returns[:100, 3] = np.nan
    risk = risk_model(returns, names_of(30), AS_OF, CONF)
    wanted = ewma_variance(returns, half_life=CONF.volatility_half_life)[-1]
    total = (risk.exposures_NK**2).sum(1) + risk.specific_variance_N
    assert total == pytest.approx(wanted, rel=1e-12)
    assert risk.volatility_N == pytest.approx(np.sqrt(wanted), rel=1e-12)


def test_recovers_the_covariance_that_made_the_returns():
    returns, exposures, own = market(60, 2_000)
    conf = RiskModelConf(
        factors=3, look_back=2_000, volatility_half_life=1_000, correlation_half_life=1_000
    )
    risk = risk_model(returns, names_of(60), AS_OF, conf)
    true = exposures @ exposures.T + np.diag(own**2)
    made = risk.exposures_NK @ risk.exposures_NK.T + np.diag(risk.specific_variance_N)
    deviations = np.sqrt(np.diag(true))
    off = np.abs(made - true) / np.outer(deviations, deviations)
    assert off.max() < 0.15
    assert off.mean() < 0.03
    portfolios = np.random.default_rng(2).normal(size=(200, 60))
    ratio = [portfolio_variance(risk, w) / (w @ true @ w) for w in portfolios]
    assert 0.93 < np.mean(ratio) < 1.07
    assert np.std(ratio) < 0.12


def test_follows_volatility_that_has_changed():
    random = np.random.default_rng(3)
    calm, storm = random.normal(0, 0.005, (300, 5)), random.normal(0, 0.03, (200, 5))
    risk = risk_model(np.concatenate([calm, storm]), names_of(5), AS_OF, CONF)
    assert risk.volatility_N == pytest.approx(np.full(5, 0.03), rel=0.2)


def test_leaves_out_names_without_enough_returns_and_those_that_never_move():
    returns, _, _ = market(6, 200)
    returns[: 200 - 59, 1] = np.nan
    returns[:, 2] = 0.0
    returns[:, 4] = np.nan
    risk = risk_model(returns, names_of(6), AS_OF, CONF)
    assert risk.instruments == tuple(names_of(6)[i] for i in (0, 3, 5))


def test_specific_variance_never_falls_below_its_floor():
    one = np.random.default_rng(0).normal(0, 0.01, (200, 1))
    risk = risk_model(np.repeat(one, 4, axis=1) * [1, 2, 3, -1], names_of(4), AS_OF, CONF)
    assert risk.specific_variance_N == pytest.approx(SPECIFIC_FLOOR * risk.volatility_N**2)


def test_is_the_same_to_the_bit_again_and_in_any_order_of_names():
    returns, _, _ = market(12, 300)
    names = names_of(12)
    first = risk_model(returns, names, AS_OF, CONF)
    order = np.random.default_rng(5).permutation(12)
    second = risk_model(returns[:, order], [names[i] for i in order], AS_OF, CONF)
    assert first.instruments == second.instruments
    for left, right in zip(first[2:], second[2:], strict=True):
        assert left.tobytes() == right.tobytes()


def test_returns_older_than_the_look_back_do_not_count():
    returns, _, _ = market(8, 600)
    altered = returns.copy()
    altered[: 600 - CONF.look_back] = 9.9
    first, second = (risk_model(r, names_of(8), AS_OF, CONF) for r in (returns, altered))
    assert first.exposures_NK.tobytes() == second.exposures_NK.tobytes()


@pytest.mark.parametrize("count", [0, 1, 2])
def test_works_with_hardly_any_names(count):
    returns, _, _ = market(max(count, 1), 100)
    risk = risk_model(returns[:, :count], names_of(count), AS_OF, CONF)
    assert risk.exposures_NK.shape == (count, min(3, count))
    assert (risk.specific_variance_N > 0).all()


def test_says_when_returns_and_names_do_not_match():
    with pytest.raises(ValueError, match="one column of returns for each of 3 instruments"):
        risk_model(np.zeros((10, 2)), names_of(3), AS_OF, CONF)


def test_contributions_sum_to_one_and_follow_euler():
    returns, _, _ = market(10, 300)
    risk = risk_model(returns, names_of(10), AS_OF, CONF)
    weights = np.linspace(-0.1, 0.2, 10)
    parts = risk_contributions(risk, weights)
    assert parts.sum() == pytest.approx(1.0)
    wanted = weights * covariance_times(risk, weights) / portfolio_variance(risk, weights)
    assert parts == pytest.approx(wanted)
    assert not risk_contributions(risk, np.zeros(10)).any()


def test_a_frame_keeps_the_whole_model():
    returns, _, _ = market(10, 300)
    risk = risk_model(returns, names_of(10), AS_OF, CONF)
    back = risk_of(risk_frame(risk))
    assert (back.as_of, back.instruments) == (risk.as_of, risk.instruments)
    assert back.exposures_NK.tobytes() == loadings(risk).tobytes()
    assert back.volatility_N.tobytes() == risk.volatility_N.tobytes()


def test_a_name_without_risk_is_assumed_to_be_as_risky_as_any():
    returns, _, _ = market(5, 300)
    risk = risk_model(returns, names_of(5), AS_OF, CONF)
    model, assumed = chosen(risk, ["new", names_of(5)[2]])
    assert assumed == ("new",)
    assert model.specific_variance_N[0] == risk.specific_variance_N.max()
    assert model.exposures_NK[1] == pytest.approx(risk.exposures_NK[2])


@pytest.mark.slow
def test_a_thousand_names_take_less_than_a_second_and_no_square_matrix():
    returns, _, _ = market(1_000, 504, factors=20)
    conf = RiskModelConf(factors=20)
    tracemalloc.start()
    risk_model(returns, names_of(1_000), AS_OF, conf)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 * returns.nbytes
    start = time.process_time()
    risk_model(returns, names_of(1_000), AS_OF, conf)
    assert time.process_time() - start < 2.0
