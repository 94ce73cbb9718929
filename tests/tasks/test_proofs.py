"""Who would be promoted is examined: for leaks, its intervals, and what books would earn."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from tasks import audit, proofs
from tasks.audit import Target
from tasks.learning.panel import Panel
from tasks.market.leaks import Audit, Output, Study
from tasks.models import fitting, uncertainty
from tasks.models.promotion import Proof
from tasks.settings import load_contest, open_lake
from tasks.walks import Seen
from tests.house import House

FIRST = date(2020, 12, 17)
CLEAN = Audit("tiny", (Output("scores", 9, ("score",), ()),), (), (FIRST,), 3)


@pytest.fixture
def house(tmp_path):
    house = House(tmp_path)
    with house.open():
        yield house


def ridge():
    return load_contest("tiny").candidates[1]


def leak(recipe=None):
    return proofs.leak_of("tiny", load_contest("tiny"), recipe or ridge(), FIRST)


@pytest.mark.slow
def test_an_honest_recipe_is_audited_by_the_night_s_functions_and_found_clean(house, monkeypatch):
    monkeypatch.setattr(audit, "NAMES", 20)
    monkeypatch.setattr(audit, "MOMENTS", 1)
    assert leak() == (False, "")


@pytest.mark.slow
def test_a_recipe_that_learns_from_what_it_scores_is_found_to_leak(house, monkeypatch):
    cut = fitting.as_known

    def uncut(seen, label_TN, fitted_on, rules):
        known, label = cut(seen, label_TN, fitted_on, rules)
        return known, label + seen.features_NTF[: label.shape[1], -1, 0]

    monkeypatch.setattr(audit, "NAMES", 20)
    monkeypatch.setattr(audit, "MOMENTS", 1)
    monkeypatch.setattr(fitting, "as_known", uncut)
    found, told = leak()
    assert found is True
    assert told.startswith("audit of tiny: leak, ")
    assert "of scores of ridge" in told


def test_an_audit_runs_once_for_its_recipe_and_its_code(house, monkeypatch):
    asked: list[str] = []
    tape = Target((Study("scores", len), Study("labels", len)), None, 1)
    monkeypatch.setattr(proofs, "target_of_contest", lambda *_: tape)
    monkeypatch.setattr(proofs, "judged_study", lambda study, _: asked.append(study.name) or CLEAN)
    for _ in range(2):
        assert leak() == (False, "")
    assert len(asked) == 2  # of the scores, and of the labels
    leak(ridge().model_copy(update={"settings": {"penalty": 3.0}}))
    assert len(asked) == 4
    monkeypatch.setattr(proofs, "code_hash", lambda: "other code")
    leak()
    assert len(asked) == 6


def test_an_audit_that_failed_says_why_and_is_tried_again(house, monkeypatch):
    def fails(*_):
        raise ValueError("no names left")

    monkeypatch.setattr(proofs, "target_of_contest", fails)
    assert leak() == (None, "the leak audit failed: no names left")
    monkeypatch.undo()
    with house.open():
        tape = Target((Study("scores", len),), None, 1)
        monkeypatch.setattr(proofs, "target_of_contest", lambda *_: tape)
        monkeypatch.setattr(
            proofs, "judged_study", lambda *_: CLEAN._replace(failure="no sessions")
        )
        assert leak() == (None, "audit of tiny: failed, no sessions")
        monkeypatch.setattr(proofs, "judged_study", lambda *_: CLEAN)
        assert leak() == (False, "")


def walk(*, sessions: int = 400, names: int = 30) -> Seen:
    """Return a walk of scores that know a tenth of the labels."""
    dice = np.random.default_rng(2)
    days = [FIRST + timedelta(days=day) for day in range(sessions)]
    score_TN = dice.normal(size=(sessions, names))
    label_TN = 0.1 * score_TN + dice.normal(size=(sessions, names))
    who = [f"n{name:02}" for name in range(names)]
    panel = Panel(
        tuple(days), tuple(who), (), np.zeros((names, sessions, 0), np.float32), score_TN < np.inf
    )
    return Seen(days[0], days[-1], {"ridge": scored(days, who, score_TN)}, {}, panel, label_TN)


def scored(days, names, score_TN) -> pl.DataFrame:
    keys = [{"session": day, "instrument": name} for day in days for name in names]
    return pl.DataFrame(keys).with_columns(score=score_TN.ravel())


def test_intervals_of_steady_scores_cover_what_they_say(house):
    assert proofs.calibration_of(load_contest("tiny"), walk(), "ridge") == (True, "")


def test_too_short_a_walk_says_nothing_of_its_intervals(house):
    few = walk(sessions=100)
    told = proofs.calibration_of(load_contest("tiny"), few, "ridge")
    assert told == (None, "too few sessions judge its intervals")


def test_intervals_that_cover_too_little_are_told_with_by_how_much(house, monkeypatch):
    whole = uncertainty.intervals

    def narrow(*given, **more):
        found = whole(*given, **more)
        return found._replace(covered_T=found.covered_T - 0.1)

    monkeypatch.setattr(uncertainty, "intervals", narrow)
    sure, told = proofs.calibration_of(load_contest("tiny"), walk(), "ridge")
    assert sure is False
    assert told.startswith("the coverage of its intervals is off by -0.")


def test_what_comes_after_the_look_moves_no_calibration(house):
    seen = walk(sessions=420)
    cut = seen._replace(session=seen.panel.sessions[399])
    wild = cut.label_TN.copy()
    wild[400:] = 99 * np.random.default_rng(1).normal(size=wild[400:].shape)
    rules = load_contest("tiny")
    assert proofs.calibration_of(rules, cut._replace(label_TN=wild), "ridge") == (
        proofs.calibration_of(rules, cut, "ridge")
    )


@pytest.fixture(scope="module")
def landed(tmp_path_factory):
    """Give a house whose bars are judged, and nothing learned from."""
    from tasks import ingest, judge

    house = House(tmp_path_factory.mktemp("landed"))
    with house.open():
        ingest.land_deliveries.fn("tiny", FIRST)
        assert judge.judge_deliveries.fn("tiny", FIRST) == "pass"
    return house


@pytest.fixture
def seen(landed):
    with landed.open():
        yield two()


BEGIN, END = date(2020, 10, 1), date(2020, 12, 10)


def two() -> Seen:
    """Return two walks over real sessions: ridge knows tomorrow, lightgbm nothing."""
    bars = open_lake().read("bars", columns=["session", "instrument", "open"])
    ahead = pl.col("open").shift(-4) / pl.col("open").shift(-1)
    told = bars.sort("session").with_columns(score=ahead.over("instrument"))
    told = told.filter(pl.col("session").is_between(BEGIN, END)).sort("session", "instrument")
    blind = told.with_columns(score=pl.Series(np.random.default_rng(1).normal(size=told.height)))
    days = told["session"].unique().sort()
    ics = {"ridge": 0.3, "lightgbm": 0.001}
    daily = {name: pl.DataFrame({"session": days}).with_columns(ic=ic) for name, ic in ics.items()}
    noise = np.random.default_rng(3).normal(0, 0.01, days.len())
    daily = {name: one.with_columns(pl.col("ic") + noise) for name, one in daily.items()}
    kept = ["session", "instrument", "score"]
    scores = {"ridge": told.select(kept), "lightgbm": blind.select(kept)}
    return Seen(BEGIN, END, scores, daily, walk(sessions=2).panel, np.zeros((2, 30)))


@pytest.mark.slow
def test_the_book_of_a_contest_is_walked_with_both_and_earns_by_what_each_knows(seen):
    found, why = proofs.net_of("tiny", seen, "ridge", "lightgbm")
    assert (list(found), why) == (["tiny"], "")
    assert len(found["tiny"]) == seen.scores["ridge"]["session"].n_unique() - 1
    assert found["tiny"].mean() > 2 * found["tiny"].std() / np.sqrt(len(found["tiny"]))
    turned, _ = proofs.net_of("tiny", seen, "lightgbm", "ridge")
    assert turned["tiny"] == pytest.approx(-found["tiny"], abs=1e-15)


@pytest.mark.slow
def test_a_book_keeps_its_target_over_a_blocked_night_and_withholds_nothing(landed):
    blocked = pl.col("session") == date(2020, 11, 2)
    with landed.open():
        lake = open_lake()
        bars = lake.read("bars")
        lake.replace("bars", bars.filter(~blocked), over={"source": ["tiny"]})
        torn = two()
        found, why = proofs.net_of("tiny", torn, "ridge", "lightgbm")
        lake.replace("bars", bars, over={"source": ["tiny"]})
        sessions = two().scores["ridge"]["session"].n_unique()
    assert torn.scores["ridge"]["session"].n_unique() == sessions - 1
    assert (list(found), why) == (["tiny"], "")
    assert len(found["tiny"]) == sessions - 1
    assert np.isfinite(found["tiny"]).all()


@pytest.mark.slow
def test_a_book_that_finds_no_target_on_most_sessions_is_named_with_the_reason(seen):
    few = seen.scores["ridge"].filter(pl.col("session") > date(2020, 11, 20))
    torn = seen._replace(scores={**seen.scores, "ridge": few})
    found, why = proofs.net_of("tiny", torn, "ridge", "lightgbm")
    assert found is None
    assert why.startswith("book tiny could not be walked: with ridge it found no target on 37 of ")


def test_a_contest_without_a_book_has_no_net_return(house):
    (house.conf / "books" / "tiny.yaml").unlink()
    assert proofs.net_of("tiny", walk(), "ridge", "lightgbm") == ({}, "")


def test_a_vetoed_challenger_walks_no_book(house, monkeypatch):
    monkeypatch.setattr(proofs, "leak_of", lambda *_: (True, "tomorrow's close"))
    monkeypatch.setattr(proofs, "net_of", lambda *_: pytest.fail("a veto needs no second one"))
    found = proofs.proof_of("tiny", load_contest("tiny"), walk(), "ridge", "lightgbm")
    assert found == Proof(True, True, None, "tomorrow's close")
