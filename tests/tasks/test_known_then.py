"""What is read as of a night is the same whether or not later deliveries have come."""

import logging
import random
from datetime import date

import pytest

from tasks.market.lake import seen_hash
from tasks.settings import calendar, open_lake, open_source
from tests.house import LAST

pytestmark = pytest.mark.slow
TABLES = ("bars", "actions", "listings", "series", "fundamentals", "members")
REAL_NIGHTS, LOOKED_AT = 64, 50
Seen = dict[str, str]


def seen(source: str, as_of: date) -> Seen:
    lake = open_lake()
    return {
        f"{table} {prints}": seen_hash(lake.known(table, as_of=as_of, source=source, prints=prints))
        for table in TABLES
        for prints in ("last", "all")
    }


def then_and_now(source: str, nights: list[date], looked_at: list[date]) -> tuple[Seen, Seen]:
    """Judge night by night; return what was seen then, and what is seen after all have come."""
    from tasks import ingest, judge

    then = {}
    for night in nights:
        ingest.land_deliveries.fn(source, night)
        judge.judge_deliveries.fn(source, night)
        if night in looked_at:
            then[night] = seen(source, night)
    return then, {night: seen(source, night) for night in then}


def test_every_simulated_night_reads_as_it_did_then(build):
    nights = [date(2020, 12, 11), *calendar("XNYS").sessions(date(2020, 12, 14), LAST)]
    with build("then").open():
        then, now = then_and_now("tiny", nights, nights)
    assert then == now
    assert len({str(each) for each in then.values()}) == len(nights)  # each night saw more


def test_fifty_random_real_nights_read_as_they_did_then(tmp_path, shared_data, monkeypatch):
    monkeypatch.setenv("AFTERCLOSE_DELIVERIES", str(shared_data / "us"))
    monkeypatch.setenv("AFTERCLOSE_DATA", str(tmp_path))
    monkeypatch.delenv("AFTERCLOSE_CONF", raising=False)
    monkeypatch.setattr("tasks.ingest.get_run_logger", lambda: logging.getLogger("night"))
    nights = open_source("us_deliveries").nights(date(2016, 6, 30))[:REAL_NIGHTS]
    looked_at = random.Random(11).sample(nights, LOOKED_AT)
    then, now = then_and_now("us_deliveries", nights, looked_at)
    assert then == now
    assert len(then) == LOOKED_AT
