"""What is said of drift and of sureness is chosen by the numbers."""

import polars as pl
import pytest

from tasks.reports.morning import morning_page
from tasks.reports.sureness import drift_badges, drift_words, sure_words
from tests.reports.morning_case import DRIFT, morning


def test_a_steady_model_is_told_in_one_sentence_and_gets_no_badge():
    assert drift_words(DRIFT, {}) == (
        "Drift: features steady, of 36 <code>volatility_252</code> moved most, by a stability "
        "index of 0.04 where luck gives 0.05; skill steady, its shortfall 4.3 where a watch begins "
        "at 12.6 and an alarm at 19.2."
    )
    assert drift_badges(DRIFT) == []
    assert drift_words({}, {}) == ""


def test_what_is_not_known_is_said():
    young = DRIFT | {"features": None, "skill": None, "shift": None, "highest": None}
    assert drift_words(young, {}) == (
        "Drift: too short a past to judge the features; too short a record to judge the skill."
    )
    assert drift_badges(young) == []
    assert "Too few labels are known" in sure_words({})
    assert "Too few labels are known" in sure_words({"half_width": None, "covered": 0.9})


@pytest.mark.parametrize(("factor", "said"), [(0.5, "Half of its alpha"), (0.0, "None of its")])
def test_what_drift_costs_is_said_and_why_a_book_does_not_pay(factor, said):
    gone = DRIFT | {"skill": "drifted", "factor": factor}
    assert said in drift_words(gone, {})
    off = drift_words(gone, {"shrink": "a <trial>"})
    assert said not in off
    assert "believes it all the same: a &lt;trial&gt;" in off


def test_a_book_that_went_on_although_it_was_held_says_who_let_it():
    held = DRIFT | {"features": "drifted", "skill": "drifted", "factor": 0.0, "hold": True}
    assert "A person has looked" in drift_words(held, {})
    assert "not held: nobody is up" in drift_words(held, {"hold": "nobody is up"})
    assert len(drift_badges(held)) == 2
    assert all("bad" in one for one in drift_badges(held))


def test_intervals_are_told_with_how_often_they_held():
    told = sure_words({"half_width": 1.56, "covered": 0.9012})
    assert told.endswith("within 1.56 deviations of what a score expects; lately 90.1% did.")
    assert sure_words({"half_width": 1.56, "covered": None}).endswith("expects.")


def test_the_page_shows_the_verdict_the_interval_and_how_far_seeds_differ():
    page = morning_page(morning(drift=DRIFT | {"skill": "watch"}))
    assert "skill: watch" in page
    assert "where a watch begins" in page
    assert "within 1.56 deviations" in page
    targets = morning().targets.with_columns(score=pl.lit(0.25), seed_spread=pl.lit(0.125))
    assert "0.250 ± 0.125" in morning_page(morning(targets=targets))
    assert "0.250 ± " not in morning_page(morning(targets=targets.drop("seed_spread")))
