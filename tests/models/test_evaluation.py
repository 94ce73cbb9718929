"""Figures of scores come with errors, and are what one would work out by hand."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from tasks.models.evaluation import evaluate


def frame(values: np.ndarray, name: str) -> pl.DataFrame:
    sessions, names = values.shape
    days = [date(2020, 1, 1) + timedelta(days=number) for number in range(sessions)]
    return pl.DataFrame(
        {
            "session": [day for day in days for _ in range(names)],
            "instrument": [f"s:{number:03}" for _ in days for number in range(names)],
            name: values.ravel(),
        }
    )


def test_scores_that_are_the_labels_are_perfect():
    label = np.random.default_rng(1).normal(size=(30, 40))
    found = evaluate(frame(label, "score"), frame(label, "label"), horizon=5, min_names=5)
    assert found.metrics["ic"] == pytest.approx(1.0)
    assert found.metrics["rank_ic"] == pytest.approx(1.0)
    assert found.metrics["sessions"] == 30
    assert found.metrics["names"] == 40
    assert found.metrics["deciles"] == 10
    low = np.sort(label, axis=1)[:, :4].mean()
    high = np.sort(label, axis=1)[:, -4:].mean()
    assert found.metrics["decile_spread"] == pytest.approx(high - low)
    assert found.deciles.height == 300


def test_noise_lies_within_its_error_and_the_error_is_of_the_right_size():
    rng = np.random.default_rng(2)
    found = evaluate(
        frame(rng.normal(size=(400, 50)), "score"),
        frame(rng.normal(size=(400, 50)), "label"),
        horizon=1,
        min_names=5,
    )
    assert abs(found.metrics["ic"]) < 3 * found.metrics["ic_error"]
    assert found.metrics["ic_error"] == pytest.approx(1 / np.sqrt(400 * 49), rel=0.25)
    assert found.metrics["icir"] == pytest.approx(
        found.metrics["ic"] / found.daily["ic"].std(), rel=1e-9
    )


def test_overlapping_labels_widen_the_error():
    rng = np.random.default_rng(3)
    steps = rng.normal(size=(405, 30))
    label = np.lib.stride_tricks.sliding_window_view(steps, 6, axis=0).sum(axis=-1)
    score = np.repeat(rng.normal(size=(1, 30)), 400, axis=0)
    wide = evaluate(frame(score, "score"), frame(label, "label"), horizon=6, min_names=5)
    plain = wide.daily["ic"].std() / np.sqrt(400)
    assert wide.metrics["ic_error"] > 1.6 * plain


def test_unknown_labels_are_left_out_and_few_names_make_fewer_groups():
    score = np.arange(18.0).reshape(3, 6)
    label = np.tile(np.arange(6.0), (3, 1))
    label[1, 2:] = np.nan
    found = evaluate(frame(score, "score"), frame(label, "label"), horizon=1, min_names=5)
    assert found.metrics["sessions"] == 2
    assert found.metrics["deciles"] == 3
    assert found.metrics["decile_spread"] == 4.0
    assert found.daily["names"].to_list() == [6, 2, 6]
    assert found.daily["ic"].null_count() == 1


def test_nothing_known_gives_nothing_but_nan():
    score = np.ones((2, 6))
    found = evaluate(frame(score, "score"), frame(score * np.nan, "label"), horizon=1, min_names=5)
    assert np.isnan(found.metrics["ic"])
    assert found.metrics["sessions"] == 0
    assert found.daily.is_empty()


def test_says_how_much_was_dropped_what_is_traded_and_what_it_may_cost():
    rng = np.random.default_rng(4)
    score, label = rng.normal(size=(2, 40, 24))
    label += 0.5 * score
    label[-3:] = np.nan  # not known yet
    found = evaluate(frame(score, "score"), frame(label, "label"), horizon=2, min_names=5).metrics
    assert found["dropped"] == pytest.approx(3 / 40)
    assert found["coverage"] == 1
    assert 0.8 < found["turnover"] < 1  # of a tenth of the names hardly one stays
    assert abs(found["rank_autocorrelation"]) < 0.1
    assert found["break_even"] == pytest.approx(found["decile_spread"] / 4 / found["turnover"])


def test_scores_without_a_label_still_count_as_held():
    score = np.random.default_rng(5).normal(size=(10, 12))
    known = evaluate(frame(score, "score"), frame(score, "label"), horizon=1, min_names=5)
    later = frame(score, "label").filter(pl.col("session") < date(2020, 1, 6))
    found = evaluate(frame(score, "score"), later, horizon=1, min_names=5)
    assert found.metrics["turnover"] == known.metrics["turnover"]
    assert found.daily.height == 5
    assert found.metrics["dropped"] == 0.5
