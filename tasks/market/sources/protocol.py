"""What every data source must do: list its nights, pull them, and read what it pulled."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Literal, NamedTuple

import polars as pl


class Unreadable(ValueError):
    """A payload that cannot be taken apart at all: the night it belongs to must not pass."""


class Payload(NamedTuple):
    """One answer as the vendor sent it."""

    night: date  # the vendor night it belongs to
    request: str  # what was asked, without secrets; unique within the night
    body: bytes
    vintage: Literal["assumed", "observed"]  # history in one go, or a night seen live


class Delivery(NamedTuple):
    """One vendor night, read but not judged: frames of `RAW_BARS` and its kin in `frames`."""

    night: date
    vintage: str
    bars: pl.DataFrame
    actions: pl.DataFrame
    listings: pl.DataFrame
    series: pl.DataFrame


class DataSource(ABC):
    """A place data is pulled from."""

    @abstractmethod
    def nights(self) -> list[date]:
        """Return every vendor night on offer, oldest first, empty deliveries included."""

    @abstractmethod
    def pull(self, nights: Sequence[date]) -> Iterator[Payload]:
        """Yield the payloads of `nights`, oldest night first; an empty delivery has one too."""

    @abstractmethod
    def normalise(self, payloads: Sequence[Payload]) -> Delivery:
        """Read the payloads of one night; what cannot be read as a number or a date is null.

        No row is dropped or mended here: that is the gate's work.
        """
