"""Alpha158 gives the numbers of qlib, and by default none of those on windows not yet full."""

from typing import NamedTuple

import numpy as np
import polars as pl
import pytest

from tasks.features.alpha158 import ALPHA158
from tasks.features.bars import grid_from, own_bars
from tasks.features.engine import grid_features

CLOSE_ENOUGH = 1e-4  # relative; correlations, which may be near zero, within 1e-3
KEYS = ["session", "instrument"]


class Compared(NamedTuple):
    """The same cells three times: (rows, 158)."""

    rows: pl.DataFrame
    partial: np.ndarray
    full: np.ndarray
    qlib: np.ndarray


@pytest.fixture(scope="module")
def reference(shared_data) -> tuple[pl.DataFrame, pl.DataFrame]:
    folder = shared_data / "reference"
    bars = pl.read_parquet(folder / "alpha158_bars.parquet")
    values = pl.read_parquet(folder / "alpha158_values.parquet")
    return bars, values.rename({"symbol": "instrument"}).sort(KEYS)


@pytest.fixture(scope="module")
def compared(reference) -> Compared:
    bars, values = reference
    sessions = values["session"].unique().sort().to_list()
    grid = grid_from(own_bars(bars.lazy()), sessions)
    partial, full = (
        pl.concat(grid_features(grid, ALPHA158, sessions, partial=partial))
        for partial in (True, False)
    )
    rows = partial.select(KEYS)
    assert full.select(KEYS).equals(rows)
    theirs = values.join(rows, on=KEYS, how="semi")
    assert theirs.select(KEYS).equals(rows)
    frames = (frame.select(ALPHA158.columns) for frame in (partial, full, theirs))
    return Compared(rows, *(frame.fill_null(np.nan).to_numpy() for frame in frames))


def test_has_a_row_wherever_there_is_a_bar_and_nowhere_else(reference, compared):
    """For the session of a suspension qlib gives a row too: of windows that end before it."""
    bars, values = reference
    traded = bars.select("session", instrument="symbol").sort(KEYS)
    assert compared.rows.equals(traded)
    suspended = values.join(traded, on=KEYS, how="anti")
    assert suspended.height == values.height - compared.rows.height == 11
    assert suspended.select("KMID", "ROC5").null_count().row(0) == (11, 11)


def test_has_the_columns_of_qlib(reference):
    assert set(ALPHA158.columns) == set(reference[1].drop(KEYS).columns)
    assert len(ALPHA158.columns) == 158


def test_is_null_where_qlib_is(compared):
    np.testing.assert_array_equal(np.isnan(compared.partial), np.isnan(compared.qlib))


def test_all_but_a_thousandth_of_the_cells_equal_those_of_qlib(compared):
    off = np.abs(compared.partial.astype(float) - compared.qlib)
    correlations = np.array([name.startswith("COR") for name in ALPHA158.columns])
    allowed = np.where(correlations, 1e-3, CLOSE_ENOUGH * np.abs(compared.qlib))
    wrong = off > allowed
    assert wrong.mean() < 1e-3
    # Those left are differences of two sums that nearly cancel.
    columns = {name for name, some in zip(ALPHA158.columns, wrong.any(axis=0), strict=True) if some}
    assert columns <= {f"VSUMD{rows}" for rows in (5, 10, 20, 30, 60)}
    assert off[wrong].max() < 1e-7


def test_the_default_warm_up_leaves_numbers_out_and_changes_none(compared):
    told = ~np.isnan(compared.full)
    np.testing.assert_array_equal(compared.full[told], compared.partial[told])
    left_out = ~told & ~np.isnan(compared.partial)
    assert 0.01 < left_out.mean() < 0.10


def test_by_default_a_window_of_n_sessions_begins_with_the_nth(reference, compared):
    first = compared.rows["session"].unique().sort()
    for rows in (5, 60):
        column = ALPHA158.columns.index(f"MA{rows}")
        told = compared.rows.filter(~np.isnan(compared.full[:, column]))["session"].min()
        assert told == first[rows - 1]
