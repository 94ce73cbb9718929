"""Daily candles of crypto pairs from Binance's public market data, in UTC days."""

import reprlib
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import polars as pl

from conf.schema import BinanceSource
from tasks.market.frames import RAW_BARS, RAW_LISTINGS, shaped
from tasks.market.sources.answers import list_of, number_of
from tasks.market.sources.protocol import Delivery, Payload, Place, Unreadable
from tasks.market.sources.web import Unwelcome
from tasks.market.sources.web_data import Reach, WebData, delivery

DAY_MS = 86_400_000
MOST_CANDLES = 1000  # in one answer
CELLS = 12  # of one candle
# Tail of a pair -> the currency its prices count as. A token pegged to the dollar is not the
# dollar: taking it for one is an approximation, and the name of the listing says the token.
QUOTES = {
    "FDUSD": "USD",
    "USDT": "USD",
    "USDC": "USD",
    "TUSD": "USD",
    "BUSD": "USD",
    "USD": "USD",
    "EUR": "EUR",
    "GBP": "GBP",
    "TRY": "TRY",
    "BRL": "BRL",
    "JPY": "JPY",
    "BTC": "BTC",
    "ETH": "ETH",
    "BNB": "BNB",
}


class Page(NamedTuple):
    """What one request asks for: the daily candles of a pair, both days included, in UTC."""

    symbol: str
    first: date
    last: date


class BinanceData(WebData):
    """Daily candles of pairs; a night is a day in UTC, and needs no key."""

    def __init__(self, conf: BinanceSource, place: Place):
        super().__init__(conf, place)
        self._conf = conf
        for symbol in conf.symbols:
            pair(symbol)

    def requests(self, reach: Reach) -> list[str]:
        """Return the pages of each pair, told by their days."""
        return [
            _request(Page(symbol, *days)) for symbol in self._conf.symbols for days in _pages(reach)
        ]

    def ask(self, request: str) -> bytes:
        """Ask for one page, and look whether it is that page, and all of it.

        A page that ends early is asked for what follows: nothing does where a pair has ended.
        """
        page = _page(request)
        with self.web.pages():
            body = self.web.get(request, expect="json")
            last = candles(body, page, night=page.last)["session"].max()
            if isinstance(last, date) and last < page.last:
                rest = page._replace(first=last + timedelta(days=1))
                more = self.web.get(_request(rest), expect="json")
                if candles(more, rest, night=rest.last).height:
                    raise Unwelcome(
                        f"Candles of {page.symbol} from {page.first} to {page.last} were asked "
                        f"for; the answer ends on {last}, and more follow: the server cuts pages."
                    )
        return body

    def normalise(self, payloads: Sequence[Payload]) -> Delivery:
        """Read the candles; a pair that has no page with any is not listed."""
        night = self.reach_of(payloads).night
        pages = [(_page(payload.request), payload.body) for payload in payloads]
        bars = []
        for symbol, own in groupby(pages, lambda page: page[0].symbol):
            read = [candles(body, page, night=night) for page, body in own]
            _require_no_hole(read, symbol)
            bars += read
        found = pl.concat(bars)
        return delivery(payloads, bars=found, listings=_listings(found))


def candles(body: bytes, page: Page, *, night: date) -> pl.DataFrame:
    """Return `RAW_BARS` of one page in the order sent.

    The candle of the day after `night` is unfinished on that night and left out; any other that
    lies outside the page means that something else was answered. Volume is in units of the base
    currency. What cannot be read as a number is null.
    """
    sent = list_of(body, what=f"The answer with candles of {page.symbol}")
    rows = [_bar(candle, page.symbol) for candle in sent]
    finished = [row for row in rows if row[0] != night + timedelta(days=1)]
    if strange := [row[0] for row in finished if not page.first <= row[0] <= page.last]:
        raise Unreadable(
            f"Candles of {page.symbol} from {page.first} to {page.last} were asked for; "
            f"the answer holds {min(strange)} to {max(strange)}: pull it again."
        )
    return pl.DataFrame(finished, schema=RAW_BARS, orient="row")


def pair(symbol: str) -> tuple[str, str]:
    """Return what a pair trades and what its prices are in.

    >>> pair("BTCUSDT")
    ('BTC', 'USDT')
    """
    for quote in QUOTES:
        if symbol.endswith(quote) and symbol != quote:
            return symbol.removesuffix(quote), quote
    raise ValueError(
        f"Cannot tell what {symbol!r} is quoted in; known endings: {', '.join(QUOTES)}."
    )


def _pages(reach: Reach) -> list[tuple[date, date]]:
    """Return the days of a reach in pages no answer is too small for."""
    pages, first = [], reach.since
    while first <= reach.night:
        last = min(first + timedelta(days=MOST_CANDLES - 1), reach.night)
        pages.append((first, last))
        first = last + timedelta(days=1)
    return pages


def _request(page: Page) -> str:
    begins = _milliseconds(page.first)
    ends = _milliseconds(page.last) + DAY_MS - 1
    days = f"startTime={begins}&endTime={ends}&limit={MOST_CANDLES}"
    return f"/api/v3/klines?symbol={page.symbol}&interval=1d&{days}"


def _page(request: str) -> Page:
    asked = {name: values[0] for name, values in parse_qs(urlsplit(request).query).items()}
    return Page(asked["symbol"], _day(int(asked["startTime"])), _day(int(asked["endTime"])))


def _require_no_hole(pages: Sequence[pl.DataFrame], symbol: str) -> None:
    """Refuse an empty page between two that are not: pairs trade every day."""
    filled = [at for at, page in enumerate(pages) if page.height]
    if filled and filled[-1] - filled[0] + 1 > len(filled):
        before, after = (pages[at].item(0, "session") for at in (filled[0], filled[-1]))
        raise Unreadable(
            f"A page of {symbol} between {before} and {after} is empty: pull it again."
        )


def _listings(bars: pl.DataFrame) -> pl.DataFrame:
    """Return what each pair is; the name says the very token that its prices are in."""
    symbols = bars["symbol"].unique().sort().to_list()
    named = [pair(symbol) for symbol in symbols]
    columns = {
        "symbol": symbols,
        "name": [f"{base} in {quote}" for base, quote in named],
        "asset_class": ["crypto"] * len(symbols),
        "currency": [QUOTES[quote] for _, quote in named],
    }
    return shaped(pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String)), RAW_LISTINGS)


def _bar(candle: Any, symbol: str) -> tuple[Any, ...]:
    """Return the row of `RAW_BARS` of one candle."""
    if not isinstance(candle, list) or len(candle) != CELLS:
        raise Unreadable(
            f"A candle of {symbol} has {CELLS} cells; found {reprlib.repr(candle):.80}."
        )
    opened, closes = candle[0], candle[6]
    if not isinstance(opened, int) or opened % DAY_MS or closes != opened + DAY_MS - 1:
        raise Unreadable(
            f"A candle of {symbol} opens at {opened!r} and closes at {closes!r}: no day in UTC."
        )
    prices = [number_of(cell) for cell in candle[1:6]]
    return _day(opened), symbol, *prices, None, QUOTES[pair(symbol)[1]]


def _day(milliseconds: int) -> date:
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).date()
    except (OverflowError, ValueError, OSError) as reason:
        raise Unreadable(f"{milliseconds} is no time in milliseconds.") from reason


def _milliseconds(day: date) -> int:
    return (day - date(1970, 1, 1)).days * DAY_MS
