"""Rows of another market are put where they were known: never before their own market closed."""

from datetime import date, timedelta

import polars as pl
import pytest

from tasks.market import frames
from tasks.market.calendar import Calendar
from tasks.market.sources.joining import Joining

NEW_YORK = Calendar("XNYS")
FRIDAY, SATURDAY, SUNDAY, MONDAY, TUESDAY = (date(2016, 6, 10) + timedelta(n) for n in range(5))
ALWAYS = "24/7"


def bars(*rows: tuple[str, date | None, float]) -> pl.DataFrame:
    kinds = {"symbol": pl.String, "session": pl.Date, "close": pl.Float64}
    table = pl.DataFrame(list(rows), schema=kinds, orient="row")
    price = pl.col("close")
    return frames.shaped(
        table.with_columns(open=price - 0.5, high=price + 1, low=price - 1, volume=10.0),
        frames.RAW_BARS,
    )


@pytest.mark.parametrize(
    ("calendar", "day", "joins"),
    [
        ("XTKS", TUESDAY, TUESDAY),  # closes before New York opens
        ("XETR", TUESDAY, TUESDAY),
        (ALWAYS, MONDAY, TUESDAY),  # ends at midnight, after New York's close
        (ALWAYS, FRIDAY, MONDAY),
        (ALWAYS, SUNDAY, MONDAY),
        ("XLON", date(2016, 7, 4), date(2016, 7, 5)),  # New York is closed
        ("XNYS", date(2016, 7, 4), date(2016, 7, 4)),  # a vendor's night on a holiday stays one
        ("XLON", date(2016, 11, 25), date(2016, 11, 25)),  # 16:30 is before New York's 18:00 UTC
    ],
)
def test_a_bar_joins_the_first_session_that_closes_after_it(calendar, day, joins):
    assert Joining(Calendar(calendar), NEW_YORK).session_of(day) == joins


def test_no_bar_joins_a_session_that_closes_before_it():
    for name in (ALWAYS, "XTKS", "XLON"):
        calendar = Calendar(name)
        joining = Joining(calendar, NEW_YORK)
        for day in calendar.sessions(date(2016, 1, 4), date(2016, 12, 30)):
            joined = joining.session_of(day)
            assert NEW_YORK.close_of(joined) >= calendar.close_of(day)
            assert NEW_YORK.close_of(NEW_YORK.previous(joined)) < calendar.close_of(day)
            assert joining.own_until(joined) >= day > joining.own_until(NEW_YORK.previous(joined))


def test_bars_of_one_session_become_one():
    joining = Joining(Calendar(ALWAYS), NEW_YORK)
    days = [("BTC", FRIDAY, 5.0), ("BTC", SATURDAY, 9.0), ("BTC", SUNDAY, 7.0)]
    joined = joining.bars(bars(*days), history=True, night=MONDAY)
    columns = ["session", "open", "high", "low", "close", "volume"]
    assert joined.select(columns).rows() == [(MONDAY, 4.5, 10.0, 4.0, 7.0, 30.0)]


def test_copies_stay_copies_for_the_gate_to_judge():
    joining = Joining(Calendar(ALWAYS), NEW_YORK)
    days = [("BTC", SATURDAY, 9.0), ("BTC", SUNDAY, 7.0)]
    joined = joining.bars(bars(*days, *days), history=True, night=MONDAY)
    assert joined.height == 2
    assert joined["volume"].to_list() == [20.0, 20.0]
    assert joined.is_duplicated().all()


def test_a_row_on_a_day_its_own_market_does_not_know_has_no_session():
    joining = Joining(Calendar("XLON"), NEW_YORK)
    joined = joining.bars(
        bars(("BP", date(2016, 6, 11), 5.0), ("BP", MONDAY, 6.0)), history=True, night=MONDAY
    )
    assert joined.select("session", "close").rows() == [(MONDAY, 6.0), (None, 5.0)]


