"""The sheet every page is printed on: one file, one style, tables and charts, no network at all.

A content security policy in the page forbids any request, so what is here is all there is.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tasks.reports.words import counted, text

Row = Mapping[str, Any]
TOP = 50  # lines of a table before the rest is folded away

STYLE = """
:root{--ink:#1b2530;--soft:#5b6875;--line:#dfe3e8;--rule:#1b2530;--paper:#fdfcfa;--card:#fff;
--blue:#27517f;--good:#2c6e49;--bad:#a63d2f;--warm:#8a5a00;color-scheme:light}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.55 -apple-system,BlinkMacSystemFont,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:66rem;margin:0 auto;padding:2.2rem 1.5rem 4rem}
h1,h2,.lede{font-family:"Iowan Old Style","Palatino Linotype",Palatino,Charter,Georgia,serif}
.masthead{display:flex;justify-content:space-between;gap:1rem;font-size:.8rem;color:var(--soft);
letter-spacing:.04em;border-bottom:3px double var(--rule);padding-bottom:.55rem}
.masthead b{color:var(--ink);letter-spacing:.14em;text-transform:uppercase}
h1{font-size:2.3rem;line-height:1.15;font-weight:600;margin:1.5rem 0 .3rem}
.dateline{color:var(--soft);margin:0 0 .9rem}
.lede{font-size:1.22rem;line-height:1.6;margin:1.1rem 0 1.5rem;max-width:48rem}
h2{font-size:1.45rem;font-weight:600;line-height:1.25;margin:0 0 .45rem}
h3{font-size:.95rem;margin:1.3rem 0 .3rem}
section{border-top:1px solid var(--line);margin-top:2.2rem;padding-top:1.5rem}
p{margin:.4rem 0 .8rem;max-width:48rem}
.soft{color:var(--soft)}.small{font-size:.86rem}
.badges{display:flex;flex-wrap:wrap;gap:.45rem;margin:.2rem 0}
.badge{font-size:.82rem;padding:.13rem .65rem;border-radius:1rem;background:#eef0f3;color:#3d4955}
.badge.good{background:#e3f0e8;color:#1d5537}.badge.warn{background:#faf0d9;color:#6b4700}
.badge.bad{background:#f9e3df;color:#86281c}
.note{background:#f7f3e8;border-left:3px solid #c9a24a;padding:.7rem 1rem;margin:1rem 0;
max-width:none;font-size:.93rem}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.2rem,1fr));gap:0;
border-top:1px solid var(--line);border-left:1px solid var(--line);background:var(--card)}
.figure{border-right:1px solid var(--line);border-bottom:1px solid var(--line);
padding:.75rem .95rem}
.figure dt{font-size:.8rem;color:var(--soft)}
.figure dd{margin:.1rem 0 0;font-size:1.4rem;line-height:1.25;font-weight:600;
font-variant-numeric:tabular-nums}
.figure small{display:block;font-size:.8rem;font-weight:400;color:var(--soft)}
.good{color:var(--good)}.bad{color:var(--bad)}.warm{color:var(--warm)}
.scroll{overflow-x:auto;margin:.6rem 0;-webkit-overflow-scrolling:touch}
table{border-collapse:collapse;width:100%;font-size:.88rem;line-height:1.4}
th{font-weight:600;color:var(--soft);font-size:.8rem;text-align:left;vertical-align:bottom;
border-bottom:1px solid var(--rule);padding:.3rem .55rem;white-space:nowrap}
td{padding:.32rem .55rem;border-bottom:1px solid #ebeef1;white-space:nowrap}
td:first-child,th:first-child{padding-left:.1rem}
td.wrap{white-space:normal;min-width:9rem}
.n{text-align:right;font-variant-numeric:tabular-nums}
.meter{display:inline-block;vertical-align:middle;width:4.2rem;height:.5rem;margin-left:.55rem;
background:#eef1f4;border-radius:2px;overflow:hidden;text-align:left}
.meter i{display:block;height:100%;background:#6c93bd}.meter i.short{background:#c98a7d}
.narrow{max-width:44rem}
details{margin:.3rem 0}summary{cursor:pointer;color:var(--blue);font-size:.9rem;padding:.3rem 0}
.chart{width:100%;margin:.4rem 0}
.pair{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1fr);gap:0 2.2rem}
.colophon{font-size:.84rem;color:var(--soft)}
.colophon code{font:.8rem/1.4 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;
overflow-wrap:anywhere}
@media(max-width:46rem){main{padding:1.1rem 1rem 3rem}h1{font-size:1.75rem}.lede{font-size:1.1rem}
.pair{grid-template-columns:minmax(0,1fr)}.figures{grid-template-columns:1fr 1fr}
.figure dd{font-size:1.2rem}.masthead{font-size:.74rem}}
@media print{body{background:#fff}main{max-width:none;padding:0}section{break-inside:avoid}}
"""
DRAW = """
for (const [id, figure] of Object.entries(FIGURES)) {
  Plotly.newPlot(id, figure.data, figure.layout, {displayModeBar: false, responsive: true});
}
"""


class Column(NamedTuple):
    """One column of a table: its head, and how a row becomes a cell of HTML already escaped."""

    head: str
    cell: Callable[[Row], str]
    kind: str = "n"  # n: a number, to the right; t: text; wrap: long text


def document(title: str, body: str, figures: Mapping[str, dict[str, Any]]) -> str:
    """Return the whole page; `figures` are drawn into the elements of their ids."""
    from plotly.offline import get_plotlyjs

    scripts = ""
    if figures:
        data = json.dumps(figures, sort_keys=True, allow_nan=False).replace("<", "\\u003c")
        scripts = (
            f"<script>{get_plotlyjs()}</script>\n<script>const FIGURES = {data};{DRAW}</script>\n"
        )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:\">\n"
        f"<title>{text(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body><main>\n{body}\n</main>\n{scripts}</body>\n</html>\n"
    )


def section(title: str, *parts: str) -> str:
    """Return a section under a headline; empty parts leave no trace."""
    return f"<section>\n<h2>{text(title)}</h2>\n{''.join(parts)}\n</section>\n"


def paragraph(words: str, style: str = "") -> str:
    """Return a paragraph of HTML already escaped; nothing for no words."""
    return f'<p class="{style}">{words}</p>\n' if words else ""


def chart(name: str, height: int) -> str:
    """Return the place that the figure `name` is drawn into."""
    return f'<div class="chart" id="{text(name)}" style="height:{height}px"></div>\n'


def tiles(figures: Iterable[tuple[str, str, str]]) -> str:
    """Return headline figures: (label, figure, what stands below it), already escaped."""
    boxes = "".join(
        f'<div class="figure"><dt>{label}</dt><dd>{value}<small>{below}</small></dd></div>'
        for label, value, below in figures
    )
    return f'<dl class="figures">{boxes}</dl>\n'


def table(
    columns: Sequence[Column], rows: Sequence[Row], *, top: int = TOP, narrow: bool = False
) -> str:
    """Return a table of the first `top` rows, the rest folded below; nothing for no rows."""
    if not rows:
        return ""
    shown, folded = rows[:top], rows[top:]
    html = _table(columns, shown)
    if narrow:
        html = f'<div class="narrow">{html}</div>'
    if not folded:
        return html
    rest = _table(columns, folded)
    return f"{html}<details><summary>{counted(len(folded), 'more line')}</summary>{rest}</details>"


def meter(share: float, *, short: bool = False) -> str:
    """Return a small bar that is filled by `share`, 0 to 1."""
    style = ' class="short"' if short else ""
    width = 100 * min(max(share, 0.0), 1.0)
    return f'<span class="meter"><i{style} style="width:{width:.1f}%"></i></span>'


def badge(words: str, tone: str = "") -> str:
    """Return a small label; `tone` is good, warn, bad or nothing."""
    return f'<span class="badge {tone}">{text(words)}</span>'


def _table(columns: Sequence[Column], rows: Sequence[Row]) -> str:
    heads = "".join(f'<th class="{c.kind}">{text(c.head)}</th>' for c in columns)
    lines = "".join(
        "<tr>" + "".join(f'<td class="{c.kind}">{c.cell(row)}</td>' for c in columns) + "</tr>\n"
        for row in rows
    )
    return (
        f'<div class="scroll"><table><thead><tr>{heads}</tr></thead>\n'
        f"<tbody>{lines}</tbody></table></div>\n"
    )
