"""What is said of a source counts what it brings, whatever that is, and the nights it never did."""

from datetime import date, timedelta

import polars as pl
import pytest

from tasks.backfill import holes
from tasks.coverage import coverage, sources_with_data
from tasks.market import frames
from tasks.settings import open_lake

HISTORY, NIGHTS = date(2020, 12, 11), [date(2020, 12, 14), date(2020, 12, 17)]
NEVER = [date(2020, 12, 15), date(2020, 12, 16)]
RATES = """
kind: ecb
title: Rates
calendar: XNYS
currency: EUR
asset_class: fx
starts: 2020-01-02
observed_from: 2020-12-14
ends: 2020-12-11
expected_rows: 1
offline: true
currencies: [USD]
"""
FILINGS = """
kind: edgar
title: Filings
calendar: XNYS
starts: 2020-01-02
observed_from: 2020-12-14
ends: 2020-12-18
expected_rows: 1
symbols: [A]
items: {revenue: [Revenues]}
"""


def keep_verdicts(source: str, vintages: dict[date, str]) -> None:
    rows = [
        {"source": source, "delivery": night, "known_on": night, "vintage": vintage}
        | {"verdict": "pass", "reasons": "", "rows": 1, "clean": 1, "quarantined": 0}
        for night, vintage in vintages.items()
    ]
    told = frames.shaped(pl.DataFrame(rows).with_columns(findings=pl.lit("[]")), frames.VERDICTS)
    open_lake().replace("verdicts", told, over={"source": [source]})


def keep(table: str, source: str, rows: list[dict]) -> None:
    frame = pl.DataFrame(rows).with_columns(source=pl.lit(source))
    shaped = frames.shaped(frame, frames.TABLES[table].columns)
    open_lake().replace(table, shaped, over={"source": [source]})


@pytest.fixture
def house(build):
    house = build("covered")
    house.write("sources", "rates", RATES)
    house.write("sources", "filings", FILINGS)
    with house.open():
        yield house


def test_series_count_as_rows_and_say_how_new_a_source_is(house):
    keep_verdicts("rates", {HISTORY: "assumed"})
    told = [
        {"session": HISTORY, "name": "EURUSD", "value": value, "delivery": night, "known_on": night}
        for night, value in ((HISTORY, 1.21), (NIGHTS[0], 1.22))
    ]
    keep("series", "rates", told)
    found = coverage("rates")
    assert (found["content"], found["rows"], found["instruments"]) == ("series", 2, 1)
    assert (found["newest_session"], found["revised"]) == (HISTORY, 1)


def test_prints_that_say_the_same_are_no_revision_however_they_are_signed(house):
    oil = {"session": HISTORY, "instrument": "tiny:CL", "symbol": "CL", "close": -36.98}
    keep("bars", "tiny", [oil | {"delivery": night, "known_on": night} for night in NIGHTS])
    assert coverage("tiny")["revised"] == 0


def figures(*told: tuple[date, date, str, float]) -> list[dict]:
    """Return what deliveries said of the fourth quarter, or its year: night, day, form, value."""
    what = {"period_end": date(2020, 9, 30), "instrument": "filings:A", "item": "revenue"}
    names = ("delivery", "known_on", "form", "value")
    return [what | dict(zip(names, row, strict=True)) for row in told]


@pytest.mark.parametrize(
    ("told", "revised"),
    [
        ([(HISTORY, HISTORY, "10-Q", 5.0), (NIGHTS[0], NIGHTS[0], "10-K", 20.0)], 0),
        ([(HISTORY, date(2020, 11, 2), "10-K", 20.0), (HISTORY, HISTORY, "10-K/A", 21.0)], 0),
        ([(HISTORY, HISTORY, "10-K", 20.0), (NIGHTS[0], NIGHTS[0], "10-K/A", 21.0)], 1),
        (
            [
                (HISTORY, HISTORY, "10-K", 20.0),
                (NIGHTS[0], HISTORY, "10-K", 20.0),
                (NIGHTS[0], NIGHTS[0], "10-K/A", 21.0),
                (NIGHTS[1], NIGHTS[1], "10-K/A", 21.0),
                (NIGHTS[1], NIGHTS[1], "10-Q", 5.0),
            ],
            1,
        ),
    ],
    ids=["a year and a quarter", "in one delivery", "by a later delivery", "once of many"],
)
def test_a_figure_is_revised_by_a_later_delivery_alone(house, told, revised):
    keep_verdicts("filings", {HISTORY: "assumed"})
    for rows in (figures(*told), figures(*reversed(told))):
        keep("fundamentals", "filings", rows)
        assert coverage("filings")["revised"] == revised


def test_a_history_that_knows_what_was_published_when_revises_nothing(house):
    keep_verdicts("rates", {HISTORY: "assumed"})
    told = [
        {"session": NIGHTS[0], "name": "EURUSD", "value": value, "delivery": night, "known_on": day}
        for night, day, value in (
            (NIGHTS[1], NIGHTS[0], 1.21),
            (NIGHTS[1], NIGHTS[1], 1.22),
        )
    ]
    keep("series", "rates", told)
    assert coverage("rates")["revised"] == 0


def test_sessions_that_never_came_are_holes(house):
    keep_verdicts("tiny", {HISTORY: "assumed", **dict.fromkeys(NIGHTS, "observed")})
    assert coverage("tiny")["holes"] == len(NEVER)


def test_a_late_night_covers_its_own_session_alone(house):
    keep_verdicts("tiny", {HISTORY: "assumed", **dict.fromkeys(NIGHTS, "assumed")})
    told = [(date(2020, 1, 2), HISTORY), *((night, night) for night in NIGHTS)]
    rows = [{"session": own, "instrument": "tiny:A", "delivery": night} for own, night in told]
    keep("bars", "tiny", rows)
    assert holes(open_lake(), "tiny", date(2020, 1, 2), NIGHTS[-1]) == NEVER


def test_what_has_landed_is_no_hole_though_nobody_judged_it(house):
    keep_verdicts("tiny", {HISTORY: "assumed", **dict.fromkeys(NIGHTS, "observed")})
    raw = {"night": NEVER[0], "request": "bars", "body": b"", "sha256": "", "vintage": "observed"}
    open_lake().replace("raw/tiny", pl.DataFrame([raw]), over={"night": [NEVER[0]]})
    assert holes(open_lake(), "tiny", HISTORY, NIGHTS[-1]) == NEVER[1:]
    assert sources_with_data() == ["tiny"]


def test_a_hole_does_not_depend_on_what_comes_after(house):
    keep_verdicts("tiny", {HISTORY: "assumed", NIGHTS[0]: "observed"})
    before = holes(open_lake(), "tiny", HISTORY, NIGHTS[-1])
    later = NIGHTS[-1] + timedelta(days=1)
    keep_verdicts("tiny", {HISTORY: "assumed", NIGHTS[0]: "observed", later: "assumed"})
    assert holes(open_lake(), "tiny", HISTORY, NIGHTS[-1]) == before == [*NEVER, NIGHTS[-1]]
