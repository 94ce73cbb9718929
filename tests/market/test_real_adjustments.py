"""Real prices restated on read agree with what two vendors made of them."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from tasks.market.adjust import infer_actions, restated_rows
from tasks.market.frames import LISTINGS, RAW_ACTIONS, RAW_BARS, empty, shaped
from tasks.market.identity import EVE, identify
from tasks.market.restate import adjusted_prices
from tasks.market.sources.listing_files import intervals_of

# A factor file: what is read back must be raw x price_factor x split_factor.

FACTORS = {  # id -> how many of its sessions have a bar
    "AAA.1": 1230,
    "AAPL": 5849,
    "AIG": 5849,
    "BAC": 5661,
    "BNO": 2727,
    "EEM": 4523,
    "FB": 2231,
    "GOOG": 1766,
    "GOOGL": 4183,
    "IBM": 5849,
    "IWM": 5244,
    "QQQ": 3964,
    "SPY": 5849,
    "TFCFA": 4,
    "USO": 3770,
    "WM": 5849,
}


@pytest.fixture(scope="module")
def factors(shared_data: Path) -> pl.DataFrame:
    """(instrument, session, price_factor, split_factor, reference_price); good up to a session."""
    frame = pl.read_parquet(shared_data / "multi" / "adjustment_factors.parquet")
    return frame.rename({"symbol": "instrument", "date": "session"}).sort("instrument", "session")


@pytest.fixture(scope="module")
def bars(shared_data: Path) -> pl.DataFrame:
    """Raw bars by the vendor's ids, told from the symbols by the ticker history."""
    folder = shared_data / "multi"
    raw = pl.read_parquet(folder / "mixed_raw_bars_1998_2021.parquet")
    raw = raw.filter(pl.col("asset_class") == "equity").rename({"date": "session"})
    found = identify(
        shaped(raw, RAW_BARS),
        intervals_of(pl.read_parquet(folder / "ticker_history.parquet")),
        empty(LISTINGS),
        empty(EVE),
        source="lean",
        currency="USD",
        asset_class="equity",
        session=date(2021, 3, 31),
    )
    ids = found.listings.select("instrument", "vendor_id").drop_nulls().unique("instrument")
    named = found.bars.join(ids, on="instrument").with_columns(instrument="vendor_id")
    return named.select("session", "instrument", "open", "high", "low", "close", "volume")


@pytest.fixture(scope="module")
def actions(factors: pl.DataFrame) -> pl.DataFrame:
    """Return what each row of the factors must have been made from."""
    after = pl.col("price_factor", "split_factor").shift(-1).over("instrument").name.suffix("_next")
    rows = factors.with_columns(after).filter(pl.col("split_factor_next").is_not_null())
    rows = rows.with_columns(ex_session=pl.col("session").dt.offset_by("1d"))
    ratio = pl.col("split_factor_next") / pl.col("split_factor")
    cash = pl.col("reference_price") * (1 - pl.col("price_factor") / pl.col("price_factor_next"))
    columns = ["ex_session", "instrument", "kind", "value"]
    splits = rows.with_columns(kind=pl.lit("split"), value=ratio).select(columns)
    paid = rows.with_columns(kind=pl.lit("dividend"), value=cash / ratio).select(columns)
    return pl.concat(
        [splits.filter(pl.col("value") != 1), paid.filter(pl.col("value").abs() > 1e-12)]
    )


def with_references(bars: pl.DataFrame, factors: pl.DataFrame) -> pl.DataFrame:
    """Add the closes that only the factor file tells, such as those under QQQQ."""
    told = factors.filter(pl.col("reference_price") > 1).select(
        "session", "instrument", close="reference_price"
    )
    told = told.join(bars, on=["session", "instrument"], how="anti")
    return pl.concat([bars, told.join(bars, on="instrument", how="semi")], how="diagonal")


