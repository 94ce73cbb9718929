"""Real vendor nights, bad ones among them, get the verdicts that people gave them by hand."""

from datetime import date, timedelta
from functools import cache
from pathlib import Path

import polars as pl
import pytest

from conf.schema import FilesSource
from expectations.gate import Eve, Judgement, judge
from tasks.market import frames
from tasks.market.adjust import infer_actions
from tasks.market.calendar import Calendar
from tasks.market.sources.protocol import Delivery

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "us"
DELIVERIES = FOLDER / "deliveries_2015_2016.parquet"
CALENDAR = Calendar("XNYS")
SOURCE = FilesSource(
    kind="files",
    title="Real nights",
    folder_variable="UNUSED",
    tables="deliveries_*.parquet",
    columns={},
    night_column="night",
    actions="inferred",
    starts=date(2015, 3, 20),
    expected_rows=6000,
)
KNOWN = {
    date(2015, 6, 10): ("block", ["empty delivery"]),
    date(2015, 4, 6): ("warn", ["exact duplicates dropped", "differing duplicates quarantined"]),
    date(2015, 7, 3): ("skip", ["holiday"]),
    date(2015, 7, 6): ("pass", []),
    date(2015, 7, 27): ("pass", []),
    date(2015, 11, 17): ("block", ["stale delivery"]),
    date(2015, 11, 18): ("pass", []),
    date(2015, 11, 27): ("pass", []),
}
SPLITS = [
    ("AMSC", date(2015, 3, 25)),
    ("SBUX", date(2015, 4, 9)),
    ("NFLX", date(2015, 7, 15)),
    ("NKE", date(2015, 12, 24)),
]
BAD_PRINTS = [
    ("SSE", date(2015, 3, 26)),
    ("SSE", date(2015, 4, 1)),
    ("TCO", date(2015, 4, 6)),
]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DELIVERIES.exists(), reason=f"no real deliveries in {FOLDER}"),
]


def delivered(night: date) -> Delivery:
    rows = pl.scan_parquet(DELIVERIES).filter(pl.col("night") == night).collect()
    bars = frames.shaped(rows.rename({"date": "session"}), frames.RAW_BARS)
    rest = frames.RAW_ACTIONS, frames.RAW_LISTINGS, frames.RAW_SERIES
    return Delivery(night, "observed", bars, *(frames.empty(columns) for columns in rest))


@cache
def eve_of(night: date) -> Eve:
    """Return what the last night that was no block had left."""
    closes = frames.empty(
        {"symbol": pl.String, "session": pl.Date, "close": pl.Float64, "volume": pl.Float64}
    )
    before = night - timedelta(days=1)
    while before >= SOURCE.starts:
        clean = judge_after(before, Eve(closes, None)).clean
        if not clean.is_empty():
            newest = clean.sort("session").unique("symbol", keep="last", maintain_order=True)
            own = clean.filter(pl.col("session") == clean["session"].max()).height
            return Eve(newest.select(closes.columns), own)
        before -= timedelta(days=1)
    return Eve(closes, None)


def judge_after(night: date, eve: Eve) -> Judgement:
    delivery = delivered(night)
    session = CALENDAR.on_or_before(night)
    known = eve.closes.select("symbol", "close")
    actions = infer_actions(delivery.bars, known, session=session)
    return judge(delivery, actions, eve, SOURCE, CALENDAR)


@cache
def judged(night: date) -> Judgement:
    return judge_after(night, eve_of(night))


@pytest.mark.parametrize("night", list(KNOWN), ids=str)
def test_gives_the_known_verdict(night):
    done = judged(night)
    assert (done.verdict, done.reasons) == KNOWN[night]


@pytest.mark.parametrize(("symbol", "night"), SPLITS)
def test_a_split_explains_a_jump(symbol, night):
    done = judged(night)
    assert done.verdict == "pass"
    assert night in done.clean.filter(symbol=symbol)["session"].to_list()


@pytest.mark.parametrize(("symbol", "night"), BAD_PRINTS)
def test_sets_a_symbol_with_a_bad_print_aside(symbol, night):
    done = judged(night)
    assert done.verdict != "block"
    assert done.clean.filter(symbol=symbol).is_empty()
    assert symbol in done.quarantine["symbol"].to_list()


def test_sets_stray_rows_dated_on_a_holiday_aside():
    for night, count in ((date(2015, 7, 3), 22), (date(2015, 7, 6), 22), (date(2015, 4, 6), 68)):
        aside = judged(night).quarantine.filter(rule="not a session")
        assert aside["rows"].sum() == count


def test_tells_the_differing_copies_and_the_header_line_of_the_tripled_night():
    aside = judged(date(2015, 4, 6)).quarantine
    assert aside.filter(rule="differing duplicates").height == 19
    assert aside.filter(rule="unreadable")["rows"].to_list() == [1]


def test_drops_the_symbol_that_comes_twice():
    done = judged(date(2015, 7, 27))
    copies = [f for f in done.findings if f["rule"] == "exact duplicates"]
    assert copies[0]["examples"][0].startswith("MSG")
    assert done.clean.filter(symbol="MSG").height == done.clean["session"].n_unique()
