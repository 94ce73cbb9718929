"""New nights land whatever becomes of old ones, and no more is held at once than must be."""

import logging
from datetime import date

import polars as pl
import pytest

from tasks import ingest
from tasks.market import frames
from tasks.market.sources.protocol import Payload
from tasks.settings import calendar, open_lake

DAYS = calendar("XNYS").sessions(date(2020, 12, 1), date(2020, 12, 18))
OLD, RECENT, TONIGHT = DAYS[0], DAYS[-2], DAYS[-1]


class Vendor:
    """Sends a few bytes a night, and keeps count of what nobody has taken down yet."""

    def __init__(self) -> None:
        self.body, self.refused = b"first", set()
        self.open, self.most_open = 0, 0
        self.pulls = []

    def nights(self, until):
        return [night for night in DAYS if night <= until]

    def pull(self, nights):
        self.pulls.append(list(nights))
        for night in nights:
            if night in self.refused:
                raise ValueError(f"{night} is too long ago")
            for request in ("one", "two"):
                self.open += 1
                self.most_open = max(self.open, self.most_open)
                yield Payload(night, request, self.body, "observed")

    def landed(self, nights):
        self.open -= 2 * len(nights)


@pytest.fixture
def vendor(build, monkeypatch):
    vendor = Vendor()
    monkeypatch.setattr(ingest, "open_source", lambda _: vendor)
    with build("landing").open():
        yield vendor


def land(as_of: date, since: date | None = None) -> list[date]:
    return ingest.land_deliveries.fn("tiny", as_of, since)


def block(*nights: date) -> None:
    rows = [{"source": "tiny", "delivery": night, "verdict": "block"} for night in nights]
    told = frames.shaped(pl.DataFrame(rows), frames.VERDICTS)
    open_lake().replace("verdicts", told, over={"source": ["tiny"]})


def test_a_vendor_who_refuses_a_blocked_night_still_brings_tonights(vendor, caplog):
    land(RECENT)
    block(RECENT)
    vendor.refused = {RECENT}
    with caplog.at_level(logging.WARNING):
        assert land(TONIGHT) == [TONIGHT]
    assert f"no blocked night came anew: {RECENT} is too long ago" in caplog.text
    verdicts = open_lake().read("verdicts")
    assert verdicts["delivery"].to_list() == [RECENT], "it stays blocked"


def test_a_new_night_that_is_refused_fails_the_landing(vendor):
    vendor.refused = {TONIGHT}
    with pytest.raises(ValueError, match="too long ago"):
        land(TONIGHT)


def test_an_old_blocked_night_is_asked_for_by_a_backfill_alone(vendor):
    land(RECENT)
    block(OLD, RECENT)
    vendor.body = b"second"
    vendor.pulls.clear()
    assert land(TONIGHT) == [RECENT, TONIGHT]
    assert vendor.pulls == [[TONIGHT], [RECENT]]
    block(OLD)
    assert land(TONIGHT, OLD) == [OLD]


def test_what_came_is_written_before_more_is_held_than_must_be(vendor, monkeypatch):
    monkeypatch.setattr(ingest, "BYTES_A_COMMIT", 2 * len(vendor.body))
    assert land(TONIGHT) == DAYS
    assert vendor.most_open == 3, "a night, and the first payload of the next, which ends it"
    raw = open_lake().read("raw/tiny")
    assert raw["night"].unique().sort().to_list() == DAYS
    assert raw.height == 2 * len(DAYS)


def test_nights_of_a_few_bytes_are_written_together(vendor, monkeypatch):
    written = []
    replace = ingest.Lake.replace
    monkeypatch.setattr(
        ingest.Lake,
        "replace",
        lambda lake, table, *given, **over: (
            written.append(table) or replace(lake, table, *given, **over)
        ),
    )
    land(TONIGHT)
    assert written == ["raw/tiny"]
