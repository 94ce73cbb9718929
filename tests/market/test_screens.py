"""Each screen of a universe goes by what was known at the close, and an absent one by nothing."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from conf.schema import AllUniverse, Liquidity, ScreenedUniverse
from tasks.market.frames import MEMBERS, shaped
from tasks.market.history import View
from tasks.market.universe import members, sessions_needed
from tests.market.views import NAN, STOCKS, view

ALL = AllUniverse(kind="all", title="all")


def screened(**rules: Any) -> ScreenedUniverse:
    return ScreenedUniverse(kind="screened", title="screened", **rules)


def events(*rows: tuple[date, str, int, date]) -> pl.DataFrame:
    """Return `MEMBERS` of the index `big`, each (session, symbol, member, known_on)."""
    frame = pl.DataFrame(rows, schema=["session", "symbol", "member", "known_on"], orient="row")
    return shaped(frame.with_columns(index=pl.lit("big"), delivery="known_on"), MEMBERS)


def test_an_absent_screen_does_not_apply_to_negative_prices_either():
    seen = view({"a": [-36.98], "b": [1.0]})
    assert members(screened(), seen, STOCKS) == ["a", "b"]
    assert members(screened(min_price=0.5), seen, STOCKS) == ["b"]


def test_a_sector_is_the_one_last_known():
    tech = STOCKS.with_columns(sector=pl.Series(["Tech", "Tech", "Oil", None]))
    moved = tech.head(1).with_columns(sector=pl.lit("Oil"), known_on=pl.lit(date(2016, 6, 1)))
    seen = view({name: [1.0] for name in "abcd"})
    oil = screened(sectors=("Oil",))
    assert members(oil, seen, tech) == ["c"]
    assert members(oil, seen, pl.concat([moved, tech])) == ["a", "c"]


def test_members_of_an_index_are_those_of_that_session():
    seen = view({name: [1.0, 1.0] for name in "abc"})  # sessions 6 and 7 June 2016
    early = date(2016, 1, 4)
    told = events(
        (early, "A", 1, early),
        (early, "B", 1, early),
        (date(2016, 6, 7), "B", 0, date(2016, 6, 7)),
        (date(2016, 6, 7), "C", 1, date(2016, 6, 1)),
        (date(2016, 6, 8), "A", 0, date(2016, 6, 1)),  # announced, not yet in force
    )
    index = screened(index="big")
    assert members(index, seen, STOCKS, index_members=told) == ["a", "c"]


def test_a_member_is_who_carries_the_symbol_now():
    renamed = STOCKS.head(1).with_columns(symbol=pl.lit("Z"), known_on=pl.lit(date(2016, 6, 1)))
    told = events((date(2016, 1, 4), "A", 1, date(2016, 1, 4)))
    seen = view({"a": [1.0], "b": [1.0]})
    index = screened(index="big")
    assert members(index, seen, STOCKS, index_members=told) == ["a"]
    assert members(index, seen, pl.concat([STOCKS, renamed]), index_members=told) == []


def test_an_index_that_nobody_speaks_of_is_named():
    seen, told = view({"a": [1.0]}), events((date(2016, 1, 4), "A", 1, date(2016, 1, 4)))
    with pytest.raises(ValueError, match="who is in 'small'; known is: big"):
        members(screened(index="small"), seen, STOCKS, index_members=told)
    with pytest.raises(ValueError, match="who is in 'big'; known is: no index at all"):
        members(screened(index="big"), seen, STOCKS, index_members=told.clear())
    with pytest.raises(ValueError, match="pass `index_members`"):
        members(screened(index="big"), seen, STOCKS)


def test_age_counts_sessions_since_the_first_listing_or_close():
    old, new = date(2016, 6, 7), date(2016, 6, 8)
    listed = STOCKS.with_columns(from_session=pl.Series([old, new, new, new]))
    seen = view(  # 6 to 10 June 2016
        {
            "a": [NAN, NAN, NAN, NAN, 1.0],  # listed three sessions ago
            "b": [NAN, NAN, 1.0, 1.0, 1.0],
            "c": [NAN, 1.0, NAN, NAN, 1.0],  # traded before the listing says
        }
    )
    assert members(screened(min_age=3), seen, listed) == ["a", "c"]
    assert members(screened(min_age=2), seen, listed) == ["a", "b", "c"]


def test_the_first_of_several_listings_says_the_age():
    renamed = STOCKS.head(1).with_columns(
        symbol=pl.lit("Z"), from_session=pl.lit(date(2016, 6, 8)), known_on=pl.lit(date(2016, 6, 8))
    )
    seen = view({"a": [NAN, NAN, NAN, 1.0]})
    assert members(screened(min_age=3), seen, renamed) == []
    assert members(screened(min_age=3), seen, pl.concat([STOCKS, renamed])) == ["a"]


def test_a_view_too_short_for_the_age_trusts_older_listings_alone():
    listed = STOCKS.with_columns(
        from_session=pl.Series([date(2016, 1, 4)] + [date(2016, 6, 6)] * 3)
    )
    seen = view({"a": [1.0, 1.0], "b": [1.0, 1.0]})
    assert members(screened(min_age=9), seen, listed) == ["a"]


def test_says_how_many_sessions_it_needs():
    assert sessions_needed(ALL) == 1
    assert sessions_needed(screened(min_age=20)) == 21
    assert sessions_needed(screened(min_age=2, liquidity=Liquidity(sessions=63))) == 63


def test_no_screen_looks_beyond_as_of_or_what_it_needs():
    rules = screened(
        asset_classes=("equity",),
        min_price=2.0,
        min_age=3,
        liquidity=Liquidity(sessions=5, count=2),
    )
    rng = np.random.default_rng(7)
    closes = {name: list(rng.uniform(1, 9, 30)) for name in "abcd"}
    for end in (10, 20, 25):
        past = {name: values[:end] for name, values in closes.items()}
        short = view(past)
        needed = sessions_needed(rules)
        tail = View(
            short.as_of,
            short.sessions[-needed:],
            short.instruments,
            *(array[-needed:] for array in short[3:]),
        )
        told = members(rules, short, STOCKS)
        assert told == members(rules, tail, STOCKS)
        later = STOCKS.with_columns(from_session=pl.lit(short.as_of + timedelta(days=1)))
        assert told == members(rules, short, pl.concat([later, STOCKS]))