def expected(bars: pl.DataFrame, factors: pl.DataFrame) -> pl.DataFrame:
    return bars.sort("session").join_asof(
        factors.sort("session"),
        on="session",
        by="instrument",
        strategy="forward",
        check_sortedness=False,
    )


@pytest.mark.parametrize("instrument", list(FACTORS))
def test_prices_read_back_agree_with_the_factors(bars, factors, actions, instrument):
    own = pl.col("instrument") == instrument
    whole = with_references(bars, factors).filter(own)
    read = adjusted_prices(whole, actions.filter(own))
    both = expected(bars.filter(own), factors).join(
        read, on=["session", "instrument"], suffix="_read"
    )
    assert both.height == FACTORS[instrument]
    factor = pl.col("price_factor") * pl.col("split_factor")
    for name in ("open", "high", "low", "close"):
        apart = both.select((pl.col(f"{name}_read") / (pl.col(name) * factor) - 1).abs().max())
        assert apart.item() < 1e-6, name
    volume = both.select((pl.col("volume_read") * pl.col("split_factor") - pl.col("volume")).abs())
    assert volume["volume_read"].max() < 1.0


def test_no_instrument_with_bars_and_factors_is_left_out(bars, factors):
    assert set(factors["instrument"]) & set(bars["instrument"]) == FACTORS.keys()


@pytest.mark.parametrize(
    ("as_of", "close"),
    [(date(2014, 6, 6), 645.57), (date(2014, 6, 9), 645.57 / 7), (date(2014, 8, 6), 645.57 / 7)],
)
def test_a_split_restates_nothing_before_it_is_known(bars, actions, as_of, close):
    """645.57 was the close of 2014-06-06, on the eve of a split of seven for one."""
    own = pl.col("instrument") == "AAPL"
    then = bars.filter(own, pl.col("session") <= as_of)
    read = adjusted_prices(then, actions.filter(own, pl.col("ex_session") <= as_of))
    eve = read.filter(pl.col("session") == date(2014, 6, 6))["close"].item()
    assert eve == pytest.approx(close, rel=1e-5)


# Nightly deliveries: actions are inferred from first prints, and held against a vendor's history.

NEVER_TOLD = "the eve's row came without the dividend"
IN_CENTS = "the adjusted close came in cents"
EXPLAINED = [  # symbol, since when and until when the paths part, and why
    ("AGFS", date(2016, 2, 17), date(2016, 2, 18), "the delivery repeats a close"),
    ("ABB", date(2015, 5, 4), date(2015, 5, 4), NEVER_TOLD),
    ("AMGN", date(2015, 5, 12), date(2015, 5, 12), NEVER_TOLD),
    ("DHR", date(2015, 3, 25), date(2015, 3, 25), IN_CENTS),
    ("GOOG", date(2015, 4, 27), date(2015, 4, 27), "a stock dividend of 0.27 %, never told"),
    ("HON", date(2015, 11, 17), date(2015, 11, 17), "the night was lost: a stale delivery"),
    ("HSBC", date(2016, 3, 2), date(2016, 3, 2), "the delivery tells half as much again"),
    ("INTC", date(2015, 5, 5), date(2015, 5, 5), NEVER_TOLD),
    ("LMT", date(2015, 5, 28), date(2015, 5, 28), NEVER_TOLD),
    ("MCD", date(2015, 5, 28), date(2015, 5, 28), NEVER_TOLD),
    ("MDT", date(2015, 12, 22), date(2015, 12, 22), NEVER_TOLD),
    ("MSFT", date(2015, 11, 17), date(2015, 11, 17), "the night was lost: a stale delivery"),
    ("MDT", date(2015, 3, 26), date(2015, 3, 26), IN_CENTS),
    ("NEE", date(2016, 6, 9), date(2016, 6, 30), "a preferred share under the symbol"),
    ("ORCL", date(2015, 7, 6), date(2015, 7, 6), "that night came without the eve's rows"),
    ("PCG", date(2016, 3, 29), date(2016, 3, 29), NEVER_TOLD),
    ("PCG", date(2015, 3, 27), date(2015, 3, 27), IN_CENTS),
    ("PM", date(2015, 6, 23), date(2015, 6, 23), NEVER_TOLD),
    ("PPL", date(2015, 6, 2), date(2015, 6, 2), "a spin-off that was never told"),
    ("SLB", date(2015, 9, 1), date(2015, 9, 1), NEVER_TOLD),
    ("TM", date(2015, 3, 27), date(2015, 3, 27), NEVER_TOLD),
    ("TM", date(2015, 9, 28), date(2015, 9, 28), NEVER_TOLD),
    ("TM", date(2016, 3, 29), date(2016, 3, 29), NEVER_TOLD),
    ("V", date(2016, 2, 10), date(2016, 2, 10), NEVER_TOLD),
]


