"""A listing that changes what a name is worth waits for a person, and counts from then on."""

from datetime import UTC, date, datetime

import polars as pl
import pytest

from tasks.execution.release import current
from tasks.market import frames
from tasks.market.sources.protocol import Delivery
from tasks.settings import open_lake
from tests.tasks.altered import DAY, house_where

pytestmark = pytest.mark.slow
NOON = datetime(2020, 12, 31, 12, tzinfo=UTC)
NEXT = date(2020, 12, 18)


def in_euros(delivery: Delivery, symbol: str) -> Delivery:
    row = {"symbol": symbol, "asset_class": "equity", "currency": "EUR"}
    told = frames.shaped(pl.DataFrame([row]), frames.RAW_LISTINGS)
    return delivery._replace(listings=pl.concat([delivery.listings, told]))


@pytest.fixture
def switched(build, monkeypatch):
    """Give a house where one night lists one name in euros, and that name."""
    with house_where(build, monkeypatch, in_euros) as found:
        yield found


def clear(symbol: str) -> str:
    from tasks.quarantine import clear_rows

    return clear_rows.fn("tiny", DAY, symbol, None, "it moved to Frankfurt", "someone", NOON)


def currency(symbol: str, as_of: date) -> str:
    known = open_lake().known("listings", as_of=as_of, source="tiny", prints="all")
    own = known.filter(pl.col("symbol") == symbol).sort("known_on", "delivery", "from_session")
    return own["currency"][-1]


def test_it_keeps_its_currency_until_a_person_clears_the_listing(switched):
    from tasks import judge

    _, symbol = switched
    judge.judge_deliveries.fn("tiny", NEXT)
    assert currency(symbol, NEXT) == "USD"
    assert clear(symbol) == f"{symbol} of {DAY}: 1 of 1 rows have left quarantine"
    assert currency(symbol, date(2020, 12, 16)) == "USD"
    assert currency(symbol, DAY) == currency(symbol, NEXT) == "EUR"


def test_where_a_release_has_read_the_night_it_counts_from_the_session_after(switched):
    house, symbol = switched
    content_hash = house.night(DAY)
    before = open_lake().known("listings", as_of=DAY, source="tiny", prints="all")
    assert clear(symbol) == f"{symbol} of {DAY}: 1 of 1 rows have left quarantine"
    assert open_lake().known("listings", as_of=DAY, source="tiny", prints="all").equals(before)
    assert (currency(symbol, DAY), currency(symbol, NEXT)) == ("USD", "EUR")
    held = open_lake().read("quarantine", where={"delivery": [DAY]})
    assert symbol not in held["symbol"].to_list()
    assert house.night(DAY) == content_hash == current(house.data, "tiny").content_hash
