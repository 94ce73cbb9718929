"""The sample is what two packages ship, read without importing them."""

import subprocess
import sys
from datetime import date

import polars as pl
import pytest

from conf.schema import SampleSource
from tasks.market.sources.protocol import Payload, Unreadable
from tasks.market.sources.sample import SampleData


@pytest.fixture(scope="module")
def delivery():
    conf = SampleSource(
        kind="sample",
        title="Sample",
        expected_rows=25,
        starts=date(1990, 1, 2),
        ends=date(2022, 12, 28),
    )
    source = SampleData(conf)
    return source.normalise(list(source.pull(source.nights())))


def test_holds_twenty_stocks_from_1990_and_five_funds_from_2014(delivery):
    listed = delivery.listings.group_by("asset_class", "from_session").len().rows()
    assert set(listed) == {("equity", date(1990, 1, 2), 20), ("fund", date(2014, 1, 2), 5)}
    assert delivery.listings.filter(symbol="AAPL")["name"].item() == "Apple Inc."
    assert delivery.bars.height == 20 * 8313 + 5 * 2264
    assert delivery.vintage == "assumed"


def test_has_closes_alone(delivery):
    last = delivery.bars.filter(session=date(2022, 12, 28), symbol="AAPL")
    assert last.row(0)[2:] == (None, None, None, 125.674, None, None, None)


def test_a_monthly_yield_is_known_from_the_next_months_first_session(delivery):
    yields = delivery.series.filter(name="aaa_yield", session=date(2018, 11, 1))
    assert yields["known_on"].item() == date(2018, 12, 3)


def test_a_daily_value_is_known_on_its_own_session_or_the_next(delivery):
    daily = delivery.series.filter(pl.col("name").is_in(["sp500", "nasdaq", "vix", "wti"]))
    assert (daily["known_on"] >= daily["session"]).all()
    index = daily.filter(name="sp500", session=date(2018, 12, 31))
    assert index.select("value", "known_on").row(0) == (2506.850098, date(2018, 12, 31))


def test_nothing_outside_its_dates_is_delivered():
    conf = SampleSource(
        kind="sample", title="S", expected_rows=25, starts=date(2014, 6, 2), ends=date(2014, 6, 30)
    )
    source = SampleData(conf)
    short = source.normalise(list(source.pull(source.nights())))
    assert short.bars["session"].is_between(conf.starts, conf.ends).all()
    assert short.series["known_on"].is_between(conf.starts, conf.ends).all()


def test_a_damaged_file_is_named(delivery):
    source = SampleData(
        SampleSource(
            kind="sample", title="S", expected_rows=1, starts=date(2020, 1, 2), ends=delivery.night
        )
    )
    request = "arch/data/vix/vix.csv.gz"
    with pytest.raises(Unreadable, match=r"vix\.csv\.gz cannot be read"):
        source.normalise([Payload(delivery.night, request, b"\x1f\x8bbroken", "assumed")])


def test_imports_neither_package():
    code = (
        "import sys; from datetime import date\n"
        "from conf.schema import SampleSource\n"
        "from tasks.market.sources.sample import SampleData\n"
        "conf = SampleSource(kind='sample', title='S', expected_rows=1,\n"
        "    starts=date(2020, 1, 2), ends=date(2020, 2, 3))\n"
        "list(SampleData(conf).pull([conf.ends]))\n"
        "assert not {'skfolio', 'arch', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
