"""A title counts from its session on, and a refit keeps it only where its scores make sense."""

import math
from datetime import date, timedelta

import numpy as np
import pytest

from tasks.models.titles import Decision, Refit, Title, sane, titles

DAYS = [date(2024, 1, 1) + timedelta(days=7 * week) for week in range(4)]
BETWEEN = DAYS[1] + timedelta(days=2)
NAMES = ["a", "b"]


def held(*decisions: Decision, schedule=DAYS) -> list[tuple[date, str]]:
    found = titles(schedule, decisions, first="a", candidates=NAMES)
    return [(one.session, one.recipe) for one in found]


def test_the_first_candidate_keeps_the_title_refit_by_refit():
    found = titles(DAYS[:2], [], first="a", candidates=NAMES)
    assert found == [
        Title(DAYS[0], "a", "first candidate of the contest"),
        Title(DAYS[1], "a", "scheduled refit"),
    ]
    assert titles([], [], first="a", candidates=NAMES) == []


def test_a_decision_counts_from_its_session_on_and_moves_nothing_before():
    with_it = held(Decision(BETWEEN, "b", "why"))
    assert with_it == [*held()[:2], (BETWEEN, "b"), (DAYS[2], "b"), (DAYS[3], "b")]


def test_a_decision_on_a_scheduled_session_takes_its_refit():
    assert held(Decision(DAYS[2], "b", "why"))[1:] == [
        (DAYS[1], "a"),
        (DAYS[2], "b"),
        (DAYS[3], "b"),
    ]


def test_a_title_may_go_back():
    there, back = Decision(DAYS[1], "b", "why"), Decision(BETWEEN, "a", "worse")
    assert [recipe for _, recipe in held(there, back)] == ["a", "b", "a", "a", "a"]


@pytest.mark.parametrize(
    "idle",
    [
        Decision(BETWEEN, "a", "holds it already"),
        Decision(date(2023, 1, 1), "b", "before the first fit"),
    ],
)
def test_what_changes_nothing_asks_for_no_fit(idle):
    assert held(idle) == held()


def test_a_title_given_to_one_that_is_no_candidate_any_more_is_named_and_the_past_stays():
    gone = Decision(BETWEEN, "c", "why"), Decision(DAYS[3], "a", "back")
    with pytest.raises(LookupError, match=f"given to 'c' \\(since {BETWEEN}\\).* put it back"):
        held(*gone)
    with pytest.raises(LookupError, match=r"'z' .*there is: a, b"):
        titles(DAYS, [], first="z", candidates=NAMES)
    early = Decision(date(2023, 1, 1), "c", "before the first fit")
    assert held(early) == held()


def test_later_decisions_and_sessions_never_move_earlier_titles():
    early = held(Decision(DAYS[1], "b", "why"), schedule=DAYS[:2])
    later = held(Decision(DAYS[1], "b", "why"), Decision(DAYS[3], "a", "back"))
    assert later[: len(early)] == early


NO_NUMBER = "its loss on validation is not finite"
SCORES = np.random.default_rng(1).normal(size=200)


def refit(scores=SCORES, loss: float | None = 1.0) -> Refit:
    return Refit({"curves": {} if loss is None else {"valid_loss": [9.0, loss, 3.0]}}, scores)


def test_a_refit_like_the_one_before_is_believed_and_its_numbers_are_told():
    found = sane(refit(SCORES * 2 + 1, 1.2), refit())
    assert found.fault == ""
    assert (found.loss, found.loss_before, found.names) == (1.2, 1.0, 200)
    assert found.correlation == pytest.approx(1)


@pytest.mark.parametrize(
    ("fresh", "fault"),
    [
        (refit(np.where(np.arange(200) < 3, np.nan, SCORES)), "3 of 200 scores are not finite"),
        (refit(np.where(np.arange(200) < 1, np.inf, SCORES)), "1 of 200 scores are not finite"),
        (refit(np.full(200, 0.5)), "all 200 scores are 0.5"),
        (refit(-SCORES), "it turns the order of names round (rank correlation -1.00)"),
        (refit(loss=2.1), "its loss is 2.1, that of the fit before 1"),
        (refit(loss=0.4), "its loss is 0.4, that of the fit before 1"),
        (refit(loss=math.nan), "its loss on validation is not finite"),
        (refit(loss=None)._replace(card={"curves": {"valid_loss": [math.nan, 1.0]}}), NO_NUMBER),
        (refit(loss=None)._replace(card={"curves": {"valid_loss": [1.0, None]}}), NO_NUMBER),
    ],
)
def test_a_refit_that_makes_no_sense_is_at_fault_and_says_why(fresh, fault):
    assert sane(fresh, refit()).fault == fault


def test_a_fit_that_learned_from_the_validation_too_is_judged_by_what_came_of_that():
    def again(loss: float | None) -> Refit:
        return Refit({"facts": {"refit_loss": loss}, "curves": {"valid_loss": [1.0]}}, SCORES)

    assert sane(again(0.8), again(0.9)).fault == ""
    assert sane(again(5.0), again(0.9)).fault == "its loss is 5, that of the fit before 0.9"
    assert sane(again(None), again(0.9)).fault == NO_NUMBER


@pytest.mark.parametrize(("names", "told"), [(0, "no name is"), (1, "one name alone is")])
def test_a_refit_without_names_in_common_with_the_last_fit_cannot_be_believed(names, told):
    found = sane(refit(SCORES[:names]), refit(SCORES[:names]))
    assert found.fault == f"{told} scored by it and by the fit before: nothing to judge"
    assert found.names == names


def test_a_last_fit_without_a_number_for_a_loss_keeps_no_better_one_out():
    assert sane(refit(loss=1.0), refit(loss=math.nan)).fault == ""


def test_scores_that_have_nothing_to_do_with_the_last_are_no_fault():
    faults = [
        sane(refit(np.random.default_rng(seed).normal(size=200)), refit()).fault
        for seed in range(2, 60)
    ]
    assert sum(bool(fault) for fault in faults) <= 5  # one in 40 is that far below zero by chance


def test_a_recipe_without_a_loss_is_judged_by_its_scores_alone():
    assert sane(refit(loss=None), refit(loss=None)).fault == ""
    assert sane(refit(-SCORES, None), refit(loss=None)).fault != ""


def test_a_model_that_always_says_the_same_may_go_on_saying_it():
    same = np.full(200, 1.0)
    assert sane(refit(same), refit(same)).fault == ""
