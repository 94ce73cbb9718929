"""Nights against days, number by number, against plain arithmetic on one name's bars."""

import math

import pytest

from tasks.features.overnight import OVERNIGHT
from tests.features.by_hand import CLOSE, DAY, NIGHT, ROWS, mean, newest


def tug_of_war(rows: int) -> float:
    squares = mean([night**2 for night in NIGHT[-rows:]]) + mean([day**2 for day in DAY[-rows:]])
    return (mean(NIGHT[-rows:]) - mean(DAY[-rows:])) / math.sqrt(squares)


def night_share(rows: int) -> float:
    night = math.fsum(night**2 for night in NIGHT[-rows:])
    return night / (night + math.fsum(day**2 for day in DAY[-rows:]))


def correlation(rows: int) -> float:
    pairs = list(zip(NIGHT[-rows:], DAY[-rows:], strict=True))
    squares = math.fsum(n * n for n, _ in pairs) * math.fsum(d * d for _, d in pairs)
    return math.fsum(night * day for night, day in pairs) / math.sqrt(squares)


def reversals(rows: int) -> float:
    return mean([float(NIGHT[i] > 0 > DAY[i]) for i in range(-rows, 0)])


BY_HAND = {
    "nights_60": math.fsum(NIGHT[-60:]),
    "nights_252": math.fsum(NIGHT[-252:]),
    "days_60": math.fsum(DAY[-60:]),
    "days_252": math.fsum(DAY[-252:]),
    "tug_of_war_20": tug_of_war(20),
    "tug_of_war_60": tug_of_war(60),
    "tug_of_war_252": tug_of_war(252),
    "night_share_20": night_share(20),
    "night_share_60": night_share(60),
    "night_day_correlation_60": correlation(60),
    "daytime_reversals_20": reversals(20),
    "daytime_reversals_20_252": reversals(20) - reversals(252),
}


def test_every_feature_has_its_number_by_hand():
    assert list(BY_HAND) == [feature.name for feature in OVERNIGHT]


@pytest.mark.parametrize("name", BY_HAND)
def test_gives_the_number_by_hand(name):
    assert newest(OVERNIGHT)[name] == pytest.approx(BY_HAND[name], rel=2e-6, abs=2e-7)


def test_a_suspended_session_takes_its_own_night_and_the_next_one_out():
    found = newest(OVERNIGHT, gap=[-4])
    kept = [i for i in range(-60, 0) if i not in (-4, -3)]
    assert found["nights_60"] == pytest.approx(60 * mean([NIGHT[i] for i in kept]), rel=2e-6)
    assert found["days_60"] == pytest.approx(60 * mean([DAY[i] for i in kept]), rel=2e-6)


def test_prices_that_move_by_day_alone_have_no_share_at_night():
    opened = [CLOSE[0], *CLOSE[:-1]]
    found = newest(OVERNIGHT, open=opened)
    assert found["night_share_60"] == 0
    assert found["nights_60"] == 0
    assert found["night_day_correlation_60"] is None
    assert newest(OVERNIGHT, open=[10.0] * ROWS, close=[10.0] * ROWS)["tug_of_war_60"] is None
