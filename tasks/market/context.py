"""What is known beside bars at each close: series (yields, rates, volatility) and filed figures.

Every row is what was known at the close of its own session, and stays so: nothing that became known
later restates it. A value stands until a newer one is known, or until it is stale.

Figures have one name whatever a source calls them (`ITEMS`). `figure/<item>` is that of the newest
period, `figure/<item>:year` the sum of a flow over the year to it: the same, session by session, as
`latest` and `trailing_year` of `fundamentals`.
"""

import itertools
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.market.frames import ACTIONS, empty
from tasks.market.fundamentals import STALE_DAYS, is_annual, trailing_year

Array = NDArray[np.float64]
Days = NDArray[np.int64]  # since 1970-01-01
STALE_WEEKDAYS = 5  # a series may be so late
STEPS = 3  # newest steps of a series that tell how often it comes
YEAR = ":year"
YEARS_BACK = 4  # of filings that the sum over a year may rest on
NAMES = 250  # names whose years are summed at once
LEAST_EARNINGS = 0.05  # a share; below it a number of shares is lost in the rounding
ITEMS = {
    "revenues": "revenue",
    "op_income": "operating_income",
    "cur_assets": "current_assets",
    "cur_liab": "current_liabilities",
}
KEY = ["instrument", "item"]


class _Events(NamedTuple):
    """Values in the order in which they took the place of others."""

    day: Days  # from which on it stands
    column: Days
    value: Array
    until: Days  # the last day before it is stale


class Context:
    """Series and filings of the sources beside a history.

    Args:
        series: `SERIES` of all prints.
        fundamentals: `FUNDAMENTALS` of all prints.
        actions: `ACTIONS` of all prints: their splits restate a number of shares that was filed
            before them, from the session on that both are known.
    """

    def __init__(
        self,
        series: pl.DataFrame,
        fundamentals: pl.DataFrame,
        actions: pl.DataFrame | None = None,
    ):
        self._series = series
        self._filings = _with_shares(_renamed(fundamentals))
        self._splits = _splits(empty(ACTIONS) if actions is None else actions)

    def inputs(
        self, wanted: Sequence[str], sessions: Sequence[date], instruments: Sequence[str]
    ) -> dict[str, Array]:
        """Return `series/<name>` as (sessions, 1) and `figure/<item>` as (sessions, names)."""
        days_T = _day_numbers(pl.Series(sessions, dtype=pl.Date))
        found = {}
        for name in wanted:
            kind, _, rest = name.partition("/")
            if kind == "series":
                found[name] = self._told(rest, days_T)
            elif kind == "figure":
                found[name] = self._filed(rest, days_T, sessions, tuple(instruments))
            else:
                raise ValueError(f"No input named {name!r}; there is series/<name>, figure/<item>.")
        return found

    def _told(self, name: str, days_T: Days) -> Array:
        events = _series_events(self._series.filter(pl.col("name") == name))
        return _standing(events, days_T, 1)[0]

    def _filed(
        self, what: str, days_T: Days, sessions: Sequence[date], names: tuple[str, ...]
    ) -> Array:
        item = what.removesuffix(YEAR)
        known = self._filings.filter(
            pl.col("item") == item,
            pl.col("effective") <= sessions[-1],
            pl.col("instrument").is_in(names),
        )
        rows = _years(known, sessions[0]) if what.endswith(YEAR) else _newest(known)
        column = {name: place for place, name in enumerate(names)}
        events = _Events(
            _day_numbers(rows["effective"]),
            np.array([column[name] for name in rows["instrument"].to_list()], np.int64),
            rows["value"].to_numpy().astype(np.float64),
            _day_numbers(rows["period_end"]) + STALE_DAYS,
        )
        values_TN, since_TN = _standing(events, days_T, len(names))
        if item == "shares":
            _split_further(values_TN, since_TN, days_T, self._splits, column)
        return values_TN


def _standing(events: _Events, days_T: Days, width: int) -> tuple[Array, Days]:
    """Return the value that stands at each session, and the day on which it became known."""
    row = np.searchsorted(days_T, events.day)
    told = np.flatnonzero(row < days_T.size)
    place_TN = np.full((days_T.size, width), -1)
    place_TN[row[told], events.column[told]] = told  # of several on one session the last
    for before_N, now_N in itertools.pairwise(place_TN):
        np.maximum(before_N, now_N, out=now_N)
    value = np.append(events.value, np.nan)  # place -1: none
    until, since = np.append(events.until, 0), np.append(events.day, 0)
    fresh_TN = until[place_TN] >= days_T[:, None]
    return np.where(fresh_TN, value[place_TN], np.nan), since[place_TN]


# --- series --------------------------------------------------------------------------------------


def _series_events(series: pl.DataFrame) -> _Events:
    """Return the prints of one series that stood as its newest value; value null is NaN.

    A value is stale when its successor is five weekdays late: as many weekdays after it first
    became known as lay between its session and the one before, and five more. A first value has
    no step yet and stands for five weekdays.
    """
    told = (
        series.with_columns(effective=pl.max_horizontal("session", "known_on"))
        .sort("effective", "session", "known_on", "delivery", "value")
        .filter(pl.col("session") == pl.col("session").cum_max())
        .with_columns(first=pl.col("effective").min().over("session"))
    )
    session, first = (
        told[name].to_numpy().astype("datetime64[D]") for name in ("session", "first")
    )
    distinct, place = np.unique(session, return_inverse=True)
    steps = np.busday_count(distinct[:-1], distinct[1:])
    usual = np.zeros(distinct.size, np.int64)  # of the steps known then, the least of a few
    if steps.size:
        usual[1:] = pl.Series(steps).rolling_min(STEPS, min_samples=1).to_numpy()
    until = np.busday_offset(first, usual[place] + STALE_WEEKDAYS, roll="forward")
    return _Events(
        _day_numbers(told["effective"]),
        np.zeros(told.height, np.int64),
        told["value"].to_numpy().astype(np.float64),
        until.astype(np.int64),
    )


