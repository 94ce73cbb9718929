"""Alpha126 says all that Alpha158 says and nothing twice; Alpha360 is the last bars themselves."""

import re
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from tasks.features.alpha158 import ALPHA126, ALPHA158
from tasks.features.alpha360 import ALPHA360
from tasks.features.bars import grid_from, own_bars
from tasks.features.engine import grid_features
from tasks.features.grid import Grid

DAYS_200 = np.arange(200.0)
SESSIONS = [date(2020, 1, 1) + timedelta(days=i) for i in range(180)]
NAMES = 8
BAR_COMBINATIONS = {
    "KSFT": {"KMID": 1.0, "KLOW": 1.0, "KUP": -1.0},
    "KSFT2": {"KMID2": 1.0, "KLOW2": 1.0, "KUP2": -1.0},
}
COMBINATIONS = {  # of the columns of one window, "" is 1
    "IMXD": {"IMAX": 1.0, "IMIN": -1.0},
    "CNTD": {"CNTP": 1.0, "CNTN": -1.0},
    "SUMN": {"": 1.0, "SUMP": -1.0},
    "SUMD": {"": -1.0, "SUMP": 2.0},
    "VSUMN": {"": 1.0, "VSUMP": -1.0},
    "VSUMD": {"": -1.0, "VSUMP": 2.0},
}
DROPPED = [name for name in ALPHA158.columns if name not in ALPHA126.columns]


def bars(*, gaps: float) -> pl.DataFrame:
    generator = np.random.default_rng(5)
    shape = len(SESSIONS), NAMES
    close = (30 * np.exp(np.cumsum(generator.normal(0, 0.02, shape), axis=0))).round(1)
    opened = close * np.exp(generator.normal(0, 0.01, shape))
    high = np.maximum(opened, close) * (1 + generator.random(shape) / 50)
    low = np.minimum(opened, close) * (1 - generator.random(shape) / 50)
    rows, names = np.nonzero(generator.random(shape) >= gaps)
    columns = {"open": opened, "high": high, "low": low, "close": close}
    columns["vwap"] = (high + low + 2 * close) / 4 * np.exp(generator.normal(0, 0.002, shape))
    columns["volume"] = np.exp(generator.normal(12, 1, shape)).round()
    return pl.DataFrame(
        {
            "session": [SESSIONS[row] for row in rows],
            "instrument": [f"N{name}" for name in names],
            **{name: values[rows, names] for name, values in columns.items()},
        }
    )


def alpha158_of(table: pl.DataFrame) -> pl.DataFrame:
    grid = grid_from(own_bars(table.lazy()), SESSIONS)
    return pl.concat(grid_features(grid, ALPHA158, SESSIONS)).drop_nulls()


@pytest.fixture(scope="module")
def alpha158() -> pl.DataFrame:
    return alpha158_of(bars(gaps=0.03))


def rank(frame: pl.DataFrame) -> int:
    """Return how many directions standardised columns span; what float32 rounds off is none."""
    values = frame.cast(pl.Float64).to_numpy()
    scaled = (values - values.mean(axis=0)) / values.std(axis=0)
    return int(np.linalg.matrix_rank(scaled, rtol=1e-5))


def test_alpha126_is_of_full_rank_and_alpha158_of_no_higher_one(alpha158):
    assert alpha158.height > 4 * len(ALPHA158.columns)
    assert len(ALPHA126.columns) == 126
    assert rank(alpha158.select(ALPHA126.columns)) == 126
    assert rank(alpha158.select(ALPHA158.columns)) == 126


@pytest.mark.parametrize("rows", [5, 60])
def test_on_windows_without_a_gap_the_residual_follows_from_mean_and_slope(alpha158, rows):
    """So there, and only there, five more columns say nothing new."""

    def off(frame: pl.DataFrame) -> np.ndarray:
        parts = (frame[f"{kind}{rows}"].cast(pl.Float64) for kind in ("MA", "BETA", "RESI"))
        mean, slope, residual = parts
        return (1 - mean - (rows - 1) / 2 * slope - residual).abs().to_numpy()

    assert off(alpha158_of(bars(gaps=0))).max() < 2e-6
    assert (off(alpha158) > 1e-3).mean() > 0.01


