"""Features are made once a session, and what no feature can be made of is said aloud."""

import logging
from datetime import date

import polars as pl
import pytest

from tasks import ingest, judge, prepare, settings
from tasks.features import FEATURE_SETS
from tasks.settings import open_lake
from tests.house import SOURCE

pytestmark = pytest.mark.slow

DAY = date(2020, 12, 17)
FIXINGS = """
kind: ecb
title: Fixings that ship inside a package
currency: EUR
starts: 2020-01-02
observed_from: 2026-04-14
ends: 2026-04-13
expected_rows: 1
offline: true
currencies: [USD]
"""


@pytest.fixture
def barred(build):
    """Open a house whose bars are in the lake, with nothing made of them yet."""
    made = build("house")
    with made.open():
        ingest.land_deliveries.fn("tiny", DAY)
        judge.judge_deliveries.fn("tiny", DAY)
        yield made


def told(caplog) -> str:
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="night"):
        prepare.prepare_features.fn("tiny", DAY)
    return caplog.text


def test_nothing_is_missing_where_the_source_gives_all(barred, caplog):
    assert "null for want of an input: none" in told(caplog)
    assert told(caplog) == "", "the second time there is nothing new"


def test_features_without_their_input_are_named_in_one_line(barred, caplog):
    lake = open_lake()
    bars = lake.read("bars", where={"source": ["tiny"]})
    lake.replace(
        "bars",
        bars.with_columns(open=pl.lit(None, pl.Float64), volume=pl.lit(None, pl.Float64)),
        over={"source": ["tiny"]},
    )
    lines = [line for line in told(caplog).splitlines() if "for want of an input" in line]
    assert len(lines) == 1
    named = set(lines[0].split("input: ")[1].split(", "))
    features = FEATURE_SETS["price"]().features
    assert named == {one.name for one in features if {"open", "volume"} & {*one.inputs}}
    made = lake.read("features/price").select(sorted(named))
    assert set(made.null_count().row(0)) == {made.height}


def test_features_are_made_anew_when_other_series_may_be_read(barred, caplog):
    assert told(caplog)
    before = open_lake().read("features/price")["made_by"].unique().to_list()
    barred.write("sources", "beside", FIXINGS)
    barred.write("sources", "tiny", f"{SOURCE}context: [beside]\n")
    settings._load.cache_clear()
    assert told(caplog), "all sessions are due again"
    after = open_lake().read("features/price")["made_by"].unique().to_list()
    assert len(before) == len(after) == 1
    assert before != after
