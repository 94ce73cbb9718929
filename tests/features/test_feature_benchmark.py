"""The stages that the benchmark of features measures run, and say what they took."""

import runpy

import numpy as np
import polars as pl
import pytest

from tests.reading import ROOT


@pytest.fixture(scope="module")
def ours() -> dict:
    return runpy.run_path(str(ROOT / "benchmarks" / "features_ours.py"))


def test_the_same_values_for_a_session_alone_as_in_the_full_history(ours, tmp_path):
    bars = tmp_path / "bars.parquet"
    ours["write_bars"](bars, 12, 90)
    values, rows = [], pl.read_parquet(bars).height
    for last_only in (False, True):
        path = tmp_path / f"{last_only}.npz"
        took = ours["of_bars"]("alpha158", pl.scan_parquet(bars), path, last_only=last_only)
        assert took.keys() == {"cpu", "wall", "peak", "rows"}
        values.append(np.load(path))
    full, last = values
    assert full["values"].shape == (rows, 158)
    newest = full["days"] == full["days"].max()
    np.testing.assert_array_equal(full["values"][newest], last["values"])


def test_a_stream_counts_every_row(ours):
    made = ours["simulated"](12, 30)
    took = ours["stream"]("price", 12, 30)
    assert took["rows"] == (~np.isnan(made["close"])).sum()
