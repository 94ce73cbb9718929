"""What a contest learns from, as it was known: prices rolled forward, members, panel and labels."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import TYPE_CHECKING

import polars as pl

from tasks.market.history import Array, History, View
from tasks.market.lake import Lake, Span, Where
from tasks.market.universe import members, sessions_needed
from tasks.settings import calendar, load_contest, load_source, load_universe, open_lake

if TYPE_CHECKING:
    from conf.schema import Universe
    from tasks.learning.panel import Panel


def history_of(lake: Lake, source: str, as_of: date, *, since: date | None = None) -> History:
    """Return the last known prints of `source`, to be rolled from `since` (or its start)."""
    settings = load_source(source)
    days = calendar(settings.calendar)
    first = max(since or settings.starts, settings.starts)
    return History(
        lake.known("bars", as_of=as_of, source=source, since=first, prints="all"),
        lake.known("actions", as_of=as_of, source=source, prints="all"),
        days.sessions(first, as_of),
        prints="last",
    )


class Roster:
    """Who may be held, session by session, by what was known then."""

    def __init__(self, lake: Lake, source: str, universe: str, as_of: date) -> None:
        self.universe: Universe = load_universe(universe)
        listings = lake.known("listings", as_of=as_of, source=source, prints="all")
        self._listings = listings.sort("known_on", "delivery", "from_session")
        self._rows, self._known = 0, self._listings.clear()
        named = load_universe(universe).kind == "screened"
        events = lake.known("members", as_of=as_of, source=source, prints="all") if named else None
        self._events = None if events is None else events.sort("known_on", "delivery")

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

    @property
    def currencies(self) -> set[str]:
        """Return every currency that anything is ever said to be quoted in."""
        return set(self._listings["currency"].drop_nulls())

    def at(self, view: View) -> list[str]:
        """Return the sorted members at `view.as_of`, by prices as quoted."""
        events = self._events
        if events is not None:
            events = events.head(events["known_on"].search_sorted(view.as_of, side="right"))
        return members(self.universe, view, self.known_at(view.as_of), index_members=events)

    @property
    def reach(self) -> int:
        """Return how many sessions membership looks back."""
        return sessions_needed(self.universe)


def panel_of(
    contest: str, sessions: Sequence[date], as_of: date, *, fits: Collection[date] = ()
) -> "tuple[Panel, dict[date, Array]]":
    """Return the contest's panel over `sessions`, and its labels as known at each of `fits`.

    Features were stored as known each night; membership is rolled session by session. Labels are
    on the panel's axes, NaN where not known at that fit.
    """
    from tasks.features import FEATURE_SETS
    from tasks.features.labels import labels
    from tasks.learning.panel import aligned, make_panel

    lake, rules = open_lake(), load_contest(contest)
    source = load_source(rules.source)
    roster = Roster(lake, rules.source, rules.universe, as_of)
    since = calendar(source.calendar).offset(sessions[0], -roster.reach)
    history = history_of(lake, rules.source, as_of, since=since)
    wanted, due, known = set(sessions), set(fits), {}
    rows: list[tuple[date, str]] = []
    for session in history.sessions:
        if session in wanted or session in due:
            view = history.roll(session)
            rows += [(session, name) for name in roster.at(view) if session in wanted]
        if session in due:
            values = labels(view, horizon=rules.horizon, trades_at=source.trades_at)
            known[session] = (values, view.sessions, view.instruments)
    held = pl.DataFrame(rows, schema={"session": pl.Date, "instrument": pl.String}, orient="row")
    where: Where = {"source": [rules.source], "session": Span(sessions[0], sessions[-1])}
    columns = [feature.name for feature in FEATURE_SETS[rules.features]().features]
    features = lake.read(f"features/{rules.features}", where=where)
    panel = make_panel(features, held, columns=columns, transform=rules.transform)
    return panel, {fit: aligned(*parts, panel) for fit, parts in known.items()}
