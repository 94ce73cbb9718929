"""A small house where the delivery of one night says something else about one name."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date

import polars as pl
import pytest

from tasks.market.sources.protocol import DataSource, Delivery, Payload
from tests.house import LAST, House

DAY = date(2020, 12, 17)
Altered = Callable[[Delivery, str], Delivery]


@contextmanager
def house_where(
    build: Callable[[str], House], monkeypatch: pytest.MonkeyPatch, altered: Altered
) -> Iterator[tuple[House, str]]:
    """Open a house whose delivery of `DAY` is `altered` about one name, and give both."""
    from tasks import ingest, judge, quarantine

    opened = judge.open_source

    def open_altered(source: str) -> DataSource:
        feed = opened(source)
        normalise = feed.normalise

        def read(payloads: Sequence[Payload]) -> Delivery:
            delivery = normalise(payloads)
            return altered(delivery, symbol) if delivery.night == DAY else delivery

        monkeypatch.setattr(feed, "normalise", read)
        return feed

    for module in (judge, quarantine):
        monkeypatch.setattr(module, "open_source", open_altered)
    monkeypatch.setattr(quarantine, "get_run_logger", lambda: logging.getLogger("night"))
    house = build("altered")
    with house.open():
        ingest.land_deliveries.fn("tiny", LAST)
        feed = opened("tiny")
        bars = feed.normalise(list(feed.pull([DAY]))).bars
        symbol = bars.filter(pl.col("session") == DAY)["symbol"].sort()[0]
        yield house, symbol
