"""The price set, number by number, against plain arithmetic on one name's bars."""

import itertools
import math
import statistics
from datetime import date, timedelta

import numpy as np
import pytest

from tasks.features.engine import grid_features
from tasks.features.grid import grid_of
from tasks.features.price import PRICE
from tasks.market.history import View

ROWS = 253
GENERATOR = np.random.default_rng(5)
CLOSE = (30 * np.exp(np.cumsum(GENERATOR.normal(0, 0.02, ROWS)))).tolist()
OPEN = [
    close * (1 + gap) for close, gap in zip(CLOSE, GENERATOR.normal(0, 0.01, ROWS), strict=True)
]
HIGH = [max(pair) * 1.02 for pair in zip(OPEN, CLOSE, strict=True)]
LOW = [min(pair) * 0.99 for pair in zip(OPEN, CLOSE, strict=True)]
VOLUME = GENERATOR.integers(1_000, 9_000, ROWS).astype(float).tolist()
RETURN = [0.0] + [now / before - 1 for before, now in itertools.pairwise(CLOSE)]
TIME = list(range(ROWS))


def mean(values) -> float:
    return math.fsum(values) / len(list(values))


def rms(values) -> float:
    return math.sqrt(mean([value**2 for value in values]))


def skew(values) -> float:
    centre = mean(values)
    return mean([(v - centre) ** 3 for v in values]) / statistics.pstdev(values) ** 3


def autocorrelation(values) -> float:
    d = [value - mean(values) for value in values]
    return math.fsum(a * b for a, b in zip(d[1:], d, strict=False)) / math.fsum(v * v for v in d)


def parkinson(rows: int) -> float:
    logs = [math.log(h / low) ** 2 for h, low in zip(HIGH[-rows:], LOW[-rows:], strict=True)]
    return math.sqrt(mean(logs) / (4 * math.log(2)))


def gaps(rows: int) -> float:
    return math.fsum(OPEN[i] / CLOSE[i - 1] - 1 for i in range(ROWS - rows, ROWS))


DOLLARS = [close * volume for close, volume in zip(CLOSE, VOLUME, strict=True)]
SIGNED = [math.copysign(v, r) for v, r in zip(VOLUME, RETURN, strict=True)]
BY_HAND = {
    "return_1": CLOSE[-1] / CLOSE[-2] - 1,
    "return_5": CLOSE[-1] / CLOSE[-6] - 1,
    "return_10": CLOSE[-1] / CLOSE[-11] - 1,
    "momentum_20": CLOSE[-1] / CLOSE[-21] - 1,
    "momentum_60": CLOSE[-1] / CLOSE[-61] - 1,
    "momentum_120": CLOSE[-1] / CLOSE[-121] - 1,
    "momentum_252_21": CLOSE[-22] / CLOSE[-253] - 1,
    "volatility_20": rms(RETURN[-20:]),
    "volatility_60": rms(RETURN[-60:]),
    "volatility_252": rms(RETURN[-252:]),
    "volatility_20_120": rms(RETURN[-20:]) / rms(RETURN[-120:]),
    "downside_60": sum(r * r for r in RETURN[-60:] if r < 0) / sum(r * r for r in RETURN[-60:]),
    "skew_60": skew(RETURN[-60:]),
    "autocorrelation_60": autocorrelation(RETURN[-60:]),
    "up_share_60": sum(r > 0 for r in RETURN[-60:]) / 60,
    "max_return_20": max(RETURN[-20:]),
    "min_return_20": min(RETURN[-20:]),
    "drawdown_60": CLOSE[-1] / max(CLOSE[-60:]) - 1,
    "drawdown_252": CLOSE[-1] / max(CLOSE[-252:]) - 1,
    "rebound_252": CLOSE[-1] / min(CLOSE[-252:]) - 1,
    "distance_10": CLOSE[-1] / mean(CLOSE[-10:]) - 1,
    "distance_50": CLOSE[-1] / mean(CLOSE[-50:]) - 1,
    "distance_200": CLOSE[-1] / mean(CLOSE[-200:]) - 1,
    "trend_60": statistics.correlation(CLOSE[-60:], TIME[-60:]),
    "trend_120": statistics.correlation(CLOSE[-120:], TIME[-120:]),
    "dollar_volume_20": math.log(mean(DOLLARS[-20:])),
    "volume_1_20": VOLUME[-1] / mean(VOLUME[-20:]),
    "volume_5_60": mean(VOLUME[-5:]) / mean(VOLUME[-60:]),
    "signed_volume_20": sum(SIGNED[-20:]) / sum(VOLUME[-20:]),
    "illiquidity_20": math.log(mean([abs(RETURN[i]) / DOLLARS[i] for i in range(-20, 0)])),
    "range_20": parkinson(20),
    "range_5_60": parkinson(5) / parkinson(60),
    "close_location_20": mean(
        [(2 * CLOSE[i] - HIGH[i] - LOW[i]) / (HIGH[i] - LOW[i]) for i in range(-20, 0)]
    ),
    "overnight_1": gaps(1),
    "overnight_20": gaps(20),
    "intraday_20": sum(CLOSE[i] / OPEN[i] - 1 for i in range(-20, 0)),
}


