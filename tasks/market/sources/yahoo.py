"""Daily bars, dividends and splits from Yahoo's chart service: unofficial, an optional extra.

Yahoo restates its whole history after each split: prices, volumes and dividends of the past are
as if it had always been. Here they are put back to what was traded and paid at the time.
"""

import reprlib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl

from conf.schema import YahooSource
from tasks.market.adjust import with_nothing_elsewhere
from tasks.market.frames import RAW_ACTIONS, RAW_BARS, RAW_LISTINGS, shaped
from tasks.market.sources.answers import json_of, number_of
from tasks.market.sources.browser import BrowserWeb
from tasks.market.sources.protocol import Delivery, Payload, Place, Unreadable
from tasks.market.sources.shapes import read_as
from tasks.market.sources.web_data import Reach, WebData, delivery
from tasks.market.sources.yahoo_shapes import Answer, Events, Indicators, Meta, Result

PRICES = ("open", "high", "low", "close")
FOR_EVER = 9_999_999_999  # seconds: an answer must reach to the day it is given
LATE_HOUR = 22  # stamps of daily bars from here on are the next midnight, an hour or two off
KINDS = {
    "EQUITY": "equity",
    "ETF": "fund",
    "MUTUALFUND": "fund",
    "INDEX": "index",
    "CURRENCY": "fx",
    "CRYPTOCURRENCY": "crypto",
    "FUTURE": "future",
}
MINOR = {"GBp": "GBP", "ZAc": "ZAR", "ILA": "ILS"}  # quoted in hundredths of the currency


class YahooData(WebData):
    """Charts of single symbols, spelt as Yahoo spells them (`BRK-B`, `^GSPC`, `EURUSD=X`)."""

    def __init__(self, conf: YahooSource, place: Place):
        super().__init__(conf, place)
        self._conf = conf

    @cached_property
    def web(self) -> BrowserWeb:
        """The server, asked as a browser asks."""
        return BrowserWeb(self._conf)

    def requests(self, reach: Reach) -> list[str]:
        """Return one chart a symbol, from a day earlier: days begin at other hours elsewhere."""
        begins = (reach.since - timedelta(days=1) - date(1970, 1, 1)).days * 86_400
        asked = (
            f"period1={begins}&period2={FOR_EVER}&interval=1d&events=div%2Csplits%2CcapitalGains"
        )
        return [
            f"/v8/finance/chart/{quote(symbol, safe='')}?{asked}" for symbol in self._conf.symbols
        ]

    def ask(self, request: str) -> bytes:
        """Ask for one chart, and look whether it is one."""
        body = self.web.get(request, expect="json")
        chart(body, symbol=_symbol(request), first=date.min, last=date.max)
        return body

    def normalise(self, payloads: Sequence[Payload]) -> Delivery:
        """Read the charts of one night.

        A live night says of its sessions without an action that there was none.
        """
        first, last = self.reach_of(payloads)
        charts = [
            chart(payload.body, symbol=_symbol(payload.request), first=first, last=last)
            for payload in payloads
        ]
        bars = pl.concat([each.bars for each in charts])
        actions = pl.concat([each.actions for each in charts])
        if payloads[0].vintage == "observed":
            actions = with_nothing_elsewhere(actions, bars)
        return delivery(
            payloads,
            bars=bars,
            actions=actions,
            listings=pl.concat([each.listings for each in charts]),
        )


class Chart(NamedTuple):
    """One answer, read: raw frames of one symbol."""

    bars: pl.DataFrame
    actions: pl.DataFrame
    listings: pl.DataFrame


class _Split(NamedTuple):
    ex_session: date
    ratio: float  # new shares for one old


def chart(body: bytes, *, symbol: str, first: date, last: date) -> Chart:
    """Read a chart answer; rows from `first` to `last`, by the exchange's date.

    Bars are as traded and dividends per share as traded on the ex session: every split that the
    answer tells of, those after `last` too, is taken out of what precedes it, and of nothing
    else. So the answer must reach to the day it was given. `adj_close` stays as sent. A row
    without any number says nothing and is left out, and so is the last but one where the answer
    ends with two rows of one day: the last is the newer print. A fund's capital gains are paid
    like dividends and added to them. What is paid in another currency than the price has a null
    value.
    """
    result = _result(body, symbol)
    meta, events = result.meta, result.events or Events()
    zone = _zone(meta.exchangeTimezoneName, symbol)
    splits = _splits(events.splits or {}, zone, symbol)
    bars = _bars(result, zone, splits, symbol)
    inside = pl.col("session").is_between(first, last)
    bars = bars.filter(inside).with_columns(currency=pl.lit(_major(meta.currency)))
    actions: list[tuple[date, str, str, float | None]] = [
        (split.ex_session, symbol, "split", split.ratio) for split in splits
    ]
    actions += _paid(events, zone, splits, symbol, meta.currency)
    held = pl.col("ex_session").is_between(first, last)
    return Chart(
        shaped(bars, RAW_BARS),
        pl.DataFrame(actions, schema=RAW_ACTIONS, orient="row")
        .filter(held)
        .sort("ex_session", "symbol", "kind"),
        _listing(meta, zone, symbol, last),
    )


def _symbol(request: str) -> str:
    return unquote(urlsplit(request).path.rsplit("/", 1)[-1])


def _result(body: bytes, symbol: str) -> Result:
    what = f"The chart of {symbol}"
    told = read_as(Answer, json_of(body, what=what), what=what).chart
    if told.error:
        raise Unreadable(f"{what} is an error: {told.error!r:.200}.")
    if not told.result:
        raise Unreadable(f"{what} lacks what a chart has, a result: pull it again.")
    result = read_as(Result, told.result[0], what=what)
    if result.meta.symbol.upper() != symbol:
        raise Unreadable(f"{what} is that of {result.meta.symbol!r:.60}.")
    return result


