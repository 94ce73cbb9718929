"""Range volatility, number by number, against plain arithmetic on one name's bars."""

import math
import statistics

import pytest

from tasks.features.ranges import RANGES
from tests.features.by_hand import CLOSE, HIGH, LOW, OPEN, RETURN, ROWS, mean, newest, rms

LAST = range(-1, -61, -1)


def log(upper: list[float], lower: list[float], at: int, before: int = 0) -> float:
    return math.log(upper[at] / lower[at - before])


def parkinson(rows: int) -> float:
    return math.sqrt(mean([log(HIGH, LOW, i) ** 2 for i in LAST[:rows]]) / (4 * math.log(2)))


def garman_klass(rows: int) -> float:
    terms = [
        0.5 * log(HIGH, LOW, i) ** 2 - (2 * math.log(2) - 1) * log(CLOSE, OPEN, i) ** 2
        for i in LAST[:rows]
    ]
    return math.sqrt(mean(terms))


def rogers_satchell_variance(rows: int) -> float:
    return mean(
        [
            log(HIGH, CLOSE, i) * log(HIGH, OPEN, i) + log(LOW, CLOSE, i) * log(LOW, OPEN, i)
            for i in LAST[:rows]
        ]
    )


def yang_zhang(rows: int) -> float:
    nights = statistics.variance([log(OPEN, CLOSE, i, before=1) for i in LAST[:rows]])
    days = statistics.variance([log(CLOSE, OPEN, i) for i in LAST[:rows]])
    share = 0.34 / (1.34 + (rows + 1) / (rows - 1))
    return math.sqrt(nights + share * days + (1 - share) * rogers_satchell_variance(rows))


def true_range(i: int) -> float:
    before = CLOSE[i - 1]
    return max(HIGH[i] - LOW[i], abs(HIGH[i] - before), abs(LOW[i] - before)) / before


BY_HAND = {
    "range_60": parkinson(60),
    "garman_klass_20": garman_klass(20),
    "garman_klass_60": garman_klass(60),
    "rogers_satchell_20": math.sqrt(rogers_satchell_variance(20)),
    "rogers_satchell_60": math.sqrt(rogers_satchell_variance(60)),
    "yang_zhang_20": yang_zhang(20),
    "yang_zhang_60": yang_zhang(60),
    "yang_zhang_5_60": yang_zhang(5) / yang_zhang(60),
    "range_over_closes_20": parkinson(20) / rms(RETURN[-20:]),
    "range_over_closes_60": parkinson(60) / rms(RETURN[-60:]),
    "true_range_20": mean([true_range(i) for i in LAST[:20]]),
}


def test_every_feature_has_its_number_by_hand():
    assert list(BY_HAND) == [feature.name for feature in RANGES]


@pytest.mark.parametrize("name", BY_HAND)
def test_gives_the_number_by_hand(name):
    assert newest(RANGES)[name] == pytest.approx(BY_HAND[name], rel=2e-6)


def test_a_price_that_never_moves_has_no_volatility_and_no_ratio():
    flat = [10.0] * ROWS
    found = newest(RANGES, open=flat, high=flat, low=flat, close=flat)
    assert found["garman_klass_20"] == 0
    assert found["yang_zhang_60"] == 0
    assert found["range_over_closes_20"] is None


def test_a_short_suspension_is_left_out():
    found = newest(RANGES, gap=[-4])
    kept = [i for i in LAST[:20] if i != -4]
    terms = [
        log(HIGH, CLOSE, i) * log(HIGH, OPEN, i) + log(LOW, CLOSE, i) * log(LOW, OPEN, i)
        for i in kept
    ]
    assert found["rogers_satchell_20"] == pytest.approx(math.sqrt(mean(terms)), rel=2e-6)
    ranges = [true_range(i) for i in kept if i != -3]
    assert found["true_range_20"] == pytest.approx(mean(ranges), rel=2e-6)
