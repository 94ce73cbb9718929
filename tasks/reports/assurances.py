"""What a reader may lean on: limits checked, the gate's verdict, the small print."""

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.reports.paper import Column, Row, paragraph, section, table
from tasks.reports.words import counted, known, listed, number, text


def limits(checks: Sequence[Row], summary: Mapping[str, Any]) -> str:
    """Return the limits of the book, each with what the whole shares came to."""
    columns = [
        Column("Limit", lambda row: text(str(row["limit"]).replace("_", " ")), "t"),
        Column("Bound", lambda row: text(row["bound"]), "wrap"),
        Column("Value", lambda row: number(row.get("value"), 4)),
        Column("", _passed, "wrap"),
    ]
    leaving = summary.get("leaving") or []
    assumed = summary.get("risk_assumed") or []
    notes = []
    if leaving:
        notes.append(f"Still held though no longer eligible: {listed(leaving)}.")
    if assumed:
        notes.append(f"Risk had to be assumed for {listed(assumed)}.")
    return section(
        "Within its limits",
        paragraph("Each limit is computed anew from the whole shares above.", "soft"),
        table(columns, checks, narrow=True),
        paragraph(" ".join(notes)),
    )


def _passed(row: Mapping[str, Any]) -> str:
    if row.get("off"):
        return f'<span class="soft">not judged: {text(row["off"])}</span>'
    return '<span class="good">met</span>' if row["passed"] else '<b class="bad">broken</b>'


def gate(verdict: Mapping[str, Any]) -> str:
    """Return what the gate said of the night's data."""
    reasons = verdict.get("reasons") or []
    said = [reasons] if isinstance(reasons, str) else list(reasons)
    rows, aside = verdict.get("rows"), verdict.get("quarantined")
    words = {
        "pass": "The night\u2019s data passed the gate.",
        "warn": "The night\u2019s data passed the gate with warnings.",
    }.get(str(verdict.get("verdict")), f"The gate said: {text(verdict.get('verdict'))}.")
    if known(rows):
        words += f" {counted(int(rows or 0), 'row')} came in, {int(aside or 0):,} were set aside."
    items = "".join(f"<li>{text(reason)}</li>" for reason in said if reason)
    return section("What the gate said", paragraph(words), f"<ul>{items}</ul>" if items else "")


def colophon(content_hash: str, revision: int, solver: Mapping[str, Any]) -> str:
    """Return the small print: the hash of the release, and how exactly it was solved."""
    words = (
        f"Content hash <code>{text(content_hash)}</code>, revision {revision}. "
        f"Solver: {text(solver.get('status'))} in "
        f"{counted(int(solver.get('iterations') or 0), 'iteration')}; residuals "
        f"{_tiny(solver.get('primal_residual'))} and {_tiny(solver.get('dual_residual'))}, gap "
        f"{_tiny(solver.get('gap'))}. The same inputs give the same bytes."
    )
    return f'<section class="colophon"><p>{words}</p></section>\n'


def _tiny(value: float | None) -> str:
    return f"{value:.0e}" if value is not None and known(value) else "unknown"
