"""Momentum and reversal, number by number, against plain arithmetic on one name's bars."""

import math
import statistics

import pytest

from tasks.features.momentum import MOMENTUM
from tests.features.by_hand import CLOSE, MARKET, RETURN, ROWS, deviation, mean, newest


def change(oldest: int, newest: int) -> float:
    return CLOSE[-1 - newest] / CLOSE[-1 - oldest] - 1


def line(rows: int) -> tuple[float, float]:
    """Return slope and constant of returns on the market's."""
    return statistics.linear_regression(MARKET[-rows:], RETURN[-rows:])


def residual_momentum() -> float:
    slope, constant = line(252)
    pairs = list(zip(RETURN, MARKET, strict=True))
    residuals = [own - constant - slope * market for own, market in pairs[-252:]]
    risk = math.sqrt(math.fsum(e * e for e in residuals) / 250)
    kept = [own - slope * market for own, market in pairs[-252:-21]]
    return math.fsum(kept) / (risk * math.sqrt(len(kept)))


def residual_return(rows: int) -> float:
    slope, _ = line(60)
    return math.fsum(RETURN[i] - slope * MARKET[i] for i in range(-rows, 0))


def discreteness() -> float:
    kept = RETURN[-252:-21]
    share = (sum(r < 0 for r in kept) - sum(r > 0 for r in kept)) / len(kept)
    return math.copysign(share, share * change(252, 21))


def efficiency(rows: int) -> float:
    return math.fsum(RETURN[-rows:]) / math.fsum(abs(r) for r in RETURN[-rows:])


YEAR = CLOSE[-252:]
BY_HAND = {
    "momentum_126_21": change(126, 21),
    "momentum_252_126": change(252, 126),
    "acceleration_120": change(60, 0) - change(120, 60),
    "acceleration_252": change(126, 0) - change(252, 126),
    "discreteness_252_21": discreteness(),
    "consistency_252": sum(change(k * 21 + 21, k * 21) > 0 for k in range(12)) / 12,
    "efficiency_120": efficiency(120),
    "efficiency_252": efficiency(252),
    "return_for_risk_60": mean(RETURN[-60:]) / deviation(RETURN[-60:]),
    "return_for_risk_252": mean(RETURN[-252:]) / deviation(RETURN[-252:]),
    "high_age_252": (251 - YEAR.index(max(YEAR))) / 251,
    "residual_momentum_252_21": residual_momentum(),
    "residual_return_5_60": residual_return(5),
    "residual_return_20_60": residual_return(20),
}


def test_every_feature_has_its_number_by_hand():
    assert list(BY_HAND) == [feature.name for feature in MOMENTUM]


@pytest.mark.parametrize("name", BY_HAND)
def test_gives_the_number_by_hand(name):
    assert newest(MOMENTUM)[name] == pytest.approx(BY_HAND[name], rel=2e-6, abs=2e-7)


def test_many_small_steps_are_continuous_and_one_large_one_is_discrete():
    steady = [10 * 1.001**i for i in range(ROWS)]
    jumped = [20 - i / 100 + 40 * (i > 100) for i in range(ROWS)]
    assert newest(MOMENTUM, close=steady)["discreteness_252_21"] == -1
    assert newest(MOMENTUM, close=jumped)["discreteness_252_21"] > 0.9


def test_a_month_that_is_not_known_is_left_out_of_the_consistency():
    known = [k for k in range(12) if k not in (3, 4)]  # both end at the close that is missing
    wanted = sum(change(k * 21 + 21, k * 21) > 0 for k in known) / 10
    assert newest(MOMENTUM, gap=[-1 - 84])["consistency_252"] == pytest.approx(wanted)
    assert newest(MOMENTUM, gap=[-1 - 84, -1 - 126])["consistency_252"] is None


def test_of_equal_highs_the_oldest_gives_the_age():
    flat = [10.0] * ROWS
    assert newest(MOMENTUM, close=flat)["high_age_252"] == 1
    assert newest(MOMENTUM, close=[*flat[:-1], 11.0])["high_age_252"] == 0


def test_what_the_market_explains_is_no_residual_return():
    close = [30.0]
    for market in MARKET[1:]:
        close.append(close[-1] * (1 + 1.5 * market))
    assert newest(MOMENTUM, close=close)["residual_return_20_60"] == pytest.approx(0, abs=1e-12)
    assert abs(newest(MOMENTUM)["residual_return_20_60"]) > 0.01
