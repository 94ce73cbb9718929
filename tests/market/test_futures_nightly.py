"""A continuous series led night by night is that of history in one go, restarts or none."""

import polars as pl
import pytest

from conf.schema import Continuous
from tasks.market.frames import RAW_BARS, empty
from tasks.market.futures import Chained, chained
from tests.market.curves import DAYS, Curve, curve

NOTHING = empty(RAW_BARS)
CALENDAR = {"CL": Continuous(root="CL", roll="calendar", sessions_before=5)}
VOLUME = {"CL": Continuous(root="CL", roll="volume", sessions_before=3)}
BOTH = pytest.mark.parametrize("chains", [CALENDAR, VOLUME], ids=["calendar", "volume"])


def in_one_go(market: Curve, chains: dict[str, Continuous]) -> Chained:
    return chained(market.bars, market.contracts, NOTHING, chains, DAYS)


def nightly(market: Curve, chains: dict[str, Continuous], *, memory: int | None = None) -> Chained:
    """Chain as a desk does: each night brings its session and the eve again.

    With `memory` each night starts anew from what a lake holds of that many last sessions.
    """
    sessions = market.bars["session"].unique().sort().to_list()
    listed, stored, told = market.contracts, empty(RAW_BARS), []
    for place in range(len(sessions)):
        tonight = market.bars.filter(
            pl.col("session").is_in(sessions[max(place - 1, 0) : place + 1])
        )
        first = 0 if memory is None else max(place - memory, 0)
        recent = stored.filter(pl.col("session").is_in(sessions[first:place]))
        found = chained(tonight, listed, recent, chains, DAYS)
        stored = newest(pl.concat([stored, tonight, found.bars]))
        listed = pl.concat([listed, found.listings])
        told.append(found)
    bars = pl.concat([one.bars for one in told]).unique(["session", "symbol"], keep="last")
    return Chained(
        bars.sort("session", "symbol"),
        pl.concat([one.actions for one in told]),
        pl.concat([one.listings for one in told]),
    )


def newest(bars: pl.DataFrame) -> pl.DataFrame:
    return bars.unique(["session", "symbol"], keep="last", maintain_order=True)


@BOTH
def test_night_by_night_gives_the_same_as_in_one_go(chains):
    market = curve(seed=5, contracts=4, life=45, crash=True)
    assert_same(nightly(market, chains), in_one_go(market, chains))


@BOTH
def test_a_desk_that_starts_anew_each_night_gives_the_same(chains):
    market = curve(seed=5, contracts=4, life=45, crash=True)
    assert_same(nightly(market, chains, memory=20), nightly(market, chains))


def assert_same(one: Chained, other: Chained) -> None:
    assert all(mine.equals(theirs) for mine, theirs in zip(one, other, strict=True))


def test_a_night_that_was_lost_is_made_up_from_the_next():
    market = curve(seed=5)
    sessions = market.bars["session"].unique().sort().to_list()
    whole = in_one_go(market, VOLUME)
    rolled = whole.listings["from_session"][2]
    at = sessions.index(rolled)
    early = market.bars.filter(pl.col("session") < rolled)
    first = chained(early, market.contracts, NOTHING, VOLUME, DAYS)
    late = market.bars.filter(pl.col("session").is_in(sessions[at : at + 2]))
    known = pl.concat([market.contracts, first.listings])
    recent = pl.concat([early, first.bars])
    then = chained(late, known, recent, VOLUME, DAYS)
    assert then.actions.equals(whole.actions.filter(pl.col("ex_session") == rolled))
    assert then.bars.equals(whole.bars.filter(pl.col("session").is_in(sessions[at : at + 2])))


def test_a_night_that_is_late_tells_no_roll_anew_that_came_after_it():
    market = curve(seed=5)
    sessions = market.bars["session"].unique().sort().to_list()
    whole = in_one_go(market, CALENDAR)
    at = sessions.index(whole.listings["from_session"][2])
    late = sessions[at - 6]
    early = market.bars.filter(pl.col("session") < late)
    fronts = whole.listings.filter(pl.col("from_session") <= sessions[at + 2])
    known = pl.concat([market.contracts, fronts])
    night = market.bars.filter(pl.col("session") == late)
    assert chained(night, known, early, CALENDAR, DAYS).actions.is_empty()
