"""Members are told from what was known at the close, and funds are no stocks."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from conf.schema import AllUniverse, Liquidity, ListedUniverse, ScreenedUniverse
from tasks.market.universe import asset_class_of, dollar_volume, members
from tests.market.views import NAN, STOCKS, listings, view

ALL = AllUniverse(kind="all", title="all")


def liquid(count: int | None = 2, **rules: float) -> ScreenedUniverse:
    min_price = rules.pop("min_price", 1.0)
    liquidity = Liquidity(**{"sessions": 5, "min_observed": 3, "count": count, **rules})
    return ScreenedUniverse(
        kind="screened",
        title="liquid",
        asset_classes=("equity",),
        min_price=min_price,
        liquidity=liquidity,
    )


def test_all_means_a_close_at_as_of():
    seen = view({"b": [1.0, 1.0], "a": [NAN, 2.0], "c": [1.0, NAN]})
    assert members(ALL, seen, STOCKS) == ["a", "b"]


def test_listed_takes_the_symbols_of_the_list_that_closed():
    seen = view({"a": [1.0], "b": [1.0], "c": [NAN]})
    rules = ListedUniverse(kind="listed", title="few", symbols=("C", "A", "ZZZ"))
    assert members(rules, seen, STOCKS) == ["a"]


def test_a_renamed_instrument_goes_by_its_newest_symbol():
    later = STOCKS.head(1).with_columns(symbol=pl.lit("NEW"), known_on=pl.lit(date(2016, 6, 1)))
    seen = view({"a": [1.0]})
    both = pl.concat([later, STOCKS])
    for symbol, expected in (("NEW", ["a"]), ("A", [])):
        rules = ListedUniverse(kind="listed", title="one", symbols=(symbol,))
        assert members(rules, seen, both) == expected


def test_liquid_takes_the_most_traded_by_median_dollar_volume():
    seen = view(
        {"a": [10.0] * 5, "b": [20.0] * 5, "c": [5.0] * 5},
        {"c": [1e9, 1.0, 1.0, 1.0, 1.0]},  # one big day is not liquidity
    )
    assert members(liquid(2), seen, STOCKS) == ["a", "b"]
    assert members(liquid(1), seen, STOCKS) == ["b"]
    assert members(liquid(9), seen, STOCKS) == ["a", "b", "c"]


def test_liquid_takes_common_stocks_only():
    seen = view({"a": [10.0] * 5, "b": [20.0] * 5, "c": [5.0] * 5})
    mixed = listings(a="equity", b="fund", c="unknown")
    assert members(liquid(3), seen, mixed) == ["a"]


def test_liquid_wants_sessions_a_price_and_a_close():
    seen = view(
        {
            "a": [NAN, NAN, 10.0, 10.0, 10.0],
            "b": [NAN, NAN, NAN, 10.0, 10.0],
            "c": [0.5] * 5,
            "d": [10.0, 10.0, 10.0, 10.0, NAN],
        }
    )
    assert members(liquid(9, min_price=1.0), seen, STOCKS) == ["a"]


def test_a_short_history_gives_no_liquid_members():
    assert members(liquid(9), view({"a": [1.0]}), STOCKS) == []


def test_equal_volumes_are_cut_by_instrument():
    seen = view({name: [10.0] * 5 for name in "abcd"})
    assert members(liquid(2), seen, STOCKS) == ["a", "b"]


def test_looks_back_no_further_than_it_says():
    seen = view({"a": [1.0] * 5 + [9.0] * 5, "b": [5.0] * 10})
    older = view({"a": [1e6] * 5 + [9.0] * 5, "b": [NAN] * 5 + [5.0] * 5})
    assert members(liquid(1), seen, STOCKS) == members(liquid(1), older, STOCKS) == ["a"]
    assert dollar_volume(seen, sessions=5).shape == (5, 2)


def test_liquid_wants_a_least_value_traded():
    seen = view({"a": [10.0] * 5, "b": [20.0] * 5})
    assert members(liquid(9, least=1_500.0), seen, STOCKS) == ["b"]


def test_liquid_compares_what_changed_hands_in_one_currency():
    seen = view({"a": [3000.0] * 5, "b": [100.0] * 5, "c": [500.0] * 5})
    yen, dollars, pence, unknown = [0.0095] * 5, [1.0] * 5, [0.013] * 5, [NAN] * 5
    unit_TN = np.array([yen, dollars, pence]).T
    assert members(liquid(1), seen, STOCKS) == ["a"]
    assert members(liquid(1), seen, STOCKS, unit_TN=unit_TN) == ["b"]
    rich = liquid(None, least=2_000.0)
    assert members(rich, seen, STOCKS, unit_TN=unit_TN) == ["a", "b"]
    assert members(rich, seen, STOCKS, unit_TN=np.array([yen, unknown, pence]).T) == ["a"]
    longer_TN = np.concatenate([np.full((3, 3), 1e9), unit_TN])
    assert members(rich, seen, STOCKS, unit_TN=longer_TN) == ["a", "b"]


def test_liquid_without_a_count_takes_all_that_trade_enough():
    seen = view({"a": [10.0] * 5, "b": [20.0] * 5, "c": [1.0] * 5})
    assert members(liquid(None, least=500.0), seen, STOCKS) == ["a", "b"]


@pytest.mark.parametrize("universe", [ALL, liquid(2)])
def test_names_that_list_later_change_no_member(universe):
    closes = {"b": [10.0] * 5, "c": [9.0] * 5, "d": [8.0] * 5}
    seen = view(closes)
    with_later = view({"a": [NAN] * 5, **closes, "z": [NAN] * 5})
    assert members(universe, with_later, STOCKS) == members(universe, seen, STOCKS)


@pytest.mark.parametrize(
    "name",
    [
        "iShares MSCI Australia Index Fund",
        "PowerShares Dynamic Semiconductors",
        "ProShares Ultra S&P500",
        "3X Long Silver ETN Velocityshares",
        "AccuShares Spot CBOE VIX Up Shares",
        "SPDR Dorsey Wright Fixed Income Allocation ETF",
        "Vanguard Scottsdale Funds",
        "WisdomTree Trust",
        "PowerShares Exchange-Traded Fund Trust II",
        "First Trust Eurozone AlphaDEX ETF",
        "BlackRock Energy and Resources Trust",
        "Eaton Vance New York Municipal Income Trust",
        "Western Asset Managed Municipals Fund",
        "Putnam Premier Income Trust",
        "MuniYield Arizona Fund",
        "John Hancock Income Securities Trust",
        "Royce Value Trust",
        "Nuveen Insured California Select Tax-Free Income Portfolio",
        "Pioneer Floating Rate Trust",
    ],
)
def test_knows_a_fund_by_its_name(name):
    assert asset_class_of(name) == "fund"


@pytest.mark.parametrize(
    "name",
    [
        "Apple Inc.",
        "Acadia Realty Trust",
        "Government Properties Income Trust",
        "Universal Health Realty Income Trust",
        "Pennsylvania Real Estate Investment Trust",
        "PennyMac Mortgage Investment Trust",
        "Realty Income Corporation",
        "Northern Trust Corporation",
        "Huntington Bancshares Incorporated",
        "Southside Bancshares",
        "First Citizens BancShares",
        "Union Bankshares",
        "WisdomTree Investments",
        "BlackRock",
        "Eaton Vance Corporation",
        "American Vanguard Corporation",
        "Vanguard Natural Resources LLC",
        "MSCI Inc",
        "S&P Global Inc.",
        "Preferred Bank",
        "Portfolio Recovery Associates",
        "Barrick Gold Corporation",
        "Franklin Resources",
        "Pioneer Natural Resources Company",
        "Cheniere Energy Partners",
    ],
)
def test_a_company_is_no_fund(name):
    assert asset_class_of(name) == "equity"


@pytest.mark.parametrize("name", ["", "  "])
def test_no_name_tells_nothing(name):
    assert asset_class_of(name) == "unknown"
