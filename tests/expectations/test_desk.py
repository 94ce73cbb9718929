"""The desk carries from night to night what a delivery is judged by, and since when it counts."""

from datetime import date

import polars as pl
import pytest

from conf.schema import SimulatedSource
from expectations.desk import Desk
from tasks.market import frames
from tasks.market.calendar import Calendar
from tasks.market.sources.protocol import Delivery

DAYS = Calendar("XNYS")
SETTINGS = SimulatedSource(
    kind="simulated",
    title="Observed nights",
    starts=date(2015, 6, 1),
    observed_from=date(2015, 6, 2),
    ends=date(2015, 7, 31),
    expected_rows=200,
)
THURSDAY, HOLIDAY = date(2015, 7, 2), date(2015, 7, 3)
MONDAY, TUESDAY = date(2015, 7, 6), date(2015, 7, 7)


def desk(sealed: date | None = None) -> Desk:
    return Desk(
        "test",
        SETTINGS,
        DAYS,
        bars=frames.empty(frames.BARS),
        listings=frames.empty(frames.LISTINGS),
        sealed=sealed,
    )


def delivery(night: date, session: date, names: int, *, price: float = 10.0) -> Delivery:
    rows = {
        "session": [session] * names,
        "symbol": [f"S{number}" for number in range(names)],
        "close": [price + number / 100 for number in range(names)],
        "volume": [1000.0] * names,
    }
    return Delivery(
        night=night,
        vintage="observed",
        bars=frames.shaped(pl.DataFrame(rows), frames.RAW_BARS),
        actions=frames.empty(frames.RAW_ACTIONS),
        listings=frames.empty(frames.RAW_LISTINGS),
        series=frames.empty(frames.RAW_SERIES),
    )


def verdict(judged) -> str:
    return judged.verdicts["verdict"][0]


def test_what_comes_on_a_holiday_does_not_become_the_usual_size():
    here = desk()
    assert verdict(here.judge(delivery(THURSDAY, THURSDAY, 200))) == "pass"
    assert verdict(here.judge(delivery(HOLIDAY, THURSDAY, 4, price=10.01))) == "skip"
    assert verdict(here.judge(delivery(MONDAY, MONDAY, 5, price=10.02))) == "block"


def test_a_shrinking_delivery_does_not_become_the_norm():
    here = desk()
    sessions = DAYS.sessions(date(2015, 6, 2), date(2015, 6, 12))
    for number, session in enumerate(sessions):
        here.judge(delivery(session, session, 200, price=10 + number / 100))
    after = DAYS.sessions(date(2015, 6, 15), date(2015, 6, 16))
    assert verdict(here.judge(delivery(after[0], after[0], 140, price=10.2))) != "block"
    assert verdict(here.judge(delivery(after[1], after[1], 100, price=10.21))) == "block"


@pytest.mark.parametrize(
    ("sealed", "known_on"),
    [
        (None, THURSDAY),
        (date(2015, 7, 1), THURSDAY),
        (THURSDAY, MONDAY),
        (MONDAY, date(2015, 7, 7)),
    ],
)
def test_what_comes_after_a_release_counts_from_the_session_after_it(sealed, known_on):
    judged = desk(sealed).judge(delivery(THURSDAY, THURSDAY, 200))
    assert judged.bars["known_on"].unique().to_list() == [known_on]
    assert judged.verdicts["known_on"].to_list() == [known_on]


def test_a_payload_that_cannot_be_read_is_a_block():
    judged = desk().refuse(THURSDAY, "not a parquet file", "observed")
    assert verdict(judged) == "block"
    assert "not a parquet file" in judged.verdicts["reasons"][0]
    assert judged.bars.is_empty()


def test_a_fund_stays_one_whatever_later_names_say():
    here = desk()
    first = delivery(THURSDAY, THURSDAY, 200)
    named = pl.DataFrame({"symbol": ["S1"], "name": ["S One ETF"], "asset_class": ["fund"]})
    here.judge(first._replace(listings=frames.shaped(named, frames.RAW_LISTINGS)))
    again = pl.DataFrame({"symbol": ["S1"], "name": ["region"], "asset_class": ["equity"]})
    late = delivery(MONDAY, MONDAY, 200, price=10.02)
    judged = here.judge(late._replace(listings=frames.shaped(again, frames.RAW_LISTINGS)))
    newest = here.memory.listed.filter(pl.col("symbol") == "S1").tail(1)
    assert newest["asset_class"].to_list() == ["fund"]
    assert judged.listings.filter(pl.col("symbol") == "S1").is_empty()


# --- a symbol that two companies held, all of it in one delivery ---------------------------------

JUNE, CHANGED = date(2015, 6, 1), date(2015, 6, 22)


def two_companies() -> Delivery:
    """Return two months of AAA, which one company gave up on 12 June and another took up later."""
    sessions = DAYS.sessions(JUNE, date(2015, 7, 31))
    days = [day for day in sessions if not date(2015, 6, 12) < day < CHANGED]
    rows = pl.concat([delivery(day, day, 200).bars for day in sessions])
    rows = rows.with_columns(symbol=pl.col("symbol").replace("S1", "AAA"))
    rows = rows.filter((pl.col("symbol") != "AAA") | pl.col("session").is_in(days))
    paid = [
        (date(2015, 6, 10), "AAA", "dividend", 0.1),
        (date(2015, 7, 15), "AAA", "dividend", 0.2),
        (date(2015, 6, 17), "AAA", "dividend", 0.3),
    ]
    listed = pl.DataFrame(
        {
            "symbol": ["AAA", "AAA"],
            "vendor_id": ["old", "new"],
            "from_session": [JUNE, CHANGED],
            "to_session": [date(2015, 6, 12), None],
        }
    )
    filed = [(date(2015, 3, 31), "AAA", "sales", 1.0, "10-Q", day) for day, *_ in paid[:2]]
    return Delivery(
        night=date(2015, 7, 31),
        vintage="assumed",
        bars=frames.shaped(rows, frames.RAW_BARS),
        actions=pl.DataFrame(paid, schema=frames.RAW_ACTIONS, orient="row"),
        listings=frames.shaped(listed, frames.RAW_LISTINGS),
        series=frames.empty(frames.RAW_SERIES),
        fundamentals=pl.DataFrame(filed, schema=frames.RAW_FUNDAMENTALS, orient="row"),
    )


def test_an_action_is_of_the_company_that_held_the_symbol_on_its_ex_session():
    judged = desk().judge(two_companies())
    assert verdict(judged) == "pass"
    old, new = "test:AAA:2015-06-01", "test:AAA:2015-06-22"
    assert judged.actions.select("instrument", "value").rows() == [(old, 0.1), (new, 0.2)]
    assert judged.fundamentals["instrument"].to_list() == [old, new]


def test_an_action_stays_where_it_was_whatever_becomes_of_the_symbol_later():
    told = two_companies()
    early = pl.col("session") < CHANGED
    first = told._replace(bars=told.bars.filter(early | (pl.col("symbol") != "AAA")))
    first = first._replace(listings=told.listings.head(1), actions=told.actions.head(1))
    alone, both = desk().judge(first), desk().judge(told)
    assert alone.actions.equals(both.actions.head(1))
