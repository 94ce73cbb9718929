"""What is told again is no news, and what should have been told by now is missed."""

from datetime import date, timedelta

import polars as pl
import pytest

from expectations.desk import Desk, Judged
from tasks.market import frames
from tests.expectations.told_case import (
    AFTER,
    DAYS,
    EVE,
    FILINGS,
    NIGHT,
    RATES,
    delivery,
    desk,
    filing,
    rate,
    verdict,
)

MONTHS = [date(2015, month, 1) for month in range(1, 7)]


def told(judged: Judged) -> list[tuple[date, float, date]]:
    return judged.series.select("session", "value", "known_on").rows()


def daily(here: Desk, last: date = EVE) -> Desk:
    """Let a desk know a value of each of the last days up to `last`."""
    days = DAYS.sessions(date(2015, 6, 1), last)
    rows = [rate(day, 2.0 + day.day / 100, day) for day in days]
    here.judge(delivery(last, [], vintage="assumed", series=rows))
    return here


def test_a_value_that_is_told_again_is_no_news():
    here = daily(desk(RATES))
    again = here.judge(delivery(NIGHT, [], series=[rate(EVE, 2.01, NIGHT)]))
    assert (verdict(again), told(again)) == (("skip", "nothing new"), [])
    both = here.judge(delivery(AFTER, [], series=[rate(EVE, 2.01, None), rate(NIGHT, 2.3, None)]))
    assert (verdict(both), told(both)) == (("pass", ""), [(NIGHT, 2.3, AFTER)])


def test_a_value_that_is_corrected_and_then_taken_back_is_news_twice():
    here, found = daily(desk(RATES)), []
    for night, value in ((NIGHT, 2.2), (AFTER, 2.01), (date(2015, 7, 7), 2.01)):
        found += told(here.judge(delivery(night, [], series=[rate(EVE, value, None)])))
    assert found == [(EVE, 2.2, NIGHT), (EVE, 2.01, AFTER)]