def test_a_session_told_only_in_part_is_no_correction():
    joining = Joining(Calendar(ALWAYS), NEW_YORK)
    thursday = FRIDAY - timedelta(1)
    days = [("BTC", day, 5.0) for day in (SATURDAY, SUNDAY, MONDAY)]  # without Friday
    joined = joining.bars(bars(*days), history=False, night=TUESDAY)
    assert joined["session"].to_list() == [TUESDAY]
    whole = joining.bars(
        bars(("BTC", thursday, 5.0), ("BTC", FRIDAY, 5.0), *days), history=False, night=TUESDAY
    )
    assert whole["session"].to_list() == [FRIDAY, MONDAY, TUESDAY]


def acts(*rows: tuple[date, str, str, float | None]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=frames.RAW_ACTIONS, orient="row")


def test_what_a_market_does_to_shares_moves_with_its_bars():
    joining = Joining(Calendar(ALWAYS), NEW_YORK)
    told = acts(
        (SATURDAY, "A", "split", 2.0),
        (SUNDAY, "A", "split", 3.0),
        (SUNDAY, "A", "dividend", 0.5),
        (SATURDAY, "A", "dividend", 0.25),
    )
    joined = joining.actions(told, bars(), history=True, night=MONDAY)
    assert sorted(joined.rows()) == [
        (MONDAY, "A", "dividend", 0.75),
        (MONDAY, "A", "split", 6.0),
    ]


THURSDAY, BLACK_FRIDAY = date(2023, 11, 23), date(2023, 11, 24)  # New York is closed, London not
LONDON = Joining(Calendar("XLON"), NEW_YORK)


def since(first: date, night: date, *rows: tuple[date, str, str, float | None]) -> list[object]:
    """Return what a night whose bars begin at `first` says of actions on New York's sessions."""
    days = Calendar("XLON").sessions(first, night)
    told = bars(*(("VOD", day, 70.0) for day in days))
    joined = LONDON.actions(acts(*rows), told, history=False, night=night)
    return joined.select("ex_session", "kind", "value").rows()


@pytest.mark.parametrize("value", [0.0, 0.2])
def test_who_tells_the_end_of_a_session_says_nothing_of_what_it_paid(value):
    friday = (BLACK_FRIDAY, "VOD", "dividend", value)
    later = (date(2023, 11, 27), "VOD", "dividend", 0.4)
    night = date(2023, 12, 1)
    assert since(BLACK_FRIDAY, night, friday, later) == [(later[0], "dividend", 0.4)]
    whole = since(THURSDAY, night, (THURSDAY, "VOD", "dividend", 0.3), friday, later)
    assert whole == [(BLACK_FRIDAY, "dividend", 0.3 + value), (later[0], "dividend", 0.4)]


def test_what_the_night_itself_pays_is_told_however_little_it_tells():
    paid = (BLACK_FRIDAY, "VOD", "dividend", 0.2)
    assert since(BLACK_FRIDAY, BLACK_FRIDAY, paid) == [(BLACK_FRIDAY, "dividend", 0.2)]


def test_an_action_told_alone_is_not_taken_for_the_end_of_its_session():
    paid = (BLACK_FRIDAY, "VOD", "dividend", 0.2)  # of a vendor who does not say where none was
    night = date(2023, 11, 28)
    assert since(date(2023, 11, 22), night, paid) == [(BLACK_FRIDAY, "dividend", 0.2)]


def test_a_rate_of_a_day_without_a_session_is_known_at_the_next():
    joining = Joining(Calendar("XLON"), NEW_YORK)
    holiday, tuesday = date(2016, 7, 4), date(2016, 7, 5)
    rates = pl.DataFrame(
        [(holiday, "EURUSD", 1.1, holiday), (tuesday, "EURUSD", 1.2, tuesday)],
        schema=frames.RAW_SERIES,
        orient="row",
    )
    assert joining.series(rates).rows() == [(tuesday, "EURUSD", 1.2, tuesday)]


def test_what_nobody_can_read_is_not_taken_for_nothing():
    joining = Joining(Calendar(ALWAYS), NEW_YORK)
    told = acts(
        (SATURDAY, "A", "dividend", None),
        (SUNDAY, "A", "dividend", 0.0),
        (SATURDAY, "A", "split", None),
        (SUNDAY, "A", "split", 1.0),
    )
    joined = joining.actions(told, bars(), history=True, night=MONDAY)
    assert joined["value"].to_list() == [None, None]
