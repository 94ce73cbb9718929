"""Liquidity, number by number, against plain arithmetic on one name's bars."""

import math

import numpy as np
import pytest

from tasks.features.liquidity import LIQUIDITY
from tests.features.by_hand import (
    CLOSE,
    DOLLARS,
    HIGH,
    LOW,
    RETURN,
    ROWS,
    VOLUME,
    deviation,
    mean,
    newest,
)


def illiquidity(rows: int) -> float:
    return math.log(mean([abs(RETURN[i]) / DOLLARS[i] for i in range(-rows, 0)]))


def traded(rows: int) -> float:
    return math.log(mean(DOLLARS[-rows:]))


def variability(rows: int) -> float:
    return deviation(DOLLARS[-rows:]) / mean(DOLLARS[-rows:])


def roll(returns: list[float]) -> float:
    now, before = returns[1:], returns[:-1]
    together = mean([a * b for a, b in zip(now, before, strict=True)])
    return 2 * math.sqrt(max(mean(now) * mean(before) - together, 0))


def corwin_schultz(i: int) -> float:
    """Return the spread of the sessions i - 1 and i, as the paper has it."""
    gap = max(LOW[i] - CLOSE[i - 1], 0) + min(HIGH[i] - CLOSE[i - 1], 0)
    high, low = HIGH[i] - gap, LOW[i] - gap
    beta = math.log(HIGH[i - 1] / LOW[i - 1]) ** 2 + math.log(high / low) ** 2
    gamma = math.log(max(HIGH[i - 1], high) / min(LOW[i - 1], low)) ** 2
    root = 3 - 2 * math.sqrt(2)
    alpha = (math.sqrt(2 * beta) - math.sqrt(beta)) / root - math.sqrt(gamma / root)
    return max(2 * (math.exp(alpha) - 1) / (1 + math.exp(alpha)), 0)


def middle(i: int) -> float:
    return (math.log(HIGH[i]) + math.log(LOW[i])) / 2


def abdi_ranaldo(rows: int) -> float:
    closes = {i: math.log(CLOSE[i]) for i in range(-rows - 1, 0)}
    terms = [
        4 * (closes[i - 1] - middle(i - 1)) * (closes[i - 1] - middle(i)) for i in range(-rows, 0)
    ]
    return math.sqrt(max(mean(terms), 0))


BY_HAND = {
    "illiquidity_60": illiquidity(60),
    "illiquidity_252": illiquidity(252),
    "illiquidity_20_252": illiquidity(20) - illiquidity(252),
    "dollar_volume_252": traded(252),
    "dollar_volume_5_60": traded(5) - traded(60),
    "dollar_volume_20_252": traded(20) - traded(252),
    "dollar_variability_60": variability(60),
    "dollar_variability_252": variability(252),
    "zero_volume_60": 0.0,
    "zero_volume_252": 0.0,
    "zero_return_60": 0.0,
    "roll_spread_60": roll(RETURN[-60:]),
    "corwin_schultz_20": mean([corwin_schultz(i) for i in range(-20, 0)]),
    "abdi_ranaldo_20": abdi_ranaldo(20),
}


def test_every_feature_has_its_number_by_hand():
    assert list(BY_HAND) == [feature.name for feature in LIQUIDITY]


@pytest.mark.parametrize("name", BY_HAND)
def test_gives_the_number_by_hand(name):
    assert newest(LIQUIDITY)[name] == pytest.approx(BY_HAND[name], rel=3e-6, abs=2e-7)


def test_counts_bars_without_a_trade_and_without_a_move():
    volume = [0.0 if i % 4 == 0 else v for i, v in enumerate(VOLUME)]
    assert newest(LIQUIDITY, volume=volume)["zero_volume_60"] == 15 / 60
    close = [CLOSE[i - i % 2] for i in range(ROWS)]
    assert newest(LIQUIDITY, close=close)["zero_return_60"] == 30 / 60


def test_a_suspension_is_no_bar_without_a_trade():
    assert newest(LIQUIDITY, gap=[-3, -4])["zero_volume_60"] == 0


def test_closes_that_bounce_between_bid_and_ask_betray_their_spread():
    """Trades 1 % around a price that does not move: all three say about 2 %, but for noise."""
    side = np.where(np.random.default_rng(3).random(ROWS) < 0.5, 0.99, 1.01)
    close = (10 * side).tolist()
    found = newest(LIQUIDITY, close=close, high=[10.1] * ROWS, low=[9.9] * ROWS)
    assert found["roll_spread_60"] == pytest.approx(0.02, rel=0.2)
    assert found["corwin_schultz_20"] == pytest.approx(0.02, rel=0.01)
    assert found["abdi_ranaldo_20"] == pytest.approx(0.02, rel=0.01)


def test_returns_that_go_on_have_no_spread_by_roll():
    trend = [10.0]
    for i in range(ROWS - 1):
        trend.append(trend[-1] * (1.02 if i // 10 % 2 else 0.99))
    assert newest(LIQUIDITY, close=trend)["roll_spread_60"] == 0
