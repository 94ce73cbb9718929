"""What is known beside bars: each row as known at its own close, null once it is stale."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from tasks.market.context import Context
from tasks.market.frames import ACTIONS, FUNDAMENTALS, SERIES, empty, shaped
from tasks.market.fundamentals import latest, trailing_year

DAYS = [date(2018, 1, 1) + timedelta(days=i) for i in range(1_100)]
SESSIONS = [day for day in DAYS if day.weekday() < 5]
MONDAY = SESSIONS.index(date(2018, 6, 4))
NAMES = ("A", "B", "C", "D")
NOTHING = np.nan


def told(*rows: tuple[date, float | None, date], name: str = "vix") -> pl.DataFrame:
    """Return `SERIES` of (session, value, known_on)."""
    frame = pl.DataFrame(rows, schema=["session", "value", "known_on"], orient="row")
    return shaped(frame.with_columns(name=pl.lit(name), delivery="known_on"), SERIES)


def series(rows: pl.DataFrame, name: str = "vix") -> list[float]:
    found = Context(rows, empty(FUNDAMENTALS)).inputs([f"series/{name}"], SESSIONS, NAMES)
    return found[f"series/{name}"][:, 0].tolist()


def daily(count: int, *, lag: int = 0) -> pl.DataFrame:
    """Return a value of each session from MONDAY on, known `lag` sessions later."""
    places = range(MONDAY, MONDAY + count)
    return told(*((SESSIONS[i], float(i), SESSIONS[i + lag]) for i in places))


def at(values: list[float], *places: int) -> list[float]:
    return [values[place] for place in places]


def equal(found: list[float], wanted: list[float]) -> bool:
    return np.array_equal(found, wanted, equal_nan=True)


# --- series --------------------------------------------------------------------------------------


def test_a_series_shows_its_newest_value_known_at_each_close():
    assert equal(
        at(series(daily(9)), MONDAY - 1, MONDAY, MONDAY + 5), [NOTHING, MONDAY, MONDAY + 5]
    )
    late = series(daily(9, lag=1))
    assert equal(at(late, MONDAY, MONDAY + 1, MONDAY + 5), [NOTHING, MONDAY, MONDAY + 4])


def test_of_several_prints_of_a_session_the_last_known_counts_from_then_on():
    first = told((SESSIONS[MONDAY], 1.0, SESSIONS[MONDAY]))
    revised = told((SESSIONS[MONDAY], 2.0, SESSIONS[MONDAY + 2]))
    found = series(pl.concat([revised, first]))
    assert at(found, MONDAY, MONDAY + 1, MONDAY + 2) == [1, 1, 2]


def test_an_older_session_told_later_is_not_the_newest():
    late = told((SESSIONS[MONDAY], -1.0, SESSIONS[MONDAY + 4]))
    assert at(series(pl.concat([daily(9), late])), MONDAY + 3, MONDAY + 4) == [
        MONDAY + 3,
        MONDAY + 4,
    ]


def test_a_value_taken_back_is_null_until_the_next_session():
    gone = told((SESSIONS[MONDAY + 2], None, SESSIONS[MONDAY + 2]))
    whole = daily(9).filter(pl.col("session") != SESSIONS[MONDAY + 2])
    found = series(pl.concat([whole, gone]))
    assert equal(at(found, MONDAY + 1, MONDAY + 2, MONDAY + 3), [MONDAY + 1, NOTHING, MONDAY + 3])


@pytest.mark.parametrize("lag", [0, 1, 9])
def test_a_daily_value_is_stale_when_its_successor_is_five_weekdays_late(lag):
    last = MONDAY + 8
    found = series(daily(9, lag=lag))
    known = last + lag
    assert equal(at(found, known, known + 6, known + 7), [last, last, NOTHING])


def test_a_first_value_stands_for_five_weekdays():
    found = series(daily(1))
    assert equal(at(found, MONDAY, MONDAY + 5, MONDAY + 6), [MONDAY, MONDAY, NOTHING])


def test_a_monthly_value_stands_until_its_successor_is_five_weekdays_late():
    months = [(date(2018, month, 1), date(2018, month + 1, 1)) for month in range(1, 9)]
    found = series(told(*((day, float(day.month), known) for day, known in months)))
    by_day = dict(zip(SESSIONS, found, strict=True))
    assert by_day[date(2018, 7, 2)] == 6  # the first of July is a Sunday
    assert by_day[date(2018, 7, 31)] == 6
    # August's is known on 2018-09-03, and June had 21 weekdays, the least of the last steps
    assert by_day[date(2018, 10, 9)] == 8
    assert np.isnan(by_day[date(2018, 10, 10)])
    # a first value has no step yet
    assert by_day[date(2018, 2, 8)] == 1
    assert np.isnan(by_day[date(2018, 2, 9)])


def test_a_pause_of_a_daily_series_does_not_make_it_slow():
    paused = pl.concat([daily(4), daily(40).tail(4)])
    last = MONDAY + 39
    assert np.isnan(series(paused)[MONDAY + 20])
    assert np.isnan(series(paused)[last + 7])


def test_a_series_that_nobody_tells_is_null():
    assert np.isnan(series(daily(9), "yield")).all()


def test_names_what_it_cannot_give():
    with pytest.raises(ValueError, match="No input named 'vix'"):
        Context(daily(9), empty(FUNDAMENTALS)).inputs(["vix"], SESSIONS, NAMES)


# --- figures -------------------------------------------------------------------------------------


def filings(seed: int, *, items: tuple[str, ...] = ("equity", "net_income")) -> pl.DataFrame:
    """Return filings of four names with years, quarters, gaps, corrections and odd days."""
    generator = np.random.default_rng(seed)
    rows = []
    for name in NAMES:
        for place in range(14):
            end = date(2016 + place // 4, place % 4 * 3 + 3, 30)
            if generator.random() < 0.1:
                continue
            form = "10-K" if place % 4 == 3 else "10-Q"
            known = end + timedelta(days=int(generator.integers(-3, 80)))
            for item in items:
                value = float(generator.normal(100, 30))
                rows.append((end, name, item, value, form, known))
                if form == "10-K" and generator.random() < 0.3:
                    rows.append((end, name, item, value / 3, "10-Q", known))
                again = known + timedelta(days=int(generator.integers(1, 200)))
                if generator.random() < 0.3:
                    changed = None if generator.random() < 0.3 else value * 1.1
                    rows.append((end, name, item, changed, f"{form}/A", again))
                elif generator.random() < 0.3:
                    rows.append((end, name, item, value, form, again))
    names = ["period_end", "instrument", "item", "value", "form", "known_on"]
    frame = pl.DataFrame(rows, schema=names, orient="row")
    frame = frame.with_columns(delivery="known_on").sample(fraction=1, shuffle=True, seed=seed)
    return shaped(frame, FUNDAMENTALS)


def figures(rows: pl.DataFrame, *wanted: str, first: int = 0) -> dict[str, np.ndarray]:
    names = [f"figure/{item}" for item in wanted]
    found = Context(empty(SERIES), rows).inputs(names, SESSIONS[first:], NAMES)
    return {item: found[f"figure/{item}"] for item in wanted}


def by_session(rows: pl.DataFrame, item: str, make) -> np.ndarray:
    """Return what `make` gives for each session, asked one at a time."""
    found = np.full((len(SESSIONS), len(NAMES)), np.nan)
    told = rows.filter(pl.col("item") == item)
    for place, session in enumerate(SESSIONS):
        for name, value in make(told, session).select("instrument", "value").iter_rows():
            found[place, NAMES.index(name)] = np.nan if value is None else value
    return found


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 6))]
)
def test_equals_what_was_latest_at_each_session(seed):
    rows = filings(seed)
    found, wanted = figures(rows, "equity")["equity"], by_session(rows, "equity", latest)
    assert np.array_equal(found, wanted, equal_nan=True)
    assert 0.3 < np.isfinite(found).mean() < 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_equals_the_trailing_year_at_each_session(seed):
    rows = filings(seed)
    found = figures(rows, "net_income:year")["net_income:year"]
    wanted = by_session(rows, "net_income", trailing_year)
    assert np.array_equal(np.isnan(found), np.isnan(wanted))
    np.testing.assert_allclose(found, wanted, rtol=1e-13)  # summed in another order
    assert 0.1 < np.isfinite(found).mean() < 1


def test_adds_up_the_quarters_since_the_last_year():
    quarters = [date(2018, 3, 30), date(2018, 6, 30), date(2018, 9, 30)]
    before = [day.replace(year=2017) for day in quarters]
    told = [(day, 10.0, "10-Q") for day in before] + [(date(2017, 12, 30), 45.0, "10-K")]
    told += [(day, 11.0, "10-Q") for day in quarters]
    frame = pl.DataFrame(told, schema=["period_end", "value", "form"], orient="row").with_columns(
        instrument=pl.lit("B"),
        item=pl.lit("revenues"),
        known_on=pl.col("period_end") + timedelta(40),
    )
    rows = shaped(frame.with_columns(delivery="known_on"), FUNDAMENTALS)
    found = dict(zip(SESSIONS, figures(rows, "revenue:year")["revenue:year"][:, 1], strict=True))
    assert found[date(2018, 2, 8)] == 45
    assert found[date(2018, 5, 8)] == 45
    assert found[date(2018, 5, 9)] == 46  # 2018-03-30 and 40 days
    assert found[date(2018, 11, 9)] == 48


@pytest.mark.parametrize("item", ["equity", "net_income:year", "shares"])
def test_nothing_moves_when_what_became_known_later_is_altered(item):
    rows = filings(3, items=("equity", "net_income", "eps_diluted"))
    now = SESSIONS[200]
    later = pl.col("known_on") > now
    poisoned = rows.with_columns(value=pl.when(later).then(pl.col("value") * -7).otherwise("value"))
    gone = poisoned.filter(~later | (pl.int_range(pl.len()) % 3 == 0))
    found, wanted = figures(gone, item)[item], figures(rows, item)[item]
    assert found[:201].tobytes() == wanted[:201].tobytes()
    assert found[201:].tobytes() != wanted[201:].tobytes()


def test_no_series_moves_when_what_became_known_later_is_altered():
    rows = daily(60, lag=1)
    now = MONDAY + 30
    later = pl.col("known_on") > SESSIONS[now]
    poisoned = rows.with_columns(value=pl.when(later).then(-pl.col("value")).otherwise("value"))
    assert equal(series(poisoned)[: now + 1], series(rows)[: now + 1])
    assert not equal(series(poisoned), series(rows))


@pytest.mark.parametrize("item", ["equity", "net_income:year", "shares"])
def test_does_not_depend_on_how_much_history_is_asked_for(item):
    rows = filings(4, items=("equity", "net_income", "eps_diluted"))
    whole, part = figures(rows, item)[item], figures(rows, item, first=400)[item]
    assert part.tobytes() == whole[400:].tobytes()


def test_series_do_not_depend_on_how_much_history_is_asked_for():
    context = Context(daily(60, lag=1), empty(FUNDAMENTALS))
    whole = context.inputs(["series/vix"], SESSIONS, NAMES)["series/vix"]
    start = MONDAY + 64  # the last value is known before, and stale soon after
    part = context.inputs(["series/vix"], SESSIONS[start:], NAMES)["series/vix"]
    assert part.tobytes() == whole[start:].tobytes()
    assert 0 < np.isfinite(part).sum() < 5


# --- shares --------------------------------------------------------------------------------------


def company(*rows: tuple[str, float]) -> pl.DataFrame:
    """Return one filing of B, known on MONDAY."""
    frame = pl.DataFrame(rows, schema=["item", "value"], orient="row").with_columns(
        period_end=pl.lit(date(2018, 3, 31)),
        instrument=pl.lit("B"),
        form=pl.lit("10-Q"),
        known_on=pl.lit(SESSIONS[MONDAY]),
        delivery=pl.lit(SESSIONS[MONDAY]),
    )
    return shaped(frame, FUNDAMENTALS)


def split(place: int, *, known: int | None = None) -> pl.DataFrame:
    """Return `ACTIONS`: B gives two shares for one."""
    told = SESSIONS[place if known is None else known]
    row = {"ex_session": [SESSIONS[place]], "instrument": ["B"], "kind": ["split"], "value": [2.0]}
    return shaped(pl.DataFrame(row | {"known_on": [told], "delivery": [told]}), ACTIONS)


def shares(rows: pl.DataFrame, actions: pl.DataFrame | None = None) -> list[float]:
    context = Context(empty(SERIES), rows, actions)
    return context.inputs(["figure/shares"], SESSIONS, NAMES)["figure/shares"][:, 1].tolist()


def test_a_filing_without_shares_implies_them_unless_earnings_are_lost_in_rounding():
    assert shares(company(("net_income", 300.0), ("eps_diluted", 1.5)))[MONDAY] == 200
    assert np.isnan(shares(company(("net_income", 1.0), ("eps_diluted", 0.01)))[MONDAY])
    assert np.isnan(shares(company(("net_income", 1.0), ("eps_diluted", -0.5)))[MONDAY])
    both = company(("net_income", 300.0), ("eps_diluted", 1.5), ("shares", 190.0))
    assert shares(both)[MONDAY] == 190


def test_shares_are_those_of_each_session_as_far_as_splits_were_known():
    filing = company(("shares", 100.0))
    ex = MONDAY + 10
    assert at(shares(filing, split(ex)), ex - 1, ex, ex + 1) == [100, 200, 200]
    late = shares(filing, split(ex, known=ex + 3))
    assert at(late, ex, ex + 2, ex + 3) == [100, 100, 200]


def test_a_split_before_a_filing_is_in_its_shares():
    assert shares(company(("shares", 100.0)), split(MONDAY - 5))[MONDAY + 3] == 100
    assert shares(company(("shares", 100.0)), split(MONDAY))[MONDAY + 3] == 100


def test_a_split_between_a_filing_and_the_first_session_counts():
    context = Context(empty(SERIES), company(("shares", 100.0)), split(MONDAY + 5))
    found = context.inputs(["figure/shares"], SESSIONS[MONDAY + 9 :], NAMES)["figure/shares"]
    assert found[0, 1] == 200
