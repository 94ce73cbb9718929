"""The record of the row rules: what was set aside, dropped, taken on, let through or missed."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import polars as pl

from expectations.breadth import missing_names
from expectations.eve import Eve
from expectations.rules import Sorted
from expectations.sorting import KEY, Reach
from expectations.told import Told, absurd_figures
from tasks.market.sources.protocol import Delivery

Finding = dict[str, Any]
EXAMPLES = 5


def row_findings(done: Sorted, delivered: pl.DataFrame, eve: Eve, reach: Reach) -> list[Finding]:
    """Return one finding for each rule that a row or a name was touched by.

    They only note: whether the night stops is for the suites to say.
    """
    rows = delivered.height
    found = [
        noted(str(rule), _places(part), int(part["rows"].sum()), rows, "quarantined")
        for (rule,), part in done.quarantine.sort("rule").group_by("rule", maintain_order=True)
    ]
    if copies := int(done.copies["rows"].sum()):
        found.append(noted("exact duplicates", _places(done.copies), copies, rows, "dropped"))
    if done.confirmed:
        named = done.confirmed[:EXAMPLES]
        found.append(noted("new level", named, len(done.confirmed), rows, "taken on"))
    if not done.refused.is_empty():
        places = _places(done.refused)
        taken = "action left out"
        found.append(noted("action refused", places, done.refused.height, rows, taken))
    if not done.cleared.is_empty():
        said = done.cleared.join(eve.cleared, on=list(KEY), how="left")
        told = [
            f"{_place(symbol, session)}: {who} says {why}"
            for symbol, session, who, why in said.select(
                "symbol", "session", "cleared_by", "reason"
            ).iter_rows()
        ]
        found.append(noted("cleared by a person", told, len(told), rows, "let through"))
    if reach.observed and (missing := missing_names(delivered, eve, reach)):
        found.append(noted("missing name", missing, len(missing), rows, "noted"))
    return found


def told_findings(told: Told, delivery: Delivery, late: Sequence[str] = ()) -> list[Finding]:
    """Return one finding for each rule that a listing, series, filing or membership broke.

    `late` are series that should have a newer value by now.
    """
    frames_told = delivery.listings, delivery.series, delivery.fundamentals, delivery.members
    rows = sum(frame.height for frame in frames_told)
    found = [
        noted(str(rule), _places(part), part.height, rows, "quarantined")
        for (rule,), part in told.aside.sort("rule").group_by("rule", maintain_order=True)
    ]
    absurd = absurd_figures(told.fundamentals)
    if not absurd.is_empty():
        found.append(noted("absurd figure", _places(absurd), absurd.height, rows, "noted"))
    if late:
        found.append(noted("series overdue", late, len(late), rows, "noted"))
    return found


def noted(rule: str, places: Iterable[str], count: int, rows: int, taken: str) -> Finding:
    """Return a note of what was done with `count` of `rows`; `places` are examples or reasons."""
    return {
        "rule": rule,
        "layer": "rows",
        "severity": "info",
        "passed": False,
        "reason": rule,
        "rows": count,
        "share": count / max(rows, 1),
        "examples": list(places)[:EXAMPLES],
        "action_taken": taken,
    }


def _places(part: pl.DataFrame) -> list[str]:
    shown = part.select("symbol", "session").head(EXAMPLES).iter_rows()
    return [_place(symbol, session) for symbol, session in shown]


def _place(symbol: str, session: date | None) -> str:
    return f"{symbol or '(no symbol)'} {session or ''}".strip()
