"""Sessions are the exchange's trading days, holidays and half days included."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from tasks.market.calendar import Calendar

NEW_YORK = Calendar("XNYS")
FRIDAY, HOLIDAY, MONDAY = date(2016, 7, 1), date(2016, 7, 4), date(2016, 7, 5)


def test_gives_the_sessions_between_two_days_both_included():
    assert NEW_YORK.sessions(date(2016, 6, 30), MONDAY) == [date(2016, 6, 30), FRIDAY, MONDAY]
    assert NEW_YORK.sessions(HOLIDAY, HOLIDAY) == []


def test_knows_sessions_holidays_and_weekends():
    assert NEW_YORK.is_session(FRIDAY)
    assert NEW_YORK.is_holiday(HOLIDAY)
    assert not NEW_YORK.is_holiday(FRIDAY)
    assert not NEW_YORK.is_holiday(date(2016, 7, 2))  # a Saturday


def test_knows_special_closures():
    assert NEW_YORK.is_holiday(date(2001, 9, 12))
    assert NEW_YORK.is_holiday(date(2012, 10, 29))


def test_knows_the_days_that_close_early():
    assert NEW_YORK.is_half_day(date(2015, 11, 27))
    assert not NEW_YORK.is_half_day(date(2015, 11, 26))  # Thanksgiving itself
    assert not NEW_YORK.is_half_day(date(2015, 11, 30))
    assert not Calendar("24/7").is_half_day(date(2015, 11, 27))


def test_steps_over_closed_days():
    assert NEW_YORK.on_or_before(HOLIDAY) == FRIDAY
    assert NEW_YORK.on_or_before(FRIDAY) == FRIDAY
    assert NEW_YORK.on_or_after(HOLIDAY) == MONDAY
    assert NEW_YORK.next(FRIDAY) == MONDAY
    assert NEW_YORK.previous(MONDAY) == FRIDAY
    assert NEW_YORK.offset(MONDAY, 0) == MONDAY
    assert NEW_YORK.offset(MONDAY, -5) == date(2016, 6, 27)


def test_a_session_is_known_from_its_close_on():
    close = datetime(2016, 7, 1, 20, 0, tzinfo=UTC)
    assert NEW_YORK.last_closed(close) == FRIDAY
    assert NEW_YORK.last_closed(close - timedelta(seconds=1)) == date(2016, 6, 30)
    assert NEW_YORK.last_closed(datetime(2016, 7, 4, 23, tzinfo=UTC)) == FRIDAY


def test_half_days_close_early():
    assert NEW_YORK.last_closed(datetime(2015, 11, 27, 18, 0, tzinfo=UTC)) == date(2015, 11, 27)


def test_takes_times_of_any_zone_but_not_of_none():
    tokyo = timezone(timedelta(hours=9))
    assert NEW_YORK.last_closed(datetime(2016, 7, 2, 5, 0, tzinfo=tokyo)) == FRIDAY
    with pytest.raises(ValueError, match="has no time zone"):
        NEW_YORK.last_closed(datetime(2016, 7, 1, 20, 0))  # noqa: DTZ001


def test_says_what_it_does_not_know():
    with pytest.raises(
        ValueError, match="2016-07-04 is no session of XNYS; the one before is 2016-07-01"
    ):
        NEW_YORK.next(HOLIDAY)
    with pytest.raises(ValueError, match="1984-12-31 lies outside the calendar XNYS"):
        NEW_YORK.is_session(date(1984, 12, 31))
    with pytest.raises(ValueError, match="-1 sessions from 1985-01-02"):
        NEW_YORK.previous(date(1985, 1, 2))
    with pytest.raises(ValueError, match="No calendar named 'NYSEE'"):
        Calendar("NYSEE")


def test_reaches_from_1985_to_2030_whatever_the_day():
    assert NEW_YORK.sessions(date(1985, 1, 1), date(2030, 12, 31))[0] == date(1985, 1, 2)
    assert NEW_YORK.on_or_before(date(2030, 12, 31)) == date(2030, 12, 31)


def test_a_calendar_that_knows_fewer_years_still_loads():
    assert Calendar("XSHG").is_session(date(2016, 7, 4))


def test_tells_when_a_session_closes_in_utc_early_closes_too():
    assert NEW_YORK.close_of(FRIDAY) == datetime(2016, 7, 1, 20, tzinfo=UTC)
    assert NEW_YORK.close_of(date(2016, 11, 25)) == datetime(2016, 11, 25, 18, tzinfo=UTC)
    assert Calendar("24/7").close_of(FRIDAY) == datetime(2016, 7, 2, tzinfo=UTC)
    with pytest.raises(ValueError, match="2016-07-04 is no session of XNYS"):
        NEW_YORK.close_of(HOLIDAY)
