"""Drift costs belief in a model, and what is not known costs none."""

from datetime import date, timedelta

import numpy as np
import pytest

from tasks.models.drift import drift_of, feature_shifts, watch_since
from tasks.statistics.drift import STATES, Decay, Stability, State

EVERY: tuple[State | None, ...] = (None, *STATES)


def features(state: State | None) -> list[Stability]:
    if state is None:
        return []
    return [
        Stability("calm", 0.001, 0.01, 1.0, 1.0, "steady"),
        Stability("loud", 0.3, 0.01, 0.01, 0.02, state),
    ]


def skill(state: State | None) -> Decay:
    return Decay(state, 9.0, 8.0, 12.0, 0.03, 0.1, 0.15, np.zeros(1))


DAYS = tuple(date(2023, 1, 1) + timedelta(days=day) for day in range(320))


def drawn(*, shift: float = 0.0) -> dict[str, np.ndarray]:
    """Return three features of 25 names, of which one moves after 260 of 320 sessions."""
    dice = np.random.default_rng(1)
    tables = {name: dice.standard_normal((len(DAYS), 25)) for name in "abc"}
    tables["b"][260:] += shift
    return tables


@pytest.mark.parametrize(
    ("of_features", "of_skill", "factor", "hold"),
    [
        ("steady", "steady", 1.0, False),
        ("watch", "steady", 1.0, False),
        ("steady", "watch", 1.0, False),
        ("watch", "watch", 0.5, False),
        ("drifted", "steady", 0.5, False),
        ("drifted", "watch", 0.5, False),
        ("steady", "drifted", 0.0, False),
        ("watch", "drifted", 0.0, False),
        ("drifted", "drifted", 0.0, True),
        (None, None, 1.0, False),
        (None, "drifted", 0.0, False),
        ("drifted", None, 0.5, False),
    ],
)
def test_each_drift_costs_what_the_rule_says(of_features, of_skill, factor, hold):
    found = drift_of(features(of_features), skill(of_skill))
    assert (found.factor, found.hold) == (factor, hold)
    assert (found.features, found.skill) == (of_features, of_skill)


def test_more_drift_never_earns_more_belief():
    factor = {
        (one, other): drift_of(features(one), skill(other)).factor
        for one in EVERY
        for other in EVERY
    }
    for place, worse in enumerate(STATES[1:]):
        for other in EVERY:
            assert factor[worse, other] <= factor[STATES[place], other]
            assert factor[other, worse] <= factor[other, STATES[place]]


def test_the_reason_names_the_feature_and_the_numbers():
    reason = drift_of(features("drifted"), skill("watch")).reason
    assert "features drifted: loud moved most of 2, stability index 0.300 against 0.010" in reason
    assert "skill watch: rank IC fell short of 0.030 by a sum of 9.0" in reason
    assert drift_of([], skill(None)).reason == (
        "features: too few sessions to tell; skill: too short a record to tell"
    )


def test_a_feature_that_moved_lately_is_found_and_the_others_are_not():
    found = feature_shifts(drawn(shift=0.7), DAYS, as_of=DAYS[-1])
    assert {one.name: one.state for one in found} == {"a": "steady", "b": "drifted", "c": "steady"}


def test_what_comes_after_the_close_moves_no_shift_and_so_does_no_name_that_is_no_member():
    tables = drawn()
    found = feature_shifts(tables, DAYS, as_of=DAYS[309])
    for name in tables:
        tables[name][310:] = 50.0
        tables[name] = np.hstack([tables[name], np.full((len(DAYS), 1), np.nan)])
    tables["a"][310:, 3:] = np.inf
    assert feature_shifts(tables, DAYS, as_of=DAYS[309]) == found


def test_too_few_sessions_give_no_shifts_and_an_unknown_session_is_refused():
    assert feature_shifts(drawn(), DAYS, as_of=DAYS[298]) == []
    assert len(feature_shifts(drawn(), DAYS, as_of=DAYS[299])) == 3
    assert feature_shifts({}, DAYS, as_of=DAYS[299]) == []
    with pytest.raises(ValueError, match="2020-01-01 is no session of the features"):
        feature_shifts(drawn(), DAYS, as_of=date(2020, 1, 1))


def test_a_night_and_a_walk_give_equal_numbers_where_sessions_were_not_told():
    days = [date(2021, 1, 1) + timedelta(days=day) for day in range(900)]
    dice = np.random.default_rng(2)
    walked = {name: dice.standard_normal((len(days), 25)).astype(np.float32) for name in "ab"}
    for table in walked.values():
        table[:200] += 3
        table[500:580] = np.nan  # nobody told: the 560 newest sessions hold 480 that are known
    night = {name: table[-560:] for name, table in walked.items()}
    found = feature_shifts(walked, days, as_of=days[-1])
    assert found == feature_shifts(night, days[-560:], as_of=days[-1])
    early = {name: table[:790] for name, table in walked.items()}
    assert feature_shifts(early, days[:790], as_of=days[789]) == feature_shifts(
        {name: table[230:] for name, table in early.items()}, days[230:790], as_of=days[789]
    )


def test_a_feature_that_is_told_too_seldom_is_left_out_and_values_without_end_count_as_none():
    tables = drawn()
    usual = feature_shifts(tables, DAYS, as_of=DAYS[-1])
    tables["gone"] = np.where(np.arange(len(DAYS))[:, None] < 270, tables["a"], np.nan)
    tables["never"] = np.full_like(tables["a"], np.nan)
    tables["young"] = np.where(np.arange(len(DAYS))[:, None] > 150, tables["a"], -np.inf)
    assert feature_shifts(tables, DAYS, as_of=DAYS[-1]) == usual


def test_a_watch_begins_with_the_reign_and_anew_after_a_year():
    days = [date(2023, 1, 1) + timedelta(days=day) for day in range(600)]
    assert [watch_since(days[:count]) for count in (1, 260, 261, 520, 521)] == [
        days[0],
        days[0],
        days[260],
        days[260],
        days[520],
    ]
