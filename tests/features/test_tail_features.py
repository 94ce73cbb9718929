"""Jumps and tails, number by number, against plain arithmetic on one name's closes."""

import itertools
import math

import pytest

from tasks.features.tails import TAILS
from tests.features.by_hand import CLOSE, RETURN, ROWS, deviation, mean, newest


def central(rows: int, power: int) -> float:
    centre = mean(RETURN[-rows:])
    return mean([(r - centre) ** power for r in RETURN[-rows:]])


def jump_share(rows: int) -> float:
    sizes = [abs(r) for r in RETURN[-rows:]]
    smooth = math.pi / 2 * mean([a * b for a, b in itertools.pairwise(sizes)])
    return max(1 - smooth / mean([size**2 for size in sizes]), 0)


def deepest_fall(rows: int) -> float:
    kept = CLOSE[-rows:]
    return min(later / kept[i] - 1 for i in range(rows) for later in kept[i:])


def downside(rows: int) -> float:
    squares = math.fsum(r * r for r in RETURN[-rows:])
    return math.fsum(r * r for r in RETURN[-rows:] if r < 0) / squares


LAST = sorted(RETURN[-60:])
LOW, HIGH = mean(LAST[:3]), mean(LAST[-3:])
BY_HAND = {
    "max_return_252": max(RETURN[-252:]),
    "min_return_252": min(RETURN[-252:]),
    "lottery_20": mean(sorted(RETURN[-20:])[-5:]),
    "shortfall_60": LOW,
    "tail_asymmetry_60": (HIGH + LOW) / (HIGH - LOW),
    "semi_deviation_60": math.sqrt(mean([min(r, 0) ** 2 for r in RETURN[-60:]])),
    "downside_252": downside(252),
    "jump_share_60": jump_share(60),
    "jump_share_252": jump_share(252),
    "skew_252": central(252, 3) / deviation(RETURN[-252:]) ** 3,
    "kurtosis_60": central(60, 4) / central(60, 2) ** 2,
    "kurtosis_252": central(252, 4) / central(252, 2) ** 2,
    "deepest_fall_60": deepest_fall(60),
    "deepest_fall_252": deepest_fall(252),
}


def test_every_feature_has_its_number_by_hand():
    assert list(BY_HAND) == [feature.name for feature in TAILS]


@pytest.mark.parametrize("name", BY_HAND)
def test_gives_the_number_by_hand(name):
    assert newest(TAILS)[name] == pytest.approx(BY_HAND[name], rel=5e-6, abs=2e-7)


def test_one_jump_among_small_moves_is_nearly_all_of_the_variance():
    close = [10 + i % 2 / 1000 + (i > ROWS - 20) for i in range(ROWS)]
    found = newest(TAILS, close=close)
    assert found["jump_share_60"] > 0.9
    assert found["kurtosis_60"] > 50
    assert found["tail_asymmetry_60"] > 0.9


def test_moves_of_one_size_have_no_jumps():
    close = [10.0 + i % 2 for i in range(ROWS)]
    assert newest(TAILS, close=close)["jump_share_60"] == 0


def test_a_suspended_session_is_no_part_of_a_tail_and_no_bottom_of_a_fall():
    worst = RETURN.index(min(RETURN[-60:])) - ROWS
    found = newest(TAILS, gap=[worst])
    kept = sorted(RETURN[i] for i in range(-60, 0) if i not in (worst, worst + 1))
    assert found["shortfall_60"] == pytest.approx(mean(kept[:3]), rel=2e-6)
    closes = [CLOSE[i] for i in range(-60, 0) if i != worst]
    wanted = min(b / a - 1 for i, a in enumerate(closes) for b in closes[i:])
    assert found["deepest_fall_60"] == pytest.approx(wanted, rel=2e-6)


def test_a_price_that_only_rises_never_fell():
    rising = [10 * 1.001**i for i in range(ROWS)]
    assert newest(TAILS, close=rising)["deepest_fall_252"] == 0
    assert newest(TAILS, close=[10.0] * ROWS)["kurtosis_60"] is None
