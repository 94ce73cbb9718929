"""Seasonality, number by number, against plain arithmetic on one name's closes."""

import pytest

from tasks.features.seasonality import SEASONALITY
from tests.features.by_hand import CLOSE, ROWS, mean, newest


def began(lag: int, length: int) -> float:
    """Return the return over the `length` sessions that began `lag` sessions ago."""
    return CLOSE[-1 - lag + length] / CLOSE[-1 - lag] - 1


BY_HAND = {
    "year_season_5": began(252, 5),
    "year_season_21": began(252, 21),
    "year_season_63": began(252, 63),
    "quarter_season_21": mean([began(lag, 21) for lag in (63, 126, 189, 252)]),
    "month_season_5": mean([began(lag, 5) for lag in range(21, 253, 21)]),
    "other_months_231_21": CLOSE[-22] / CLOSE[-232] - 1,
}


def test_every_feature_has_its_number_by_hand():
    assert list(BY_HAND) == [feature.name for feature in SEASONALITY]


@pytest.mark.parametrize("name", BY_HAND)
def test_gives_the_number_by_hand(name):
    assert newest(SEASONALITY)[name] == pytest.approx(BY_HAND[name], rel=2e-6)


def test_a_season_that_comes_again_is_seen_before_it_comes():
    """Every 63 sessions a name rises by a tenth in the session after this one."""
    close = [1.1 ** ((i - ROWS) // 63) for i in range(ROWS)]
    found = newest(SEASONALITY, close=close)
    assert found["quarter_season_21"] == pytest.approx(0.1)
    assert found["year_season_5"] == pytest.approx(0.1)


def test_a_stretch_that_is_not_known_is_left_out_of_a_mean_but_not_of_one():
    lags = [lag for lag in range(21, 253, 21) if lag != 105]
    wanted = mean([began(lag, 5) for lag in lags])
    assert newest(SEASONALITY, gap=[-106])["month_season_5"] == pytest.approx(wanted, rel=2e-6)
    assert newest(SEASONALITY, gap=[-232])["year_season_21"] is None
    assert newest(SEASONALITY, gap=[-232])["year_season_5"] is not None
