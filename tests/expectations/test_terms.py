"""What a held instrument is worth a point changes when a person says so, and not overnight."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from expectations.desk import Desk, Judged
from tasks.market import frames
from tasks.market.currency import Terms, terms_of
from tests.expectations.told_case import (
    AFTER,
    DAYS,
    EVE,
    NAMES,
    NIGHT,
    SETTINGS,
    Row,
    delivery,
    verdict,
)

pytestmark = pytest.mark.slow

DOLLARS = {"asset_class": "future", "currency": "USD", "multiplier": 50.0, "root": "ES"}
YEN = DOLLARS | {"currency": "JPY"}


def about(symbol: str, said: Row = DOLLARS, **more: Any) -> Row:
    return {"symbol": symbol, **said, **more}


def desk(*nights: Judged, cleared: list[Row] | None = None) -> Desk:
    """Return a desk that knows what earlier nights left in the lake."""
    rows = [
        {"source": "test", "reason": "checked", "cleared_by": "me", **row} for row in cleared or []
    ]
    return Desk(
        "test",
        SETTINGS,
        DAYS,
        bars=pl.concat([frames.empty(frames.BARS), *(night.bars for night in nights)]),
        listings=pl.concat([frames.empty(frames.LISTINGS), *(night.listings for night in nights)]),
        cleared=pl.DataFrame(rows, schema=frames.CLEARED),
    )


def begun(*listings: Row) -> Judged:
    """Return a first night that lists something."""
    judged = desk().judge(delivery(EVE, listings=list(listings)))
    assert verdict(judged)[0] == "pass"
    assert judged.quarantine.is_empty()
    return judged


def terms(*nights: Judged, symbol: str = "S01") -> Terms:
    listed = pl.concat([night.listings for night in nights]).filter(pl.col("symbol") == symbol)
    (found,) = terms_of(listed.tail(1), "USD").values()
    return found


def aside(judged: Judged) -> list[tuple]:
    return judged.quarantine.select("session", "symbol", "rule", "detail").rows()


@pytest.mark.parametrize(
    ("said", "detail"),
    [
        ({"currency": "JPY"}, "currency JPY, was USD"),
        ({"multiplier": 5000.0}, "multiplier 5000.0, was 50.0"),
        ({"root": "NQ"}, "root NQ, was ES"),
        ({"currency": "JPY", "multiplier": 5.0}, "currency JPY, was USD; multiplier 5.0, was 50.0"),
    ],
)
@pytest.mark.parametrize("since", [None, NIGHT, EVE])
def test_terms_that_change_overnight_wait_for_a_person(said, detail, since):
    first = begun(about("S01"), about("S02"))
    news = [about("S01", DOLLARS | said, from_session=since), about("S02")]
    judged = desk(first).judge(delivery(NIGHT, listings=news))
    assert aside(judged) == [(since or NIGHT, "S01", "terms changed", detail)]
    assert verdict(judged)[0] == "pass"
    assert '"terms changed"' in judged.verdicts["findings"][0]
    assert "S01" in judged.bars["symbol"].to_list()
    assert terms(first, judged) == Terms("USD", 50.0)


def test_what_a_person_cleared_counts_from_that_night_on():
    first = begun(about("S01"))
    keys = {"delivery": NIGHT, "session": NIGHT, "symbol": "S01"}
    second = desk(first, cleared=[keys]).judge(delivery(NIGHT, listings=[about("S01", YEN)]))
    assert aside(second) == []
    assert terms(first) == Terms("USD", 50.0)
    assert terms(first, second) == Terms("JPY", 50.0)
    third = desk(first, second).judge(delivery(AFTER, listings=[about("S01", YEN)]))
    assert aside(third) == []
    back = desk(first, second).judge(delivery(AFTER, listings=[about("S01")]))
    assert [row[:3] for row in aside(back)] == [(AFTER, "S01", "terms changed")]


def test_what_a_person_cleared_of_another_night_or_name_clears_nothing():
    first = begun(about("S01"))
    for keys in ({"delivery": EVE, "symbol": "S01"}, {"delivery": NIGHT, "symbol": "S02"}):
        here = desk(first, cleared=[{"session": NIGHT, **keys}])
        judged = here.judge(delivery(NIGHT, listings=[about("S01", YEN)]))
        assert len(aside(judged)) == 1


def test_it_is_set_aside_each_night_that_it_comes():
    here = desk(begun(about("S01")))
    for night in (NIGHT, AFTER):
        judged = here.judge(delivery(night, listings=[about("S01", YEN)]))
        assert [row[:3] for row in aside(judged)] == [(night, "S01", "terms changed")]


def test_what_was_never_said_may_be_filled_in():
    first = begun({"symbol": "S01", "asset_class": "future"})
    judged = desk(first).judge(delivery(NIGHT, listings=[about("S01")]))
    assert aside(judged) == []
    assert terms(judged) == Terms("USD", 50.0)


def test_what_is_left_out_is_no_change():
    first = begun(about("S01"))
    judged = desk(first).judge(delivery(NIGHT, listings=[{"symbol": "S01", "name": "Anew"}]))
    assert aside(judged) == []
    assert terms(judged) == Terms("USD", 50.0)


def test_the_same_history_of_terms_may_come_every_night():
    told = [
        about("S01", YEN, from_session=date(2010, 1, 4)),
        about("S01", from_session=date(2012, 1, 4)),
    ]
    here = desk(begun(*told))
    judged = here.judge(delivery(NIGHT, listings=told))
    assert aside(judged) == []
    assert terms(begun(*told), judged) == Terms("USD", 50.0)


def test_a_symbol_that_passes_to_another_id_brings_its_terms():
    first = begun(about("S01", vendor_id="old", from_session=EVE))
    ended = about("S01", vendor_id="old", from_session=EVE, to_session=EVE)
    news = [ended, about("S01", YEN, vendor_id="new", from_session=NIGHT)]
    judged = desk(first).judge(delivery(NIGHT, listings=news))
    assert aside(judged) == []
    assert terms(judged) == Terms("JPY", 50.0)


@pytest.mark.parametrize("symbol", ["S01", "NEW"])
def test_an_id_keeps_its_terms_under_whatever_symbol(symbol):
    first = begun(about("S01", vendor_id="one", from_session=EVE))
    changed = about(symbol, YEN, vendor_id="one", from_session=NIGHT)
    judged = desk(first).judge(delivery(NIGHT, listings=[changed]))
    assert [row[:3] for row in aside(judged)] == [(NIGHT, symbol, "terms changed")]


def test_an_id_that_comes_for_the_first_time_changes_no_terms_either():
    first = begun(about("S01"))
    judged = desk(first).judge(delivery(NIGHT, listings=[about("S01", YEN, vendor_id="one")]))
    assert [row[:3] for row in aside(judged)] == [(NIGHT, "S01", "terms changed")]


def test_a_new_name_comes_with_any_terms():
    here = desk(begun(about("S01")))
    judged = here.judge(delivery(NIGHT, [*NAMES, "NEW"], listings=[about("NEW", YEN)]))
    assert aside(judged) == []
    assert terms(judged, symbol="NEW") == Terms("JPY", 50.0)
