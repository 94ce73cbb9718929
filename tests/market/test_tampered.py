"""An altered tape differs after the close and nowhere before it."""

import numpy as np
import polars as pl
import pytest

from tasks.market.eventful import eventful_tape
from tasks.market.history import History
from tasks.market.tampered import DAYS, TAMPERINGS, Tape, rewritten


@pytest.fixture(scope="module")
def tape() -> Tape:
    return eventful_tape(seed=4, names=20, sessions=120)


def altered(tape: Tape, name: str, row: int, seed: int = 0) -> Tape:
    return TAMPERINGS[name](tape, tape.sessions[row], np.random.default_rng(seed))


def test_the_eventful_market_has_what_trips_a_study(tape):
    bars, actions = tape.bars, tape.actions
    assert bars.filter(pl.col("known_on") > pl.col("session")).height > 20
    assert bars.select("session", "instrument").is_duplicated().sum() > 20
    assert set(actions["kind"]) == {"split", "dividend"}
    assert actions.filter(pl.col("known_on") > pl.col("ex_session")).height > 1
    filed = tape.fundamentals
    assert (filed["known_on"] > filed["period_end"]).all()
    assert filed.select("instrument", "item", "period_end").is_duplicated().any()
    assert tape.members["member"].unique().sort().to_list() == [0, 1]
    assert tape.listings["sector"].n_unique() > 2
    assert tape.series["name"].n_unique() == 9


def test_the_same_seed_gives_the_same_market():
    one, other = (eventful_tape(seed=4, names=20, sessions=40) for _ in range(2))
    assert all(getattr(one, name).equals(getattr(other, name)) for name in DAYS)


@pytest.mark.parametrize("seed", range(6))
def test_names_are_delisted_late_in_every_eventful_market(seed):
    tape = eventful_tape(seed=seed, names=20, sessions=80)
    lasts = tape.bars.group_by("instrument").agg(pl.col("session").max())
    gone = lasts.filter(pl.col("session").is_between(tape.sessions[40], tape.sessions[-20]))
    assert gone.height >= 2
    told = tape.listings.filter(pl.col("to_session").is_not_null())
    assert set(gone["instrument"]) <= set(told["instrument"])


@pytest.mark.parametrize("row", [1, 60, 117])
@pytest.mark.parametrize("name", TAMPERINGS)
def test_nothing_that_was_known_by_then_is_altered(tape, name, row):
    other = altered(tape, name, row)
    as_of = tape.sessions[row]
    known = pl.col("known_on") <= as_of
    for frame in DAYS:
        before, after = getattr(tape, frame), getattr(other, frame)
        assert after.schema == before.schema
        assert after.filter(known).equals(before.filter(known)), frame
    assert [day for day in other.sessions if day <= as_of] == list(tape.sessions[: row + 1])


@pytest.mark.parametrize("name", TAMPERINGS)
def test_all_that_becomes_known_later_is_another(tape, name):
    other = altered(tape, name, 60)
    late = pl.col("known_on") > tape.sessions[60]
    for frame in DAYS:
        before, after = getattr(tape, frame).filter(late), getattr(other, frame).filter(late)
        if before.height > 5:  # two rows may be dealt as they were
            assert not after.equals(before), frame


def test_a_poisoned_future_has_other_names_splits_and_sessions(tape):
    other, as_of = altered(tape, "poisoned", 60), tape.sessions[60]
    assert set(other.bars["instrument"]) > set(tape.bars["instrument"])
    assert set(other.sessions) < set(tape.sessions)
    told = other.actions.filter(pl.col("known_on") > as_of)
    assert told.filter(pl.col("ex_session") <= as_of).height  # told late
    assert set(told["kind"]) == {"split", "dividend"}
    anew = other.fundamentals.filter(pl.col("known_on") > as_of)
    early = tape.fundamentals.filter(pl.col("known_on") <= as_of)
    restated = anew.join(early, on=["instrument", "item", "period_end"], how="inner")
    assert restated.filter(pl.col("value") != pl.col("value_right")).height > 20


def test_a_history_shows_the_same_at_every_close_before(tape):
    for name in TAMPERINGS:
        other = altered(tape, name, 60)
        views = [
            History(one.bars, one.actions, one.sessions, prints="last").roll(tape.sessions[60])
            for one in (tape, other)
        ]
        places = [views[1].instruments.index(one) for one in views[0].instruments
                  if one in views[1].instruments]  # fmt: skip
        names = [views[1].instruments[place] for place in places]
        own = [views[0].instruments.index(one) for one in names]
        for before, after in zip(views[0][3:], views[1][3:], strict=True):
            assert before[:, own].tobytes() == after[:, places].tobytes()


def test_a_rewritten_past_keeps_its_rows_and_leaves_what_comes_after(tape):
    as_of = tape.sessions[60]
    other = rewritten(tape, as_of, np.random.default_rng(0))
    early = pl.col("session") <= as_of
    assert other.bars.filter(~early).equals(tape.bars.filter(~early))
    before, after = tape.bars.filter(early), other.bars.filter(early)
    keys = ["session", "instrument", "known_on"]
    assert after.select(keys).equals(before.select(keys))
    assert (after["close"] != before["close"]).all()
    assert (after["open"] > 0).all()
    assert other.sessions == tape.sessions


def test_an_altered_market_could_be_one(tape):
    """Whoever looks over his input before he computes must get as far as computing."""
    others = [altered(tape, name, 60) for name in TAMPERINGS]
    others.append(rewritten(tape, tape.sessions[60], np.random.default_rng(0)))
    for other in others:
        for name in ("open", "close", "vwap"):
            assert other.bars.filter(pl.col("low") > pl.col(name) * (1 + 1e-12)).is_empty()
            assert other.bars.filter(pl.col("high") < pl.col(name) * (1 - 1e-12)).is_empty()
        assert other.bars.filter(pl.col("low") <= 0).is_empty()


def test_the_rows_of_a_shifted_market_have_one_order(tape):
    other = altered(tape, "shifted", 60)
    late = other.bars.filter(pl.col("known_on") > tape.sessions[60])
    assert late["known_on"].is_sorted()


def test_nothing_is_altered_after_the_last_session(tape):
    for name in TAMPERINGS:
        other = altered(tape, name, len(tape.sessions) - 1)
        assert all(getattr(other, frame).equals(getattr(tape, frame)) for frame in DAYS)
