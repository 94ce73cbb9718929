"""Contracts of one root chained into a series that never expires.

The continuous bar is the bar of the contract in front, as traded. On the session another contract
comes to the front, an action `roll` pays the holder the old close less the new one, both of the
last session on which both closed, as a rule the one before: who held one unit at `old` has a
contract at `new` and `old - new` in cash, so

    r(s) = (p(s) + old - new) / old - 1 = (p(s) - new) / old,

the new contract's own change over the price that was held. In contango the roll is negative.
"""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

import polars as pl

from conf.schema import Continuous
from tasks.market.calendar import Calendar
from tasks.market.frames import RAW_ACTIONS, RAW_BARS, RAW_LISTINGS

Row = dict[str, Any]
# What holds of a contract until it is said otherwise.
_LASTING = ["exchange", "currency", "multiplier", "root", "to_session"]


class Chained(NamedTuple):
    """What tonight adds of continuous symbols, as a source would deliver it."""

    bars: pl.DataFrame  # RAW_BARS, sorted by session and symbol
    actions: pl.DataFrame  # RAW_ACTIONS of kind roll, sorted by ex_session and symbol
    listings: pl.DataFrame  # RAW_LISTINGS: a row for each contract that came to the front, its name


def chained(
    bars: pl.DataFrame,
    contracts: pl.DataFrame,
    recent: pl.DataFrame,
    chains: Mapping[str, Continuous],
    days: Calendar,
) -> Chained:
    """Return tonight's rows of every continuous symbol.

    Which contract is in front was decided at the close before, from what was known there. By
    calendar it gives way `sessions_before` its last trade, to the next in expiry. By volume it
    gives way on the session after a later contract traded more than it did, to the one that
    traded most, and at the latest then too. It never goes back in expiry, and only to a contract
    that closed on the session before. A front without a bar there has not been outdone: the row
    may only be missing. The first front is the nearest (by volume, the most traded)
    with a bar. A front that is due and has no bar there gives way to a contract that once closed
    beside it. A row that corrects an earlier session is that of the contract in front then; it
    counts in what is decided from then on, and a roll that was paid by it is told anew.

    All that is carried from night to night stands in the lake: the listing of a continuous symbol
    names the contract in front since its `from_session`, and the recent rows hold the closes.

    Args:
        bars: `RAW_BARS` that passed the gate.
        contracts: Rows of `RAW_LISTINGS` known tonight, in the order they became known; those of
            the continuous symbols too. What a later row of a contract does not say holds on. A
            contract without `root` or `to_session`, its last trade, is in no chain.
        recent: (symbol, session, close, volume): the clean rows of the last sessions, as they were
            known before tonight.
        chains: Continuous symbol -> how it is chained.
        days: The source's calendar.
    """
    if taken := sorted(set(chains) & set(bars["symbol"])):
        raise ValueError(f"The source has bars of {', '.join(taken)}: name its chains otherwise.")
    rows: list[Row] = []
    rolls: list[Row] = []
    listings: list[Row] = []
    for symbol in sorted(chains):
        chain = _Chain(symbol, chains[symbol], contracts, recent, days)
        own = bars.filter(pl.col("symbol").is_in(list(chain.contracts)))
        for part in own.sort("session", "symbol").partition_by("session"):
            chain.go_on(part)
        rows += chain.rows
        rolls += chain.rolls()
        listings += chain.fronts
    return Chained(
        pl.DataFrame(rows, schema=RAW_BARS).sort("session", "symbol"),
        pl.DataFrame(rolls, schema=RAW_ACTIONS).sort("ex_session", "symbol"),
        pl.DataFrame(listings, schema=RAW_LISTINGS).sort("from_session", "symbol"),
    )


class _Quote(NamedTuple):
    """What was last seen of a contract."""

    session: date
    close: float
    volume: float


