"""What comes late of a contract counts in its chain: corrections, gaps and thin listings."""

from datetime import date

import polars as pl
import pytest

from conf.schema import Continuous
from tasks.market.frames import RAW_BARS, RAW_LISTINGS, shaped
from tasks.market.futures import Chained, chained
from tests.market.curves import DAYS

VOLUME = {"CL": Continuous(root="CL", roll="volume", sessions_before=3)}
CALENDAR = {"CL": Continuous(root="CL", roll="calendar", sessions_before=3)}
BOTH = pytest.mark.parametrize("chains", [CALENDAR, VOLUME], ids=["calendar", "volume"])


def day(of_june: int) -> date:
    return date(2020, 6, of_june)


def bars(*rows: tuple[int, str, float, float]) -> pl.DataFrame:
    """Return bars of (day of June 2020, symbol, close, volume)."""
    table = [
        {"session": day(of_june), "symbol": name, "close": close, "volume": volume}
        for of_june, name, close, volume in rows
    ]
    return shaped(pl.DataFrame(table), RAW_BARS)


def listing(symbol: str, **said: object) -> dict[str, object]:
    return {"symbol": symbol, "root": "CL", "asset_class": "future", **said}


def listings(*rows: dict[str, object]) -> pl.DataFrame:
    return shaped(pl.DataFrame(rows), RAW_LISTINGS)


A, B = listing("A", to_session=date(2020, 6, 10)), listing("B", to_session=date(2020, 7, 10))
C = listing("C", to_session=date(2020, 8, 10))


def standing_on(name: str, *others: dict[str, object]) -> pl.DataFrame:
    """Return A, B, `others`, and the chain on contract `name` since the first of the month."""
    return listings(A, B, *others, {"symbol": "CL", "name": name, "from_session": day(1)})


def rolls(found: Chained) -> list[tuple[date, float]]:
    return list(found.actions.select("ex_session", "value").iter_rows())


def test_a_close_that_is_corrected_tonight_is_what_the_roll_pays():
    known = bars((2, "A", 50.0, 10), (2, "B", 51.0, 20))
    tonight = bars((2, "A", 55.0, 10), (3, "A", 56.0, 5), (3, "B", 52.0, 30))
    found = chained(tonight, standing_on("A"), known, VOLUME, DAYS)
    assert rolls(found) == [(day(3), 55.0 - 51.0)]
    assert found.bars["close"].to_list() == [55.0, 52.0]


def test_a_volume_that_is_corrected_tonight_takes_the_reason_to_roll():
    known = bars((2, "A", 50.0, 10), (2, "B", 51.0, 20))
    tonight = bars((2, "A", 50.0, 100), (3, "A", 56.0, 5), (3, "B", 52.0, 30))
    found = chained(tonight, standing_on("A"), known, VOLUME, DAYS)
    assert rolls(found) == []
    assert found.bars["close"].to_list() == [50.0, 56.0]


def test_a_row_that_was_missing_and_comes_tonight_counts_in_the_decision():
    known = bars((1, "A", 49.0, 10), (1, "B", 50.0, 1), (2, "A", 50.0, 10))
    tonight = bars((2, "B", 51.0, 20), (3, "A", 56.0, 5), (3, "B", 52.0, 30))
    found = chained(tonight, standing_on("A"), known, VOLUME, DAYS)
    assert rolls(found) == [(day(3), 50.0 - 51.0)]


@pytest.mark.parametrize("corrected", ["A", "B"])
def test_a_roll_that_was_paid_is_told_anew_when_a_close_of_it_is_corrected(corrected):
    known = bars((2, "A", 50.0, 10), (2, "B", 51.0, 20), (3, "A", 56.0, 5), (3, "B", 52.0, 30))
    told = pl.concat(
        [standing_on("A"), listings({"symbol": "CL", "name": "B", "from_session": day(3)})]
    )
    late = bars((2, corrected, 55.0, 10), (4, "B", 53.0, 30))
    found = chained(late, told, known, VOLUME, DAYS)
    assert rolls(found) == [(day(3), 55.0 - 51.0 if corrected == "A" else 50.0 - 55.0)]
    assert found.listings.is_empty()
    again = bars((2, "A", 50.0, 10), (2, "B", 51.0, 20), (4, "B", 53.0, 30))
    assert chained(again, told, known, VOLUME, DAYS).actions.is_empty()


@BOTH
def test_a_front_that_is_due_and_fell_silent_is_paid_by_closes_of_one_session(chains):
    known = bars((3, "A", 50.0, 10), (3, "B", 51.0, 5), (4, "B", 45.0, 5), (5, "B", 40.0, 5))
    found = chained(bars((8, "B", 41.0, 5)), standing_on("A"), known, chains, DAYS)
    assert rolls(found) == [(day(8), 50.0 - 51.0)]
    held = (41.0 + rolls(found)[0][1]) / 50.0 - 1
    assert held == pytest.approx((41.0 - 51.0) / 50.0)


@BOTH
def test_a_front_that_fell_silent_waits_for_a_contract_that_closed_beside_it(chains):
    known = bars((3, "A", 50.0, 10), (4, "B", 45.0, 5), (5, "B", 40.0, 5))
    waits = chained(bars((8, "B", 41.0, 5)), standing_on("A"), known, chains, DAYS)
    assert rolls(waits) == []
    assert waits.bars.is_empty()
    both = pl.concat([known, bars((3, "C", 52.0, 1), (5, "C", 43.0, 1))])
    found = chained(bars((8, "C", 44.0, 5)), standing_on("A", C), both, chains, DAYS)
    assert rolls(found) == [(day(8), 50.0 - 52.0)]
    assert found.listings["name"].to_list() == ["C"]


@BOTH
def test_no_close_from_the_session_of_the_roll_on_moves_what_it_pays(chains):
    known = bars((3, "A", 50.0, 10), (3, "B", 51.0, 5), (5, "B", 40.0, 5))
    for close in (41.0, 4100.0):
        late = bars((8, "A", close, 99), (8, "B", close, 5))
        assert rolls(chained(late, standing_on("A"), known, chains, DAYS)) == [(day(8), -1.0)]


def test_a_contract_that_is_listed_again_keeps_what_is_not_said_again():
    told = listings(
        A | {"multiplier": 1000.0, "currency": "USD"},
        B | {"multiplier": 1000.0, "currency": "USD"},
        {"symbol": "CL", "name": "A", "from_session": day(1)},
        {"symbol": "A", "name": "Crude"},
        {"symbol": "B", "name": "Crude", "root": "CL"},
    )
    known = bars((2, "A", 50.0, 10), (2, "B", 51.0, 20))
    found = chained(bars((3, "A", 56.0, 5), (3, "B", 52.0, 30)), told, known, VOLUME, DAYS)
    assert rolls(found) == [(day(3), 50.0 - 51.0)]
    about = found.listings.select("name", "currency", "multiplier", "root").rows()
    assert about == [("B", "USD", 1000.0, "CL")]