def _zone(name: str, symbol: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as reason:  # the last: it is a folder
        raise Unreadable(
            f"The chart of {symbol} is in an unknown time zone, {name!r:.60}."
        ) from reason


def _session(stamp: object, zone: ZoneInfo, symbol: str) -> date:
    """Return the exchange's date; a midnight stamped an hour early is the day it begins."""
    if not isinstance(stamp, int | float):
        raise Unreadable(
            f"The chart of {symbol} has {reprlib.repr(stamp)} where seconds should be."
        )
    try:
        local = datetime.fromtimestamp(stamp, UTC).astimezone(zone)
        return local.date() + timedelta(days=int(local.hour >= LATE_HOUR))
    except (OverflowError, ValueError, OSError) as reason:
        raise Unreadable(f"The chart of {symbol} has a time of {reprlib.repr(stamp)}.") from reason


def _bars(result: Result, zone: ZoneInfo, splits: Sequence[_Split], symbol: str) -> pl.DataFrame:
    """Return all bars of the answer as traded, currency left open."""
    stamps = result.timestamp or []
    columns = _columns(result.indicators, len(stamps), symbol)
    rows: list[tuple[Any, ...]] = []
    for at, stamp in enumerate(stamps):
        session = _session(stamp, zone, symbol)
        sent = {name: number_of(column[at]) for name, column in columns.items()}
        if all(value is None for value in sent.values()):
            continue
        later = _factor(splits, after=session)
        traded = [_times(sent[name], later) for name in PRICES]
        volume = _times(sent["volume"], 1 / later)
        rows.append((session, symbol, *traded, volume, sent["adj_close"], None))
    if len(rows) > 1 and rows[-1][0] == rows[-2][0]:
        del rows[-2]
    if any(later[0] < earlier[0] for earlier, later in pairwise(rows)):
        raise Unreadable(f"The chart of {symbol} is not in the order of time: pull it again.")
    return pl.DataFrame(rows, schema=RAW_BARS, orient="row")


def _columns(told: Indicators, rows: int, symbol: str) -> dict[str, Sequence[object]]:
    """Return open to volume and adj_close, each as long as the time stamps."""
    adjusted = told.adjclose[0].adjclose if told.adjclose else None
    columns = {**dict(told.quote[0]), "adj_close": adjusted}
    filled = {name: [None] * rows if cells is None else cells for name, cells in columns.items()}
    uneven = [f"{name} {len(cells)}" for name, cells in filled.items() if len(cells) != rows]
    if uneven:
        raise Unreadable(f"The chart of {symbol} has {rows} days but: {', '.join(uneven)}.")
    return filled


def _splits(told: Mapping[str, Any], zone: ZoneInfo, symbol: str) -> list[_Split]:
    splits = []
    for event in told.values():
        try:
            ratio = float(event["numerator"]) / float(event["denominator"])
            splits.append(_Split(_session(event["date"], zone, symbol), ratio))
        except (KeyError, TypeError, ValueError, ArithmeticError) as reason:
            raise Unreadable(
                f"A split of {symbol} cannot be read: {reprlib.repr(event)}."
            ) from reason
    splits.sort()
    factor = 1.0
    for split in reversed(splits):  # what is put back is a product of them, from the last one on
        factor *= split.ratio
        if not 0 < factor < float("inf"):
            raise Unreadable(
                f"Splits of {symbol} from {split.ex_session} on give {factor} shares for one."
            )
    return splits


def _paid(
    events: Events,
    zone: ZoneInfo,
    splits: Sequence[_Split],
    symbol: str,
    currency: str | None,
) -> list[tuple[date, str, str, float | None]]:
    """Return what each ex session paid in cash, per share as it traded that day."""
    paid: dict[date, float | None] = {}
    for kind in (events.dividends, events.capitalGains):
        for event in (kind or {}).values():
            if not isinstance(event, dict) or "date" not in event:
                raise Unreadable(f"A dividend of {symbol} cannot be read: {reprlib.repr(event)}.")
            day = _session(event["date"], zone, symbol)
            amount = number_of(event.get("amount"))
            if event.get("currency", currency) != currency:
                amount = None
            before = paid.get(day, 0.0)
            paid[day] = None if amount is None or before is None else before + amount
    return [
        (day, symbol, "dividend", _times(amount, _factor(splits, after=day)))
        for day, amount in paid.items()
    ]


def _listing(meta: Meta, zone: ZoneInfo, symbol: str, last: date) -> pl.DataFrame:
    began = meta.firstTradeDate
    since = _session(began, zone, symbol) if isinstance(began, int) else None
    row = {
        "symbol": symbol,
        "name": meta.longName or meta.shortName,
        "asset_class": KINDS.get(meta.instrumentType or "", "unknown"),
        "from_session": since if since and since <= last else None,
        "exchange": meta.exchangeName,
        "currency": _major(meta.currency),
        "multiplier": 0.01 if meta.currency in MINOR else None,
    }
    return shaped(pl.DataFrame([row]), RAW_LISTINGS)


def _major(currency: str | None) -> str | None:
    return MINOR.get(currency, currency) if currency else currency


def _factor(splits: Sequence[_Split], *, after: date) -> float:
    """Return the shares that one share of `after` has become by now."""
    product = 1.0
    for split in splits:
        if split.ex_session > after:
            product *= split.ratio
    return product


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
