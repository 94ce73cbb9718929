"""Nights that break off, come late or are run again: nothing is lost, nothing is rewritten."""

import logging
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from tasks.execution.ledger import account_of
from tasks.execution.release import Conflict, current
from tasks.settings import open_lake
from tests.house import BOOK, CONTEST, LAST

pytestmark = pytest.mark.slow
FIRST, SECOND, THIRD = date(2020, 12, 17), date(2020, 12, 18), date(2020, 12, 21)


class Killed(BaseException):
    """Stands for a kill: nothing of ours catches it."""


def killed(*_, **__):
    raise Killed


def account(session: date):
    return account_of(open_lake().read("ledger/tiny", where={"session": [session]}))


def withheld(monkeypatch, *nights: date) -> None:
    """Let the source keep some nights to itself."""
    from tasks import ingest

    opened = ingest.open_source

    def reluctant(name: str):
        feed = opened(name)
        offered = feed.nights
        feed.nights = lambda until=date.max: [n for n in offered(until) if n not in nights]
        return feed

    monkeypatch.setattr(ingest, "open_source", reluctant)


def test_killed_before_the_crowning_the_next_run_has_its_champion(build, monkeypatch):
    house = build("crown")
    with house.open(), monkeypatch.context() as patch:
        patch.setattr("tasks.train._crown", killed)
        with pytest.raises(Killed):
            house.forecast(FIRST)
    with house.open():
        house.night(FIRST)
    assert current(house.data, "tiny").session == FIRST


def test_killed_between_release_and_ledger_no_order_is_lost(build, monkeypatch):
    house, whole = build("torn"), build("whole")
    with house.open():
        house.forecast(FIRST)
        with monkeypatch.context() as patch:
            patch.setattr("tasks.rebalance.keep_pending", killed)
            with pytest.raises(Killed):
                house.release(FIRST)
        house.night(SECOND)
        torn = account(SECOND)
    with whole.open():
        whole.night(FIRST)
        whole.night(SECOND)
        unbroken = account(SECOND)
    assert torn.positions.height > 0
    assert torn.positions.equals(unbroken.positions)
    assert torn.cash == unbroken.cash
    assert current(house.data, "tiny").content_hash == current(whole.data, "tiny").content_hash


def test_a_refused_rerun_leaves_the_standing_orders_alone(build):
    house = build("refused")
    with house.open():
        house.night(FIRST)
        before = account(FIRST)
        house.write("books", "tiny", BOOK.replace("box: {max: 0.15}", "box: {max: 0.12}"))
        _fresh_settings()
        with pytest.raises(Conflict):
            house.release(FIRST)
        assert account(FIRST).pending.equals(before.pending)
        assert before.pending.height > 0


def test_targets_are_not_released_where_what_is_known_changed_since_they_were_chosen(
    build, monkeypatch
):
    from tasks import rebalance

    house = build("changed")
    with house.open():
        house.forecast(FIRST)
        lake = open_lake()
        row = lake.read("verdicts", where={"delivery": [FIRST]})
        over = {"source": ["tiny"], "delivery": [FIRST]}

        def judged_again(*_):
            lake.replace("verdicts", row.with_columns(clean=pl.col("clean") - 1), over=over)

        with monkeypatch.context() as patch:
            patch.setattr(rebalance, "decide", _then(judged_again, rebalance.decide))
            with pytest.raises(RuntimeError, match="tiny has changed since the targets of tiny"):
                house.release(FIRST)
        assert current(house.data, "tiny") is None
        released = house.release(FIRST)
        judged_again()
        assert rebalance.release_targets.fn("tiny", FIRST) == released
    assert current(house.data, "tiny").session == FIRST


def test_a_session_that_was_passed_over_cannot_be_traded_any_more(build):
    house = build("passed")
    with house.open():
        house.night(FIRST)
        house.night(THIRD)
        with pytest.raises(ValueError, match="has no release of 2020-12-18"):
            house.release(SECOND)


