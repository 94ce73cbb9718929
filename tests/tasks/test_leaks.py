"""The leak audit finds what was planted, names it, and says what it could not judge."""

from datetime import date
from functools import partial

import numpy as np
import polars as pl
import pytest

from tasks.market.calendar import Calendar
from tasks.market.compared import ROWS
from tasks.market.eventful import FIRST, eventful_tape
from tasks.market.leaks import AGAIN, PAST, Audit, Claims, Study, StudyError, audit
from tasks.market.moments import moments_of
from tasks.market.tampered import TAMPERINGS, Tape
from tests.tasks.planted_leaks import PLANTED, honest, leaking
from tests.tasks.printed import change, forward, grid, rows


@pytest.fixture(scope="module")
def tape() -> Tape:
    return eventful_tape(seed=1, names=20, sessions=110)


def of(tape: Tape, claims, *, tolerance: float = 0.0, moments: int = 3) -> Audit:
    return audit(Study("mine", claims, tolerance), tape, moments=moments)


def momentum(tape: Tape) -> pl.DataFrame:
    told = grid(tape)
    return rows(told, change(told.close_TN, 5), "momentum")


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTED)
def test_finds_each_planted_leak_and_not_its_honest_twin(name, tape):
    found = audit(leaking(name), tape, moments=3)
    assert found.verdict == "leak"
    clean = audit(honest(name), tape, moments=3)
    assert clean.verdict == "clean", clean.moves


def test_names_output_column_alteration_extent_and_first_session(tape):
    found = audit(leaking("full-sample scaler"), tape)
    (move,) = found.moves
    assert (move.output, move.column) == ("features", "value")
    assert set(move.by) == set(TAMPERINGS)
    assert move.first == tape.sessions[0]
    assert move.names >= 20
    assert move.sessions > 50
    assert move.largest > 0


def test_a_label_from_the_close_of_the_decision_moves_with_the_past(tape):
    (move,) = audit(leaking("same-close execution"), tape).moves
    assert move.by == (PAST,)
    assert move.sessions == 1  # the label of the close itself: later ones begin later


@pytest.mark.slow
@pytest.mark.parametrize("place", [0, 7])
def test_finds_a_trace_of_tomorrow_in_one_name_and_one_column_on_even_days(tape, place):
    name = grid(tape).names[place]

    def claims(told: Tape) -> Claims:
        table, ahead = grid(told), change(grid(told).close_TN, -1)
        frame = momentum(told).with_columns(other=pl.col("momentum") * 2)
        peek = rows(table, ahead, "ahead")
        frame = frame.join(peek, on=["session", "instrument"], how="left")
        here = (pl.col("instrument") == name) & (pl.col("session").dt.day() % 2 == 0)
        frame = frame.with_columns(
            other=pl.when(here).then(pl.col("other") + 1e-9 * pl.col("ahead")).otherwise("other")
        )
        return Claims({"features": frame.drop("ahead")})

    found = of(tape, claims, moments=8)
    assert [(move.column, move.names) for move in found.moves] == [("other", 1)]


def test_finds_a_number_that_only_another_name_moves_late(tape):
    """A print that comes a session late may not count at the close before."""

    def claims(told: Tape) -> Claims:
        count = told.bars.group_by("session").agg(pl.col("close").sum())
        frame = momentum(told).join(count, on="session", how="left")
        return Claims({"features": frame.sort("session", "instrument")})

    assert {move.column for move in of(tape, claims).moves} == {"close"}


def test_what_cannot_fail_was_not_judged(tape):
    told, other = momentum(tape), eventful_tape(seed=2, names=20, sessions=110)
    constant = of(tape, lambda now: Claims({"features": momentum(now).with_columns(momentum=1.0)}))
    assert constant.verdict == "nothing to judge"
    assert constant.outputs[0].silent == ("momentum",)
    deaf = {day: told.filter(pl.col("session") <= day) for day in tape.sessions}
    ignores = of(tape, lambda now: Claims({"features": deaf[now.sessions[-1]]}))
    assert ignores.verdict == "nothing to judge"
    empty = of(tape, lambda now: Claims({"features": momentum(now).clear()}))
    assert empty.verdict == "nothing to judge"
    assert empty.outputs[0].cells == 0
    assert of(tape, lambda now: Claims({})).verdict == "nothing to judge"
    assert of(other, lambda now: Claims({"features": momentum(now)})).verdict == "clean"


def test_says_which_column_of_several_never_answered(tape):
    frame = of(tape, lambda now: Claims({"features": momentum(now).with_columns(one=1.0)}))
    assert frame.verdict == "clean"
    assert frame.outputs[0].silent == ("one",)


def test_an_outcome_that_the_future_does_not_move_was_not_judged(tape):
    def claims(told: Tape) -> Claims:
        return Claims({}, {"labels": momentum(told).with_columns(momentum=1.0)})

    assert of(tape, claims).verdict == "nothing to judge"


def test_what_gives_other_bits_each_time_is_found_and_may_be_tolerated(tape):
    random = np.random.default_rng(1)

    def claims(told: Tape) -> Claims:
        noise = 1 + 1e-12 * random.random()
        return Claims({"features": momentum(told).with_columns(pl.col("momentum") * noise)})

    found = of(tape, claims)
    (move,) = found.moves
    assert AGAIN in move.by
    assert found.verdict == "not repeatable"
    assert of(tape, claims, tolerance=1e-9).verdict == "clean"
    leaky = leaking("shift by -1")
    assert audit(Study("mine", leaky.claims, 1e-9), tape, moments=3).verdict == "leak"


