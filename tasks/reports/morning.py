"""The page a portfolio manager reads over breakfast: what to hold, why, and how far to trust it."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import polars as pl

from tasks.reports.assurances import colophon, gate, limits
from tasks.reports.charts import (
    Figure,
    coverage_chart,
    ic_chart,
    nav_chart,
    truth_chart,
    weights_chart,
    weights_height,
)
from tasks.reports.holdings import changes, holdings
from tasks.reports.paper import (
    Column,
    badge,
    chart,
    document,
    paragraph,
    section,
    table,
    tiles,
)
from tasks.reports.record import coverage_words, record_rows, record_words, truth_words
from tasks.reports.sureness import drift_badges, drift_words, sure_words
from tasks.reports.words import (
    basis_points,
    counted,
    day,
    known,
    money,
    number,
    percent,
    short_day,
    text,
)


class Morning(NamedTuple):
    """Everything the page shows; what is not known is empty or None, never made up."""

    book: str
    title: str
    currency: str
    session: date
    next_session: date
    content_hash: str
    revision: int
    warn: str
    verdict: Mapping[str, Any]  # verdict, reasons (a list or one line), rows, quarantined
    summary: Mapping[str, Any]  # of the decision: nav, cash, volatility, turnover, cost, ...
    targets: pl.DataFrame  # frames.DRAFT_TARGETS
    orders: pl.DataFrame  # frames.DRAFT_ORDERS
    checks: Sequence[Mapping[str, Any]]  # limit, value, bound, passed, off
    solver: Mapping[str, Any]  # status, iterations, primal_residual, dual_residual, gap
    tail: Mapping[str, float]  # var_95, es_95, var_99, es_99: one day; volatility: a year
    coverage: pl.DataFrame  # session, loss, var_95, exceeded
    kupiec: float | None  # p-value that VaR 95% is exceeded as often as it should be
    nav: pl.DataFrame  # session, nav; up to the close of `session`
    record: Mapping[str, Any]  # contest, recipe, fitted_on, horizon, sessions, ic, ic_error, t, ...
    ic: pl.DataFrame  # session, ic: of each session, not summed
    drift: Mapping[str, Any]  # the verdict: features, skill, factor, hold, and its figures
    truth: pl.DataFrame | None = None  # symbol, expected_return, truth: simulated books alone


def morning_page(page: Morning) -> str:
    """Return the page as one HTML file that asks nothing of any network."""
    figures: dict[str, Figure] = {}
    body = "".join(
        [
            _head(page),
            holdings(page.targets, page.currency, _drawn(figures, "weights", _weights(page))),
            changes(page.orders, page.summary, page.currency),
            limits(page.checks, page.summary),
            _risk(page, figures),
            _profit(page, figures),
            _record(page, figures),
            _truth(page, figures),
            gate(page.verdict),
            colophon(page.content_hash, page.revision, page.solver),
        ]
    )
    return document(f"{page.book} {page.session}: targets for the morning", body, figures)


def _drawn(figures: dict[str, Figure], name: str, figure: Figure | None, height: int = 0) -> str:
    """Keep `figure` to be drawn, and return its place; nothing for no figure."""
    if figure is None:
        return ""
    figures[name] = figure
    return chart(name, height or figure["layout"].pop("height"))


def _weights(page: Morning) -> Figure | None:
    if not (page.targets["weight"] != 0).any():
        return None
    figure = weights_chart(page.targets)
    figure["layout"]["height"] = weights_height(page.targets)
    return figure


def _head(page: Morning) -> str:
    judged = [check for check in page.checks if not check.get("off")]
    met = sum(bool(check["passed"]) for check in judged)
    verdict = str(page.verdict.get("verdict", "none"))
    tone = {"pass": "good", "warn": "warn"}.get(verdict, "bad")
    badges = [
        badge(f"gate: {verdict}", tone),
        badge(f"{met} of {len(judged)} limits met", "good" if met == len(judged) else "bad"),
        *drift_badges(page.drift),
        badge(f"released as r{page.revision}, {page.content_hash[:12]}"),
    ]
    return (
        f'<header class="masthead"><b>Afterclose</b><span>{short_day(page.next_session)}</span>'
        f"</header>\n<h1>{text(page.title)}</h1>\n"
        f'<p class="dateline">After the close of {day(page.session)}, to trade on '
        f"{day(page.next_session)}</p>\n"
        f'<div class="badges">{"".join(badges)}</div>\n'
        f'<p class="lede">{_lede(page)}</p>\n{_tiles(page)}'
        + (f'<p class="note">{text(page.warn)}</p>\n' if page.warn else "")
    )


def _lede(page: Morning) -> str:
    summary, currency = page.summary, page.currency
    held = int((page.targets["weight"] != 0).sum())
    if page.orders.is_empty():
        what = f"Keep the {counted(held, 'name')} held" if held else "Hold cash alone"
        words = [f"{what}; nothing trades."]
    else:
        dealt = money(float(page.orders["notional"].sum()), currency)
        words = [
            f"Hold {counted(held, 'name')}. {counted(page.orders.height, 'order')} worth {dealt} "
            f"bring the book there, at an expected cost of {money(summary.get('cost'), currency)}."
        ]
    if known(page.tail.get("var_95")) and held:
        lost = page.tail["var_95"]
        words.append(
            f"On one day in twenty the book should lose more than {percent(lost, 2)} "
            f"({money(lost * summary['nav'], currency)})."
        )
    gain = summary.get("expected_return")
    if known(gain) and gain:
        words.append(
            f"The forecasts that survive shrinking promise {basis_points(gain)} over the next "
            f"{counted(int(page.record.get('horizon', 0)), 'session')}, before costs."
        )
    else:
        words.append("No return is expected: the book takes the least risk its limits allow.")
    return " ".join(words)


def _tiles(page: Morning) -> str:
    summary, currency = page.summary, page.currency
    gained = _gained(page.nav)
    today = "opened today"
    if gained:
        share = percent(gained[1], 2, signed=True)
        today = f"{money(gained[0], currency, signed=True)} ({share}) yesterday"
    return tiles(
        [
            ("Net asset value", money(summary.get("nav"), currency), today),
            ("Volatility", percent(summary.get("volatility")), "a year, from the risk model"),
            ("VaR 95%", percent(page.tail.get("var_95"), 2), "of NAV, one day"),
            ("Turnover", percent(summary.get("turnover")), "of NAV, one way"),
            (
                "Expected cost",
                money(summary.get("cost"), currency),
                f"{number(summary.get('cost_bps'), 1)} bps of NAV",
            ),
            (
                "Exposure",
                percent(summary.get("net")),
                f"net; gross {percent(summary.get('gross'))}, "
                f"cash {percent(summary.get('cash_weight'))}",
            ),
        ]
    )


def _risk(page: Morning, figures: dict[str, Figure]) -> str:
    columns = [
        Column("One day", lambda row: row["name"], "t"),
        Column("Value at risk", lambda row: percent(row["var"], 2)),
        Column("Expected shortfall", lambda row: percent(row["es"], 2)),
        Column("in money", lambda row: money(row["money"], page.currency)),
    ]
    nav = page.summary["nav"]
    rows = []
    for level in ("95", "99"):
        var, es = page.tail.get(f"var_{level}"), page.tail.get(f"es_{level}")
        lost = var * nav if known(var) and var is not None else None
        rows.append({"name": f"{level}%", "var": var, "es": es, "money": lost})
    drawing = None if page.coverage.is_empty() else coverage_chart(page.coverage)
    return section(
        "What it can lose",
        paragraph(coverage_words(page.coverage, page.kupiec)),
        _drawn(figures, "coverage", drawing, 270),
        table(columns, rows, narrow=True),
    )


def _profit(page: Morning, figures: dict[str, Figure]) -> str:
    gained = _gained(page.nav)
    if gained is None:
        return section("Yesterday", paragraph("The account opened today; it holds cash alone."))
    profit, share = gained
    tone = "good" if profit > 0 else "bad" if profit < 0 else "soft"
    first = page.nav.sort("session").row(0, named=True)
    since = page.summary["nav"] / first["nav"] - 1
    words = (
        f'On {day(page.session)} the book made <b class="{tone}">'
        f"{money(profit, page.currency, signed=True)}</b> ({percent(share, 2, signed=True)}) after "
        f"costs; since {short_day(first['session'])} {percent(since, 1, signed=True)}."
    )
    drawing = nav_chart(page.nav) if page.nav.height > 2 else None
    return section("Yesterday", paragraph(words), _drawn(figures, "nav", drawing, 240))


def _gained(nav: pl.DataFrame) -> tuple[float, float] | None:
    values = nav.sort("session")["nav"].to_list()
    if len(values) < 2:
        return None
    return values[-1] - values[-2], values[-1] / values[-2] - 1


def _record(page: Morning, figures: dict[str, Figure]) -> str:
    error = page.record.get("ic_error")
    drawing = ic_chart(page.ic, error) if page.ic.drop_nulls("ic").height > 2 else None
    columns = [
        Column("", lambda row: row["name"], "t"),
        Column("Mean", lambda row: row["mean"]),
        Column("t", lambda row: row["t"]),
    ]
    place = _drawn(figures, "ic", drawing, 250)
    caption = (
        "Information coefficient, summed session by session. A steady edge climbs out of the "
        "shaded cone; luck alone ends inside it 19 times in 20."
    )
    return section(
        "What the model\u2019s word is worth",
        paragraph(record_words(page.record)),
        paragraph(drift_words(page.drift, page.record.get("drift_switched_off") or {})),
        paragraph(sure_words(page.record)),
        paragraph(caption, "soft small") if place else "",
        place,
        table(columns, record_rows(page.record), narrow=True),
    )


def _truth(page: Morning, figures: dict[str, Figure]) -> str:
    if page.truth is None or page.truth.is_empty():
        return ""
    return section(
        "The estimate beside the truth",
        paragraph(truth_words(page.truth)),
        _drawn(figures, "truth", truth_chart(page.truth), 340),
    )
