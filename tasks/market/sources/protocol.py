"""What every data source must do: list its nights, pull them, and read what it pulled."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Literal, NamedTuple

import polars as pl
from pydantic import SecretStr

from conf.schema import SourceBase
from tasks.market.frames import RAW_FUNDAMENTALS, RAW_MEMBERS, empty


class Unreadable(ValueError):
    """A payload that cannot be taken apart at all: the night it belongs to must not pass."""


class Payload(NamedTuple):
    """One answer as the vendor sent it."""

    night: date  # the vendor night it belongs to
    request: str  # what was asked, without secrets; unique within the night
    body: bytes
    vintage: Literal["assumed", "observed"]  # history in one go, or a night seen live


class Place(NamedTuple):
    """What surrounds a source: where it may read and keep things, and what it may know."""

    folder: Path | None = None  # that a files source reads
    spool: Path | None = None  # where answers of a pull that is not finished are kept
    secrets: Mapping[str, SecretStr] = {}  # environment variable -> what it holds
    parts: Mapping[str, tuple[SourceBase, "DataSource"]] = {}  # that a mixed source is made of
    live_from: date = date.min  # the session whose night it still is: no earlier one is seen live


class Delivery(NamedTuple):
    """One vendor night, read but not judged: frames of `RAW_BARS` and its kin in `frames`."""

    night: date
    vintage: str
    bars: pl.DataFrame
    actions: pl.DataFrame
    listings: pl.DataFrame
    series: pl.DataFrame
    fundamentals: pl.DataFrame = empty(RAW_FUNDAMENTALS)
    members: pl.DataFrame = empty(RAW_MEMBERS)


class DataSource(ABC):
    """A place data is pulled from."""

    @abstractmethod
    def nights(self, until: date = date.max) -> list[date]:
        """Return the vendor nights on offer at the close of `until`, oldest first.

        Empty deliveries are among them. Nights after `until` may be given too; a source that is
        history in one go has just one, which may lie after it.
        """

    @abstractmethod
    def pull(self, nights: Sequence[date]) -> Iterator[Payload]:
        """Yield the payloads of `nights`, oldest night first; an empty delivery has one too."""

    def landed(self, nights: Sequence[date]) -> None:  # noqa: B027 - few sources keep anything
        """Forget what was kept of unfinished pulls of `nights`: they are in the lake now."""

    @abstractmethod
    def normalise(self, payloads: Sequence[Payload]) -> Delivery:
        """Read the payloads of one night; what cannot be read as a number or a date is null.

        No row is dropped or mended here: that is the gate's work.
        """
