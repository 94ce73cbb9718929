"""Twenty-three years of real symbols are told apart: renames, re-use, and what was never listed."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from tasks.market.frames import LISTINGS, RAW_BARS, empty, shaped
from tasks.market.identity import EVE, Identified, identify
from tasks.market.sources.listing_files import intervals_of


@pytest.fixture(scope="module")
def found(shared_data: Path) -> Identified:
    folder = shared_data / "multi"
    bars = pl.read_parquet(folder / "mixed_raw_bars_1998_2021.parquet")
    bars = bars.filter(pl.col("asset_class") == "equity").rename({"date": "session"})
    return identify(
        shaped(bars, RAW_BARS),
        intervals_of(pl.read_parquet(folder / "ticker_history.parquet")),
        empty(LISTINGS),
        empty(EVE),
        source="lean",
        currency="USD",
        asset_class="equity",
        session=date(2021, 3, 31),
    )


def spans(found: Identified, symbol: str) -> list[tuple[str, str, str]]:
    rows = found.bars.filter(pl.col("symbol") == symbol).group_by("instrument")
    days = pl.col("session").dt.to_string()
    return (
        (rows.agg(first=days.min(), last=days.max()).select("instrument", "first", "last"))
        .sort("first")
        .rows()
    )


def symbols(found: Identified, instrument: str) -> list[str]:
    rows = found.bars.filter(pl.col("instrument") == instrument).sort("session")
    return rows["symbol"].unique(maintain_order=True).to_list()


@pytest.mark.parametrize(
    ("instrument", "held"),
    [
        ("lean:GOOG:2004-08-19", ["GOOG", "GOOGL"]),
        ("lean:GOOCV:2014-03-27", ["GOOCV", "GOOG"]),
        ("lean:UW:1998-01-02", ["UW", "WMI", "WM"]),
        ("lean:NWSA:2013-06-27", ["NWSA", "FOXA"]),
        ("lean:QQQ:1999-03-10", ["QQQ"]),
    ],
)
def test_a_rename_keeps_the_instrument(found, instrument, held):
    assert symbols(found, instrument) == held


def test_a_symbol_that_came_back_to_its_owner_is_one_instrument(found):
    assert spans(found, "QQQ") == [("lean:QQQ:1999-03-10", "1999-03-10", "2021-03-31")]


@pytest.mark.parametrize(
    ("symbol", "spells"),
    [
        ("AAA", [("2002-05-22", "2007-05-18"), ("2020-09-09", "2021-03-31")]),
        ("FB", [("1999-09-29", "2003-03-28"), ("2012-05-18", "2021-03-31")]),
    ],
)
def test_a_symbol_used_again_is_another_instrument(found, symbol, spells):
    assert spans(found, symbol) == [(f"lean:{symbol}:{a}", a, z) for a, z in spells]


@pytest.mark.parametrize(
    ("symbol", "last_before", "start"),
    [
        ("USO", "1998-12-30", "2006-04-10"),
        ("BNO", "2002-05-20", "2010-06-02"),
        ("EEM", "2002-12-05", "2003-04-11"),
    ],
)
def test_bars_before_the_listed_start_are_another_instrument(found, symbol, last_before, start):
    (first, _, until), (second, since, _) = spans(found, symbol)
    assert (until, since) == (last_before, start)
    assert first != second == f"lean:{symbol}:{start}"
    assert first not in found.listings.filter(pl.col("vendor_id").is_not_null())["instrument"]


def test_every_row_has_an_instrument_and_no_instrument_two_rows_a_session(found):
    assert found.bars["instrument"].null_count() == 0
    assert not found.bars.select("session", "instrument").is_duplicated().any()
