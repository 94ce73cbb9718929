"""A search keeps what it found, goes on where it stood, and spends what it may."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tasks.learning.model import Setting
from tasks.learning.tuning import Effort, Trial, best_of, search, space_of

KNOWN = {
    "width": Setting(10, 1, 100, "of a made-up thing", (2, 50), True),
    "share": Setting(0.5, 0.0, 1.0, "of another", (0.1, 0.9)),
    "other": Setting(3, 1, 9, "not searched"),
}
START = {"width": 10, "share": 0.5, "other": 3}
SPACE = space_of(KNOWN, START, model="thing")


def worth(settings, fold: int) -> float:
    return 0.05 - abs(settings["share"] - 0.2) / 10 - abs(settings["width"] - 20) / 1000 + fold / 99


def judge(settings):
    yield from ((worth(settings, fold),) for fold in range(4))


def searched(folder: Path, judging=judge, trials=6, budget_s=None, **changes) -> list[Trial]:
    effort = Effort(folder / "trials.db", trials, budget_s)
    given = {"folds": 4, "name": "one", "effort": effort, "seed": 1, "told": lambda trials: None}
    return search(judging, SPACE, START, **(given | changes))


def bare(trials: list[Trial]) -> list[Trial]:
    return [trial._replace(seconds=0.0) for trial in trials]


def test_looks_only_where_a_setting_has_a_range_and_where_it_stands():
    assert sorted(SPACE) == ["share", "width"]
    assert space_of(KNOWN, {**START, "share": 0.95}, model="thing")["share"].most == 0.95
    with pytest.raises(ValueError, match="ridge has no setting with a range"):
        space_of({"other": KNOWN["other"]}, START, model="ridge")


def test_the_recipe_as_it_stands_comes_first_and_settings_that_are_not_searched_stay(tmp_path):
    seen = []

    def watching(settings):
        seen.append(settings)
        yield from judge(settings)

    found = searched(tmp_path, watching, trials=3)
    assert seen[0] == START
    assert all(settings["other"] == 3 for settings in seen)
    assert [trial.settings for trial in found] == [
        {name: settings[name] for name in SPACE} for settings in seen
    ]


@pytest.mark.slow
def test_finds_what_is_better_and_gives_up_what_falls_behind(tmp_path):
    found = searched(tmp_path, trials=40)
    best = best_of(found)
    assert best.value > found[0].value + 0.02
    assert best.settings["share"] == pytest.approx(0.2, abs=0.08)
    pruned = [trial for trial in found if trial.state == "pruned"]
    assert len(pruned) >= 5
    assert all(len(trial.folds) < 4 for trial in pruned)
    assert all(len(trial.folds) == 4 for trial in found if trial.state == "complete")


def test_the_same_seed_proposes_the_same_and_another_something_else(tmp_path):
    one = searched(tmp_path / "a")
    assert bare(searched(tmp_path / "b")) == bare(one)
    assert bare(searched(tmp_path / "c", seed=2))[1:] != bare(one)[1:]


def test_goes_on_to_the_number_of_trials_and_then_only_says_what_it_found(tmp_path):
    few = searched(tmp_path, trials=2)
    more = searched(tmp_path, trials=5)
    assert (len(few), len(more)) == (2, 5)
    assert more[:2] == few

    def nobody(settings):
        raise AssertionError("judged once too often")
        yield

    assert searched(tmp_path, nobody, trials=5) == more
    assert len(searched(tmp_path, trials=1, name="another")) == 1


def test_a_budget_ends_the_search_after_the_trial_in_which_it_is_spent(tmp_path):
    def slow(settings):
        time.sleep(0.2)
        yield from judge(settings)

    found = searched(tmp_path, slow, trials=50, budget_s=0.5)
    assert 2 <= len(found) <= 3
    assert sum(trial.seconds for trial in found[:-1]) < 0.5
    assert searched(tmp_path, slow, trials=50, budget_s=0.5) == found  # it was spent before


def test_a_trial_that_raises_counts_and_says_why(tmp_path):
    def picky(settings):
        if settings != START:
            raise ValueError("The losses are not finite.")
        yield from judge(settings)

    found = searched(tmp_path, picky, trials=3)
    assert [trial.state for trial in found] == ["complete", "failed", "failed"]
    assert found[1].why == "The losses are not finite."
    assert best_of(found) == found[0]
    with pytest.raises(ValueError, match="None of 2 trials is whole: The losses"):
        best_of(found[1:])


def test_each_trial_is_told_once_it_has_ended(tmp_path):
    told = []
    found = searched(tmp_path, trials=3, told=told.append)
    assert told == [found[:1], found[:2], found]


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.learning.test_tuning import judge, searched

def slow(settings):
    for number, value in enumerate(judge(settings)):
        if number == 2:
            print("judging", flush=True)
            time.sleep(float(sys.argv[2]))
        yield value

searched(Path(sys.argv[1]), slow, trials=8, told=lambda trials: print("ended", flush=True))
"""


@pytest.mark.slow
@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_search_that_is_killed_goes_on_as_if_it_had_not_been(tmp_path, after):
    """Kill -9 in the middle of the trial after `after` have ended."""
    code = KILLED.format(root=str(Path(__file__).parents[2]))
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "killed"), "0.2"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    ended = 0
    for line in process.stdout:
        ended += line == "ended\n"
        if line == "judging\n" and ended == after:
            process.kill()
            break
    process.wait()
    assert process.returncode == -9
    kept = searched(tmp_path / "killed", trials=after) if after else []
    assert len(kept) == after
    gone_on = searched(tmp_path / "killed", trials=8)
    assert gone_on[:after] == kept
    assert bare(gone_on) == bare(searched(tmp_path / "unbroken", trials=8))
