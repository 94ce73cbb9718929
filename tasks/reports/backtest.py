"""The page of a walk: what the book would have done, beside minimum variance and equal weights."""

from collections.abc import Mapping
from typing import Any, Protocol

import polars as pl

from conf.schema import Book
from tasks.reports.charts import Figure, cost_chart, drawdown_chart, growth_chart
from tasks.reports.paper import Column, chart, document, paragraph, section, table, tiles
from tasks.reports.words import (
    counted,
    day,
    known,
    money,
    number,
    percent,
    short_day,
    text,
)


class RatioLike(Protocol):
    """A ratio with its error and the range that holds 95 % of the draws."""

    @property
    def value(self) -> float:
        """The ratio."""

    @property
    def error(self) -> float:
        """Its standard error."""

    @property
    def low(self) -> float:
        """The lower end of the range."""

    @property
    def high(self) -> float:
        """The upper end of the range."""


def backtest_page(
    *,
    book: str,
    mandate: Book,
    walks: Mapping[str, pl.DataFrame],
    figures: pl.DataFrame,
    ratio: RatioLike,
) -> str:
    """Return the page as one HTML file that asks nothing of any network.

    Takes walks by name, the book's own first (simulation.walk.WALKED), their `figures` in the same
    order (simulation.performance.FIGURES), and the `ratio` of the book's volatility to that of
    equal weights.
    """
    own = walks[book]
    drawings: dict[str, Figure] = {
        "growth": growth_chart(walks),
        "drawdown": drawdown_chart(walks),
        "costs": cost_chart(walks),
    }
    body = "".join(
        [
            _head(book, mandate, own, figures, ratio),
            section("Growth of 1, after costs", _soft("Logarithmic."), chart("growth", 380)),
            section("Falls from the highest value so far", chart("drawdown", 260)),
            section(
                "Costs paid so far",
                _soft("Commission, half the spread and borrow, as a share of NAV."),
                chart("costs", 230),
            ),
            section("Figures and their errors", _table(figures), _caveats(figures)),
            _kept(own),
        ]
    )
    return document(f"{book}: walked {own['session'][0]} to {own['session'][-1]}", body, drawings)


def _head(
    book: str, mandate: Book, own: pl.DataFrame, figures: pl.DataFrame, ratio: RatioLike
) -> str:
    first, last = own["session"][0], own["session"][-1]
    row = figures.row(0, named=True)
    end = float(own["nav"][-1])
    warn = f'<p class="note">{text(mandate.warn)}</p>\n' if mandate.warn else ""
    return (
        f'<header class="masthead"><b>Afterclose</b><span>Backtest of {text(book)}</span>'
        f"</header>\n<h1>{text(mandate.title)}</h1>\n"
        f'<p class="dateline">Walked session by session from {day(first)} to {day(last)}</p>\n'
        f'<p class="lede">{_lede(figures, ratio)}</p>\n'
        + tiles(
            [
                (
                    "Final value",
                    money(end, mandate.currency),
                    f"from {money(float(own['nav'][0]), mandate.currency)}",
                ),
                ("Return", percent(row["annual_return"]), f"a year, {_pm(row, 'annual_return')}"),
                ("Volatility", percent(row["volatility"]), f"a year, {_pm(row, 'volatility')}"),
                (
                    "Sharpe ratio",
                    number(row["sharpe"]),
                    f"\u00b1 {number(row['sharpe_error'])}, over a rate of zero",
                ),
                ("Deepest fall", percent(row["drawdown"]), "from the highest value so far"),
                ("Turnover", percent(row["turnover"], 0), f"a year, costing {_cost(row)}"),
            ]
        )
        + warn
    )


def _lede(figures: pl.DataFrame, ratio: RatioLike) -> str:
    if not known(ratio.value):
        return "The volatilities of the two walks cannot be compared."
    size = (
        f"{number(ratio.value, 3)} \u00b1 {number(ratio.error, 3)} times that of equal weights "
        f"(95% range {number(ratio.low, 3)} to {number(ratio.high, 3)})"
    )
    if ratio.high < 1:
        verdict = "it was the calmer book, by more than luck explains"
    elif ratio.low > 1:
        verdict = "it was the livelier book, by more than luck explains"
    else:
        verdict = "the two cannot be told apart"
    sharpes = "; ".join(
        f"{text(row['name'])} {number(row['sharpe'])} \u00b1 {number(row['sharpe_error'])}"
        for row in figures.iter_rows(named=True)
    )
    return (
        f"The book\u2019s volatility was {size}: {verdict}. Sharpe ratios: {sharpes}. What a book "
        "is long earns the market, with or without skill: hold them against each other, not zero."
    )


def _table(figures: pl.DataFrame) -> str:
    columns = [
        Column("", lambda row: f"<b>{text(row['name'])}</b>", "t"),
        Column("Return a year", lambda row: _with(row, "annual_return")),
        Column("Volatility", lambda row: _with(row, "volatility")),
        Column(
            "Sharpe", lambda row: f"{number(row['sharpe'])} {_soft_pm(number(row['sharpe_error']))}"
        ),
        Column("Beyond luck", lambda row: percent(row["deflated_sharpe"], 0)),
        Column("Deepest fall", lambda row: percent(row["drawdown"])),
        Column("Turnover a year", lambda row: percent(row["turnover"], 0)),
        Column("Cost a year", _cost),
    ]
    return table(columns, figures.rows(named=True))


def _caveats(figures: pl.DataFrame) -> str:
    count, trials = int(figures["sessions"][0]), int(figures["trials"][0])
    return paragraph(
        f"From {counted(count, 'daily return')}. Errors of return and volatility are resampled in "
        "blocks; those of Sharpe ratios allow for autocorrelation. Cash earns nothing. "
        "\u201cBeyond luck\u201d is the deflated Sharpe ratio: the probability that the true one "
        "exceeds what the best of all trials would show without skill. Counted as trials are "
        f"{counted(trials, 'choice')} of features, labels, models and settings that were ever "
        "tried for the contest, by MLflow, or its candidates where these are more; not mandates, "
        "nor what was tried elsewhere: read it as an upper bound. Fills pay commission and "
        "half the spread at the next price, never impact.",
        "soft small",
    )


def _kept(own: pl.DataFrame) -> str:
    """Return what became of sessions without a decision; nothing where all decided."""
    failed = own.filter(pl.col("status").str.starts_with("infeasible"))
    if failed.is_empty():
        return ""
    columns = [
        Column("Session", lambda row: short_day(row["session"]), "t"),
        Column("Why", lambda row: text(row["status"]), "wrap"),
    ]
    return section(
        "Sessions that kept their last target",
        paragraph(f"On {counted(failed.height, 'session')} no book met all limits."),
        table(columns, failed.rows(named=True), top=10),
    )


def _with(row: Mapping[str, Any], key: str) -> str:
    return f"{percent(row[key])} {_soft_pm(percent(row[f'{key}_error']))}"


def _pm(row: Mapping[str, Any], key: str) -> str:
    return f"\u00b1 {percent(row[f'{key}_error'])}"


def _soft_pm(error: str) -> str:
    return f'<span class="soft">\u00b1 {error}</span>'


def _cost(row: Mapping[str, Any]) -> str:
    return f"{number(1e4 * row['cost'], 0)} bps"


def _soft(words: str) -> str:
    return paragraph(words, "soft small")
