"""Every source lists its nights in order, gives raw frames, and repeats itself to the byte.

Those pulled over the web are held to it in `test_faults`, against a vendor on this machine.
"""

from datetime import date
from itertools import groupby
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

from conf.schema import FilesSource, SampleSource, SimulatedSource, Source
from tasks.market.frames import RAW_ACTIONS, RAW_BARS, RAW_LISTINGS, RAW_SERIES
from tasks.market.sources import SOURCES
from tasks.market.sources.protocol import DataSource, Delivery, Place

HERE = ("sample", "simulated", "files")
CONF = Path(__file__).parents[3] / "conf" / "sources"
NIGHTS = """night,date,symbol,close
2020-01-02,2020-01-02,AAA,10.5
2020-01-03,2020-01-03,AAA,10.75
2020-01-03,2020-01-03,NA,n/a
"""


def small(kind: str, folder: Path) -> DataSource:
    if kind == "sample":
        days = {"starts": date(2020, 1, 2), "ends": date(2020, 3, 31)}
        return SOURCES[kind](
            SampleSource(kind="sample", title="Sample", expected_rows=25, **days), Place()
        )
    if kind == "simulated":
        days = {"starts": date(2020, 1, 2), "ends": date(2020, 3, 31)}
        market = SimulatedSource(
            kind="simulated",
            title="Lab",
            expected_rows=20,
            names=25,
            observed_from=date(2020, 3, 2),
            **days,
        )
        return SOURCES[kind](market, Place())
    (folder / "nights.csv").write_text(NIGHTS)
    columns = {"session": "date", "symbol": "symbol", "close": "close"}
    files = FilesSource(
        kind="files",
        title="Folder",
        expected_rows=2,
        starts=date(2020, 1, 1),
        folder_variable="SOME_FOLDER",
        tables="*.csv",
        columns=columns,
        night_column="night",
    )
    return SOURCES[kind](files, Place(folder))


def deliveries(source: DataSource) -> list[Delivery]:
    payloads = list(source.pull(source.nights()))
    return [source.normalise(list(own)) for _, own in groupby(payloads, lambda p: p.night)]


@pytest.mark.parametrize("kind", HERE)
def test_lists_its_nights_in_order_and_once(kind, tmp_path):
    nights = small(kind, tmp_path).nights()
    assert nights == sorted(set(nights))
    assert nights


@pytest.mark.parametrize("kind", HERE)
def test_gives_raw_frames_for_every_night(kind, tmp_path):
    source = small(kind, tmp_path)
    found = deliveries(source)
    assert [delivery.night for delivery in found] == source.nights()
    for delivery in found:
        assert dict(delivery.bars.schema) == RAW_BARS
        assert dict(delivery.actions.schema) == RAW_ACTIONS
        assert dict(delivery.listings.schema) == RAW_LISTINGS
        assert dict(delivery.series.schema) == RAW_SERIES
        assert delivery.vintage in ("assumed", "observed")
        assert delivery.bars["session"].drop_nulls().max() <= delivery.night


@pytest.mark.parametrize("kind", HERE)
def test_a_repeated_pull_gives_identical_bytes(kind, tmp_path):
    first, second = small(kind, tmp_path), small(kind, tmp_path)
    payloads = list(first.pull(first.nights()))
    assert payloads == list(second.pull(second.nights()))
    keys = [(payload.night, payload.request) for payload in payloads]
    assert len(set(keys)) == len(keys)
    last = first.nights()[-1:]
    assert list(first.pull(last)) == [p for p in payloads if p.night == last[0]]


@pytest.mark.parametrize("kind", HERE)
def test_says_which_nights_it_lacks(kind, tmp_path):
    with pytest.raises(ValueError, match="1999-01-04"):
        list(small(kind, tmp_path).pull([date(1999, 1, 4)]))


@pytest.mark.parametrize("path", sorted(CONF.glob("*.yaml")), ids=lambda p: p.stem)
def test_every_source_file_loads_and_its_kind_exists(path):
    conf = TypeAdapter(Source).validate_python(yaml.safe_load(path.read_text()))
    assert conf.kind in SOURCES