class _Chain:
    """One continuous symbol, led from session to session; `rows` and `fronts` collect the new."""

    def __init__(
        self,
        symbol: str,
        rules: Continuous,
        contracts: pl.DataFrame,
        recent: pl.DataFrame,
        days: Calendar,
    ):
        self._symbol, self._rules, self._days = symbol, rules, days
        known = contracts.with_columns(pl.col(_LASTING).forward_fill().over("symbol"))
        dated = (
            known.unique("symbol", keep="last", maintain_order=True)
            .filter(
                pl.col("root") == rules.root,
                pl.col("to_session").is_not_null(),
                symbol != pl.col("symbol"),
            )
            .sort("to_session", "symbol")
        )
        self.contracts = {row["symbol"]: row for row in dated.iter_rows(named=True)}
        own = contracts.filter(pl.col("symbol") == symbol).sort("from_session", maintain_order=True)
        self._past = list(
            own.select("from_session", "name").iter_rows()
        )  # who is in front since when
        self._quotes: dict[str, _Quote] = {}  # the newest of each contract
        self._closes: dict[str, dict[date, float]] = {}
        held = recent.filter(pl.col("symbol").is_in(list(self.contracts)))
        for row in held.sort("session").iter_rows(named=True):
            self._see(row)
        seen = [quote.session for quote in self._quotes.values()]
        self._decided = max([*seen, *(since for since, _ in self._past)], default=date.min)
        self._paid = self._payments()
        self.rows: list[Row] = []
        self.fronts: list[Row] = []

    def go_on(self, rows: pl.DataFrame) -> None:
        """Take the contracts' rows of one session; later sessions come later."""
        by_symbol = {row["symbol"]: row for row in rows.iter_rows(named=True)}
        session = rows["session"][0]
        if session > self._decided:
            self._decide(session, by_symbol)
            self._decided = session
        for row in by_symbol.values():
            self._see(row)
        front = self._front(session)
        if front in by_symbol:
            self.rows.append(by_symbol[front] | {"symbol": self._symbol})

    def rolls(self) -> list[Row]:
        """Return the rolls of tonight, and the older ones of which a close was corrected.

        One that comes later than the session after the newest close known here is not told anew: a
        night that is late does not know the closes that it was paid by.
        """
        if not self._quotes:
            return []
        newest = self._days.next(max(quote.session for quote in self._quotes.values()))
        new = {row["from_session"] for row in self.fronts}
        about: Row = {"symbol": self._symbol, "kind": "roll"}
        return [
            about | {"ex_session": since, "value": value}
            for since, value in self._payments().items()
            if since in new or (since <= newest and self._paid.get(since, value) != value)
        ]

    def _payments(self) -> dict[date, float]:
        """Return what each roll pays by the closes that are known, where they are."""
        found = {}
        for (_, old), (since, new) in pairwise(self._past):
            shared = [day for day in self._shared(old, new) if day < since]
            if old != new and shared:
                found[since] = self._closes[old][max(shared)] - self._closes[new][max(shared)]
        return found

    def _shared(self, one: str, other: str) -> set[date]:
        """Return the sessions on which both closed."""
        return self._closes.get(one, {}).keys() & self._closes.get(other, {}).keys()

    def _see(self, row: Row) -> None:
        """Remember a row; one that comes later for its session takes the place of the first."""
        name, quote = row["symbol"], _quote(row)
        self._closes.setdefault(name, {})[quote.session] = quote.close
        if name not in self._quotes or self._quotes[name].session <= quote.session:
            self._quotes[name] = quote

    def _front(self, session: date) -> str | None:
        held = [name for since, name in self._past if since <= session]
        return held[-1] if held else None

    def _decide(self, session: date, by_symbol: Mapping[str, Row]) -> None:
        """Bring another contract to the front where the close before `session` asked for it."""
        front = self._front(session)
        if front is None:
            new = self._first(session, by_symbol)
        elif front not in self.contracts:
            raise ValueError(
                f"{self._symbol} stands on {front}, of which no listing tells the last trade."
            )
        else:
            new = self._next(front, session)
        if new is None:
            return
        said = ("exchange", "currency", "multiplier", "root")
        about = {name: self.contracts[new][name] for name in said}
        what = {"symbol": self._symbol, "name": new, "asset_class": "future"}
        self.fronts.append(what | about | {"from_session": session})
        self._past.append((session, new))

    def _first(self, session: date, by_symbol: Mapping[str, Row]) -> str | None:
        there = self._eligible(by_symbol, session)
        if self._rules.roll == "volume":
            return max(there, key=lambda name: by_symbol[name]["volume"] or 0.0, default=None)
        return next(iter(there), None)

    def _next(self, front: str, session: date) -> str | None:
        """Return who takes the place of `front`, if anybody."""
        if front not in self._quotes:  # nothing tells what its holder is to be paid
            return None
        before = max(quote.session for quote in self._quotes.values())
        there = [name for name, quote in self._quotes.items() if quote.session == before]
        later = [
            name
            for name in self._eligible(there, session)
            if self._expiry(name) > self._expiry(front)
        ]
        held, due = self._quotes[front], self._ripe(front, session)
        if held.session < before:
            later = [name for name in later if self._shared(front, name)]
        if not later:
            return None
        if self._rules.roll == "calendar":
            return later[0] if due else None
        most = max(later, key=lambda name: self._quotes[name].volume)
        outdone = held.session == before and self._quotes[most].volume > held.volume
        return most if due or outdone else None

    def _eligible(self, names: Iterable[str], session: date) -> list[str]:
        """Return which of these may be in front on `session`, the next to expire first."""
        fresh = [name for name in names if not self._ripe(name, session)]
        return sorted(fresh, key=self._expiry)

    def _expiry(self, contract: str) -> tuple[date, str]:
        return self.contracts[contract]["to_session"], contract

    def _ripe(self, contract: str, session: date) -> bool:
        """Return whether only `sessions_before` sessions or fewer are left after `session`."""
        last, most = self.contracts[contract]["to_session"], self._rules.sessions_before
        if last - session > timedelta(days=2 * most + 14):  # also where no calendar reaches
            return False
        return last <= session or len(self._days.sessions(session, last)) - 1 <= most


def _quote(row: Row) -> _Quote:
    return _Quote(row["session"], row["close"], row["volume"] or 0.0)