def test_32_columns_are_left_out():
    assert len(DROPPED) == 32


@pytest.mark.parametrize("name", DROPPED)
def test_what_is_left_out_is_an_exact_combination_of_columns_that_stay(alpha158, name):
    kind, rows = re.fullmatch(r"(KSFT2?|[A-Z]+)(\d*)", name).groups()
    parts = BAR_COMBINATIONS[name] if kind in BAR_COMBINATIONS else COMBINATIONS[kind]
    total = np.zeros(alpha158.height)
    for part, factor in parts.items():
        column = f"{part}{rows}" if part else None
        assert column is None or column in ALPHA126.columns
        total += factor * (alpha158[column].cast(pl.Float64).to_numpy() if column else 1.0)
    np.testing.assert_allclose(total, alpha158[name].to_numpy(), rtol=0, atol=3e-7)


def test_alpha360_is_each_of_the_last_sixty_bars_over_the_newest():
    table = bars(gaps=0.03)
    found = pl.concat(
        grid_features(grid_from(own_bars(table.lazy()), SESSIONS), ALPHA360, SESSIONS)
    )
    by_cell = {row[:2]: row[2:] for row in table.iter_rows()}
    place = {name: row for row, name in enumerate(table.columns[2:])}
    told = 0
    for row in found.filter(pl.col("instrument") == "N3").gather_every(4).iter_rows(named=True):
        at = SESSIONS.index(row["session"])
        newest = by_cell[row["session"], "N3"]
        for column in ALPHA360.columns:
            name, lag = re.fullmatch(r"([A-Z]+)(\d+)", column).groups()
            field, window = name.lower(), SESSIONS[max(at - int(lag), 0) : at + 1]
            there = [by_cell[day, "N3"] for day in window if (day, "N3") in by_cell]
            whole = len(window) == int(lag) + 1 and len(there) >= 0.8 * len(window)
            if not whole or (window[0], "N3") not in by_cell:
                assert row[column] is None, column
                continue
            base = newest[place["volume" if field == "volume" else "close"]]
            wanted = by_cell[window[0], "N3"][place[field]] / base
            assert row[column] == pytest.approx(wanted, rel=1e-6), column
            told += 1
    assert told > 4_000


def test_partial_windows_of_alpha360_need_no_more_than_the_bar_itself():
    table = bars(gaps=0)
    grid = grid_from(own_bars(table.lazy()), SESSIONS)
    found = next(grid_features(grid, ALPHA360, SESSIONS[:30], partial=True))
    newest = found.filter(pl.col("session") == SESSIONS[29])
    told = {name for name in ALPHA360.columns if newest[name].null_count() == 0}
    assert told == {name for name in ALPHA360.columns if int(re.sub(r"\D", "", name)) < 30}


def test_partial_windows_do_not_depend_on_the_block_after_a_long_suspension():
    closes = np.where((DAYS_200 >= 100) & (DAYS_200 < 180), np.nan, 10 + np.sin(DAYS_200))[:, None]
    inputs = dict.fromkeys(("open", "high", "low", "close", "volume", "vwap"), closes)
    sessions = tuple(date(2020, 1, 1) + timedelta(days=int(day)) for day in DAYS_200)
    grid = Grid(sessions, ("AAA",), inputs, np.ones(closes.shape))
    whole = pl.concat(grid_features(grid, ALPHA158, sessions, partial=True))
    alone = pl.concat(grid_features(grid, ALPHA158, sessions[182:183], partial=True))
    assert whole.filter(pl.col("session") == sessions[182]).equals(alone)


def test_sessions_with_a_hole_are_refused():
    sessions = tuple(date(2020, 1, 1) + timedelta(days=day) for day in range(5))
    grid = Grid(sessions, ("AAA",), {"close": np.ones((5, 1))}, np.ones((5, 1)))
    with pytest.raises(ValueError, match="must have no hole"):
        next(grid_features(grid, ALPHA158, [sessions[1], sessions[3]]))
