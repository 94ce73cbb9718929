"""A person lets rows out of quarantine: they count from then on, and the past stays as it was."""

from datetime import UTC, date, datetime

import polars as pl
import pytest

from tasks.execution.release import current
from tasks.market.sources.protocol import Delivery
from tasks.settings import open_lake
from tests.tasks.altered import DAY, house_where

pytestmark = pytest.mark.slow
NOON = datetime(2020, 12, 31, 12, tzinfo=UTC)
NEXT, AFTER = date(2020, 12, 18), date(2020, 12, 21)


def tenfold(delivery: Delivery, symbol: str) -> Delivery:
    prices = pl.col("open", "high", "low", "close")
    hit = (pl.col("symbol") == symbol) & (pl.col("session") == DAY)
    return delivery._replace(
        bars=delivery.bars.with_columns(pl.when(hit).then(prices * 10).otherwise(prices))
    )


@pytest.fixture
def odd(build, monkeypatch):
    """Give a house where one name's close is ten times too high on one night, and that name."""
    with house_where(build, monkeypatch, tenfold) as found:
        yield found


def clear(symbol: str, reason: str = "the company said so", night: date = DAY) -> str:
    from tasks.quarantine import clear_rows

    return clear_rows.fn("tiny", night, symbol, None, reason, "someone", NOON)


def rows(symbol: str, delivery: date = DAY) -> pl.DataFrame:
    where = {"delivery": [delivery], "session": [DAY]}
    return open_lake().read("bars", where=where).filter(pl.col("symbol") == symbol)


def test_a_cleared_row_is_clean_and_its_reason_is_kept(odd):
    from tasks import judge

    _, symbol = odd
    judge.judge_deliveries.fn("tiny", DAY)
    assert rows(symbol).is_empty()
    told = clear(symbol)
    assert told.startswith(f"{symbol} of {DAY}")
    assert rows(symbol).height == 1
    kept = open_lake().read("cleared")
    assert kept.select("symbol", "reason", "cleared_by").unique().rows() == [
        (symbol, "the company said so", "someone")
    ]


def test_what_a_release_has_read_stays_and_the_row_counts_afterwards(odd):
    house, symbol = odd
    house.night(DAY)
    content_hash = current(house.data, "tiny").content_hash
    before = open_lake().known("bars", as_of=DAY, source="tiny")
    clear(symbol)
    assert rows(symbol)["known_on"].to_list() == [NEXT]
    assert open_lake().known("bars", as_of=DAY, source="tiny").equals(before)
    assert house.night(DAY) == content_hash
    house.night(NEXT)


def test_nothing_leaves_without_a_reason_or_by_a_wrong_name(odd):
    from tasks import judge

    _, symbol = odd
    judge.judge_deliveries.fn("tiny", DAY)
    with pytest.raises(ValueError, match="for a reason"):
        clear(symbol, reason="  ")
    with pytest.raises(LookupError, match=f"there is: .*{symbol}"):
        clear("NOBODY")
