"""What is new of the values and filings that a delivery tells, and what should be by now."""

from datetime import date

import polars as pl

from expectations.eve import Eve
from expectations.sorting import Reach
from tasks.market.fundamentals import is_annual

DAILY = 7  # days; a series whose last value is older does not speak daily


def last_filed(figures: pl.DataFrame) -> pl.DataFrame:
    """Return `FUNDAMENTALS` with one figure for each item, period and day it became known.

    Of several the last in the order of `sort_told` counts, and of two days the later never brings
    back what was told before. A year and a quarter may end on one day, and are two figures. Sorted
    by period, instrument and item.
    """
    key = ["period_end", "instrument", "item"]
    figures = figures.with_columns(annual=is_annual()).sort(key, maintain_order=True)
    return figures.filter(_not_outdone([*key, "annual"])).drop("annual")


def last_told(values: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Return `SERIES` with one value for each name, session and day it became known.

    Of several the last in the order of `sort_told` counts, and of two days the later never brings
    back what was told before. A value that only repeats the one before it is left out; `known`
    (name, session, value) are those before this delivery.
    """
    key = ["name", "session"]
    before = known.select(*key, before="value")
    kept = values.filter(_not_outdone(key)).join(before, on=key, how="left", maintain_order="left")
    last = pl.coalesce(pl.col("value").shift(1).over(key, order_by="known_on"), "before")
    return kept.filter((pl.col("value") != last).fill_null(True)).drop("before")


def nothing_new(series: pl.DataFrame, eve: Eve) -> bool:
    """Return whether `series`, in the order of `sort_told`, only repeats what was known."""
    return _unknown(series.unique(["name", "session"], keep="last"), eve).is_empty()


def overdue(series: pl.DataFrame, eve: Eve, reach: Reach) -> list[str]:
    """Return the series that should have told something new by now.

    Asked of a night seen live: one of which nothing new became known for more than a week and
    three of the steps in which its last values did has lost its source. A step is no shorter than
    that between the days the values are about: a revision tells many of them at once.
    """
    if not reach.observed:
        return []
    columns = ["name", "session", "known_on"]
    told = pl.concat([part.select(columns) for part in (eve.values, _unknown(series, eve))])
    steps = told.group_by("name").agg(
        newest=pl.col("known_on").max(),
        step=pl.max_horizontal(_step("known_on"), _step("session")),
    )
    silent = (pl.lit(reach.night) - pl.col("newest")).dt.total_days()
    return steps.filter(silent > DAILY + 3 * pl.col("step"))["name"].sort().to_list()


def _step(day: str) -> pl.Expr:
    """Return the usual days from one to the next; null where there is one alone."""
    return pl.col(day).unique().sort().diff().dt.total_days().median()


def may_be_silent(eve: Eve, reach: Reach) -> bool:
    """Return whether a night of series or filings that brings none is as it can be.

    Not where a series had a value lately, nor where nothing came before of history in one go.
    """
    newest = eve.values["session"].max()
    daily = isinstance(newest, date) and (reach.night - newest).days <= DAILY
    begun = reach.observed or not (eve.values.is_empty() and eve.listed.is_empty())
    return begun and not daily


def _unknown(series: pl.DataFrame, eve: Eve) -> pl.DataFrame:
    return series.join(eve.values, on=["name", "session", "value"], how="anti")


def _not_outdone(key: list[str]) -> pl.Expr:
    """Return whether no row that was told after it, of the same `key`, is known as early."""
    later = pl.col("known_on").cum_min(reverse=True).shift(-1).over(key)
    return (pl.col("known_on") < later).fill_null(True)
