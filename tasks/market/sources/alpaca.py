"""Daily bars of US stocks from Alpaca, as traded; it does not tell of splits and dividends here."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
from pydantic import SecretStr

from conf.schema import AlpacaSource
from tasks.market.frames import RAW_BARS
from tasks.market.sources.answers import list_of, number_of, shown
from tasks.market.sources.protocol import Delivery, Payload, Place, Unreadable
from tasks.market.sources.web import Unwelcome
from tasks.market.sources.web_data import Reach, WebData, delivery

MOST_PAGES = 1_000  # of one request
NEW_YORK = ZoneInfo("America/New_York")
COLUMNS = {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"}  # ours -> theirs
NEEDED = {"t", *COLUMNS.values()}
BOM = b"\xef\xbb\xbf"


class _Lost(Exception):
    """A page that was promised came empty."""


class AlpacaData(WebData):
    """Daily bars, asked for in chunks of symbols, the history year by year.

    Pages cut across symbols. One payload holds all pages of a request, in a JSON list. Symbols
    are those of the night (`asof`), so that a later rename restates nothing. A symbol without
    bars is not in the answer, which the gate sees as a missing name.
    """

    def __init__(self, conf: AlpacaSource, place: Place):
        super().__init__(conf, place)
        self._conf = conf

    def headers(self) -> Mapping[str, SecretStr | str]:
        """Return the key and its secret."""
        return {
            "APCA-API-KEY-ID": self.secret(self._conf.key_variable),
            "APCA-API-SECRET-KEY": self.secret(self._conf.secret_variable),
        }

    def requests(self, reach: Reach) -> list[str]:
        """Return one request for each chunk of symbols and each year."""
        since, night = reach
        years = [
            (max(since, date(year, 1, 1)), min(night, date(year, 12, 31)))
            for year in range(since.year, night.year + 1)
        ]
        chunks = [
            self._conf.symbols[start : start + self._conf.chunk]
            for start in range(0, len(self._conf.symbols), self._conf.chunk)
        ]
        return [
            f"bars {first} {last} {night} {','.join(chunk)}"
            for chunk in chunks
            for first, last in years
        ]

    def ask(self, request: str) -> bytes:
        """Ask for all pages of one request.

        An empty last page may be a lost one, or the vendor's way to end a row of full pages: pages
        of another size tell, in what is left of the patience and size of one answer.
        """
        with self.web.pages():
            for size in (self._conf.page, max(self._conf.page - 1, 2)):
                try:
                    pages = list(self._pages(request, size))
                except _Lost:
                    continue
                return b"[" + b",".join(page.removeprefix(BOM) for page in pages) + b"]"
        raise Unwelcome(f"{_brief(request)}: a page that was promised came empty, twice.")

    def _pages(self, request: str, size: int) -> Iterator[bytes]:
        """Yield the pages, as long as each leads to a new one."""
        _, first, last, night, symbols = request.split(" ")
        params = {
            "symbols": symbols,
            "timeframe": "1Day",
            "start": f"{first}T00:00:00Z",
            "end": f"{last}T23:59:59Z",
            "limit": str(size),
            "adjustment": "raw",
            "feed": self._conf.feed,
            "asof": night,
            "sort": "asc",
        }
        seen: set[tuple[str, str]] = set()
        tokens: set[str] = set()
        for _ in range(MOST_PAGES):
            body = self.web.get("/v2/stocks/bars", params=params, expect="json")
            sent = json.loads(body)
            page = _page(sent, what=_brief(request))
            keys = [(symbol, str(bar.get("t"))) for symbol, bar in page]
            if tokens and not keys:
                raise _Lost
            if seen & set(keys):
                raise Unwelcome(f"{_brief(request)}: bars of {keys[0][0]} came on two pages.")
            seen |= set(keys)
            yield body
            token = sent["next_page_token"]
            if not token:
                return
            if token in tokens:
                raise Unwelcome(f"{_brief(request)}: the pages lead back to an earlier one.")
            tokens.add(token)
            params["page_token"] = token
        raise Unwelcome(f"{_brief(request)}: more than {MOST_PAGES} pages.")

    def normalise(self, payloads: Sequence[Payload]) -> Delivery:
        """Read the bars; a stamp is midnight in New York, so its day there is the session."""
        reach = self.reach_of(payloads)
        bars = [row for payload in payloads for row in _rows(payload, reach)]
        frame = pl.DataFrame(bars, RAW_BARS, orient="row")
        return delivery(payloads, bars=frame.sort("session", "symbol"))


def _rows(payload: Payload, reach: Reach) -> Iterator[dict[str, Any]]:
    """Yield the bars of a payload from the night's own days; none may be later."""
    what = _brief(payload.request)
    asked = set(payload.request.split(" ")[4].split(","))
    for sent in list_of(payload.body, what=what):
        for symbol, bar in _page(sent, what=what):
            if symbol not in asked:
                raise Unreadable(f"{what}: {_shown(symbol)} was not asked for.")
            session = _session(bar["t"])
            if session is not None and session > reach.night:
                raise Unreadable(
                    f"{what}: a bar of {symbol} is of {session}, after the night: the vendor's "
                    "clock or its days are off."
                )
            if session is None or session >= reach.since:
                numbers = {ours: number_of(bar[theirs]) for ours, theirs in COLUMNS.items()}
                rest = {"adj_close": None, "currency": None}
                yield {"session": session, "symbol": symbol, **numbers, **rest}


def _page(sent: Any, *, what: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the (symbol, bar) of one page."""
    if not isinstance(sent, dict) or not sent.keys() >= {"bars", "next_page_token"}:
        raise Unreadable(f"{what}: a page lacks bars or next_page_token.")
    bars, token = sent["bars"] or {}, sent["next_page_token"]
    lists = bars.values() if isinstance(bars, dict) else [None]
    told = token is None or (isinstance(token, str) and token.isascii())
    if not told or not all(isinstance(one, list) for one in lists):
        raise Unreadable(f"{what}: a page has another shape than it used to have.")
    found = [(symbol, bar) for symbol, own in bars.items() for bar in own]
    if not all(isinstance(bar, dict) for _, bar in found):
        raise Unreadable(f"{what}: a page has a bar of another shape than it used to have.")
    if short := next((one for one in found if not one[1].keys() >= NEEDED), None):
        absent = ", ".join(sorted(NEEDED - short[1].keys()))
        raise Unreadable(f"{what}: a bar of {_shown(short[0])} lacks {absent}.")
    return found


def _session(stamp: Any) -> date | None:
    """Return the day in New York of a stamp in UTC; None where it is none.

    >>> _session("2022-01-03T05:00:00Z"), _session("2022-07-01T04:00:00Z"), _session("?")
    (datetime.date(2022, 1, 3), datetime.date(2022, 7, 1), None)
    """
    try:
        moment = datetime.fromisoformat(stamp)
        return moment.astimezone(NEW_YORK).date() if moment.tzinfo else None
    except (ValueError, TypeError, OverflowError):
        return None


def _shown(symbol: str) -> str:
    """Return a symbol for errors: JSON may hold halves of letters, which are no text."""
    return shown(symbol.encode("utf-8", "replace"))


def _brief(request: str) -> str:
    """Return a request for errors: its first symbol stands for a long list."""
    _, first, last, _, symbols = request.split(" ")
    names = symbols.split(",")
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"Bars of {names[0]}{more} from {first} to {last}"
