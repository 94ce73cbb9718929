"""Every set, night by night, in chunks and again: the same bytes, in a market that is told late."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from tasks.features import FEATURE_SETS
from tasks.features.engine import FeatureSet, features_over, grid_features
from tasks.features.grid import Grid
from tasks.market.context import Context
from tasks.market.frames import FUNDAMENTALS, SERIES, shaped
from tasks.market.history import FIELDS, History
from tasks.market.lake import content_hash
from tests.features.nine_names import read_beside

pytestmark = pytest.mark.slow

SESSIONS = [date(2018, 1, 1) + timedelta(days=i) for i in range(560)]
NAMES = 20
NIGHTS = 200
# Their features are those of sets beside them.
MADE_OF_OTHERS = ("alpha126", "price_alpha158", "everything")
LOST = SESSIONS[333]  # told a night late, all of it


@pytest.fixture(scope="module")
def market() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return bars and actions: late and corrected prints, late splits, gaps, births and deaths."""
    generator = np.random.default_rng(23)
    shape = len(SESSIONS), NAMES
    close = 30 * np.exp(np.cumsum(generator.normal(0, 0.02, shape), axis=0))
    opened = close * np.exp(generator.normal(0, 0.01, shape))
    traded = generator.random(shape) > 0.01
    for name in range(6):
        traded[: generator.integers(1, 400), name] = False  # listed late
    for name in range(6, 10):
        traded[generator.integers(300, 540) :, name] = False  # delisted
    rows, names = np.nonzero(traded)
    late = np.where(generator.random(rows.size) < 0.004, generator.integers(1, 4, rows.size), 0)
    late[rows == SESSIONS.index(LOST)] = 1
    bars = pl.DataFrame(
        {
            "session": [SESSIONS[row] for row in rows],
            "instrument": [f"N{name:02d}" for name in names],
            "open": opened[rows, names],
            "high": np.maximum(opened, close)[rows, names] * 1.01,
            "low": np.minimum(opened, close)[rows, names] * 0.99,
            "close": close[rows, names],
            "volume": np.exp(generator.normal(12, 1, rows.size)).round(),
            "known_on": [SESSIONS[min(at, 559)] for at in rows + late],
        }
    ).with_columns(delivery="known_on")
    corrected = bars.sample(300, seed=1).with_columns(
        pl.col("close") * 1.3, pl.col("known_on", "delivery") + timedelta(days=9)
    )
    return pl.concat([bars, corrected]), _splits(generator)


def _splits(generator: np.random.Generator) -> pl.DataFrame:
    at = generator.integers(60, 520, 14)
    late = np.where(np.arange(14) % 3 == 0, 4, 0)
    return pl.DataFrame(
        {
            "ex_session": [SESSIONS[row] for row in at],
            "instrument": [f"N{name:02d}" for name in generator.integers(0, NAMES, 14)],
            "kind": ["split"] * 14,
            "value": generator.choice([2.0, 3.0, 0.1, 1.5], 14),
            "known_on": [SESSIONS[row] for row in at + late],
            "delivery": [SESSIONS[row] for row in at + late],
        }
    ).unique(["ex_session", "instrument"], maintain_order=True)


