"""The verdict page: what the gate found, how much of it, where, and what was done."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import polars as pl

from tasks.market import frames
from tasks.reports.words import counted

MOST_ROWS = 300  # lines of quarantine shown; the lake holds them all
CAME_OF = {  # what was done with a night as a whole
    "block": "None of its prices is used; books keep the target they have.",
    "skip": "No target is made of this night; clean rows of earlier sessions are kept.",
}

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1c2733;max-width:62rem;margin:2rem auto;
padding:0 1rem}
h1{font-size:1.5rem;margin:0 0 .2rem}h2{font-size:1.15rem;margin:2rem 0 .4rem}
table{border-collapse:collapse;width:100%;margin:.4rem 0}
th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid #dde3ea;vertical-align:top;
overflow-wrap:anywhere}
th{font-weight:600;color:#51606f;overflow-wrap:normal}
.whole{overflow-wrap:normal}.date{white-space:nowrap}.number{text-align:right}.what{min-width:7rem}
.verdict{display:inline-block;padding:0 .6rem;border-radius:.7rem;font-weight:600}
.pass{background:#d7f0dd;color:#14532d}.warn{background:#fdf0cd;color:#6b4a00}
.block{background:#fbdcd9;color:#7f1d1d}.skip{background:#e5e9ee;color:#374553}
.quiet{color:#65727f}
"""
_LOOKS = {  # text that came with the data may break anywhere; our own words stay whole
    "What failed": "what",
    "How much": "whole",
    "What was done": "whole",
    "Session": "date",
    "Rule": "whole",
    "Rows": "number",
}


def verdict_page(verdicts: pl.DataFrame, quarantine: pl.DataFrame) -> str:
    """Return one HTML page for the deliveries of `verdicts` and the rows set aside from them.

    Takes `VERDICTS` and `QUARANTINE`. The page has no script and asks nothing of any network; every
    text that came with the data is escaped.
    """
    nights = verdicts.sort("delivery", "source", descending=[True, False])
    sections = [
        _night(row, _of(quarantine, row["source"], row["delivery"]))
        for row in nights.iter_rows(named=True)
    ]
    counts = Counter(nights["verdict"].to_list())
    told = ", ".join(f"{counts[verdict]} {_text(verdict)}" for verdict in sorted(counts))
    shown = f"<p>The newest {counted(nights.height, 'delivery', 'deliveries')}: {told}.</p>"
    body = shown + "".join(sections) if sections else "<p>No delivery was judged.</p>"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>What the gate said</title><style>{_STYLE}</style></head>"
        f"<body><h1>What the gate said</h1>{body}</body></html>\n"
    )


def _of(quarantine: pl.DataFrame, source: str, delivery: object) -> pl.DataFrame:
    mine = (pl.col("source") == source) & (pl.col("delivery") == pl.lit(delivery))
    return frames.shaped(quarantine, frames.QUARANTINE).filter(mine)


def _night(row: dict[str, Any], aside: pl.DataFrame) -> str:
    findings = json.loads(row["findings"] or "[]")
    failed = [f for f in findings if not f.get("passed")]
    known = f"night of {row['delivery']}, known on {row['known_on']}"
    counts = (
        f"{row['rows']:,} rows delivered, {row['clean']:,} clean, {row['quarantined']:,} set aside"
    )
    return (
        f"<section><h2>{_text(row['source'])} <span class='quiet'>{_text(known)}</span></h2>"
        f"<p><span class='verdict {_class(row['verdict'])}'>{_text(row['verdict'])}</span> "
        f"{_text(row['reasons'])}</p>{_came_of(row['verdict'])}<p>{_text(counts)}. "
        f"{len(findings) - len(failed)} of {len(findings)} findings are as they should be.</p>"
        f"{_findings(failed)}{_set_aside(aside)}</section>"
    )


def _came_of(verdict: str) -> str:
    return f"<p>{CAME_OF[verdict]}</p>" if verdict in CAME_OF else ""


def _findings(failed: Sequence[dict[str, Any]]) -> str:
    if not failed:
        return "<p class='quiet'>Nothing failed.</p>"
    lines = [
        [f.get("reason") or f.get("rule"), _how_much(f), _where(f), f.get("action_taken")]
        for f in failed
    ]
    return _table(["What failed", "How much", "Where", "What was done"], lines)


def _how_much(finding: dict[str, Any]) -> str:
    """Return the count and share of a row rule, or what a suite saw against what it allows."""
    if finding.get("layer") == "rows":
        share = finding.get("share") or 0
        return f"{counted(finding['rows'], 'row')} ({share:.2%})"
    observed = finding.get("observed")
    seen = "no number" if observed is None else f"{observed:,.6g}"
    bounds = finding.get("bounds") or {}
    names = {"min_value": "at least", "max_value": "at most"}
    allowed = [f"{names[k]} {v:,.6g}" for k, v in sorted(bounds.items()) if abs(v) < 1e12]
    return f"{seen}; allowed: {' and '.join(allowed)}" if allowed else seen


def _where(finding: dict[str, Any]) -> str:
    known = finding.get("examples") or []
    examples = ", ".join(dict.fromkeys(str(example) for example in known))
    more = finding.get("layer") == "rows" and finding["rows"] > len(known)
    return f"{examples}, ..." if examples and more else examples


def _set_aside(aside: pl.DataFrame) -> str:
    if aside.is_empty():
        return ""
    columns = ["session", "symbol", "rule", "detail", "rows"]
    ordered = aside.sort("rule", "session", "symbol", nulls_last=True).select(columns)
    rest = ordered.height - MOST_ROWS
    more = f"<p class='quiet'>and {rest:,} more lines in the table quarantine.</p>"
    lines = ordered.head(MOST_ROWS).iter_rows()
    table = _table(["Session", "Symbol", "Rule", "Detail", "Rows"], lines)
    return f"<h3>Set aside</h3>{table}{more if rest > 0 else ''}"


def _table(heads: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    looks = [_LOOKS.get(head, "") for head in heads]
    head = "".join(f"<th class='{k}'>{_text(h)}</th>" for h, k in zip(heads, looks, strict=True))
    rows = "".join(
        "<tr>"
        + "".join(f"<td class='{k}'>{_text(c)}</td>" for c, k in zip(line, looks, strict=True))
        + "</tr>"
        for line in lines
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _class(verdict: str) -> str:
    return verdict if verdict in ("pass", "warn", "block", "skip") else "skip"


def _text(value: object) -> str:
    return "" if value is None else escape(str(value), quote=True)
