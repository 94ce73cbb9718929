"""Figures that companies filed with the SEC, as company facts: known from the day of filing."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import polars as pl

from conf.schema import EdgarSource
from tasks.market.frames import RAW_FUNDAMENTALS, RAW_LISTINGS, shaped
from tasks.market.sources.answers import json_of
from tasks.market.sources.protocol import Delivery, Payload, Place, Unreadable
from tasks.market.sources.web_data import Reach, WebData, delivery

UNITS = ("USD", "shares", "USD/shares")  # the first of these that a figure is stated in
QUARTER = range(70, 121)  # days: 12 weeks to 17, as retailers count them
YEAR = range(350, 381)
ANNUAL_FORMS = ("10-K", "20-F", "40-F")  # and what is derived from them: 10-K/A, 10-KT, ...


class EdgarData(WebData):
    """Company facts of each symbol, by the SEC's own list of tickers as it is today.

    That list knows no past: a symbol means the company that bears it now, in the history too.
    """

    def __init__(self, conf: EdgarSource, place: Place):
        super().__init__(conf, place)
        self._conf = conf

    def headers(self) -> Mapping[str, str]:
        """Return who asks: the SEC answers nobody else."""
        variable = self._conf.contact_variable
        if variable not in self._place.secrets:
            raise ValueError(
                f"{self._conf.title!r}: the SEC wants to know who asks. Set the environment "
                f"variable {variable} to a name and an e-mail address."
            )
        return {"User-Agent": self._place.secrets[variable].get_secret_value()}

    def hosts(self) -> Sequence[str]:
        """Return the host that lists the tickers."""
        return [urlsplit(self._conf.tickers_url).hostname or ""]

    def requests(self, reach: Reach) -> list[str]:
        """Return the company facts of each symbol, told by the SEC's number."""
        spelt = {symbol: symbol.replace(".", "-") for symbol in self._conf.symbols}
        if unknown := [symbol for symbol in spelt if spelt[symbol] not in self._numbers]:
            raise ValueError(
                f"The SEC lists no company as {', '.join(unknown)}: those that are gone are not "
                f"in {self._conf.tickers_url}. Take them out of the symbols."
            )
        return [f"{symbol} CIK{self._numbers[spelt[symbol]]:010d}" for symbol in spelt]

    def ask(self, request: str) -> bytes:
        """Ask for the facts of one company, and look whether they are its."""
        symbol, number = request.split()
        body = self.web.get(f"/api/xbrl/companyfacts/{number}.json", expect="json")
        _company(body, symbol, number)
        return body

    def normalise(self, payloads: Sequence[Payload]) -> Delivery:
        """Read what was filed; what a live night brings is known from that night on."""
        first, last = self.reach_of(payloads)
        if first == last:  # filings of days without a session wait for the next one
            first = self.calendar.previous(last) + timedelta(days=1)
        told, listed = [], []
        for payload in payloads:
            symbol, number = payload.request.split()
            company = _company(payload.body, symbol, number)
            told.append(
                fundamentals(company, symbol=symbol, items=self._conf.items, first=first, last=last)
            )
            listed.append((symbol, company["entityName"], "equity", number))
        found = pl.concat(told)
        if payloads[0].vintage == "observed":
            found = found.with_columns(known_on=pl.lit(last))
        columns = ["symbol", "name", "asset_class", "vendor_id"]
        listings = shaped(pl.DataFrame(listed, schema=columns, orient="row"), RAW_LISTINGS)
        return delivery(payloads, fundamentals=found, listings=listings)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return company_numbers(self.web.get(self._conf.tickers_url, expect="json"))


