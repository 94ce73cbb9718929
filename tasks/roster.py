"""Who may be held and what it is worth a point, session by session, by what was known then."""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

import polars as pl

from tasks.market.calendar import Calendar
from tasks.market.currency import Terms, Worth, pairs_between, terms_of, without_rate, worth
from tasks.market.history import View
from tasks.market.lake import Lake
from tasks.market.universe import members, sessions_needed
from tasks.settings import calendar, load_source, load_universe

if TYPE_CHECKING:
    from conf.schema import Universe


class Rates:
    """Exchange rates of one source, and what its names are worth in one currency by them."""

    def __init__(
        self, lake: Lake, source: str, roster: "Roster", currency: str, last: date
    ) -> None:
        settings = load_source(source)
        self._roster, self._currency, self._quoted_in = roster, currency, settings.currency
        self._stale = settings.stale_sessions if settings.kind == "mixed" else 0
        self._days, self._starts = calendar(settings.calendar), settings.starts
        pairs = pairs_between({currency, settings.currency, *roster.currencies})
        series = lake.known("series", as_of=last, source=source, prints="all")
        series = series.filter(pl.col("name").is_in(pairs))
        self._series = series.sort("known_on", "delivery", "session", "name")
        self._listings, self._terms = pl.DataFrame(), dict[str, Terms]()

    def worth(self, names: Sequence[str], sessions: Sequence[date]) -> Worth:
        """Return what prices of `names` are worth over `sessions`, without holes.

        By rates and listings known at the close of the last of them.
        """
        as_of = sessions[-1]
        before = days_back(self._days, sessions[0], self._stale, self._starts)
        rows = int(self._series["known_on"].search_sorted(as_of, side="right"))
        known = self._series.head(rows).filter(pl.col("session") >= before)
        known = known.unique(["session", "name"], keep="last", maintain_order=True)
        listings = self._roster.known_at(as_of)
        if listings is not self._listings:
            self._listings, self._terms = listings, terms_of(listings, self._quoted_in)
        return worth(
            names,
            sessions,
            self._terms,
            known,
            currency=self._currency,
            earlier=self._days.sessions(before, sessions[0])[:-1],
            stale_sessions=self._stale,
        )

    def require(self, view: View, worth: Worth, held: Sequence[str]) -> None:
        """Raise `LookupError` where a holding cannot be valued any more for want of a rate."""
        if lost := without_rate(worth, view.instruments, held):
            told = ", ".join(f"{name} in {code}" for name, code in sorted(lost.items()))
            raise LookupError(
                f"no exchange rate into {self._currency} at {view.as_of}, nor in the "
                f"{self._stale} sessions before, for holdings {told}: bring the rates, or let "
                "the source carry them longer (stale_sessions)"
            )


class Roster:
    """Who may be held, session by session, by what was known then."""

    def __init__(self, lake: Lake, source: str, universe: str, as_of: date) -> None:
        self.universe: Universe = load_universe(universe)
        listings = lake.known("listings", as_of=as_of, source=source, prints="all")
        self._listings = listings.sort("known_on", "delivery", "from_session")
        self._rows, self._known = 0, self._listings.clear()
        self._told, self._sectors = self._known, dict[str, str]()
        named = load_universe(universe).kind == "screened"
        events = lake.known("members", as_of=as_of, source=source, prints="all") if named else None
        self._events = None if events is None else events.sort("known_on", "delivery")
        self._rules = self.universe.liquidity if self.universe.kind == "screened" else None
        currency = load_source(source).currency
        self._rates = Rates(lake, source, self, currency, as_of) if self._rules else None

    def known_at(self, as_of: date) -> pl.DataFrame:
        """Return the listings known at `as_of`, the newest row of each instrument.

        Its `from_session` is the earliest that was known: since when the instrument is listed.
        """
        rows = int(self._listings["known_on"].search_sorted(as_of, side="right"))
        if rows != self._rows:
            known = self._listings.head(rows).filter(pl.col("instrument") != "")
            self._rows = rows
            since = pl.col("from_session").min().over("instrument")
            self._known = known.with_columns(since).unique(
                "instrument", keep="last", maintain_order=True
            )
        return self._known

    def sectors_at(self, as_of: date) -> dict[str, str]:
        """Return the sector of each instrument that one is known of at `as_of`."""
        known = self.known_at(as_of)
        if known is not self._told:
            told = known.filter(pl.col("sector") != "").select("instrument", "sector")
            self._told, self._sectors = known, dict(told.iter_rows())
        return self._sectors

    @property
    def currencies(self) -> set[str]:
        """Return every currency that anything is ever said to be quoted in."""
        return set(self._listings["currency"].drop_nulls())

    def at(self, view: View) -> list[str]:
        """Return the sorted members at `view.as_of`, by prices as quoted.

        What changed hands is compared in the source's currency, at the rates known then.
        """
        events = self._events
        if events is not None:
            events = events.head(events["known_on"].search_sorted(view.as_of, side="right"))
        unit_TN = None
        if self._rules and self._rates:
            recent = view.sessions[-self._rules.sessions :]
            unit_TN = self._rates.worth(view.instruments, recent).unit_TN
        return members(
            self.universe,
            view,
            self.known_at(view.as_of),
            index_members=events,
            unit_TN=unit_TN,
        )

    @property
    def reach(self) -> int:
        """Return how many sessions membership looks back."""
        return sessions_needed(self.universe)


def days_back(days: Calendar, since: date, sessions: int, starts: date) -> date:
    """Return the session that lies `sessions` before `since`, or the first since `starts`."""
    known = days.sessions(starts, since)
    return known[max(len(known) - 1 - sessions, 0)]