def features(
    *, close=CLOSE, opened=OPEN, high=HIGH, low=LOW, volume=VOLUME, gap: tuple[int, ...] = ()
) -> dict[str, float | None]:
    """Return the features of one name; sessions in `gap` (from -1 back) have no bar."""
    arrays = [np.array(values, float)[:, None] for values in (opened, high, low, close, volume)]
    for array in arrays:
        array[list(gap)] = np.nan
    sessions = tuple(date(2020, 1, 1) + timedelta(days=i) for i in range(ROWS))
    none = np.ones((ROWS, 1)), np.zeros((ROWS, 1))
    grid = grid_of(View(sessions[-1], sessions, ("N",), *arrays, *none), {})
    return next(grid_features(grid, PRICE, [sessions[-1]])).row(0, named=True)


def test_every_feature_has_its_number_by_hand():
    assert list(BY_HAND) == PRICE.columns


@pytest.mark.parametrize("name", BY_HAND)
def test_gives_the_number_by_hand(name):
    assert features()[name] == pytest.approx(BY_HAND[name], rel=2e-6, abs=2e-7)


def test_has_24_to_36_columns_and_starts_from_closes_alone():
    assert 24 <= len(PRICE.features) <= 36
    from_closes = [feature.name for feature in PRICE.features if feature.inputs == ("close",)]
    assert "momentum_20" in from_closes
    assert len(from_closes) >= 20


def test_a_short_suspension_is_no_reason_for_null_but_leaves_its_returns_out():
    found = features(gap=(-4,))
    left = [RETURN[i] for i in range(-20, 0) if i not in (-4, -3)]
    assert found["volatility_20"] == pytest.approx(rms(left), rel=2e-6)
    assert found["max_return_20"] == pytest.approx(max(left), rel=2e-6)
    assert found["momentum_20"] == pytest.approx(BY_HAND["momentum_20"], rel=2e-6)
    kept = [CLOSE[i] for i in range(-50, 0) if i != -4]
    assert found["distance_50"] == pytest.approx(CLOSE[-1] / mean(kept) - 1, rel=2e-5)
    times = [i for i in range(-60, 0) if i != -4]
    trend = statistics.correlation([CLOSE[i] for i in times], times)
    assert found["trend_60"] == pytest.approx(trend, rel=2e-6)


def test_is_null_where_less_than_four_fifths_are_observed():
    few, many = features(gap=(-3, -5, -7)), features(gap=(-4, -5, -6))
    assert few["volatility_20"] is None  # 6 of 20 returns are lost
    assert many["volatility_20"] is not None  # 4 of 20
    assert features(gap=(-4, -5, -6))["distance_10"] is None  # 7 of 10 closes
    assert features(gap=(-4, -5))["distance_10"] is not None


def test_is_null_where_a_window_begins_in_a_gap():
    found = features(gap=(-21,))
    assert found["momentum_20"] is None
    assert found["volatility_20"] is None
    assert found["volatility_60"] is not None


def test_a_price_that_never_moves_has_no_shape_and_no_noise_in_its_place():
    flat = [10.0] * ROWS
    found = features(close=flat, opened=flat, high=flat, low=flat)
    assert found["volatility_252"] == 0
    assert found["momentum_252_21"] == 0
    for name in ("skew_60", "trend_60", "downside_60", "illiquidity_20", "close_location_20"):
        assert found[name] is None, name


def test_a_price_that_grows_at_one_rate_has_no_shape_in_its_last_bits():
    for rate in (0.0001, 0.0003, 0.002, 0.01):
        found = features(close=[10 * (1 + rate) ** session for session in range(ROWS)])
        assert found["skew_60"] is None
        assert found["autocorrelation_60"] is None


def test_nothing_traded_is_null_not_infinite():
    found = features(volume=[0.0] * ROWS)
    for name in ("dollar_volume_20", "volume_1_20", "illiquidity_20", "signed_volume_20"):
        assert found[name] is None, name


def test_a_price_of_zero_is_no_price():
    zero = [*LOW[:-4], 0.0, *LOW[-3:]]
    found = features(low=zero)
    logs = [math.log(HIGH[i] / LOW[i]) ** 2 for i in range(-20, 0) if i != -4]
    assert found["range_20"] == pytest.approx(math.sqrt(mean(logs) / (4 * math.log(2))), rel=2e-6)