def fundamentals(
    company: Mapping[str, Any],
    *,
    symbol: str,
    items: Mapping[str, Sequence[str]],
    first: date,
    last: date,
) -> pl.DataFrame:
    """Return `RAW_FUNDAMENTALS` of the filings from `first` to `last`, in the order of filing.

    What was filed again for the same period, restated or not, is a row of its own with a later
    `known_on`. For one period in one day's filings the first of the item's tags counts that has a
    value there: a tag used later never hides what was filed under another one before. Balances
    (facts without a start) count from every form; flows count where they span a year in an annual
    form, and where they span a quarter in any other. So a period that ends the fiscal year carries
    the year, any other one the quarter, and `form` tells which; flows since the start of the
    year, such as the cash flows of a second quarter, are left out.

    Args:
        company: Company facts, as sent.
        symbol: Whose they are.
        items: Our names -> tags there.
        first: Earliest day of filing.
        last: Latest day of filing: what was filed after it does not exist yet.
    """
    rows: dict[tuple[date, date, str], tuple[str, float | None, str]] = {}
    facts = _facts(company, symbol)
    for item, tags in items.items():
        for tag in reversed(tags):  # so that the first tag is written last
            told = sorted(_told(facts, tag, symbol), key=lambda fact: str(fact.get("accn", "")))
            for fact in told:
                filed, end = _day(fact, "filed", symbol), _day(fact, "end", symbol)
                if first <= filed <= last and _counts(fact, end, symbol):
                    value = _number(fact.get("val"))
                    rows[filed, end, item] = (symbol, value, str(fact.get("form", "")))
    return pl.DataFrame(
        [
            (end, symbol, item, value, form, filed)
            for (filed, end, item), (symbol, value, form) in sorted(rows.items())
        ],
        schema=RAW_FUNDAMENTALS,
        orient="row",
    )


def company_numbers(body: bytes) -> dict[str, int]:
    """Return the SEC's number (CIK) of every ticker, spelt as there: `BRK-B`."""
    listed = json_of(body, what="The SEC's list of tickers")
    try:
        return {row["ticker"].upper(): int(row["cik_str"]) for row in listed.values()}
    except (ValueError, TypeError, KeyError, AttributeError) as reason:
        raise Unreadable(
            f"The SEC's list of tickers is not what it was ({reason!r}): look at tickers_url."
        ) from reason


def _company(body: bytes, symbol: str, number: str) -> dict[str, Any]:
    """Return company facts once they are sure to be those of `number`."""
    company = json_of(body, what=f"The company facts of {symbol}")
    try:
        found = f"CIK{int(company['cik']):010d}"
        whole = isinstance(company["facts"], dict) and isinstance(company["entityName"], str)
    except (ValueError, TypeError, KeyError) as reason:
        raise Unreadable(f"Company facts of {symbol} lack {reason}: pull them again.") from reason
    if found != number or not whole:
        raise Unreadable(f"Facts of {symbol} ({number}) were asked for; these are of {found}.")
    return company


def _facts(company: Mapping[str, Any], symbol: str) -> dict[str, Any]:
    """Return tag -> units -> facts, over all taxonomies; us-gaap counts first."""
    merged: dict[str, Any] = {}
    try:
        taxonomies = company["facts"]
        for name in sorted(taxonomies, key=lambda name: (name != "us-gaap", name)):
            merged = {**taxonomies[name], **merged}
    except (TypeError, KeyError) as reason:
        raise Unreadable(f"Company facts of {symbol} cannot be read ({reason!r}).") from reason
    return merged


def _told(facts: Mapping[str, Any], tag: str, symbol: str) -> Iterator[dict[str, Any]]:
    if tag not in facts:
        return
    try:
        units = facts[tag]["units"]
        unit = next((unit for unit in UNITS if unit in units), None)
        told = units[unit] if unit else []
    except (TypeError, KeyError) as reason:
        raise Unreadable(f"{tag} of {symbol} cannot be read ({reason!r}).") from reason
    for fact in told:
        if not isinstance(fact, dict):
            raise Unreadable(f"{tag} of {symbol} holds {fact!r}, which is no fact.")
        yield fact


def _counts(fact: Mapping[str, Any], end: date, symbol: str) -> bool:
    if "start" not in fact:
        return True
    days = (end - _day(fact, "start", symbol)).days + 1
    annual = str(fact.get("form", "")).startswith(ANNUAL_FORMS)
    return days in (YEAR if annual else QUARTER)


def _day(fact: Mapping[str, Any], key: str, symbol: str) -> date:
    try:
        return date.fromisoformat(fact[key])
    except (KeyError, TypeError, ValueError) as reason:
        raise Unreadable(
            f"A fact of {symbol} has no day {key!r} ({fact.get(key)!r}): pull it again."
        ) from reason


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
