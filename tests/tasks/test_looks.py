"""A look at the challengers is fed, kept and acted upon, and never rewrites what is past."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from tasks import looks
from tasks import settings as settings_room
from tasks.learning.tracking import TrackingError
from tasks.models.promotion import Proof
from tasks.proofs import searched_at, trials_since
from tasks.settings import calendar, load_contest, open_lake
from tasks.untold import Untold, owe_trials, settle_trials
from tasks.walks import Seen, setup_of
from tests.house import CONTEST, SOURCE, House

DAYS = calendar("XNYS").sessions(date(2020, 1, 2), date(2023, 12, 29))
REFITS = DAYS[149::20]
PROVED = Proof(leak_found=False, calibrated=True, net={})


def away(*_):
    raise TrackingError("MLflow is away")


@pytest.fixture
def house(tmp_path, monkeypatch):
    """Give a house by the rule whose challengers prove themselves and were never tuned."""
    house = House(tmp_path)
    rules = CONTEST.replace("compare_refits: 2", "compare_refits: 15") + "promotion: rule\n"
    house.write("models", "tiny", rules)
    monkeypatch.setattr(looks, "proof_of", lambda *_: PROVED)
    monkeypatch.setattr(looks, "trials_since", lambda *_: {})
    with house.open():
        yield house


def since(place: int = 15) -> date:
    return looks.compared_refits("tiny", load_contest("tiny"), REFITS[:place], "lightgbm")[0]


def look(place: int = 15, edge: float = 0.03, nights: int = 0, beside: str = ""):
    """Look at a refit, so many nights after it, at differences whose mean is `edge`.

    With `beside`, so is a second challenger of that name, no better than the champion.
    """
    begin, session = since(place), REFITS[place - 1]
    days = [day for day in DAYS if begin <= day <= session]
    as_of = DAYS[DAYS.index(session) + nights]
    dice = np.random.default_rng(len(days))
    drawn = dice.normal(0, 0.05, len(days))
    ics = {"lightgbm": drawn * 0, "ridge": drawn - drawn.mean() + edge}
    ics |= {beside: drawn - drawn.mean()} if beside else {}
    daily = {
        name: pl.DataFrame({"session": days, "ic": one, "rank_ic": one})
        for name, one in ics.items()
    }
    seen = Seen(begin, session, {}, daily, None, np.zeros((0, 0)))
    return looks.look_at("tiny", load_contest("tiny"), seen, "lightgbm", as_of)[0]


def decided() -> list[tuple[date, str]]:
    rows = open_lake().read("decisions/tiny")
    return list(rows.select("from_session", "recipe").iter_rows()) if rows.height else []


def kept() -> dict:
    return open_lake().read("promotions/tiny").row(-1, named=True)


def scored_up_to(session: date) -> None:
    row = {"session": session, "instrument": "a", "score": 1.0, "recipe": "lightgbm"}
    row |= {"seed_spread": None, "expected": 0.0, "half_width": None}
    row |= {"weights_hash": "x", "fitted_on": DAYS[149]}
    open_lake().replace("forecasts/tiny", pl.DataFrame([row]), over={"session": [session]})


def test_a_better_challenger_that_is_proved_gets_the_title_from_the_look_s_session_on(house):
    assert look().verdict == "promote"
    assert decided() == [(REFITS[14], "ridge")]
    assert (kept()["since"], kept()["trials"]) == (REFITS[0], 1)


def test_one_that_is_not_proved_does_not(house, monkeypatch):
    asked = []
    bad = PROVED._replace(leak_found=True, why="tomorrow's close")
    monkeypatch.setattr(looks, "proof_of", lambda *given: asked.append(given[3:]) or bad)
    assert look().verdict == "vetoed"
    assert decided() == []
    assert "a leak was found (tomorrow's close)" in kept()["reason"]
    assert asked == [("ridge", "lightgbm")]


def test_one_that_is_not_better_is_not_examined(house, monkeypatch):
    monkeypatch.setattr(looks, "proof_of", lambda *_: pytest.fail("it costs minutes"))
    assert look(edge=0.0).verdict == "keep"


def test_the_looks_of_a_year_compare_from_one_session_on_and_a_new_year_moves_on(house):
    begun = []
    for place in range(15, 30):
        begun.append(since(place))
        look(place, edge=0.0)
    assert begun == [REFITS[0]] * 13 + [REFITS[13]] * 2  # 13 x 20 sessions are a year
    fits = looks.compared_refits("tiny", load_contest("tiny"), REFITS[:20], "lightgbm")
    assert fits == REFITS[:20]


def test_looks_taken_later_move_nothing_of_an_earlier_one(house):
    first = look(15, edge=0.001)
    look(16, edge=0.0)
    look(28, edge=0.0)
    assert since(15) == REFITS[0]
    assert look(15, edge=0.001) == first


def test_another_champion_or_another_setting_of_the_contest_opens_a_year_of_its_own(house):
    look(15, edge=0.0)
    assert since(17) == REFITS[0]
    rules = load_contest("tiny")
    assert looks.compared_refits("tiny", rules, REFITS[:17], "ridge")[0] == REFITS[2]
    other = rules.model_copy(update={"min_names": 12})
    assert looks.compared_refits("tiny", other, REFITS[:17], "lightgbm")[0] == REFITS[2]


def test_a_look_stands_where_one_of_its_challengers_is_missing_later(house):
    rules = CONTEST.replace("compare_refits: 2", "compare_refits: 15")
    other = "  - {name: other, model: ridge}\n"
    house.write("models", "tiny", rules + other + "promotion: rule\n")
    settings_room._load.cache_clear()
    look(edge=0.0, beside="other")
    before = open_lake().read("promotions/tiny")
    assert before["recipe"].sort().to_list() == ["other", "ridge"]
    with pytest.raises(LookupError, match="other cannot be compared now, so the look before"):
        look(edge=0.0)
    assert open_lake().read("promotions/tiny").equals(before)
    look(16, edge=0.0)  # the next look is one of its own


def test_trials_on_the_compared_sessions_are_paid_for(house, monkeypatch):
    alone = look(15, edge=0.01)
    asked = []
    monkeypatch.setattr(
        looks, "trials_since", lambda *given: asked.append(given[2]) or {"ridge": 20}
    )
    many = look(15, edge=0.01)
    assert (many.trials, asked) == (20, [REFITS[0]])
    assert many.adjusted_p == pytest.approx(min(20 * alone.adjusted_p, 1))


def test_where_mlflow_is_away_the_trials_last_known_count(house, monkeypatch):
    monkeypatch.setattr(looks, "trials_since", lambda *_: {"ridge": 20})
    look(15, edge=0.0)
    monkeypatch.setattr(looks, "trials_since", away)
    found = look(16, edge=0.0)
    assert found.trials == 20
    assert found.reason.endswith("; trials as known: MLflow is away")


def test_where_mlflow_is_away_trials_it_was_not_told_of_count_beside_those(house, monkeypatch):
    monkeypatch.setattr(looks, "trials_since", lambda *_: {"ridge": 20})
    look(15, edge=0.0)
    owe_trials("tiny", "ridge-2020-12-04-0123456789abcdef", Untold("ridge", "ridge", 7))
    owe_trials("tiny", "ridge-2020-01-03-0123456789abcdef", Untold("ridge", "ridge", 50))
    monkeypatch.setattr(looks, "trials_since", away)
    assert look(16, edge=0.0).trials == 27


def test_where_trials_were_never_counted_nobody_is_promoted(house, monkeypatch):
    monkeypatch.setattr(looks, "trials_since", away)
    found = look()
    assert (found.verdict, found.trials, found.spent) == ("insufficient evidence", None, 0)
    assert "how many trials on these sessions chose it is unknown" in found.reason
    assert found.reason.endswith("; trials as known: MLflow is away")
    assert decided() == []


def test_runs_that_were_lost_make_nobody_s_trials_fewer(house, monkeypatch):
    monkeypatch.setattr(looks, "trials_since", lambda *_: {"ridge": 20})
    look(15, edge=0.0)
    monkeypatch.setattr(looks, "trials_since", lambda *_: {"ridge": 0})
    assert look(16, edge=0.0).trials == 20


def test_a_look_taken_again_gives_no_title_of_sessions_that_are_scored(house):
    look(15, edge=0.0)
    scored_up_to(DAYS[DAYS.index(REFITS[14]) + 3])
    again = look(15)
    assert again.verdict == "promote"
    assert decided() == []
    assert "are scored, so the title from" in again.reason
    assert "stays as it was: the next look may give it" in kept()["reason"]


def test_a_look_taken_again_takes_no_title_of_sessions_that_are_scored(house):
    look()
    scored_up_to(DAYS[DAYS.index(REFITS[14]) + 3])
    look(edge=0.0)
    assert decided() == [(REFITS[14], "ridge")]


def test_a_look_taken_again_on_the_night_after_gives_no_title_of_a_session_that_is_scored(house):
    look(edge=0.0)
    scored_up_to(REFITS[14])
    assert f"sessions up to {REFITS[14]} are scored" in look(nights=1).reason
    assert decided() == []


def test_a_look_that_comes_late_gives_the_title_where_no_night_has_scored_its_session(house):
    scored_up_to(DAYS[DAYS.index(REFITS[14]) - 1])
    look(nights=1)
    assert decided() == [(REFITS[14], "ridge")]


def test_a_look_that_cannot_be_taken_says_why_and_moves_no_other(house):
    look(15, edge=0.001)
    rules, begin = load_contest("tiny"), since(16)
    seen = Seen(begin, REFITS[15], {}, {"ridge": pl.DataFrame()}, None, np.zeros((0, 0)))
    with pytest.raises(LookupError, match="lightgbm lacks a fit"):
        looks.look_at("tiny", rules, seen, "lightgbm", REFITS[15])
    assert not looks.looked("tiny", REFITS[15])
    looks.withhold_look("tiny", rules, seen, "lightgbm", "it lacks a fit")
    assert looks.looked("tiny", REFITS[15])
    row = kept()
    told = (row["verdict"], row["reason"], row["recipe"])
    assert told == ("not taken", "it lacks a fit", "ridge")
    after, lake = look(17, edge=0.001), open_lake()
    none = lake.read("promotions/tiny").clear()
    lake.replace("promotions/tiny", none, over={"session": [REFITS[15]]})
    assert look(17, edge=0.001) == after


def test_a_look_that_was_taken_is_never_withheld(house):
    look(15, edge=0.0)
    once = kept()
    seen = Seen(REFITS[0], REFITS[14], {}, {}, None, np.zeros((0, 0)))
    looks.withhold_look("tiny", load_contest("tiny"), seen, "lightgbm", "it failed")
    assert kept() == once


def test_other_names_or_prices_to_trade_at_are_another_contest(house):
    rules = load_contest("tiny")
    before = setup_of(rules, "ridge")
    house.write("universes", "everyone", "kind: all\ntitle: Whoever has a bar\n")
    settings_room._load.cache_clear()
    assert setup_of(rules, "ridge") == before
    house.write("universes", "everyone", "kind: listed\ntitle: Two\nsymbols: [SIM00, SIM01]\n")
    settings_room._load.cache_clear()
    other = setup_of(rules, "ridge")
    assert other != before
    house.write("sources", "tiny", SOURCE.replace("trades_at: open", "trades_at: close"))
    settings_room._load.cache_clear()
    assert setup_of(rules, "ridge") not in (before, other)


def test_a_look_taken_again_on_its_own_night_replaces_its_decision(house):
    look()
    scored_up_to(REFITS[14])
    look(edge=0.0)
    assert decided() == []


@pytest.mark.slow
def test_only_trials_that_saw_the_compared_sessions_count(house):
    from tasks.learning.trials import Study, log_trials
    from tasks.learning.tuning import Trial
    from tasks.settings import tracking_uri

    def logged(recipe: str, model: str, at: str, trials: int) -> None:
        name = f"{recipe}-{at}-0123456789abcdef"
        study = Study(name, "tiny", "tiny/any", recipe, {"recipe.model": model}, {})
        done = [
            Trial(number, {"x": number}, "complete", 0.1, [[0.1]], 1.0, "")
            for number in range(trials)
        ]
        log_trials(tracking_uri(), study, done)

    logged("ridge", "ridge", "2020-08-03", 3)  # before the compared sessions
    logged("ridge", "ridge", "2020-08-04", 2)
    logged("ridge", "ridge", "2020-12-04", 1)
    logged("renamed", "ridge", "2020-12-04", 4)
    logged("lightgbm", "lightgbm", "2020-12-04", 1)
    rules, begin = load_contest("tiny"), date(2020, 8, 4)
    assert trials_since("tiny", rules, begin) == {"ridge": 7, "lightgbm": 1}
    both, early = ("ridge-2020-12-04-0123456789abcdef", "ridge-2020-08-03-0123456789abcdef")
    owe_trials("tiny", both, Untold("ridge", "ridge", 3))  # one of them was logged
    owe_trials("tiny", early, Untold("ridge", "ridge", 5))
    assert trials_since("tiny", rules, begin) == {"ridge": 9, "lightgbm": 1}
    settle_trials("tiny", both)
    assert trials_since("tiny", rules, begin) == {"ridge": 7, "lightgbm": 1}


def test_a_study_without_a_session_in_its_name_counts_as_the_newest():
    assert searched_at("tcn-2024-03-01-0123456789abcdef") == date(2024, 3, 1)
    assert searched_at("of my own") == date.max
