"""Drift costs belief in a model, and what is not known costs none."""

from datetime import date, timedelta

import numpy as np
import pytest

from tasks.learning.panel import Panel
from tasks.models.drift import drift_of, feature_shifts
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


def panel(sessions: int = 320, *, shift: float = 0.0) -> Panel:
    dice = np.random.default_rng(1)
    days = tuple(date(2023, 1, 1) + timedelta(days=day) for day in range(sessions))
    features_NTF = dice.standard_normal((25, sessions, 3)).astype(np.float32)
    features_NTF[:, 260:, 1] += shift
    member_TN = np.ones((sessions, 25), bool)
    names = tuple(f"N{name:02}" for name in range(25))
    return Panel(days, names, ("a", "b", "c"), features_NTF, member_TN)


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
    moved = panel(shift=0.7)
    states = {one.name: one.state for one in feature_shifts(moved, as_of=moved.sessions[-1])}
    assert states == {"a": "steady", "b": "drifted", "c": "steady"}


def test_what_comes_after_the_close_moves_no_shift_and_so_does_no_name_that_is_no_member():
    before = panel()
    found = feature_shifts(before, as_of=before.sessions[309])
    after = panel()
    after.features_NTF[:, 310:] = 50.0
    after.member_TN[310:, 3:] = False
    assert feature_shifts(after, as_of=before.sessions[309]) == found
    wider = before._replace(
        instruments=(*before.instruments, "OUT"),
        features_NTF=np.concatenate([before.features_NTF, before.features_NTF[:1] + 9]),
        member_TN=np.pad(before.member_TN, ((0, 0), (0, 1))),
    )
    assert feature_shifts(wider, as_of=before.sessions[309]) == found


def test_too_few_sessions_give_no_shifts_and_an_unknown_session_is_refused():
    short = panel(299)
    assert feature_shifts(short, as_of=short.sessions[-1]) == []
    assert len(feature_shifts(panel(300), as_of=panel(300).sessions[-1])) == 3
    with pytest.raises(ValueError, match="2020-01-01 is no session of the panel"):
        feature_shifts(short, as_of=date(2020, 1, 1))
