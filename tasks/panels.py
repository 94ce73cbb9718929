"""What a contest learns from, as it was known: prices rolled forward, members, panel and labels."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tasks.market.history import Array, History, View
from tasks.market.lake import Lake, Span, Where
from tasks.roster import Roster
from tasks.settings import calendar, load_contest, load_source, open_lake

if TYPE_CHECKING:
    from conf.schema import Contest
    from tasks.learning.panel import Panel

Labels = dict[tuple[date, int], Array]  # as known at the close of a session, by horizon


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
) -> "tuple[Panel, Labels]":
    """Return the contest's panel over `sessions`, and all its labels as known at each of `fits`.

    Features were stored as known each night; membership is rolled session by session, and sectors
    and betas are those of each session. Labels are on the panel's axes, NaN where not known at
    that fit; there are those of the contest and those that its recipes learn from.
    """
    from tasks.features import FEATURE_SETS
    from tasks.learning.panel import aligned, make_panel

    lake, rules = open_lake(), load_contest(contest)
    chosen = FEATURE_SETS[rules.features]()
    _refuse_beta(contest, rules, chosen.columns)
    source = load_source(rules.source)
    roster = Roster(lake, rules.source, rules.universe, as_of)
    since = calendar(source.calendar).offset(sessions[0], -roster.reach)
    history = history_of(lake, rules.source, as_of, since=since)
    wanted, due, known = set(sessions), set(fits), {}
    by_sector = rules.label == "sector_neutral" or "sector" in rules.neutral_to
    rows: list[tuple[date, str, str | None]] = []
    for session in history.sessions:
        if session in wanted or session in due:
            view = history.roll(session)
            sectors = roster.sectors_at(session) if by_sector else {}
            names = roster.at(view) if session in wanted else []
            rows += [(session, name, sectors.get(name)) for name in names]
        if session in due:
            for horizon in rules.horizons:
                made = total_returns(view, rules, horizon)
                known[session, horizon] = made, view.sessions, view.instruments
    kinds = {"session": pl.Date, "instrument": pl.String, "sector": pl.String}
    held = pl.DataFrame(rows, schema=kinds, orient="row")
    where: Where = {"source": [rules.source], "session": Span(sessions[0], sessions[-1])}
    features = lake.read(f"features/{rules.features}", where=where)
    panel = make_panel(
        features,
        held,
        columns=chosen.columns,
        whole_session=chosen.whole_session,
        transform=rules.transform,
        neutral_to=rules.neutral_to,
        beta=rules.beta,
    )
    cleared = {key: aligned(*parts, panel) for key, parts in known.items()}
    if fits:
        cleared = cleared_labels(rules, cleared, panel, held, features)
    return panel, cleared


def total_returns(view: View, rules: "Contest", horizon: int) -> Array:
    """Return a contest's labels over `horizon` as known at `view.as_of`; nothing is taken off."""
    from tasks.features.labels import labels

    return labels(
        view,
        horizon=horizon,
        trades_at=load_source(rules.source).trades_at,
        delisting_return=rules.delisting_return,
        delisting_sessions=rules.delisting_sessions,
    )


def cleared_labels(
    rules: "Contest",
    known: Labels,
    panel: "Panel",
    held: pl.DataFrame,
    features: pl.DataFrame,
) -> Labels:
    """Return labels less what the contest takes off, by the sectors and betas of each session."""
    from tasks.learning.neutral import neutral_labels
    from tasks.learning.panel import SECTOR, on_panel, with_sector_codes

    sector_TN, beta_TN = None, None
    if rules.label == "sector_neutral":
        codes = with_sector_codes(held)
        sector_TN = on_panel(codes, SECTOR, panel, absent=-1).astype(np.int64)
    if rules.label == "beta_neutral" and rules.beta:
        beta_TN = on_panel(features, rules.beta, panel, absent=np.nan)
    return {
        key: neutral_labels(
            label_TN, panel.member_TN, kind=rules.label, sector_TN=sector_TN, beta_TN=beta_TN
        )
        for key, label_TN in known.items()
    }


def _refuse_beta(contest: str, rules: "Contest", columns: Sequence[str]) -> None:
    if rules.beta is not None and rules.beta not in columns:
        raise ValueError(
            f"Contest {contest!r} is to be neutral to {rules.beta!r}, which feature set "
            f"{rules.features!r} does not have; there is: {', '.join(columns)}."
        )