# --- figures -------------------------------------------------------------------------------------


def _renamed(fundamentals: pl.DataFrame) -> pl.DataFrame:
    """Return the figures by our names, with the day from which on each is known."""
    return fundamentals.with_columns(
        pl.col("item").replace(ITEMS),
        effective=pl.max_horizontal("period_end", "known_on"),
        annual=is_annual(),
    )


def _with_shares(filings: pl.DataFrame) -> pl.DataFrame:
    """Add the number of shares that a filing without one implies: income over that of a share."""
    about = ["instrument", "period_end", "form", "known_on", "delivery", "effective", "annual"]
    items = {name: name for name in ("net_income", "eps_diluted", "shares")}
    told = (
        filings.filter(pl.col("item").is_in(list(items)))
        .sort("value")
        .group_by(about, maintain_order=True)
        .agg(
            pl.col("value").filter(pl.col("item") == item).last().alias(name)
            for name, item in items.items()
        )
    )
    implied = told.filter(
        pl.col("shares").is_null(), pl.col("eps_diluted").abs() >= LEAST_EARNINGS
    ).select(*about, item=pl.lit("shares"), value=pl.col("net_income") / pl.col("eps_diluted"))
    implied = implied.filter(pl.col("value") > 0)
    return pl.concat([filings.select(implied.columns), implied])


def _in_order(filings: pl.DataFrame) -> pl.DataFrame:
    """Return the filings as they became known, without those that only say something again."""
    told = filings.sort(
        "effective", "known_on", "delivery", "form", "value", nulls_last=False, maintain_order=True
    )
    before = pl.col("value").shift().over(*KEY, "period_end", "annual")
    first = pl.int_range(pl.len()).over(*KEY, "period_end", "annual") == 0
    return told.filter(first | pl.col("value").ne_missing(before))


def _newest(filings: pl.DataFrame) -> pl.DataFrame:
    """Return the filings of the newest period then known; a year goes before its last quarter."""
    period = pl.col("period_end").to_physical() * 2 + pl.col("annual")
    return _in_order(filings).filter(period == period.cum_max().over(KEY))


def _years(filings: pl.DataFrame, first: date) -> pl.DataFrame:
    """Return the sum over a year as known on each day that brought a filing.

    Days before `first` count as one: the last of them. Each such day is shown the filings known
    then as if it were an instrument of its own.
    """
    told = _in_order(filings)
    days = told.select(*KEY, "effective", newest=pl.col("period_end").cum_max().over(KEY))
    old = days.filter(pl.col("effective") < first).unique(KEY, keep="last", maintain_order=True)
    days = pl.concat([old, days.filter(pl.col("effective") >= first)])
    days = days.unique([*KEY, "effective"], keep="last", maintain_order=True).with_row_index("view")
    parts = []
    for names in days["instrument"].unique().sort().to_frame().iter_slices(NAMES):
        some = days.join(names, on="instrument", how="semi")
        seen = some.join(told, on=KEY, suffix="_told").filter(
            pl.col("effective_told") <= pl.col("effective"),
            pl.col("period_end").dt.offset_by(f"{YEARS_BACK}y") >= pl.col("newest"),
        )
        shown = seen.with_columns(instrument=pl.col("view"))
        parts.append(trailing_year(shown, date.max, stale_days=date.max.toordinal() - 1))
    if not parts:
        return told
    summed = pl.concat(parts).select(view="instrument", period_end="period_end", value="value")
    return days.join(summed, on="view").sort("effective", "view")


# --- shares --------------------------------------------------------------------------------------


def _splits(actions: pl.DataFrame) -> pl.DataFrame:
    """Return the first print of each split and the day from which on it is known, in that order."""
    return (
        actions.filter(pl.col("kind") == "split")
        .sort("known_on", "delivery", "value")
        .unique(["ex_session", "instrument"], keep="first", maintain_order=True)
        .with_columns(effective=pl.max_horizontal("ex_session", "known_on"))
        .sort("effective", "ex_session", "instrument")
    )


def _split_further(
    shares_TN: Array, since_TN: Days, days_T: Days, splits: pl.DataFrame, column: dict[str, int]
) -> None:
    """Multiply the shares filed before a split, from the session on at which it is known."""
    known = splits.filter(pl.col("instrument").is_in(list(column)))
    days = _day_numbers(known["effective"])
    rows = np.searchsorted(days_T, days)
    told = zip(rows, days, known["instrument"].to_list(), known["value"].to_list(), strict=True)
    for row, day, name, value in told:
        place = column[name]
        before_T = since_TN[row:, place] < day
        shares_TN[row:, place] *= np.where(before_T, value, 1.0)


def _day_numbers(days: pl.Series) -> Days:
    return days.to_physical().to_numpy().astype(np.int64)
