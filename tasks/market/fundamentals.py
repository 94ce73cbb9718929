"""Figures of filings as they were known: the newest of each, and sums over the last year.

A period that a 10-K (or 20-F, 40-F) reports carries the year where a figure is a flow, such as
revenues; a period of any other form carries its quarter. Figures that stand still, such as assets,
are what they were when the period ended.
"""

from datetime import date, timedelta

import polars as pl

from tasks.market.frames import DAY, REAL, TEXT

ANNUAL_FORMS = ("10-K", "20-F", "40-F")  # and what is derived from them: 10-K/A, 10-KT
LATEST = {"instrument": TEXT, "item": TEXT, "period_end": DAY, "value": REAL, "known_on": DAY}
SAME = ["instrument", "item"]
STALE_DAYS = 400
QUARTER_DAYS = 365.25 / 4


def latest(filings: pl.DataFrame, as_of: date, *, stale_days: int = STALE_DAYS) -> pl.DataFrame:
    """Return the newest figure of each item that was known at `as_of`.

    The newest period counts, and of several filings on it the one that became known last. The
    value is null where the period ended more than `stale_days` before `as_of`, or where its last
    filing took the figure back.

    Takes `FUNDAMENTALS`; gives `LATEST`, sorted by instrument and item.
    """
    return _fresh(_newest_period(_told(filings, as_of)), as_of, stale_days)


def trailing_year(
    filings: pl.DataFrame, as_of: date, *, stale_days: int = STALE_DAYS
) -> pl.DataFrame:
    """Return the sum of each flow over the year to its newest period that was known at `as_of`.

    A period that ends a fiscal year carries it. Later quarters y+1, ..., p give

        year(p) = year(y) + sum of quarters (y, p] - sum of the same quarters a year before.

    `known_on` is when the last of these became known. The value is null where one of them is
    unknown, or as `latest` says. Only pass flows that quarterly forms report by the quarter:
    figures that stand still have no sum, and sums since the start of a year must not be added.

    Takes `FUNDAMENTALS`; gives `LATEST`, sorted by instrument and item.
    """
    told = _told(filings, as_of)
    years, quarters = told.filter("annual"), told.filter(~pl.col("annual"))
    year = _newest_period(years).select(*SAME, y="period_end", full="value", told="known_on")
    newest = _newest_period(told).select(*SAME, p="period_end")
    asked = newest.join(year, on=SAME, how="left")
    parts = asked.join(quarters, on=SAME, how="left", maintain_order="left")
    day, over = pl.col("period_end"), (pl.col("p") - pl.col("y")).dt.total_days()
    since = (day > pl.col("y")).fill_null(False)
    before = (day - pl.col("y")).dt.total_days() > -330  # not the fiscal year before
    before &= (pl.col("p") - day).dt.total_days() >= 345
    before = before.fill_null(False)
    wanted = (over / QUARTER_DAYS).round()
    summed = parts.group_by([*SAME, "p", "y", "full", "told"], maintain_order=True).agg(
        added=pl.col("value").filter(since).sum(),
        taken=pl.col("value").filter(before).sum(),
        whole=(pl.col("value").filter(since).count() == wanted.first())
        & (pl.col("value").filter(before).count() == wanted.first()),
        last=pl.col("known_on").filter(since | before).max(),
    )
    return _fresh(
        summed.select(
            *SAME,
            period_end="p",
            value=pl.when("whole").then(pl.col("full") + pl.col("added") - pl.col("taken")),
            known_on=pl.max_horizontal("told", "last"),
        ),
        as_of,
        stale_days,
    )


def is_annual() -> pl.Expr:
    """Return whether the form of a row tells of a year: one and a quarter may end on one day."""
    forms = [pl.col("form").str.starts_with(form) for form in ANNUAL_FORMS]
    return pl.any_horizontal(forms).fill_null(False)


def _told(filings: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Return what counts of each period, `annual` or not: the last that was known at `as_of`."""
    known = filings.filter(pl.col("known_on") <= as_of, pl.col("period_end") <= as_of)
    return (
        known.with_columns(annual=is_annual())
        .sort("known_on", "delivery", "form", "value", nulls_last=False)
        .unique([*SAME, "period_end", "annual"], keep="last", maintain_order=True)
        .select(*LATEST, "annual")
    )


def _newest_period(told: pl.DataFrame) -> pl.DataFrame:
    """Return the row of the newest period of each item; a year before a quarter of one day."""
    ordered = told.sort("period_end", "annual", maintain_order=True)
    return ordered.unique(SAME, keep="last", maintain_order=True).select(*LATEST)


def _fresh(rows: pl.DataFrame, as_of: date, stale_days: int) -> pl.DataFrame:
    fresh = pl.col("period_end") >= as_of - timedelta(days=stale_days)
    return rows.with_columns(value=pl.when(fresh).then("value")).select(*LATEST).sort(SAME)
