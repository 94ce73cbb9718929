"""What a model rests on, as a section of a page: feature by feature, with errors."""

from datetime import date
from typing import NamedTuple

import polars as pl

from tasks.reports.paper import Column, paragraph, section, table
from tasks.reports.words import counted, number, percent, short_day, text

SHOWN = 12  # features before the rest is folded away


class Rests(NamedTuple):
    """What a model rests on; `table` is (feature, lost, error, t, part), most lost first.

    `lost` is the rank IC that is gone where a feature's values are dealt anew among the names, and
    `part` its share of what the scores are made of, null where that is not known exactly.
    """

    table: pl.DataFrame
    fitted_on: date
    sessions: int
    rank_ic: float  # with all features as they are


def rests_section(recipe: str, rests: Rests | None) -> str:
    """Return what the fit of a recipe rests on; without `rests`, that nothing is known yet."""
    title = f"What {recipe} rests on"
    if rests is None:
        return section(title, _soft("Too few labels are known since its first compared fit."))
    columns = [
        Column("Feature", lambda row: f"<b>{text(row['feature'])}</b>", "t"),
        Column("Rank IC lost", lambda row: number(row["lost"], 4, signed=True)),
        Column("\u00b1", lambda row: number(row["error"], 4)),
        Column("t", lambda row: number(row["t"], 2, signed=True)),
        Column("Part of its scores", lambda row: percent(row["part"], 1)),
    ]
    return section(
        title,
        _soft(
            f"What its rank IC of {number(rests.rank_ic, 4, signed=True)} loses where one "
            "feature\u2019s values are dealt anew among the names of a session, by the fit of "
            f"{short_day(rests.fitted_on)} on {counted(rests.sessions, 'later session')}. Features "
            "that say the same share what they are worth: each alone can be spared. The part of "
            "the scores is exact, by Shapley, and blank where no exact one is known."
        ),
        table(columns, rests.table.rows(named=True), top=SHOWN, narrow=True),
    )


def _soft(words: str) -> str:
    return paragraph(words, "soft small")
