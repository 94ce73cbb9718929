"""The page of a contest: its candidates on the same rows, beside the champion, with errors."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

import polars as pl

from tasks.reports.importance import Rests, rests_section
from tasks.reports.paper import (
    Column,
    Row,
    badge,
    chart,
    document,
    paragraph,
    section,
    table,
    tiles,
)
from tasks.reports.signal_charts import COLOURS, Figure, summed_chart
from tasks.reports.words import (
    NOTHING,
    basis_points,
    counted,
    known,
    number,
    percent,
    short_day,
    text,
)

STROKES = ("solid", "dash", "dot", "dashdot")  # of lines whose colours come round again
TONES = {"promote": "good", "vetoed": "bad", "insufficient evidence": "warn"}


class Champion(NamedTuple):
    """Who holds the title."""

    recipe: str
    since: date  # without a break
    reason: str
    weights_from: date  # the fit that serves


class Told(NamedTuple):
    """What was compared, and what a reader should know beside the figures."""

    contest: str
    title: str
    data: str  # in words
    as_of: date
    since: date  # first compared refit
    sessions: int
    names: float  # a session
    horizon: int
    label: str
    trades_at: str
    cost: float  # of a traded unit
    champion: Champion
    looks: pl.DataFrame  # newest verdicts: one row a challenger
    trials: int | None  # None: unknown
    hurdle: float | None  # the t that luck alone hardly passes, all trials counted
    needed: int  # sessions below which nothing is decided
    preferred: int
    left_out: Mapping[str, str]  # model -> why

    def insufficient(self) -> str:
        """Return the warning that there are too few sessions; empty where there are enough."""
        if self.sessions >= self.needed:
            return ""
        return (
            f"Insufficient evidence: {counted(self.sessions, 'common session')}, of at least "
            f"{self.needed:,} (better {self.preferred:,}) before a difference may decide a title."
        )


def models_page(models: pl.DataFrame, daily: pl.DataFrame, told: Told, rests: Rests | None) -> str:
    """Return the page as one HTML file that asks nothing of any network.

    Takes the table of `tasks.models.comparison.Comparison` with (kind, loss, seeds, last_fit),
    and its `daily`; `rests` says what the champion rests on, where that could be asked.
    """
    rows = models.rows(named=True)
    body = "".join(
        [
            _head(rows, told),
            section("Order of the names", table(_ranks(told), rows), _words(told)),
            section(
                "Through time",
                _soft(f"Rank IC, summed over {counted(told.sessions, 'common session')}."),
                chart("summed", 380),
            ),
            section("What would be earned", table(_earnings(told), rows), _cost_words(told)),
            _verdicts(told),
            rests_section(told.champion.recipe, rests),
            section("How they are made", table(_making(told), rows), _left_out(told)),
        ]
    )
    summed = _summed(daily, models["model"].to_list())
    return document(f"Models: {told.contest}", body, {"summed": summed})


def _head(rows: Sequence[Row], told: Told) -> str:
    champion, best = told.champion, rows[0]
    tried = "unknown" if told.trials is None else f"{told.trials:,}"
    below = "MLflow does not say" if told.trials is None else "choices, all told, by MLflow"
    first = (
        f"{text(best['model'])} has the highest rank IC, {_pm(best, 'rank_ic', 'rank_ic_error')}."
        if best["rank_ic"] is not None
        else "No rank IC could be measured."
    )
    few = told.insufficient()
    return (
        '<header class="masthead"><b>Afterclose</b><span>Models</span></header>\n'
        f"<h1>{text(told.title)}</h1>\n"
        f'<p class="dateline">{text(told.data)}; fits from {short_day(told.since)} on, '
        f"as known on {short_day(told.as_of)}</p>\n"
        f'<p class="lede">{text(champion.recipe)} is champion since {short_day(champion.since)}. '
        f"{first}</p>\n"
        + (f'<p class="note"><b>{text(few)}</b></p>\n' if few else "")
        + tiles(
            [
                ("Champion", text(champion.recipe), f"since {short_day(champion.since)}"),
                ("Models", f"{len(rows):,}", "on the same rows"),
                ("Sessions", f"{told.sessions:,}", "common to all"),
                ("Names", number(told.names, 0), "a session, scored by all"),
                ("Label", f"{told.horizon}", f"sessions, {text(told.trades_at)} to "
                 f"{text(told.trades_at)}, {text(told.label.replace('_', ' '))}"),
                ("Ever tried", tried, below),
            ]
        )
        + paragraph(
            f"{text(champion.recipe)}: {text(champion.reason)}. Its weights are those of "
            f"{short_day(champion.weights_from)}.",
            "soft small",
        )
    )  # fmt: skip


def _ranks(told: Told) -> list[Column]:
    return [
        _name(told),
        Column("IC", lambda row: _pm(row, "ic", "ic_error")),
        Column("ICIR", lambda row: number(row["icir"], 2, signed=True)),
        Column("Rank IC", lambda row: _pm(row, "rank_ic", "rank_ic_error")),
        Column("t", lambda row: number(row["rank_ic_t"], 2, signed=True)),
        Column("Less the champion\u2019s", lambda row: _pm(row, "difference", "error")),
        Column("t", lambda row: number(row["t"], 2, signed=True)),
        Column("Sessions", lambda row: f"{row['sessions']:,}"),
    ]


def _words(told: Told) -> str:
    tried = (
        "How many choices were ever tried for this contest is unknown, since MLflow does not say: "
        "each t is that of a single try, which it was hardly."
        if told.hurdle is None
        else f"{counted(told.trials or 0, 'choice was', 'choices were')} ever tried for this "
        f"contest: once all are counted, 5 % asks for a t of {number(told.hurdle, 2)} either way."
    )
    return _soft(
        "Every model by the weights of its time, on the sessions and names that all of them "
        "scored. Errors are Newey and West\u2019s and allow for labels that overlap. The "
        f"difference is that of daily rank ICs, session by session. {tried}"
    )


def _earnings(told: Told) -> list[Column]:
    return [
        _name(told),
        Column("Spread", lambda row: basis_points(row["spread"], signed=True)),
        Column("\u00b1", lambda row: basis_points(row["spread_error"])),
        Column("Net of cost", lambda row: basis_points(row["net"], signed=True)),
        Column("Break-even", lambda row: basis_points(row["break_even"], signed=True)),
        Column("Turnover", lambda row: percent(row["turnover"], 0)),
        Column("Groups", lambda row: number(row["groups"], 0)),
        Column("Coverage", lambda row: percent(row["coverage"], 0)),
    ]


def _cost_words(told: Told) -> str:
    lasts = counted(told.horizon, "session")
    return _soft(
        f"Mean return over {lasts} of the tenth of the names with the highest scores less that of "
        "the tenth with the lowest (fewer groups where names are few). Net: less "
        f"{basis_points(told.cost)} of all that is traded when both are renewed every {lasts}. "
        "Break-even is the cost of a traded unit that uses the spread up; below zero no cost is "
        "low enough. Turnover is the share of both that is renewed. Coverage is the share of the "
        "universe that the model scored."
    )


def _verdicts(told: Told) -> str:
    if told.looks.is_empty():
        return section("The newest verdicts", paragraph("No challenger has been looked at yet."))
    first = told.looks.row(0, named=True)
    columns = [
        Column("Challenger", lambda row: f"<b>{text(row['recipe'])}</b>", "t"),
        Column("Verdict", lambda row: badge(row["verdict"], TONES.get(row["verdict"], "")), "t"),
        Column("Difference", lambda row: _pm(row, "difference", "error")),
        Column("t", lambda row: number(row["t"], 2, signed=True)),
        Column("Would be found", lambda row: number(row["detectable"], 4)),
        Column("Sessions", lambda row: f"{row['sessions']:,}"),
        Column("Why", lambda row: text(row["reason"]), "wrap"),
    ]
    return section(
        "The newest verdicts",
        _soft(
            f"The look of {short_day(first['session'])}, against {text(first['champion'])}. "
            "\u201cWould be found\u201d is the smallest difference that this look would have found "
            "in four of five cases. Its errors are those of the rule, which looks again and again "
            "at several challengers, and differ from those above."
        ),
        table(columns, told.looks.rows(named=True)),
    )


def _making(told: Told) -> list[Column]:
    return [
        _name(told),
        Column("Kind", lambda row: text(row["kind"]), "t"),
        Column("Loss", lambda row: text(row["loss"]), "t"),
        Column("Seeds", lambda row: f"{row['seeds']:,}"),
        Column("Last fit", lambda row: short_day(row["last_fit"]), "t"),
    ]


def _left_out(told: Told) -> str:
    if not told.left_out:
        return ""
    words = "; ".join(f"{text(name)} ({text(why)})" for name, why in told.left_out.items())
    return paragraph(f"Not compared: {words}.")


def _summed(daily: pl.DataFrame, models: Sequence[str]) -> Figure:
    """Return the running sums of rank IC; colours that come round again are told by strokes."""
    series = daily.rename({"model": "feature"})
    made = summed_chart(series, models[: len(COLOURS)])
    for start in range(len(COLOURS), len(models), len(COLOURS)):
        stroke = STROKES[start // len(COLOURS) % len(STROKES)]
        for line in summed_chart(series, models[start : start + len(COLOURS)])["data"]:
            line["line"]["dash"] = stroke
            made["data"].append(line)
    return made


def _name(told: Told) -> Column:
    def cell(row: Row) -> str:
        crown = f" {badge('champion', 'good')}" if row["model"] == told.champion.recipe else ""
        return f"<b>{text(row['model'])}</b>{crown}"

    return Column("Model", cell, "t")


def _pm(row: Row, key: str, error: str) -> str:
    if not known(row[key]):
        return NOTHING
    shown = number(row[key], 4, signed=True)
    if not known(row[error]):
        return shown
    return f'{shown} <span class="soft">\u00b1 {number(row[error], 4)}</span>'


def _soft(words: str) -> str:
    return paragraph(words, "soft small")
