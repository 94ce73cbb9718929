"""A source names what stands beside it: that is brought first, and features read its series."""

import logging
import statistics
from datetime import date

import numpy as np
import polars as pl
import pytest

from flows import steps
from tasks import backfill, ingest, judge, prepare, settings
from tasks.market.frames import SERIES, shaped
from tasks.settings import calendar, open_lake
from tests.house import CONTEST, SOURCE, House

NIGHT = date(2020, 12, 17)
SPRING = date(2015, 4, 17)
EARLIER = (
    SOURCE.replace("2020-01-02", "2014-09-02")
    .replace("2020-12-14", "2015-04-13")
    .replace("2020-12-30", "2015-04-24")
)


def told(days: list[date]) -> pl.DataFrame:
    """Return `SERIES` of a volatility index, each value known on its own day."""
    values = 20 * np.exp(np.cumsum(np.random.default_rng(4).normal(0, 0.02, len(days))))
    frame = pl.DataFrame({"session": days, "value": values})
    about = {"name": pl.lit("vix"), "source": pl.lit("fred")}
    return shaped(frame.with_columns(**about, known_on="session", delivery="session"), SERIES)


@pytest.fixture
def house(tmp_path):
    """Open a house whose features read what FRED tells beside `tiny`."""
    made = House(tmp_path / "house")
    made.write("sources", "tiny", f"{SOURCE}context: [fred]\n")
    made.write("sources", "fred", (settings.PACKAGED / "sources" / "fred.yaml").read_text())
    made.write("models", "tiny", CONTEST.replace("features: price", "features: context"))
    with made.open():
        yield made


@pytest.mark.slow
def test_features_read_the_series_of_a_context(house, caplog):
    series = told(calendar("XNYS").sessions(date(2018, 1, 2), date(2020, 12, 30)))
    open_lake().replace("series", series, over={"source": ["fred"]})
    ingest.land_deliveries.fn("tiny", NIGHT)
    judge.judge_deliveries.fn("tiny", NIGHT)
    with caplog.at_level(logging.INFO, logger="night"):
        prepare.prepare_features.fn("tiny", NIGHT)
    newest = open_lake().read("features/context").filter(pl.col("session") == NIGHT)
    values = series.filter(pl.col("session") <= NIGHT)["value"].to_list()[-252:]
    wanted = (values[-1] - statistics.fmean(values)) / statistics.stdev(values)
    assert newest["vix_level"].unique().item() == pytest.approx(wanted, rel=1e-6)
    assert newest["vix_exposure_120"].n_unique() > 20
    named = set(caplog.text.split("for want of an input: ")[1].splitlines()[0].split(", "))
    assert {"yield_level", "oil_exposure_120", "term_spread"} <= named
    assert not {"vix_level", "vix_move", "vix_exposure_120"} & named


@pytest.mark.slow
def test_folders_of_series_feed_the_features_of_2015(house, shared_data, monkeypatch, caplog):
    others = ("macro_daily", "oil_daily", "ecb_offline")
    house.write("sources", "tiny", f"{EARLIER}context: [{', '.join(others)}]\n")
    for other in others:
        text = (settings.PACKAGED / "sources" / f"{other}.yaml").read_text()
        house.write("sources", other, text)
    monkeypatch.setenv("AFTERCLOSE_MARKETS", str(shared_data / "multi"))
    monkeypatch.setattr(steps, "tried", lambda _, __, task, *given: (task.fn(*given), None))
    steps.bring_others("tiny", SPRING)
    for other in others:
        (verdict,) = backfill.verdict_list(open_lake(), other)
        assert (verdict["verdict"], verdict["quarantined"]) == ("pass", 0)
    ingest.land_deliveries.fn("tiny", SPRING)
    judge.judge_deliveries.fn("tiny", SPRING)
    with caplog.at_level(logging.INFO, logger="night"):
        prepare.prepare_features.fn("tiny", SPRING)
    newest = open_lake().read("features/context").filter(pl.col("session") == SPRING)
    values = pl.read_parquet(shared_data / "multi" / "macro_series.parquet").sort("date")
    vix = values.filter(pl.col("symbol") == "vix", pl.col("date") <= SPRING)["value"][-252:]
    wanted = (vix[-1] - statistics.fmean(vix)) / statistics.stdev(vix)
    assert newest["vix_level"].unique().item() == pytest.approx(wanted, rel=1e-6)
    assert newest["credit_spread"].unique().item() == pytest.approx(4.54 - 3.64)  # of March
    for name in ("vix", "oil", "eurusd"):
        assert newest[f"{name}_exposure_120"].n_unique() > 20
        assert newest.select(f"{name}_level", f"{name}_move").null_count().row(0) == (0, 0)
    named = set(caplog.text.split("for want of an input: ")[1].splitlines()[0].split(", "))
    assert all(name.startswith(("yield", "term")) for name in named)


def test_what_stands_beside_a_source_is_brought_before_it_and_whole(house, monkeypatch):
    asked = []

    def noted(what, _, task, *arguments):
        asked.append((task.name, *arguments))
        return None, None

    monkeypatch.setattr(steps, "tried", noted)
    steps.bring_others("tiny", NIGHT, NIGHT)
    assert asked == [
        ("land_deliveries", "fred", NIGHT, None),
        ("judge_deliveries", "fred", NIGHT),
    ]


@pytest.mark.parametrize("other", ["tiny", "edgar"])
def test_a_context_tells_series(house, other):
    house.write("sources", "edgar", (settings.PACKAGED / "sources" / "edgar.yaml").read_text())
    house.write("sources", "tiny", f"{SOURCE}context: [{other}]\n")
    with pytest.raises(ValueError, match=f"'{other}' is no context of 'tiny': name a source of s"):
        settings.load_source("tiny")
