"""Refits keep their dates, and nothing learned from reaches into what it is judged by."""

from datetime import date, timedelta

import numpy as np
import pytest

from tasks.learning.splits import purged_split, refit_sessions

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
