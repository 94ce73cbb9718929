"""What a whole night says that no row of it can: who is missing, who is new, how much traded."""

import polars as pl

from expectations.eve import Eve
from expectations.moves import FEWEST
from expectations.scales import usual_volumes
from expectations.sorting import Reach

LATELY = 3  # sessions a name must have traded in, all of them, to be missed
_FIELDS = ("open", "high", "low", "volume")


def breadth_facts(
    delivered: pl.DataFrame, clean: pl.DataFrame, eve: Eve, reach: Reach
) -> dict[str, float]:
    """Return the aggregates of an observed night that compare it with the nights before.

    On the first nights, when little is known, each is what says nothing is wrong.

    Args:
        delivered: (session, symbol) of every row that came, bad ones too.
        clean: `RAW_BARS` that passed the row rules.
        eve: What was known before.
        reach: The dates the delivery may carry.
    """
    session = reach.sessions[-1]
    here = delivered.filter(pl.col("session") == session)["symbol"].drop_nulls().unique()
    own = clean.filter(pl.col("session") == session)
    lately = _active_lately(eve.recent)
    missing = lately.filter(~lately.is_in(here.implode()))
    known = pl.concat([eve.recent["symbol"], eve.listed["symbol"]]).unique()
    new = here.filter(~here.is_in(known.implode())) if eve.recent.height else here.clear()
    return {
        "missing_names": missing.len() / max(lately.len(), 1),
        "new_names": new.len() / max(here.len(), 1),
        "volume_ratio": _volume_ratio(own, eve.recent),
        "opens_beyond": _opens_beyond(own, eve.closes),
        "columns_lost": _columns_lost(clean, eve.recent),
    }


def missing_names(delivered: pl.DataFrame, eve: Eve, reach: Reach) -> list[str]:
    """Return the names that traded in every one of the last sessions and did not come at all."""
    here = delivered.filter(pl.col("session") == reach.sessions[-1])["symbol"].unique()
    lately = _active_lately(eve.recent)
    return lately.filter(~lately.is_in(here.implode())).sort().to_list()


def _active_lately(recent: pl.DataFrame) -> pl.Series:
    """Return the symbols with a row in each of the last sessions that are known."""
    last = recent["session"].unique().sort().tail(LATELY)
    rows = recent.filter(pl.col("session").is_in(last.implode()))
    counted = rows.group_by("symbol").agg(sessions=pl.col("session").n_unique())
    return counted.filter(pl.col("sessions") == LATELY)["symbol"]


def _volume_ratio(own: pl.DataFrame, recent: pl.DataFrame) -> float:
    """Return the median of tonight's volume over the usual, of names that trade; 1 if unknown."""
    usual = usual_volumes(recent).filter(pl.col("least") > 0)
    ratio = own.join(usual, on="symbol").select(pl.col("volume") / pl.col("usual")).to_series()
    median = ratio.drop_nulls().median() if ratio.drop_nulls().len() >= FEWEST else None
    return float(median) if isinstance(median, int | float) else 1.0


def _opens_beyond(own: pl.DataFrame, closes: pl.DataFrame) -> float:
    """Return the share of names whose open lies farther from the last close than their close does.

    Both less the market's own move. A night is part of the day, so it is well below one half;
    where opens and closes have changed places it is well above.
    """
    priced = own.filter(pl.col("open") > 0, pl.col("close") > 0)
    told = priced.join(closes.filter(pl.col("close") > 0), on="symbol", suffix="_eve")
    steps = told.select(
        open=(pl.col("open") / pl.col("close_eve")).log(),
        close=(pl.col("close") / pl.col("close_eve")).log(),
    ).with_columns((pl.all() - pl.all().median()).abs())
    apart = steps.filter(pl.col("open") != pl.col("close"))
    if apart.height < FEWEST:
        return 0.0
    return apart.filter(pl.col("open") > pl.col("close")).height / apart.height


def _columns_lost(clean: pl.DataFrame, recent: pl.DataFrame) -> int:
    """Count the columns that came on the last nights and hold nothing tonight."""
    if clean.is_empty() or recent.is_empty():
        return 0
    last = recent.filter(pl.col("session") == pl.col("session").max())
    given = [name for name in _FIELDS if last[name].null_count() <= last.height / 2]
    return sum(1 for name in given if clean[name].null_count() == clean.height)
