"""Deliveries may land in any order, twice, and from two processes: the tables come out the same."""

import logging
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest

from tasks.market.lake import content_hash
from tasks.settings import calendar, open_lake
from tests.house import LAST, House

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
FIRST = date(2020, 12, 11)  # history in one go; the nights after it one by one
NIGHTS = [FIRST, *calendar("XNYS").sessions(date(2020, 12, 14), LAST)]
CONTEST = "tiny"
REAL_NIGHTS = 15
TABLES = (
    "bars",
    "actions",
    "listings",
    "series",
    "fundamentals",
    "members",
    "quarantine",
    "verdicts",
    "features/price",
)


@pytest.fixture
def only_offers(monkeypatch):
    """Let the source offer the nights of a list that a test changes as it goes."""
    from tasks import ingest

    offered: list[date] = []
    opened = ingest.open_source

    def reluctant(name: str):
        feed = opened(name)
        every = feed.nights
        feed.nights = lambda until=date.max: [n for n in every(until) if n in offered]
        return feed

    monkeypatch.setattr(ingest, "open_source", reluctant)
    return offered


def land(source: str, night: date, only_offers: list[date]) -> None:
    from tasks import ingest

    only_offers[:] = [night]
    ingest.land_deliveries.fn(source, max(night, LAST))


def hashes(source: str, contest: str | None, last: date) -> dict[str, str]:
    """Judge and derive all that has landed; return the content of every table."""
    from tasks import judge, prepare

    judge.judge_deliveries.fn(source, last)
    if contest:
        prepare.prepare_features.fn(contest, last)
    return {table: content_hash(open_lake().read(table)) for table in TABLES}


def landed_in(order: Sequence[date], source: str, offers: list[date], judge_at: set[int]) -> None:
    """Land nights one by one, and judge now and then on the way, too early for what is late."""
    from tasks import judge

    for place, night in enumerate(order):
        land(source, night, offers)
        if place in judge_at:
            judge.judge_deliveries.fn(source, night)


def test_twenty_random_orders_give_the_tables_of_the_right_one(build, only_offers):
    with build("in_order").open():
        landed_in(NIGHTS, "tiny", only_offers, judge_at=set())
        right = hashes("tiny", CONTEST, LAST)
    dice = random.Random(5)
    for number in range(20):
        order = dice.sample(NIGHTS, len(NIGHTS))
        house = build(f"order_{number}")
        with house.open():
            landed_in(order, "tiny", only_offers, judge_at=set(dice.sample(range(14), number % 4)))
            assert hashes("tiny", CONTEST, LAST) == right, order
        shutil.rmtree(house.data)


def test_landing_and_judging_twice_changes_nothing(build, only_offers):
    with build("twice").open():
        landed_in(NIGHTS, "tiny", only_offers, judge_at=set())
        once = hashes("tiny", CONTEST, LAST)
        landed_in(NIGHTS, "tiny", only_offers, judge_at={3, 7})
        assert hashes("tiny", CONTEST, LAST) == once
        lake = open_lake()
        night = NIGHTS[4]
        lake.replace(
            "verdicts",
            lake.read("verdicts").clear(),
            over={"source": ["tiny"], "delivery": [night]},
        )
        assert hashes("tiny", CONTEST, LAST) == once


def test_two_processes_at_once_land_and_judge_what_one_does(build):
    alone, together = build("alone"), build("together")
    in_processes(alone, [["even", "odd"]])
    in_processes(together, [["even"], ["odd", "even"]])
    found = []
    for house in (alone, together):
        with house.open():
            found.append(hashes("tiny", CONTEST, LAST))
    assert found[0] == found[1]


PROGRAM = """
import logging, sys
from datetime import date
from tasks import ingest, judge
from tasks.settings import open_source
logger = logging.getLogger("night")
ingest.get_run_logger = lambda: logger
opened = ingest.open_source
last = date(2020, 12, 30)
for half in sys.argv[1:]:
    nights = opened("tiny").nights(last)[half == "odd" :: 2]
    for night in reversed(nights):
        def offering(name, night=night):
            feed = opened(name)
            feed.nights = lambda until=last: [night]
            return feed
        ingest.open_source = offering
        ingest.land_deliveries.fn("tiny", last)
    judge.judge_deliveries.fn("tiny", last)
"""


def in_processes(house: House, halves: list[list[str]]) -> None:
    """Land halves of the nights, newest first, in processes that run at once."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    ours = {
        "AFTERCLOSE_CONF": str(house.conf),
        "AFTERCLOSE_DATA": str(house.data),
        "PYTHONPATH": path,
    }
    running = [
        subprocess.Popen([sys.executable, "-c", PROGRAM, *words], env={**os.environ, **ours})
        for words in halves
    ]
    assert [process.wait(timeout=300) for process in running] == [0] * len(halves)


def test_real_nights_in_any_order_give_the_same_tables(
    tmp_path, shared_data, monkeypatch, only_offers
):
    """Fifteen nights of 6,000 names, the doubled one and a holiday's rows among them."""
    monkeypatch.setenv("AFTERCLOSE_DELIVERIES", str(shared_data / "us"))
    monkeypatch.delenv("AFTERCLOSE_CONF", raising=False)
    for module in ("ingest", "prepare"):
        monkeypatch.setattr(f"tasks.{module}.get_run_logger", lambda: logging.getLogger("night"))
    nights = calendar("XNYS").sessions(date(2015, 3, 23), date(2015, 4, 13))[:REAL_NIGHTS]
    dice, found = random.Random(7), []
    for number in range(4):
        monkeypatch.setenv("AFTERCLOSE_DATA", str(tmp_path / str(number)))
        order = nights if number == 0 else dice.sample(nights, len(nights))
        at = set(dice.sample(range(REAL_NIGHTS - 1), number))
        landed_in(order, "us_deliveries", only_offers, judge_at=at)
        found.append(hashes("us_deliveries", None, nights[-1]))
    assert [each == found[0] for each in found] == [True] * 4