def test_a_night_that_never_came_is_missing_whatever_came_later(build, monkeypatch):
    from tasks import ingest, judge

    house = build("missing")
    withheld(monkeypatch, SECOND)
    with house.open():
        ingest.land_deliveries.fn("tiny", LAST)
        assert judge.judge_deliveries.fn("tiny", LAST) == "pass"
        assert judge.judge_deliveries.fn("tiny", SECOND) == "missing"


def test_a_late_delivery_gives_the_tables_of_one_on_time(build, monkeypatch):
    """No release has read what it changes: all that followed is judged and made anew."""
    from tasks import ingest, judge

    late, punctual = build("late"), build("punctual")
    with late.open():
        _without(late, monkeypatch, SECOND)
        ingest.land_deliveries.fn("tiny", SECOND)
        judge.judge_deliveries.fn("tiny", SECOND)
        late.forecast(THIRD)
        theirs = _tables()
    _assert_same(theirs, punctual)


def test_a_late_delivery_does_not_reach_what_a_release_has_read(build, monkeypatch):
    house = build("sealed")
    with house.open():
        with monkeypatch.context() as patch:
            withheld(patch, SECOND)
            house.night(FIRST)
            house.forecast(THIRD)
            house.release(THIRD)
        content_hash = current(house.data, "tiny").content_hash
        house.forecast(date(2020, 12, 22))
        late = open_lake().read("bars", where={"delivery": [SECOND]})
        assert late["known_on"].unique().to_list() == [date(2020, 12, 22)]
        assert house.night(THIRD) == content_hash


def test_killed_while_judging_a_late_delivery_the_next_run_finishes(build, monkeypatch):
    late, punctual = build("late"), build("punctual")
    with late.open():
        _without(late, monkeypatch, SECOND)
        with monkeypatch.context() as patch:
            patch.setattr("expectations.desk.Desk.judge", killed)
            with pytest.raises(Killed):
                late.forecast(THIRD)
        late.forecast(THIRD)
        theirs = _tables()
    _assert_same(theirs, punctual)


def test_another_recipe_is_measured_anew_and_the_old_champions_go(build):
    house, fresh = build("changed"), build("fresh")
    changed = CONTEST.replace("trees: 20", "trees: 60").replace(
        "refit_every: 40", "refit_every: 60"
    )
    with house.open():
        house.forecast(FIRST)
        house.write("models", "tiny", changed)
        _fresh_settings()
        house.forecast(FIRST)
        theirs = _tables()
    fresh.write("models", "tiny", changed)
    with fresh.open():
        fresh.forecast(FIRST)
        ours = _tables()
    for table in ("champions", "forecasts/tiny", "records/tiny"):
        assert theirs[table].equals(ours[table], null_equal=True), table


def test_the_page_of_an_earlier_session_is_its_own(build):
    from tasks import report

    house = build("pages")
    with house.open(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "get_run_logger", lambda: logging.getLogger("night"))
        hashes = [house.night(FIRST), house.night(SECOND)]
        page = report.write_report.fn("tiny", FIRST)
    text = Path(page).read_text()
    assert hashes[0] in text
    assert hashes[1] not in text


def _without(house, monkeypatch, night: date) -> None:
    """Bring the house to its third night, one night withheld."""
    with monkeypatch.context() as patch:
        withheld(patch, night)
        house.forecast(THIRD)


def _assert_same(theirs: dict[str, pl.DataFrame], punctual) -> None:
    with punctual.open():
        punctual.forecast(THIRD)
        ours = _tables()
    for table, frame in ours.items():
        assert theirs[table].equals(frame, null_equal=True), table


def _tables() -> dict[str, pl.DataFrame]:
    lake = open_lake()
    names = ("bars", "actions", "listings", "features/price", "forecasts/tiny", "records/tiny")
    kept = {name: lake.read(name) for name in (*names, "champions")}
    return {
        name: frame.sort([c for c in frame.columns if frame[c].dtype in (pl.Date, pl.String)])
        for name, frame in kept.items()
    }


def _then(first, second):
    """Return a function that does the first thing before the second."""

    def both(*given, **named):
        first()
        return second(*given, **named)

    return both


def _fresh_settings() -> None:
    from tasks import settings

    settings._load.cache_clear()