def test_a_desk_made_anew_finds_the_same_news():
    run, kept, found = desk(RATES), [], []
    for at, night in enumerate(DAYS.sessions(date(2015, 6, 25), NIGHT)):
        back = DAYS.offset(night, -1)
        rows = [rate(back, 1.0 + at // 2, None), rate(night, 1.0 + at, None)]
        series = pl.concat([frames.empty(frames.SERIES), *kept])
        anew = desk(RATES, series=series).judge(delivery(night, [], series=rows))
        kept.append(anew.series)
        found.append(run.judge(delivery(night, [], series=rows)).series)
    assert all(one.equals(same) for one, same in zip(kept, found, strict=True))
    assert {part.height for part in kept[1:]} == {1, 2}


def test_what_is_told_later_does_not_move_what_was_news_before():
    one, other = daily(desk(RATES)), daily(desk(RATES))
    before = one.judge(delivery(NIGHT, [], series=[rate(EVE, 2.2, None)]))
    same = other.judge(delivery(NIGHT, [], series=[rate(EVE, 2.2, None)]))
    other.judge(delivery(AFTER, [], series=[rate(EVE, 9.9, None)]))
    assert before.series.equals(same.series)


@pytest.mark.parametrize(
    ("days", "said"), [(9, ("skip", "nothing new")), (15, ("warn", "series overdue"))]
)
def test_a_daily_series_that_stands_still_is_missed(days, said):
    night = DAYS.on_or_before(EVE + timedelta(days=days))
    for rows in ([rate(EVE, 2.01, None)], []):
        here = daily(desk(RATES), EVE)
        assert verdict(here.judge(delivery(night, [], series=rows))) == said


@pytest.mark.parametrize(("night", "late"), [(date(2015, 9, 1), False), (date(2015, 9, 30), True)])
def test_a_monthly_series_is_missed_after_months(night, late):
    here = desk(RATES)
    rows = [rate(day, 100.0 + day.month, day) for day in MONTHS]
    here.judge(delivery(EVE, [], vintage="assumed", series=rows))
    again = here.judge(delivery(night, [], series=[rate(MONTHS[-1], 106.0, None)]))
    assert ("series overdue" in verdict(again)[1]) is late


def test_a_revision_of_many_months_does_not_make_a_monthly_series_daily():
    here = desk(RATES)
    rows = [rate(day, 100.0 + day.month, day) for day in MONTHS]
    here.judge(delivery(EVE, [], vintage="assumed", series=rows))
    revised = [rate(day, 101.0 + day.month, None) for day in MONTHS]
    here.judge(delivery(NIGHT, [], series=revised))
    here.judge(delivery(AFTER, [], series=[rate(EVE, 108.0, None)]))
    august = here.judge(delivery(date(2015, 8, 7), [], series=[rate(EVE, 108.0, None)]))
    assert verdict(august) == ("skip", "nothing new")


def test_sixty_sessions_told_again_are_no_news():
    here = desk(RATES)
    days = DAYS.sessions(date(2015, 4, 1), EVE)[-60:]
    rows = [rate(day, 1.0 + at, day) for at, day in enumerate(days)]
    here.judge(delivery(EVE, [], vintage="assumed", series=rows))
    again = [row | {"known_on": None} for row in rows]
    assert verdict(here.judge(delivery(NIGHT, [], series=again))) == ("skip", "nothing new")


def test_what_comes_late_after_a_release_is_put_right_by_the_night_after():
    first, late, released, after = DAYS.sessions(date(2015, 6, 25), date(2015, 6, 30))
    kept: list[pl.DataFrame] = []
    for night, value, sealed in (
        (first, 2.0, None),
        (released, 2.5, None),
        (late, 2.1, released),
        (after, 2.5, released),
    ):
        before = [part for part in kept if part["delivery"][0] < night]
        here = desk(RATES, sealed=sealed, series=pl.concat([frames.empty(frames.SERIES), *before]))
        rows = {night: rate(night, 3.0, None), first: rate(first, value, None)}
        kept.append(here.judge(delivery(night, [], series=list(rows.values()))).series)
    known = pl.concat(kept).filter(session=first).sort("known_on", "delivery")
    assert known["value"].to_list() == [2.0, 2.5, 2.1, 2.5]


def test_history_is_never_overdue():
    here = daily(desk(RATES))
    again = here.judge(
        delivery(date(2015, 9, 30), [], vintage="assumed", series=[rate(EVE, 2.0, EVE)])
    )
    assert verdict(again) == ("pass", "")


# --- history that comes once more ----------------------------------------------------------------

FIRST, AMENDED, AGAIN = date(2015, 7, 1), date(2015, 7, 7), date(2015, 7, 8)


def believed(rows: list[Judged], night: date, table: str) -> float:
    """Return what a reader of that night finds: the newest that was known by then."""
    known = pl.concat([getattr(judged, table) for judged in rows])
    known = known.filter(pl.col("known_on") <= night).sort("known_on", maintain_order=True)
    return known["value"].to_list()[-1]


@pytest.mark.parametrize("table", ["series", "fundamentals"])
def test_history_that_comes_again_brings_back_nothing_that_was_amended(table):
    settings, told = {
        "series": (
            RATES,
            [rate(EVE, 2.5, EVE), rate(EVE, 2.6, AMENDED)],
        ),
        "fundamentals": (
            FILINGS,
            [
                filing(7.0, symbol="S00", form="10-K", known_on=EVE),
                filing(9.0, symbol="S00", form="10-K/A", known_on=AMENDED),
            ],
        ),
    }[table]
    key = "series" if table == "series" else "filings"
    here = desk(settings)
    rows = [here.judge(delivery(FIRST, [], vintage="assumed", **{key: told[:1]}))]
    rows.append(here.judge(delivery(AGAIN, [], vintage="assumed", **{key: told})))
    found = [believed(rows, night, table) for night in (FIRST, AMENDED, AGAIN)]
    assert found == [told[0]["value"], told[1]["value"], told[1]["value"]]
