"""What has drifted is found soon, and luck is seldom taken for it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.statistics.drift import YEAR, decay, intervals, stability, worst


def market(dice: np.random.Generator, sessions: int, names: int, *, memory: float, part: float):
    """Return a feature of which `part` is one slow swing of all names."""
    swing = np.zeros(sessions)
    for place in range(1, sessions):
        swing[place] = memory * swing[place - 1] + np.sqrt(1 - memory**2) * dice.standard_normal()
    own = dice.standard_normal((sessions, names))
    return part * swing[:, None] + np.sqrt(1 - part**2) * own


def rank_ics(dice: np.random.Generator, means: np.ndarray, *, horizon: int = 1) -> np.ndarray:
    """Return daily rank ICs of deviation .1 over labels that overlap."""
    drawn = dice.standard_normal(means.size + horizon - 1)
    return means + 0.1 * np.convolve(drawn, np.ones(horizon) / np.sqrt(horizon), "valid")


def test_the_luck_of_independent_values_is_that_of_the_asymptotic_chi_square():
    dice, found = np.random.default_rng(1), []
    for _ in range(150):
        values = dice.standard_normal((300, 30))
        found += stability({"one": values[:240]}, {"one": values[240:]})
    expected = 9 * (1 / 7200 + 1 / 1800)
    assert np.mean([one.shift for one in found]) == pytest.approx(expected, rel=0.1)
    assert np.mean([one.luck for one in found]) == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize(("memory", "part"), [(0.0, 0.0), (0.9, 0.5), (0.98, 0.5)])
def test_a_steady_feature_is_told_from_luck_as_seldom_as_stated_however_slow_it_swings(
    memory, part
):
    dice, p = np.random.default_rng(2), []
    for _ in range(200):
        values = market(dice, 300, 30, memory=memory, part=part)
        p.append(stability({"one": values[:240]}, {"one": values[240:]})[0].p)
    assert np.mean(np.array(p) < 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


def test_a_planted_shift_is_found_named_and_the_worst_of_all():
    dice = np.random.default_rng(3)
    values = {name: dice.standard_normal((300, 50)) for name in "abcdefgh"}
    past = {name: table[:240] for name, table in values.items()}
    now = {name: table[240:] + 0.6 * (name == "d") for name, table in values.items()}
    found = stability(past, now)
    assert [one.name for one in found] == list("abcdefgh")
    assert worst(found).name == "d"
    assert worst(found).state == "drifted"
    assert worst(found).adjusted_p == pytest.approx(8 * worst(found).p)
    assert {one.state for one in found if one.name != "d"} == {"steady"}


def test_a_shift_that_is_no_luck_but_tiny_changes_nothing():
    dice = np.random.default_rng(4)
    values = dice.standard_normal((300, 500))
    found = stability({"one": values[:240]}, {"one": values[240:] + 0.1})[0]
    assert found.adjusted_p < 1e-3
    assert found.shift < 0.1
    assert found.state == "steady"


def test_a_swing_of_the_whole_market_that_has_come_before_is_no_drift_though_it_is_large():
    values = np.random.default_rng(5).standard_normal((500, 30))
    values += np.where(np.arange(500) // 50 % 2, 1.0, -1.0)[:, None]
    found = stability({"one": values[:450]}, {"one": values[450:]})[0]
    assert found.shift > 0.25
    assert found.state == "steady"


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([np.exp, np.cbrt, lambda x: 3 * x - 7]))
def test_the_index_is_never_negative_and_the_same_on_any_scale(seed, scale):
    dice = np.random.default_rng(seed)
    past, now = dice.standard_normal((90, 5)), dice.standard_normal((20, 5))
    plain = stability({"one": past}, {"one": now})[0]
    scaled = stability({"one": scale(past)}, {"one": scale(now)})[0]
    assert plain.shift >= 0
    assert scaled == plain


def test_equal_windows_have_index_zero_and_names_that_do_not_count_change_nothing():
    dice = np.random.default_rng(6)
    past = dice.standard_normal((100, 10))
    same = stability({"one": past}, {"one": past[:25]})[0]
    absent = np.full((100, 3), np.nan)
    wider = stability({"one": np.hstack([past, absent])}, {"one": past[:25]})[0]
    assert wider == same
    steady = np.tile(np.arange(10.0), (100, 1))
    assert stability({"one": steady}, {"one": steady[:25]})[0].p == 1


def test_a_value_that_never_changed_and_one_that_is_shared_by_many_have_bins_of_their_own():
    past, now = np.full((100, 10), 2.0), np.full((25, 10), 1.0)
    assert stability({"fixed": past}, {"fixed": now})[0].state == "drifted"
    assert stability({"fixed": past}, {"fixed": now + 2})[0].state == "drifted"
    assert stability({"fixed": past}, {"fixed": past[:25]})[0].shift == 0
    dice = np.random.default_rng(7)
    flag = (dice.random((125, 40)) < 0.05).astype(float)
    assert stability({"flag": flag[:100]}, {"flag": flag[100:]})[0].state == "steady"
    flag[100:, :20] = 1.0
    assert stability({"flag": flag[:100]}, {"flag": flag[100:]})[0].state == "drifted"


def test_too_few_sessions_other_features_and_infinite_values_are_refused():
    values = np.zeros((100, 3))
    with pytest.raises(ValueError, match=r"one: expected 20 recent sessions .* found 19"):
        stability({"one": values}, {"one": values[:19]})
    with pytest.raises(ValueError, match="found 30 after 100"):
        stability({"one": values}, {"one": values[:30]})
    with pytest.raises(ValueError, match=r"found \['one'\] and \['two'\]"):
        stability({"one": values}, {"two": values[:20]})
    values[0, 0] = np.inf
    with pytest.raises(ValueError, match="1 infinite"):
        stability({"one": values}, {"one": values[:20]})
    with pytest.raises(ValueError, match="No feature"):
        worst([])


@pytest.mark.parametrize(("horizon", "record"), [(1, 250), (1, 750), (5, 250), (5, 750)])
def test_a_steady_year_alarms_one_time_in_twenty_at_most(horizon, record):
    dice, years = np.random.default_rng([8, horizon, record]), 600
    states = [
        decay(
            rank_ics(dice, np.full(record + YEAR, 0.03), horizon=horizon),
            horizon=horizon,
            watched=YEAR,
        ).state
        for _ in range(years)
    ]
    for share, words in ((0.05, ["drifted"]), (0.2, ["watch", "drifted"])):
        found = sum(state in words for state in states) / years
        assert found <= share + 3 * np.sqrt(share * (1 - share) / years)


def test_a_rank_ic_that_falls_from_plus_to_minus_three_hundredths_alarms_within_70_sessions():
    dice, found = np.random.default_rng(9), []
    for _ in range(200):
        means = np.r_[np.full(750, 0.03), np.full(70, -0.03)]
        found.append(decay(rank_ics(dice, means), horizon=1, watched=70).state)
    assert np.mean([state == "drifted" for state in found]) >= 0.9


def test_with_a_known_mean_the_run_to_an_alarm_is_as_siegmund_has_it():
    slack = 0.25
    for share, bound in zip(
        (0.2, 0.05), intervals(slack, record=10**9, freedom=10**9), strict=True
    ):
        reach = 2 * slack * (bound + 1.166)  # Siegmund, "Sequential analysis" (1985), chapter 2
        sessions = (np.exp(reach) - 1 - reach) / (2 * slack**2)
        assert sessions == pytest.approx(-YEAR / np.log(1 - share), rel=0.15)


def test_later_sessions_move_no_earlier_sum_and_the_record_is_what_was_before_the_watch():
    ics = rank_ics(np.random.default_rng(10), np.full(500, 0.03))
    early = decay(ics[:450], horizon=1, watched=100)
    late = decay(np.r_[ics[:450], ics[450:] - 1.0], horizon=1, watched=150)
    np.testing.assert_array_equal(late.sum_T[:100], early.sum_T)
    assert (late.mean, late.deviation, late.alarm) == (early.mean, early.deviation, early.alarm)
    assert late.state == "drifted"


def test_the_sums_are_pages_and_an_alarm_stays_when_skill_comes_back():
    ics = rank_ics(np.random.default_rng(11), np.r_[np.full(400, 0.03), np.full(80, -0.2)])
    ics = np.r_[ics, np.full(60, 0.5)]
    found, total, by_hand = decay(ics, horizon=1, watched=140), 0.0, []
    for value in ics[400:]:
        total = max(0.0, total + (found.mean - value) / found.deviation - found.slack)
        by_hand.append(total)
    np.testing.assert_allclose(found.sum_T, by_hand, atol=1e-9)
    assert found.highest == max(found.sum_T)
    assert found.sum_T[-1] < found.watch
    assert found.state == "drifted"


def test_a_short_record_gives_no_verdict_and_no_session_watched_is_steady():
    ics = rank_ics(np.random.default_rng(12), np.full(200, 0.03))
    assert decay(ics, horizon=1, watched=100).state is None
    assert decay(ics, horizon=20, watched=60).state is None
    assert decay([], horizon=1, watched=0).state is None
    assert decay(ics, horizon=1, watched=0).state == "steady"
    assert decay(np.r_[np.nan, ics, np.nan], horizon=1, watched=50).highest == pytest.approx(
        decay(ics, horizon=1, watched=50).highest
    )
    with pytest.raises(ValueError, match="a watch of 0 to 260 sessions, found 0 infinite ones and"):
        decay(ics, horizon=1, watched=261)