def test_rounding_that_follows_the_number_of_names_is_no_leak_and_not_clean(tape):
    """Move the last bits by the width of the grid, as the order of numpy's sums over it does."""

    def claims(told: Tape) -> Claims:
        table = grid(told)
        rounding = 1 + len(table.names) * 2.0**-52
        return Claims({"features": rows(table, change(table.close_TN, 1) * rounding, "value")})

    found = of(tape, claims)
    assert found.verdict == "last bits only"
    (move,) = found.moves
    assert move.largest < 1e-15
    assert of(tape, claims, tolerance=1e-9).verdict == "clean"


def test_the_gravest_of_what_moved_is_the_verdict(tape):
    random = np.random.default_rng(1)

    def claims(told: Tape) -> Claims:
        table = grid(told)
        frame = rows(table, change(table.close_TN, -1), "ahead")
        return Claims({"features": frame.with_columns(noise=random.random())})

    found = of(tape, claims)
    assert {move.column: move.kind for move in found.moves} == {
        "ahead": "leak",
        "noise": "not repeatable",
    }
    assert found.verdict == "leak"


def test_refuses_to_judge_two_rows_of_one_name_and_session(tape):
    with pytest.raises(ValueError, match="stands twice in 20"):
        of(tape, lambda now: Claims({"features": pl.concat([momentum(now)] * 2)}))


def test_a_study_that_raises_is_named_with_what_was_altered_and_after_which_close(tape):
    def claims(told: Tape) -> Claims:
        if told.sessions != tape.sessions:
            raise KeyError("a session")
        return Claims({"features": momentum(told)})

    with pytest.raises(StudyError, match=r"mine raised KeyError on the market cut after 2018-"):
        of(tape, claims)


def test_refuses_a_market_without_bars_and_claims_from_before_it(tape):
    with pytest.raises(ValueError, match="The tape for mine has no bars"):
        of(tape._replace(bars=tape.bars.clear()), lambda now: Claims({}))
    old = momentum(tape).with_columns(session=pl.lit(date(2000, 1, 3))).head(1)
    with pytest.raises(ValueError, match="2000-01-03 in 'features', before the first"):
        of(tape, lambda now: Claims({"features": pl.concat([momentum(now), old])}))


def test_a_column_that_only_a_later_market_has_is_a_leak(tape):
    def claims(told: Tape) -> Claims:
        frame = momentum(told)
        if len(told.sessions) > 90:
            frame = frame.with_columns(old_enough=1.0)
        return Claims({"features": frame})

    found = of(tape, claims)
    assert "old_enough" in {move.column for move in found.moves}


def test_a_member_that_comes_or_goes_is_named_as_a_row(tape):
    (move,) = audit(leaking("survivors' universe"), tape).moves
    assert move.column == ROWS
    assert move.largest is None


def test_looks_right_after_each_fit_and_where_names_have_gaps(tape):
    told = honest("early stopping on test").claims(tape)
    fits = told.known["scores"]["fitted_on"].unique().sort().to_list()
    chosen = moments_of(told.known, {}, tape, count=2)
    assert set(fits) <= set(chosen)
    assert list(chosen) == sorted(set(chosen))
    assert max(chosen) < tape.sessions[-1]
    assert moments_of({}, {}, tape, count=2) == ()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["month ends", "Fridays", "eves of holidays"])
@pytest.mark.parametrize("seed", [1, 2])
def test_finds_what_looks_ahead_on_one_kind_of_day_alone(kind, seed):
    tape = eventful_tape(seed=seed, names=20, sessions=110)
    following = Calendar("XNYS").sessions(FIRST, date(2019, 1, 31))[1:]
    pairs = list(zip(tape.sessions, following, strict=False))
    days = {
        "month ends": {day for day, after in pairs if after.month != day.month},
        "Fridays": {day for day in tape.sessions if day.weekday() == 4},
        "eves of holidays": {day for day, after in pairs if (after - day).days not in (1, 3)},
    }[kind]

    def claims(told: Tape) -> Claims:
        table = grid(told)
        value_TN, ahead_TN = change(table.close_TN, 5), change(table.close_TN, -1)
        here_T = [day in days for day in told.sessions]
        value_TN[here_T] = ahead_TN[here_T]
        return Claims({"features": rows(table, value_TN, "value")})

    assert of(tape, claims).verdict == "leak"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_finds_a_label_of_the_gone_that_begins_at_the_close_of_its_decision(seed):
    tape = eventful_tape(seed=seed, names=20, sessions=110)

    def claims(told: Tape, *, back: int) -> Claims:
        table = grid(told)
        gain_TN, close_TN = forward(table.open_TN, 1), table.close_TN
        for name, close_T in enumerate(close_TN.T):
            held = np.flatnonzero(np.isfinite(close_T))
            if held.size and held[-1] < len(close_T) - 12:
                at = held[-1] - back
                gain_TN[at, name] = -0.3 * close_T[held[-1]] / close_T[at - 1 + back]
        return Claims({}, {"labels": rows(table, gain_TN, "gain", where=np.isfinite(gain_TN))})

    for back in (0, 1):
        assert of(tape, partial(claims, back=back)).verdict == "leak"


def test_no_close_is_spent_where_the_claim_says_nothing_yet(tape):
    frame = momentum(tape).with_columns(
        momentum=pl.when(pl.col("session") > tape.sessions[80]).then("momentum")
    )
    assert min(moments_of({"features": frame}, {}, tape, count=3)) > tape.sessions[80]
    gaps = frame.with_columns(pl.col("momentum").fill_null(float("nan")))
    assert min(moments_of({"features": gaps}, {}, tape, count=3)) > tape.sessions[80]


def test_sessions_that_the_market_does_not_have_leave_nothing_to_judge(tape):
    def claims(told: Tape) -> Claims:
        return Claims({"features": momentum(told).filter(pl.col("session") == date(2030, 1, 2))})

    assert of(tape, claims).verdict == "nothing to judge"
