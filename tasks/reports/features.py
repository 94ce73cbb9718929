"""The page of a feature set: what each of its features was worth, and how sure one may be of it."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple, Protocol

import polars as pl

from tasks.reports.paper import Column, Row, chart, document, paragraph, section, table, tiles
from tasks.reports.signal_charts import (
    Figure,
    decay_chart,
    quantile_chart,
    strength_chart,
    strength_height,
    summed_chart,
)
from tasks.reports.words import basis_points, counted, listed, number, percent, short_day, text


class WorthLike(Protocol):
    """The frames of `tasks.learning.worth.Worth`."""

    @property
    def strength(self) -> pl.DataFrame:
        """One row a feature, the strongest first."""

    @property
    def decay(self) -> pl.DataFrame:
        """Rank IC by horizon."""

    @property
    def quantiles(self) -> pl.DataFrame:
        """Mean return by quantile."""

    @property
    def years(self) -> pl.DataFrame:
        """Rank IC by year."""

    @property
    def groups(self) -> pl.DataFrame:
        """Rank IC by sector and size."""

    @property
    def daily(self) -> pl.DataFrame:
        """Rank IC by session."""

    @property
    def dropped(self) -> pl.DataFrame:
        """What was not judged."""


class Studied(NamedTuple):
    """What was judged, and on what."""

    features: str  # the set
    data: str  # in words
    sessions: Sequence[date]
    names: int
    members: float  # a session
    horizon: int
    trades_at: str
    max_dropped: float
    groups: Mapping[str, Sequence[str]]  # grouping -> what its codes stand for
    warn: str  # what this data cannot show; empty: nothing


def features_page(worth: WorthLike, studied: Studied) -> str:
    """Return the page as one HTML file that asks nothing of any network."""
    strength = worth.strength
    shown = worth.daily["feature"].unique(maintain_order=True).to_list()
    lags = f"{studied.horizon} session{'s' if studied.horizon > 1 else ''}"
    drawings: dict[str, Figure] = {
        "strength": strength_chart(strength),
        "decay": decay_chart(worth.decay, shown),
        "quantiles": quantile_chart(worth.quantiles, shown),
        "summed": summed_chart(worth.daily, shown),
    }
    body = "".join(
        [
            _head(strength, studied),
            section(
                "The strongest, with their errors",
                _soft(
                    f"Rank IC with the return over {lags}, \u00b1 1.96 errors; dark "
                    "where it is more than luck once all features of the set are counted."
                ),
                chart("strength", strength_height(strength)),
            ),
            section(
                "How long it lasts",
                _soft(
                    "Rank IC by the sessions the label looks ahead, with one error. Here and "
                    "below stand the strongest features of which none moves with a stronger one."
                ),
                chart("decay", 340),
            ),
            section(
                "Return by tenth of the feature",
                _soft(f"Mean return over {lags}, before costs, from the lowest to the highest."),
                chart("quantiles", 340),
            ),
            section("Through time", _soft("Rank IC, summed."), chart("summed", 320)),
            section("Every feature", _all(strength), _words(studied)),
            _by_year(worth.years, shown),
            *(
                _by_group(worth.groups, shown, name, words)
                for name, words in studied.groups.items()
            ),
            _dropped(worth.dropped, studied),
        ]
    )
    return document(f"Features: {studied.features}", body, drawings)


def _head(strength: pl.DataFrame, studied: Studied) -> str:
    first, last = studied.sessions[0], studied.sessions[-1]
    found, best = int(strength["found"].sum()), strength.row(0, named=True)
    luck = (
        f"{counted(found, 'of them is', 'of them are')} more than luck at 5 %, once all are counted"
        if found
        else "none of them can be told from luck at 5 %, once all are counted"
    )
    warn = f'<p class="note">{text(studied.warn)}</p>\n' if studied.warn else ""
    return (
        '<header class="masthead"><b>Afterclose</b><span>Features</span></header>\n'
        f"<h1>{text(studied.features)}</h1>\n"
        f'<p class="dateline">{text(studied.data)}, {short_day(first)} to {short_day(last)}</p>\n'
        f'<p class="lede">Of {counted(strength.height, "feature")}, {luck}. The strongest is '
        f"{text(best['feature'])}, with a rank IC of {_pm(best, 'rank_ic', 'error')}.</p>\n"
        + tiles(
            [
                ("Features", f"{strength.height:,}", "judged"),
                ("Sessions", f"{len(studied.sessions):,}", "of data"),
                ("Names", number(studied.members, 0), f"a session, {studied.names:,} in all"),
                ("Label", f"{studied.horizon}", f"sessions, {text(studied.trades_at)} to open")
                if studied.trades_at == "open"
                else ("Label", f"{studied.horizon}", "sessions, close to close"),
                ("Beyond luck", f"{found:,}", "at a false discovery rate of 5 %"),
            ]
        )
        + warn
    )


def _all(strength: pl.DataFrame) -> str:
    columns = [
        Column("Feature", lambda row: f"<b>{text(row['feature'])}</b>", "t"),
        Column("Kin", lambda row: text(row["family"]), "t"),
        Column("Rank IC", lambda row: _pm(row, "rank_ic", "error")),
        Column("t", lambda row: number(row["t"], 1, signed=True)),
        Column("p, adjusted", lambda row: _p(row)),
        Column("ICIR", lambda row: number(row["icir"], 2, signed=True)),
        Column("IC", lambda row: number(row["ic"], 4, signed=True)),
        Column("Top less bottom", lambda row: basis_points(row["spread"], signed=True)),
        Column("\u00b1", lambda row: basis_points(row["spread_error"])),
        Column("Turnover", lambda row: percent(row["turnover"], 0)),
        Column("Stays", lambda row: number(row["autocorrelation"], 2)),
        Column("Break-even", lambda row: _break_even(row)),
        Column("Coverage", lambda row: percent(row["coverage"], 0)),
        Column("Sessions", lambda row: f"{row['sessions']:,}"),
    ]
    return table(columns, strength.rows(named=True), top=30)


def _words(studied: Studied) -> str:
    return paragraph(
        "Errors allow for labels that overlap; without one there are too few sessions to test. The "
        "adjusted p is that of Benjamini and Hochberg over all features of the set; other sets and "
        "horizons that were looked at are not counted: read it as a lower bound. Turnover is the "
        f"share of the outer tenths renewed over {counted(studied.horizon, 'session')}; "
        "\u201cstays\u201d is the correlation of ranks from one session to the next; break-even "
        "is the cost of a traded unit that would use up the difference of the outer tenths, "
        "traded in the direction of its rank IC.",
        "soft small",
    )


def _by_year(years: pl.DataFrame, shown: Sequence[str]) -> str:
    if years["year"].n_unique() < 2:
        return ""
    return section("By year", _crossed(years, "year", shown, {}))


def _by_group(
    groups: pl.DataFrame, shown: Sequence[str], grouping: str, words: Sequence[str]
) -> str:
    own = groups.filter(pl.col("grouping") == grouping)
    if own.is_empty():
        return ""
    return section(f"By {grouping}", _crossed(own, "group", shown, dict(enumerate(words))))


def _crossed(rows: pl.DataFrame, key: str, shown: Sequence[str], words: Mapping[int, str]) -> str:
    """Return a table of what `key` tells apart, by the features that are shown."""
    told = {(row["feature"], row[key]): row for row in rows.iter_rows(named=True)}

    def column(feature: str) -> Column:
        def cell(row: Row) -> str:
            found = told.get((feature, row[key]))
            return _pm(found, "rank_ic", "error") if found else ""

        return Column(feature, cell)

    columns = [
        Column(key.capitalize(), lambda row: text(words.get(row[key], row[key])), "t"),
        *(column(feature) for feature in shown),
    ]
    return table(columns, [{key: value} for value in sorted(set(rows[key].to_list()))], top=20)


def _dropped(dropped: pl.DataFrame, studied: Studied) -> str:
    if dropped.is_empty():
        return ""
    columns = [
        Column("Feature", lambda row: f"<b>{text(row['feature'])}</b>", "t"),
        Column("Lost", lambda row: percent(row["share"])),
    ]
    words = (
        f"More than {percent(studied.max_dropped, 0)} of the members\u2019 cells have no value, or "
        f"no return after it, for {listed(dropped['feature'].to_list())}."
    )
    rows = dropped.sort("share", "feature", descending=[True, False]).rows(named=True)
    return section("Not judged", paragraph(words), table(columns, rows, top=10, narrow=True))


def _pm(row: Mapping[str, Any], key: str, error: str) -> str:
    if row[key] is None:
        return ""
    if row[error] is None:
        return number(row[key], 4, signed=True)
    digits = number(row[error], 4)
    return f'{number(row[key], 4, signed=True)} <span class="soft">\u00b1 {digits}</span>'


def _p(row: Mapping[str, Any]) -> str:
    shown = "< 0.001" if row["adjusted"] < 0.001 else number(row["adjusted"], 3)
    return f"<b>{shown}</b>" if row["found"] else shown


def _break_even(row: Mapping[str, Any]) -> str:
    """Return the break-even cost in the direction of the rank IC; nothing where it has none."""
    cost = row["break_even"]
    if cost is None or row["rank_ic"] is None:
        return basis_points(None)
    cost = cost if row["rank_ic"] > 0 else -cost
    return basis_points(cost) if cost > 0 else "none"


def _soft(words: str) -> str:
    return paragraph(words, "soft small")
