"""A rate that is the close of a bar is believed where the bar is, and nowhere else."""

from typing import Any

import polars as pl
import pytest

from expectations.desk import Desk, Judged
from tasks.market import frames
from tasks.market.sources.protocol import Delivery
from tests.expectations.told_case import (
    DAYS,
    EVE,
    NAMES,
    NIGHT,
    SETTINGS,
    delivery,
    rate,
    verdict,
)

pytestmark = pytest.mark.slow

PAIR = "EURUSD"
LISTED = {"symbol": PAIR, "asset_class": "fx", "currency": "USD"}


def night(on: Any, close: float, names: list[str] = NAMES, **news: Any) -> Delivery:
    """Return a night of all names and a pair, whose close is a rate as well."""
    series = [{"session": on, "name": PAIR, "value": close, "known_on": on}, rate(on, 2.5, on)]
    told = delivery(on, names, listings=[LISTED], series=series, **news)
    row = pl.DataFrame([{"session": on, "symbol": PAIR, "close": close, "volume": 5.0}])
    return told._replace(bars=pl.concat([told.bars, frames.shaped(row, frames.RAW_BARS)]))


def desk(*nights: Judged, **more: Any) -> Desk:
    bars = pl.concat([frames.empty(frames.BARS), *(each.bars for each in nights)])
    listings = pl.concat([frames.empty(frames.LISTINGS), *(each.listings for each in nights)])
    return Desk("test", SETTINGS, DAYS, bars=bars, listings=listings, **more)


def rates(judged: Judged) -> dict[str, float]:
    return dict(judged.series.select("name", "value").iter_rows())


def begun() -> Judged:
    judged = desk().judge(night(EVE, 1.1))
    assert verdict(judged)[0] == "pass"
    assert rates(judged) == {PAIR: 1.1, "yield": 2.5}
    return judged


@pytest.mark.parametrize("factor", [10.0, 100.0, 0.01])
def test_the_rate_of_a_bar_in_quarantine_is_not_believed(factor):
    judged = desk(begun()).judge(night(NIGHT, 1.1 * factor))
    assert PAIR not in judged.bars["symbol"].to_list()
    assert rates(judged) == {"yield": 2.5}
    told = judged.quarantine.filter(pl.col("symbol") == PAIR)
    assert told["session"].unique().to_list() == [NIGHT]
    assert "rate of a bad bar" in told["rule"].to_list()
    assert verdict(judged)[0] == "pass"


def test_a_bar_that_a_person_cleared_brings_its_rate():
    said = {"source": "test", "delivery": NIGHT, "session": NIGHT, "symbol": PAIR}
    said |= {"reason": "a new currency", "cleared_by": "me"}
    cleared = pl.DataFrame([said], schema=frames.CLEARED)
    judged = desk(begun(), cleared=cleared).judge(night(NIGHT, 110.0))
    assert rates(judged) == {PAIR: 110.0, "yield": 2.5}
    assert judged.quarantine.is_empty()


def test_a_bar_that_comes_twice_alike_brings_its_rate():
    twice = night(NIGHT, 1.11)
    twice = twice._replace(bars=pl.concat([twice.bars, twice.bars.tail(1)]))
    assert rates(desk(begun()).judge(twice)) == {PAIR: 1.11, "yield": 2.5}


def test_a_night_that_is_blocked_leaves_no_rate_of_its_bars():
    judged = desk(begun()).judge(night(NIGHT, 1.11, NAMES[:5]))
    assert verdict(judged)[0] == "block"
    assert rates(judged) == {"yield": 2.5}
    assert judged.quarantine.is_empty()
