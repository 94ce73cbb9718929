"""A lake at an address is used like one in a folder: nothing needs to list what lies there."""

from datetime import date

import polars as pl
import pytest

from tasks.coverage import sources_with_data
from tasks.judge import forget_derived
from tasks.settings import open_lake

EARLY, LATE = date(2020, 12, 17), date(2020, 12, 18)
TABLES = ("features/price", "forecasts/tiny", "forecasts/other", "records/tiny", "residuals/tiny")


def rows(table: str) -> pl.DataFrame:
    told = {"session": [EARLY, LATE], "instrument": ["A", "A"], "source": ["tiny", "tiny"]}
    if table.startswith(("records", "residuals")):
        told |= {"known_on": [EARLY, LATE]}
    if table.startswith("forecasts"):
        told = {"session": [EARLY, LATE], "instrument": ["A", "A"], "score": [0.1, 0.2]}
        told |= {one: [None, None] for one in ("seed_spread", "expected", "half_width")}
        told |= {"recipe": ["a", "a"], "weights_hash": ["b", "b"], "fitted_on": [EARLY, EARLY]}
    return pl.DataFrame(told)


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_what_was_made_of_a_source_is_forgotten_wherever_the_lake_lies(
    build, tmp_path, monkeypatch, scheme
):
    with build("elsewhere").open():
        monkeypatch.setenv("AFTERCLOSE_LAKE", f"{scheme}{tmp_path / 'lake'}")
        lake = open_lake()
        for table in TABLES:
            lake.replace(table, rows(table), over={"session": [EARLY, LATE]})
        forget_derived(lake, "tiny", LATE)
        left = {table: lake.read(table)["session"].to_list() for table in TABLES}
    assert left == {table: [EARLY] for table in TABLES} | {"forecasts/other": [EARLY, LATE]}


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_sources_with_data_are_found_wherever_the_lake_lies(build, tmp_path, monkeypatch, scheme):
    with build("elsewhere").open():
        monkeypatch.setenv("AFTERCLOSE_LAKE", f"{scheme}{tmp_path / 'lake'}")
        assert sources_with_data() == []
        raw = {"night": EARLY, "request": "bars", "body": b"", "sha256": "", "vintage": "observed"}
        open_lake().replace("raw/tiny", pl.DataFrame([raw]), over={"night": [EARLY]})
        assert sources_with_data() == ["tiny"]