@pytest.fixture(scope="module")
def told() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return series and filings: some told late, some corrected later."""
    generator = np.random.default_rng(29)
    parts = []
    for name in sorted(read_beside("series/")):
        late = generator.integers(0, 3, len(SESSIONS))
        values = 20 * np.exp(np.cumsum(generator.normal(0, 0.02, len(SESSIONS))))
        known = [day + timedelta(days=int(days)) for day, days in zip(SESSIONS, late, strict=True)]
        frame = pl.DataFrame({"session": SESSIONS, "value": values, "known_on": known})
        parts.append(frame.with_columns(name=pl.lit(name)))
    items = sorted({item.removesuffix(":year") for item in read_beside("figure/")})
    ends = [date(2015 + i // 4, i % 4 * 3 + 3, 30) for i in range(18)]
    filed = [
        (end, f"N{name:02d}", item, generator.uniform(80, 120), form, end + timedelta(days=days))
        for name in range(NAMES)
        for end in ends
        for form in ["10-K" if end.month == 12 else "10-Q"]
        for days in [int(generator.integers(20, 60))]
        for item in items
    ]
    names = ["period_end", "instrument", "item", "value", "form", "known_on"]
    figures = pl.DataFrame(filed, schema=names, orient="row")
    corrected = pl.col("value") * 1.2, pl.col("known_on") + timedelta(days=8)
    both = [
        pl.concat([rows, rows.sample(fraction=0.05, seed=2).with_columns(corrected)])
        for rows in (pl.concat(parts), figures)
    ]
    series, filings = (rows.with_columns(delivery="known_on") for rows in both)
    return shaped(series, SERIES), shaped(filings, FUNDAMENTALS)


@pytest.fixture(scope="module", params=sorted(FEATURE_SETS))
def chosen(request) -> FeatureSet:
    return FEATURE_SETS[request.param]()


def in_chunks(market, told, chosen: FeatureSet, size: int) -> pl.DataFrame:
    history, context = History(*market, SESSIONS, prints="first"), Context(*told, market[1])
    chunks = [SESSIONS[start : start + size] for start in range(0, len(SESSIONS), size)]
    return pl.concat([features_over(history, chosen, chunk, context=context) for chunk in chunks])


@pytest.fixture(scope="module")
def stored(market, told, chosen) -> dict[date, pl.DataFrame]:
    frame = in_chunks(market, told, chosen, 97)
    return {day: rows for (day,), rows in frame.partition_by("session", as_dict=True).items()}


def that_night(market, told, chosen: FeatureSet, night: date) -> pl.DataFrame:
    """Return the features of a night from nothing but what was known, as far as it looks back."""
    known = [frame.filter(pl.col("known_on") <= night) for frame in (*market, *told)]
    bars, actions, context = known[0], known[1], Context(*known[2:], known[1])
    stop = SESSIONS.index(night) + 1
    sessions = SESSIONS[max(stop - chosen.look_back - 1, 0) : stop]
    bars = bars.filter(pl.col("session") >= sessions[0])
    history = History(bars, actions, sessions, prints="first")
    return features_over(history, chosen, [night], context=context)


def test_a_night_stores_the_bytes_of_a_backfill(market, told, chosen, stored):
    number = NIGHTS // 10 if chosen.name in MADE_OF_OTHERS else NIGHTS
    nights = np.random.default_rng(5).choice(len(SESSIONS), number, replace=False)
    moved = []
    for night in (SESSIONS[row] for row in nights):
        found = that_night(market, told, chosen, night)
        if content_hash(found) != content_hash(stored.get(night, found.clear())):
            moved.append(night)
    assert not moved


def test_a_night_that_came_late_has_no_features_of_its_own(stored):
    assert LOST not in stored


def test_every_feature_has_numbers_to_compare(chosen, stored):
    rows = pl.concat(stored.values())
    needing = [one.name for one in chosen.features if "vwap" not in one.inputs]
    empty = [name for name in needing if rows[name].null_count() > 0.9 * rows.height]
    assert not empty


def test_a_rerun_in_other_chunks_stores_the_same_bytes(market, told, chosen, stored):
    again = in_chunks(market, told, chosen, 41)
    assert content_hash(again) == content_hash(pl.concat(stored.values()))


def test_one_long_run_over_forward_adjusted_prices_gives_the_same_values(chosen):
    """Told in time, a market of splits gives the numbers of the one without them."""
    generator = np.random.default_rng(3)
    shape = len(SESSIONS), NAMES
    close = 30 * np.exp(np.cumsum(generator.normal(0, 0.02, shape), axis=0))
    opened = close * np.exp(generator.normal(0, 0.01, shape))
    volume = np.exp(generator.normal(14, 1, shape)).round()
    split = np.where(generator.random(shape) < 0.002, 2.0, 1.0)
    shares = np.cumprod(split, axis=0)
    high, low = np.maximum(opened, close) * 1.01, np.minimum(opened, close) * 0.99
    long = dict(zip(FIELDS, (opened, high, low, close, volume), strict=True))
    told = {name: values / shares for name, values in long.items()} | {"volume": volume * shares}
    names = tuple(f"N{name:02d}" for name in range(NAMES))
    market_T1 = generator.normal(0, 0.01, (len(SESSIONS), 1))
    grids = [
        Grid(tuple(SESSIONS), names, prices | {"market": market_T1}, shares)
        for prices, shares in ((told, split), (long, np.ones(shape)))
    ]
    tail = SESSIONS[-60:]
    found, wanted = (pl.concat(grid_features(grid, chosen, tail)) for grid in grids)
    in_own_units = [one.name for one in chosen.features if "volume" in one.inputs]
    for name in sorted(set(chosen.columns) - set(in_own_units)):
        np.testing.assert_allclose(
            found[name].to_numpy(), wanted[name].to_numpy(), rtol=1e-6, atol=1e-7, err_msg=name
        )
    for name in in_own_units:  # the logarithm of volume + 1 feels the unit of a share
        np.testing.assert_allclose(
            found[name].to_numpy(), wanted[name].to_numpy(), rtol=2e-5, atol=2e-6, err_msg=name
        )
