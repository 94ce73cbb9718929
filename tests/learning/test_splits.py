"""Refits keep their dates, and nothing learned from reaches into what it is judged by."""

from datetime import date, timedelta
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.learning.splits import (
    combinatorial_folds,
    combinatorial_paths,
    purged_split,
    refit_sessions,
    walk_forward_folds,
)

DAYS = [date(2020, 1, 1) + timedelta(days=number) for number in range(100)]


def test_later_sessions_never_move_earlier_refits():
    short = refit_sessions(DAYS[:60], first_fit=20, refit_every=7)
    assert short == refit_sessions(DAYS, first_fit=20, refit_every=7)[: len(short)]
    assert short[0] == DAYS[19]
    assert refit_sessions(DAYS[:19], first_fit=20, refit_every=7) == []


@pytest.mark.parametrize("horizon", [1, 5, 20])
@pytest.mark.parametrize("gap", [(), (50, 51, 60)])
def test_a_training_label_is_known_before_the_first_validation_session(horizon, gap):
    labelled = [place for place in range(10, 100) if place not in gap]
    train, valid = purged_split(labelled, horizon=horizon, valid_share=0.2)
    assert train[-1] + 1 + horizon < valid[0]
    assert not set(train) & set(valid)
    assert valid[-1] == 99
    assert len(valid) == round(0.2 * len(labelled))


def test_purges_exactly_horizon_and_one_sessions():
    train, valid = purged_split(np.arange(100), horizon=5, valid_share=0.1)
    assert valid[0] - train[-1] - 1 == 6


def test_says_when_too_few_sessions_have_labels():
    with pytest.raises(ValueError, match="8 labelled sessions are too few"):
        purged_split(range(8), horizon=10, valid_share=0.2)
    with pytest.raises(ValueError, match="0 labelled sessions"):
        purged_split([], horizon=10, valid_share=0.2)


# --- folds ---------------------------------------------------------------------------------------


def days_of(place: int, horizon: int) -> set[int]:
    """Return the sessions that a label spans, its last price included."""
    return set(range(place + 1, place + 2 + horizon))


@st.composite
def labelled(draw) -> list[int]:
    """Return places of labelled sessions, some missing between."""
    steps = draw(st.lists(st.sampled_from([1, 1, 1, 1, 2, 9]), min_size=150, max_size=250))
    return (draw(st.integers(0, 50)) + np.cumsum(steps)).tolist()


@given(labelled(), st.integers(1, 6), st.integers(2, 6), st.data(), st.integers(0, 8))
def test_no_label_learned_from_overlaps_one_that_judges(places, horizon, groups, data, embargo):
    tested = data.draw(st.integers(1, min(groups - 1, 2)))
    folds = combinatorial_folds(
        places, horizon=horizon, groups=groups, tested=tested, embargo=embargo
    )
    folds += walk_forward_folds(places, horizon=horizon, first=30, every=100 // groups)
    for fold in folds:
        judged = set().union(*(days_of(t, horizon) for test in fold.tests for t in test))
        learned = set().union(*(days_of(s, horizon) for s in fold.train))
        assert not judged & learned
        assert set(fold.train) <= set(places)


@given(labelled(), st.integers(1, 6), st.integers(3, 6), st.data(), st.integers(0, 8))
def test_all_that_may_be_learned_from_is_and_nothing_under_purge_or_embargo(
    places, horizon, groups, data, embargo
):
    tested = data.draw(st.integers(1, 2))
    folds = combinatorial_folds(
        places, horizon=horizon, groups=groups, tested=tested, embargo=embargo
    )
    for fold in folds:
        out = {
            day
            for test in fold.tests
            for day in range(test[0] - horizon - 1, test[-1] + horizon + 2 + embargo)
        }
        assert set(fold.train) == set(places) - out


@given(labelled(), st.integers(1, 6), st.integers(3, 7), st.data())
def test_each_session_is_judged_in_equally_many_folds_and_once_on_each_path(
    places, horizon, groups, data
):
    tested = data.draw(st.integers(1, 2))
    folds = combinatorial_folds(places, horizon=horizon, groups=groups, tested=tested, embargo=1)
    assert len(folds) == comb(groups, tested)
    judged = np.concatenate([np.concatenate(fold.tests) for fold in folds])
    sessions, counts = np.unique(judged, return_counts=True)
    assert sessions.tolist() == places
    assert set(counts) == {comb(groups - 1, tested - 1)}
    paths = combinatorial_paths(folds)
    assert paths.shape == (comb(groups, tested) * tested // groups, groups)
    for number, column in enumerate(paths.T):
        assert len(set(column)) == len(column)
        assert all(number in folds[fold].groups for fold in column)


@given(labelled(), st.integers(1, 6), st.integers(20, 40), st.integers(5, 60), st.data())
def test_walking_forward_later_sessions_change_no_earlier_fold(places, horizon, first, every, data):
    walked = walk_forward_folds(places, horizon=horizon, first=first, every=every)
    cut = data.draw(st.integers(first + every, len(places)))
    later = [place + 1000 for place in data.draw(labelled())]  # another future
    again = walk_forward_folds([*places[:cut], *later], horizon=horizon, first=first, every=every)
    for number in range((cut - first) // every):
        np.testing.assert_array_equal(again[number].train, walked[number].train)
        np.testing.assert_array_equal(again[number].tests[0], walked[number].tests[0])
    judged = np.concatenate([fold.tests[0] for fold in walked])
    assert judged.tolist() == places[first : first + len(judged)]
    assert len(places) - first - len(judged) < every
    for fold in walked:
        known = [place for place in places if place + 1 + horizon < fold.tests[0][0]]
        assert fold.train.tolist() == known


def test_says_why_there_are_no_folds():
    with pytest.raises(ValueError, match="no stretch of 30 after the first 20"):
        walk_forward_folds(range(40), horizon=1, first=20, every=30)
    with pytest.raises(ValueError, match="after purges of 11"):
        walk_forward_folds(range(20), horizon=10, first=10, every=5)
    with pytest.raises(ValueError, match="after purges of 21"):
        combinatorial_folds(range(40), horizon=20, groups=4, tested=2, embargo=0)
    with pytest.raises(ValueError, match=r"\(4\) than there are \(4\)"):
        combinatorial_folds(range(40), horizon=1, groups=4, tested=4, embargo=0)
    uneven = combinatorial_folds(range(40), horizon=1, groups=4, tested=1, embargo=0)
    with pytest.raises(ValueError, match="equally often"):
        combinatorial_paths([*uneven, uneven[0]])
