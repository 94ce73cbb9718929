"""What a contest learns from, as it was known: prices rolled forward, members, panel and labels."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import TYPE_CHECKING

import polars as pl

from tasks.market.history import Array, History
from tasks.market.lake import Lake, Span, Where
from tasks.roster import Roster
from tasks.settings import calendar, load_contest, load_source, open_lake

if TYPE_CHECKING:
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
