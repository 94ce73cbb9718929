"""Figures that companies filed with the SEC, as company facts: known from the day of filing."""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cached_property
from itertools import product
from typing import Annotated, Any
from urllib.parse import urlsplit

import polars as pl
from pydantic import PlainValidator

from conf.schema import EdgarSource
from tasks.market.frames import RAW_FUNDAMENTALS, RAW_LISTINGS, shaped
from tasks.market.fundamentals import ANNUAL_FORMS
from tasks.market.sources.answers import day_of, json_of, number_of
from tasks.market.sources.knowledge import known_within
from tasks.market.sources.protocol import Delivery, Payload, Place, Unreadable
from tasks.market.sources.shapes import Part, Words, read_as
from tasks.market.sources.web_data import Reach, WebData, delivery

UNITS = ("USD", "shares", "USD/shares")  # the first of these that a figure is stated in
QUARTER = range(70, 121)  # days: 12 weeks to 17, as retailers count them
YEAR = range(350, 381)


def _day(sent: object) -> date:
    day = day_of(sent)
    if day is None:
        raise ValueError("it should be a day")
    return day


Day = Annotated[date, PlainValidator(_day)]


class _Fact(Part):
    filed: Day
    end: Day
    start: Annotated[date | None, PlainValidator(_day)] = None  # a balance has none
    val: Any = None
    form: Words | None = None
    accn: str | None = None


class _Company(Part):
    cik: int
    entityName: Words
    facts: dict[str, Any]


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
        """Read what was filed until the night, and name the companies."""
        reach = self.reach_of(payloads)
        told, listed = [], []
        for payload in payloads:
            symbol, number = payload.request.split()
            company = _company(payload.body, symbol, number)
            told.append(fundamentals(company, symbol, self._conf.items, until=reach.night))
            listed.append((symbol, company["entityName"], "equity", number))
        live = payloads[0].vintage == "observed"
        columns = ["symbol", "name", "asset_class", "vendor_id"]
        return delivery(
            payloads,
            fundamentals=known_within(pl.concat(told), self.calendar, reach, live=live),
            listings=shaped(pl.DataFrame(listed, columns, orient="row"), RAW_LISTINGS),
        )

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return company_numbers(self.web.get(self._conf.tickers_url, expect="json"))


def fundamentals(
    company: Mapping[str, Any], symbol: str, items: Mapping[str, Sequence[str]], *, until: date
) -> pl.DataFrame:
    """Return `RAW_FUNDAMENTALS` of what was filed, in the order of filing; `known_on` is the day.

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
        until: Latest day of filing: what was filed after it does not exist yet.
    """
    rows: dict[tuple[date, date, str], tuple[str, float | None, str]] = {}
    facts = _facts(company, symbol)
    for item, tags in items.items():
        for tag, unit in product(reversed(tags), reversed(UNITS)):  # what counts is written last
            for fact in _told(facts, tag, unit, symbol):
                if fact.filed > until or not _counts(fact):
                    continue
                key, value = (fact.filed, fact.end, item), number_of(fact.val)
                if value is not None or key not in rows:
                    rows[key] = (symbol, value, fact.form or "")
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
    except (ArithmeticError, ValueError, TypeError, LookupError, AttributeError) as reason:
        raise Unreadable(
            f"The SEC's list of tickers is not what it was ({reason!r}): look at tickers_url."
        ) from reason


def _company(body: bytes, symbol: str, number: str) -> dict[str, Any]:
    """Return company facts once they are sure to be those of `number`."""
    company: dict[str, Any] = json_of(body, what=f"The company facts of {symbol}")
    what = f"What was sent as facts of {symbol} ({number})"
    found = f"CIK{read_as(_Company, company, what=what).cik:010d}"
    if found != number:
        raise Unreadable(f"Facts of {symbol} ({number}) were asked for; these are of {found:.40}.")
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


def _told(facts: Mapping[str, Any], tag: str, unit: str, symbol: str) -> list[_Fact]:
    """Return what was told in one unit; of one day's filings the last (by its number) is last."""
    try:
        told = facts[tag]["units"].get(unit, []) if tag in facts else []
        facts_told = [read_as(_Fact, fact, what=f"A fact of {symbol} ({tag})") for fact in told]
    except (TypeError, KeyError, AttributeError) as reason:
        raise Unreadable(f"{tag} of {symbol} cannot be read ({reason!r}).") from reason
    return sorted(facts_told, key=lambda fact: fact.accn or "")


def _counts(fact: _Fact) -> bool:
    if fact.start is None:
        return True
    days = (fact.end - fact.start).days + 1
    return days in (YEAR if (fact.form or "").startswith(ANNUAL_FORMS) else QUARTER)
