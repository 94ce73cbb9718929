"""End-of-day prices from Tiingo: as traded, adjusted, and the actions, all in one row."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from urllib.parse import quote

import polars as pl
from pydantic import SecretStr

from conf.schema import TiingoSource
from tasks.market.adjust import NOTHING, with_nothing_elsewhere
from tasks.market.frames import RAW_ACTIONS, RAW_BARS
from tasks.market.sources.answers import day_of, json_of, number_of
from tasks.market.sources.protocol import Delivery, Payload, Place, Unreadable
from tasks.market.sources.web_data import Reach, WebData, delivery

COLUMNS = {  # ours -> theirs
    "open": "open",
    "high": "high",
    "low": "low",
    "close": "close",
    "volume": "volume",
    "adj_close": "adjClose",
}
DIVIDEND, SPLIT = "divCash", "splitFactor"
NEEDED = {"date", *COLUMNS.values(), DIVIDEND, SPLIT}


class TiingoData(WebData):
    """Daily bars and actions of US stocks and funds, one answer for each symbol.

    An answer does not name its symbol: what the server sends is taken to be what was asked for. A
    symbol without rows has an empty list, which the gate sees as a missing name.
    """

    def __init__(self, conf: TiingoSource, place: Place):
        super().__init__(conf, place)
        self._conf = conf

    def headers(self) -> Mapping[str, SecretStr | str]:
        """Return the key, as Tiingo wants it."""
        key = self.secret(self._conf.key_variable).get_secret_value().strip()
        return {"Authorization": SecretStr(f"Token {key}")}

    def requests(self, reach: Reach) -> list[str]:
        """Return one request for each symbol."""
        return [f"prices {symbol} {reach.since} {reach.night}" for symbol in self._conf.symbols]

    def ask(self, request: str) -> bytes:
        """Ask for the rows of one symbol."""
        _, symbol, since, night = request.split(" ")
        path = f"/tiingo/daily/{quote(symbol.replace('.', '-'), safe='')}/prices"
        return self.web.get(path, params={"startDate": since, "endDate": night}, expect="json")

    def normalise(self, payloads: Sequence[Payload]) -> Delivery:
        """Read the rows as sent; rows before the days that were asked for are left out.

        A live night says of its sessions without an action that there was none.
        """
        reach = self.reach_of(payloads)
        bars, actions = [], []
        for payload in payloads:
            symbol = payload.request.split(" ")[1]
            for row in _rows(payload, reach.night):
                day = day_of(row["date"])
                if day is None or day >= reach.since:
                    bars.append(_bar(row, day, symbol))
                    actions += _actions(row, day, symbol)
        priced = pl.DataFrame(bars, RAW_BARS, orient="row").sort("session", "symbol")
        told = pl.DataFrame(actions, RAW_ACTIONS, orient="row").sort("ex_session", "symbol", "kind")
        if payloads[0].vintage == "observed":
            told = with_nothing_elsewhere(told, priced)
        return delivery(payloads, bars=priced, actions=told)


def _rows(payload: Payload, night: date) -> list[dict[str, Any]]:
    """Return the rows of an answer, all of them whole and none after the night."""
    what = f"The answer to {payload.request!r}"
    rows = json_of(payload.body, what=what)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Unreadable(f"{what} is no list of rows.")
    if absent := next((gap for row in rows if (gap := NEEDED - row.keys())), None):
        raise Unreadable(f"{what} lacks {', '.join(sorted(absent))} in a row.")
    if later := [row["date"] for row in rows if (day_of(row["date"]) or night) > night]:
        raise Unreadable(
            f"{what} has rows after the night, the last of {str(max(later))[:10]}: the vendor's "
            "clock or its days are off."
        )
    return rows


def _bar(row: dict[str, Any], day: date | None, symbol: str) -> dict[str, Any]:
    numbers = {ours: number_of(row[theirs]) for ours, theirs in COLUMNS.items()}
    return {"session": day, "symbol": symbol, **numbers, "currency": None}


def _actions(row: dict[str, Any], day: date | None, symbol: str) -> list[dict[str, Any]]:
    """Return what a row says of its own day; a cell that is no number is an action of null."""
    told = {"split": number_of(row[SPLIT]), "dividend": number_of(row[DIVIDEND])}
    return [
        {"ex_session": day, "symbol": symbol, "kind": kind, "value": value}
        for kind, value in told.items()
        if value != NOTHING[kind]
    ]
