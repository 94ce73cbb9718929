"""VaR and ES are read off the past alone, and cover what they promise."""

import numpy as np
import pytest

from conf.schema import RiskModelConf
from tasks.risk.tail import coverage, portfolio_tail

CONF = RiskModelConf(factors=2, look_back=504, coverage_sessions=504)


def returns(sessions: int = 1_500, names: int = 4, seed: int = 7) -> np.ndarray:
    """Return fat-tailed returns with clusters of volatility."""
    random = np.random.default_rng(seed)
    wave = 0.01 * np.exp(0.6 * np.sin(np.arange(sessions) / 60))
    return random.standard_t(5, (sessions, names)) * wave[:, None]


WEIGHTS = np.array([0.4, 0.3, 0.2, 0.1])


def test_losses_grow_with_the_level_and_es_lies_beyond_var():
    tail = portfolio_tail(WEIGHTS, returns(), CONF)
    assert 0 < tail.var_95 < tail.var_99
    assert tail.var_95 < tail.es_95
    assert tail.var_99 < tail.es_99


def test_doubling_the_book_doubles_the_losses():
    once, twice = (portfolio_tail(w, returns(), CONF) for w in (WEIGHTS, 2 * WEIGHTS))
    assert twice == pytest.approx([2 * value for value in once])


def test_normal_returns_give_the_normal_quantiles():
    series = np.random.default_rng(1).normal(0, 0.01, (8_000, 1))
    conf = RiskModelConf(factors=1, look_back=8_000, volatility_half_life=2_000)
    tail = portfolio_tail(np.ones(1), series, conf)
    assert tail.var_95 == pytest.approx(0.01645, rel=0.05)
    assert tail.var_99 == pytest.approx(0.02326, rel=0.07)
    assert tail.es_99 == pytest.approx(0.02665, rel=0.08)
    assert tail.volatility == pytest.approx(0.01 * np.sqrt(252), rel=0.05)


def test_past_exceedances_are_as_many_as_promised():
    table = returns()
    for level in (0.95, 0.99):
        past = coverage(WEIGHTS, table, CONF, level=level)
        assert past.judged == 504
        assert past.exceedances / 504 == pytest.approx(1 - level, abs=0.02)
        assert past.kupiec > 0.05
        assert past.exceedances == past.sessions["exceeded"].sum()


def test_var_of_a_session_is_made_from_the_sessions_before_it():
    table = returns()
    poisoned = table.copy()
    poisoned[1_200:] = np.nan
    poisoned[1_300:] = -0.9
    clean, poison = (coverage(WEIGHTS, t, CONF).sessions for t in (table, poisoned))
    before = [frame.filter(frame["index"] <= 1_199) for frame in (clean, poison)]
    assert before[0].height > 150
    assert before[0].equals(before[1])
    assert clean["index"].is_sorted()


def test_todays_var_is_the_one_coverage_would_use_tomorrow():
    table = returns()
    tail = portfolio_tail(WEIGHTS, table[:-1], CONF)
    newest = coverage(WEIGHTS, table, CONF).sessions.row(-1, named=True)
    assert newest["index"] == len(table) - 1
    assert newest["var"] == pytest.approx(tail.var_95, rel=1e-12)


def test_a_missing_return_counts_as_none_and_too_little_past_gives_no_number():
    table = returns(200)
    table[50, 0] = np.nan
    assert portfolio_tail(WEIGHTS, table, CONF).var_95 > 0
    assert np.isnan(portfolio_tail(WEIGHTS, table[:40], CONF).var_95)
    empty = coverage(WEIGHTS, table[:40], CONF)
    assert empty.judged == 0
    assert np.isnan(empty.kupiec)


def test_an_empty_book_loses_nothing():
    assert portfolio_tail(np.zeros(4), returns(), CONF) == (0, 0, 0, 0, 0)
