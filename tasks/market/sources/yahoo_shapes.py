"""The shape of what Yahoo's chart service sends, by its own names."""

from typing import Annotated, Any

from pydantic import Field

from tasks.market.sources.shapes import Part, Words


class Meta(Part):
    """What is charted, and where it trades."""

    symbol: Words
    exchangeTimezoneName: Words
    currency: Words | None = None
    exchangeName: Words | None = None
    instrumentType: Words | None = None
    longName: Words | None = None
    shortName: Words | None = None
    firstTradeDate: Any = None


class Events(Part):
    """What happened, by the second it did."""

    splits: dict[str, Any] | None = None
    dividends: dict[str, Any] | None = None
    capitalGains: dict[str, Any] | None = None


class Quote(Part):
    """Cells of bars, one a time stamp."""

    open: list[Any] | None = None
    high: list[Any] | None = None
    low: list[Any] | None = None
    close: list[Any] | None = None
    volume: list[Any] | None = None


class Adjusted(Part):
    """Closes adjusted for splits and dividends."""

    adjclose: list[Any] | None = None


class Indicators(Part):
    """The columns; only the first of each list is read."""

    quote: Annotated[list[Quote], Field(min_length=1)]
    adjclose: list[Adjusted] | None = None


class Result(Part):
    """The chart of one symbol."""

    meta: Meta
    timestamp: list[Any] | None = None
    events: Events | None = None
    indicators: Indicators


class Told(Part):
    """Charts, or why there is none."""

    error: Any = None
    result: list[Any] | None = None


class Answer(Part):
    """All that is sent."""

    chart: Told