@pytest.fixture(scope="module")
def paths(shared_data: Path) -> pl.DataFrame:
    """(session, symbol, close, said): log returns as read, and as the large caps' file says."""
    folder = shared_data / "us"
    large = pl.read_parquet(folder / "large_caps_with_sector_2012_2017.parquet")
    large = large.rename({"date": "session"})
    delivered = pl.scan_parquet(folder / "deliveries_2015_2016.parquet").rename({"date": "session"})
    names, days = large["symbol"].unique().to_list(), large["session"].unique().to_list()
    delivered = delivered.filter(pl.col("symbol").is_in(names), pl.col("session").is_in(days))
    nights = delivered.collect().partition_by("night", as_dict=True, include_key=False)
    read = adjusted_prices(*_first_prints(nights))
    large = large.select("session", "adj_close", instrument="symbol")
    both = read.join(large, on=["session", "instrument"]).sort("instrument", "session")
    returns = pl.col("close", "adj_close").log().diff().over("instrument")
    return both.select("session", "instrument", returns).drop_nulls()


def _first_prints(nights: dict) -> tuple[pl.DataFrame, pl.DataFrame]:
    eve = pl.DataFrame(schema={"symbol": pl.String, "session": pl.Date, "close": pl.Float64})
    bars, actions = [empty(RAW_BARS)], [empty(RAW_ACTIONS)]
    for (night,), rows in sorted(nights.items()):
        rows = shaped(rows, RAW_BARS).unique(["session", "symbol"], keep="none")
        if rows.filter(pl.col("session") == night).height < len(rows) / 4:
            continue  # the stale night, and what else the gate would block
        told = infer_actions(rows, eve, session=night)
        rows = rows.join(
            restated_rows(rows, eve, told, session=night), on=["session", "symbol"], how="anti"
        )
        bars.append(rows)
        actions.append(told)
        eve = pl.concat([eve, rows.select(eve.columns)]).sort("session", maintain_order=True)
        eve = eve.unique("symbol", keep="last", maintain_order=True)
    first = pl.concat(bars).unique(["session", "symbol"], keep="first", maintain_order=True)
    names = {"symbol": "instrument"}
    return first.rename(names), pl.concat(actions).rename(names)


def test_inferred_actions_give_the_total_returns_of_the_large_caps(paths):
    apart = paths.with_columns(apart=(pl.col("close") - pl.col("adj_close")).abs())
    spans = pl.DataFrame(EXPLAINED, schema=["instrument", "since", "until", "why"], orient="row")
    excused = apart.join(spans, on="instrument")
    excused = excused.filter(pl.col("session").is_between("since", "until"))
    left = apart.join(excused, on=["session", "instrument"], how="anti")
    assert left.height == 27_320
    assert left["instrument"].n_unique() == 85
    assert left["apart"].max() < 1e-5
    needed = excused.group_by("instrument", "since").agg(pl.col("apart").max())
    assert needed.height == len(EXPLAINED)
    assert needed["apart"].min() > 1e-5
