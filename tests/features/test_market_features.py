"""What a name has in common with the market, number by number, against plain arithmetic."""

import math
import statistics

import numpy as np
import pytest

from tasks.features.market import MARKET as FEATURES
from tests.features.by_hand import MARKET, RETURN, ROWS, mean, newest


def pairs(rows: int, *, without: tuple[int, ...] = ()) -> list[tuple[float, float]]:
    """Return (market, own) of the last sessions, oldest first."""
    return [(MARKET[i], RETURN[i]) for i in range(-rows, 0) if i not in without]


def slope(chosen: list[tuple[float, float]]) -> float:
    return statistics.linear_regression(*zip(*chosen, strict=True)).slope


def residuals(chosen: list[tuple[float, float]]) -> list[float]:
    line = statistics.linear_regression(*zip(*chosen, strict=True))
    return [own - line.intercept - line.slope * market for market, own in chosen]


def residual_volatility(chosen: list[tuple[float, float]]) -> float:
    return math.sqrt(math.fsum(e * e for e in residuals(chosen)) / (len(chosen) - 2))


def explained(rows: int) -> float:
    return statistics.correlation(*zip(*pairs(rows), strict=True)) ** 2


def coskewness() -> float:
    left, markets = residuals(pairs(252)), [market for market, _ in pairs(252)]
    centre = mean(markets)
    squares = [(market - centre) ** 2 for market in markets]
    together = mean([e * d for e, d in zip(left, squares, strict=True)])
    return together / (math.sqrt(mean([e * e for e in left])) * mean(squares))


def lagged() -> tuple[np.ndarray, float]:
    """Return the slopes on the market now and the session before, and R², by least squares."""
    own = np.array(RETURN[-119:])
    parts = np.column_stack([np.ones(119), MARKET[-119:], MARKET[-120:-1]])
    slopes, left, *_ = np.linalg.lstsq(parts, own)
    return slopes[1:], 1 - left[0] / ((own - own.mean()) ** 2).sum()


FELL = [pair for pair in pairs(252) if pair[0] < 0]
ROSE = [pair for pair in pairs(252) if pair[0] >= 0]
ALONE = statistics.correlation(*zip(*pairs(119), strict=True)) ** 2
BY_HAND = {
    "beta_60": slope(pairs(60)),
    "beta_252": slope(pairs(252)),
    "residual_volatility_20": residual_volatility(pairs(20)),
    "residual_volatility_60": residual_volatility(pairs(60)),
    "residual_volatility_252": residual_volatility(pairs(252)),
    "market_share_60": explained(60),
    "market_share_252": explained(252),
    "two_session_beta_120": float(lagged()[0].sum()),
    "market_delay_120": 1 - ALONE / lagged()[1],
    "downside_beta_252": slope(FELL),
    "beta_gap_252": slope(FELL) - slope(ROSE),
    "coskewness_252": coskewness(),
}


def test_every_feature_has_its_number_by_hand():
    assert list(BY_HAND) == [feature.name for feature in FEATURES]


@pytest.mark.parametrize("name", BY_HAND)
def test_gives_the_number_by_hand(name):
    assert newest(FEATURES)[name] == pytest.approx(BY_HAND[name], rel=3e-6, abs=2e-7)


def test_a_session_without_a_return_or_without_a_market_is_no_pair():
    gone = newest(FEATURES, gap=[-10])  # two returns of the name are lost
    assert gone["beta_60"] == pytest.approx(slope(pairs(60, without=(-10, -9))), rel=3e-6)
    market = [*MARKET[:-7], math.nan, *MARKET[-6:]]
    unknown = newest(FEATURES, market=market)
    wanted = residual_volatility(pairs(60, without=(-7,)))
    assert unknown["beta_60"] == pytest.approx(slope(pairs(60, without=(-7,))), rel=3e-6)
    assert unknown["residual_volatility_60"] == pytest.approx(wanted, rel=3e-6)


def test_is_null_where_less_than_four_fifths_of_the_pairs_are_known():
    markets = [math.nan if -14 < i - ROWS < -1 else m for i, m in enumerate(MARKET)]
    assert newest(FEATURES, market=markets)["beta_60"] is not None  # 48 of 60
    markets[-1] = math.nan
    assert newest(FEATURES, market=markets)["beta_60"] is None


def test_a_market_that_hardly_fell_tells_no_downside():
    rising = [abs(market) for market in MARKET]
    found = newest(FEATURES, market=rising)
    assert found["beta_252"] is not None
    assert found["downside_beta_252"] is None
    assert found["beta_gap_252"] is None


def test_a_name_that_is_the_market_has_a_beta_of_one_and_nothing_of_its_own():
    close = [30.0]
    for market in MARKET[1:]:
        close.append(close[-1] * (1 + market))
    found = newest(FEATURES, close=close)
    assert found["beta_252"] == pytest.approx(1)
    assert found["market_share_252"] == pytest.approx(1)
    assert found["residual_volatility_252"] == pytest.approx(0, abs=1e-9)
    assert found["market_delay_120"] == pytest.approx(0, abs=1e-9)
